"""What an answer looks like, and when two of them are equal."""

from collections.abc import Mapping, Sequence

TOLERANCE = 1e-4  # two outputs are equal within this, in the model's own output space
TIE = 2e-4  # the top class may differ where the best two are closer than this


def class_answer(labels: Sequence[str], row: list[float]) -> dict:
    return {
        "label": labels[row.index(max(row))],
        "probabilities": dict(zip(labels, row, strict=True)),
    }


def same_classes(expected: Mapping, answer: Mapping) -> bool:
    wanted, given = expected["probabilities"], answer["probabilities"]
    if wanted.keys() != given.keys():
        return False
    if any(not abs(wanted[label] - given[label]) <= TOLERANCE for label in wanted):
        return False
    if expected["label"] == answer["label"]:
        return True
    second, first = sorted(wanted.values())[-2:]
    return first - second < TIE
