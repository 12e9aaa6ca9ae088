"""The anchor: the last champion that was promoted for being better.

A cheaper model may lose a margin of the score to it. Measured from a champion that had itself lost
a part of the margin, the score would sink by another margin with each promotion.
"""

from collections.abc import Sequence

from pipelines.gate import checks
from pipelines.gate.paired_comparison import BETTER
from pipelines.promotion.ledger import Entry


def of(entries: Sequence[Entry], champion: str) -> str:
    """The version that the margin is measured from.

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
        return of(entries[:number], entry.from_version)
    return champion


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
