"""What was decided about a model, by whom and why: entries that are added and never changed.

Each entry holds the hash of the one before it, so that a changed, removed, added or reordered one
shows; the last one's hash and the number of entries stand outside, on the champion's version, so
that a cut end shows too. Source: Haber and Stornetta, How to Time-Stamp a Digital Document, 1991.
"""

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pipelines.locks import lock as leases
from pipelines.locks import state
from pipelines.locks.lock import Lease

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

Action = Literal["promotion", "refusal", "force", "rollback"]
GENESIS = "0" * 64  # what the first entry names as the one before it


@dataclass(frozen=True)
class Entry:
    """One decision.

    position: from 1. at: ISO, UTC. who: user@host. from_version: the champion then, if there was
    one. to_version: the version that was asked for. evidence: what the checks found, JSON. token:
    of the lease that it was written under. previous: the hash of the entry before. hash: of all
    the rest.
    """

    model: str
    position: int
    at: str
    who: str
    action: Action
    from_version: str | None
    to_version: str | None
    run_id: str | None
    fingerprint: str | None
    dataset_hash: str | None
    evidence: object
    reason: str | None
    token: int
    previous: str
    hash: str


def append(
    lease: Lease,
    model: str,
    action: Action,
    *,
    from_version: str | None,
    to_version: str | None,
    run_id: str | None,
    fingerprint: str | None,
    dataset_hash: str | None,
    evidence: object,
    reason: str | None,
) -> Entry:
    """Add an entry to the model's ledger, if the lease is still ours: one transaction.

    evidence: a JSON value without NaN and infinity, kept as it comes back from JSON (a tuple as a
    list). Raises LeaseLostError, DatabaseError; ValueError for evidence that is no JSON.
    """
    kept = json.loads(_evidence(evidence))
    with state.transaction() as connection:
        leases.fence(connection, lease)
        last = _last(connection, model)
        facts = {
            "model": model,
            "position": 1 if last is None else last.position + 1,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": _who(),
            "action": action,
            "from_version": from_version,
            "to_version": to_version,
            "run_id": run_id,
            "fingerprint": fingerprint,
            "dataset_hash": dataset_hash,
            "evidence": kept,
            "reason": reason,
            "token": lease.token,
            "previous": GENESIS if last is None else last.hash,
        }
        entry = Entry(**facts, hash=_hash(facts))
        _insert(connection, entry)
    return entry


def entries(model: str) -> list[Entry]:
    """The model's ledger, oldest first, as it stands in the database: `verify` says if whole."""
    from sqlalchemy import text

    with state.transaction() as connection:
        rows = connection.execute(
            text("SELECT * FROM ledger WHERE model = :model ORDER BY position"), {"model": model}
        )
        return [_entry(row) for row in rows]


def models() -> list[str]:
    """The models that have a ledger."""
    from sqlalchemy import text

    with state.transaction() as connection:
        rows = connection.execute(text("SELECT DISTINCT model FROM ledger ORDER BY model"))
        return list(rows.scalars())


def verify(entries: Sequence[Entry], head: tuple[int, str] | None = None) -> str | None:
    """A sentence that names the first break of the chain; None when it is whole.

    head: the length and the last hash that were noted outside; later entries may have followed.
    """
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        if entry.position != number:
            return f"entry {number} is missing: entry {entry.position} stands in its place"
        if not _unchanged(entry):
            return f"entry {number} was changed: its hash is not that of what it says"
        if entry.previous != previous:
            return f"entry {number} does not follow entry {number - 1}: one of them was replaced"
        previous = entry.hash
    if head is None:
        return None
    length, noted = head
    if length > len(entries):
        return f"the end was cut: {length} entries were noted, {len(entries)} are left"
    if length < 1 or entries[length - 1].hash != noted:
        return f"entry {length} is not the one that was noted: the ledger was written anew"
    return None


def standing(entries: Sequence[Entry]) -> list[str]:
    """The versions that became champion and were not rolled back, the champion last."""
    stack = []
    for entry in entries:
        if entry.action in ("promotion", "force"):
            stack.append(entry.to_version)
        elif entry.action == "rollback":
            del stack[-1:]
    return stack


def _canonical(value: object) -> str:
    """The one JSON text of a value. Floats are written so that they come back exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _evidence(value: object) -> str:
    try:
        return _canonical(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"evidence must be a JSON value without NaN or infinity ({error}): give a number that "
            "is none as None"
        ) from None


def _hash(facts: dict) -> str:
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _unchanged(entry: Entry) -> bool:
    facts = asdict(entry)
    noted = facts.pop("hash")
    try:
        return _hash(facts) == noted
    except (TypeError, ValueError):  # what has no JSON was not written by us
        return False


def _last(connection: "Connection", model: str) -> "Row | None":
    from sqlalchemy import text

    return connection.execute(
        text(
            "SELECT position, hash FROM ledger WHERE model = :model ORDER BY position DESC LIMIT 1"
        ),
        {"model": model},
    ).one_or_none()


def _insert(connection: "Connection", entry: Entry) -> None:
    from sqlalchemy import text

    row = asdict(entry) | {"evidence": _canonical(entry.evidence)}
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO ledger ({names}) VALUES ({values})"), row)


def _entry(row: "Row") -> Entry:
    facts = dict(row._mapping)
    with suppress(TypeError, ValueError):  # no JSON any more: shown as it is, and its hash tells
        facts["evidence"] = json.loads(facts["evidence"])
    return Entry(**facts)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
