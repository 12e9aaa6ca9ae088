"""What the decisions on record mean for the next one: its anchor, and how used its rows are."""

from collections.abc import Iterable, Sequence

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
    earlier = 0.0
    for entry in entries:
        evidence = entry.evidence if isinstance(entry.evidence, dict) else {}
        compared = any(
            check["name"] == checks.CHAMPION and "p" in check
            for check in evidence.get("checks", ())
        )
        before = evidence.get("test_rows")
        if compared and before is not None and test_rows is not None:
            earlier += spending.overlap(before, test_rows)
        elif compared:
            earlier += entry.dataset_hash == dataset_hash
    return earlier


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
