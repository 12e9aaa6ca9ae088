"""Entries of a ledger, without anything that they decide about."""

from recorded import HASH

from pipelines.locks import state
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


def rewritten(statement: str) -> None:
    """Do to the ledger what the database refuses, once its triggers are gone."""
    with state.transaction() as connection:
        names = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        table = ""
        if connection.dialect.name == "postgresql":
            names = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'ledger'::regclass"
            table = " ON ledger"
        for name in connection.exec_driver_sql(names).scalars().all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}{table}")
        connection.exec_driver_sql(statement)
