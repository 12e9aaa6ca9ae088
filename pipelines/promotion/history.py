"""What the decisions on record mean for the next one: its anchor, and how used its rows are."""

from collections.abc import Iterable, Iterator, Sequence

from pipelines.gate import checks, spending
from pipelines.gate.paired_comparison import BETTER
from pipelines.promotion.ledger import Entry


def anchor(entries: Sequence[Entry], champion: str) -> str:
    """The version that the margin is measured from: the last that was promoted for being better.

    Measured from a champion that had itself lost a part of the margin, the score would sink by
    another margin with each promotion.

    Args:
        entries: the model's ledger.
        champion: the version that is champion.
    """
    for number in reversed(range(len(entries))):
        entry = entries[number]
        if entry.to_version != champion or entry.action not in ("promotion", "force"):
            continue
        if entry.from_version is None or _better(entry):
            return champion
        return anchor(entries[:number], entry.from_version)
    return champion


def decisions_by(
    test_rows: Sequence[int] | None, entries: Iterable[Entry], dataset_hash: str
) -> float:
    """How many decisions beside a champion were made by these rows, as `spending.level` counts.

    Args:
        test_rows: a sketch of the rows. Without one, as of older entries, data is the same or not.
        entries: of the model's ledger.
        dataset_hash: of this data.
    """
    return sum(share for share, _ in comparisons_by(test_rows, entries, dataset_hash))


def comparisons_by(
    test_rows: Sequence[int] | None, entries: Iterable[Entry], dataset_hash: str
) -> Iterator[tuple[float, dict]]:
    """Of each decision beside a champion, by how large a part of these rows it was made, and the
    facts of its check. Arguments as those of `decisions_by`."""
    for entry in entries:
        evidence = entry.evidence if isinstance(entry.evidence, dict) else {}
        if "repeats" in evidence or "trial" in evidence:
            continue  # by the checks of an earlier entry: a person's answer, or a trial's end
        for check in evidence.get("checks", ()):
            if check["name"] != checks.CHAMPION or "p" not in check:
                continue
            before = evidence.get("test_rows")
            if before is None or test_rows is None:
                yield float(entry.dataset_hash == dataset_hash), check
            else:
                yield spending.overlap(before, test_rows), check


def _better(entry: Entry) -> bool:
    """Whether the promotion was for the score; what a person forced counts as such."""
    if entry.action == "force" or not isinstance(entry.evidence, dict):
        return True
    found = [one for one in entry.evidence["checks"] if one["name"] == checks.CHAMPION]
    if not found or "difference" not in found[0]:  # there was no champion to compare with
        return True
    [check], alpha = found, entry.evidence["rules"]["alpha"]
    # Entries of before hold no outcome.
    better = check["difference"] > 0 and check["p"] < alpha
    return check.get("outcome", BETTER if better else None) == BETTER
