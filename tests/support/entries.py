"""Entries of a ledger, without anything that they decide about."""

from recorded import HASH

from pipelines.promotion import ledger

PLAIN = {
    "from_version": None,
    "run_id": "0a1b",
    "fingerprint": "f" * 64,
    "dataset_hash": HASH,
    "evidence": {"rules": {}, "checks": []},
    "reason": None,
}


def append(
    model: str,
    action: str = "promotion",
    to_version: str = "1",
    head: ledger.Head | None = None,
    **changes,
) -> ledger.Entry:
    """Add an entry beside the ledger's head as it is now, unless another head is given."""
    head = ledger.head(ledger.entries(model)) if head is None else head
    facts = PLAIN | {"model": model, "action": action, "to_version": to_version} | changes
    return ledger.append(ledger.Decision(**facts), head)
