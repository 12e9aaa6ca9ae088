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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pipelines.locks import state
from pipelines.locks.lock import LockHeldError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Action = Literal[
    "promotion", "refusal", "force", "rollback", "awaiting", "shadow", "canary", "withdrawal"
]
BEGIN = ("promotion", "force", "rollback")  # with which a version becomes champion
TRIALS = ("shadow", "canary")  # which put a challenger on trial beside the champion
DECIDE = ("promotion", "force", "refusal", *TRIALS)  # which end a candidate's waiting
Head = tuple[int, str]  # how many entries there are, and the last one's hash
GENESIS = "0" * 64  # what the first entry names as the one before it


class LedgerMovedError(LockHeldError):
    """Another decision was recorded meanwhile; the message says what to do."""


@dataclass(frozen=True)
class Decision:
    """What was decided about a model.

    from_version: the champion then, if there was one. to_version: the version that was asked for.
    evidence: what the checks found: JSON, without NaN and infinity.
    """

    model: str
    action: Action
    from_version: str | None
    to_version: str
    run_id: str | None
    fingerprint: str | None
    dataset_hash: str | None
    evidence: object
    reason: str


@dataclass(frozen=True)
class Entry(Decision):
    """A decision on record.

    position: from 1. at: ISO, UTC. who: user@host. token: 0; in older entries that of a lease.
    previous: the hash of the entry before. hash: of all the rest.
    """

    position: int
    at: str
    who: str
    token: int
    previous: str
    hash: str


def append(decision: Decision, beside: Head) -> Entry:
    """Add an entry to the model's ledger if its head is still `beside`: one transaction.

    Args:
        decision: its evidence is kept as it comes back from JSON (a tuple as a list).
        beside: the head of the ledger that the decision was made beside.

    Raises:
        LedgerMovedError: another entry came first.
        ValueError, TypeError: the evidence is no JSON.
        DatabaseError: the state database cannot be used.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import IntegrityError

    length, last = beside
    evidence = _canonical(decision.evidence)
    facts = asdict(decision) | {
        "evidence": json.loads(evidence),
        "position": length + 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": _who(),
        "token": 0,
        "previous": last,
    }
    entry = Entry(**facts, hash=_hash(facts))
    row = asdict(entry) | {"evidence": evidence}
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    moved = LedgerMovedError(
        f"another decision about {entry.model} was recorded after entry {length}, beside which "
        "this one was made: run it again"
    )
    try:
        with state.transaction() as connection:
            if head(_read(connection, entry.model)) != beside:
                raise moved
            connection.execute(text(f"INSERT INTO ledger ({names}) VALUES ({values})"), row)
    except IntegrityError as error:  # on PostgreSQL two may read the same head
        raise moved from error
    return entry


def entries(model: str) -> list[Entry]:
    """The model's ledger, oldest first, as it stands in the database: `verify` says if whole."""
    with state.transaction() as connection:
        return _read(connection, model)


def head(entries: Sequence[Entry]) -> Head:
    """The head of a ledger, beside which a decision is made."""
    return (entries[-1].position, entries[-1].hash) if entries else (0, GENESIS)


def models() -> list[str]:
    """The models that have a ledger."""
    from sqlalchemy import text

    with state.transaction() as connection:
        rows = connection.execute(text("SELECT DISTINCT model FROM ledger ORDER BY model"))
        return list(rows.scalars())


def verify(entries: Sequence[Entry], head: Head | None = None) -> str | None:
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


def champions(entries: Sequence[Entry]) -> list[Entry]:
    """How each version became champion that was not rolled back, the current one last."""
    stack = []
    for entry in entries:
        if entry.action in ("promotion", "force"):
            stack.append(entry)
        elif entry.action == "rollback":
            del stack[-1:]
    return stack


def awaiting(entries: Sequence[Entry]) -> Entry | None:
    """What waits for a person: the last candidate that passed, unless it was decided about since.

    Which champion came meanwhile does not end it; a later candidate takes its place.
    """
    waiting = None
    for entry in entries:
        if entry.action == "awaiting":
            waiting = entry
        elif waiting and entry.to_version == waiting.to_version and entry.action in DECIDE:
            waiting = None
    return waiting


def trial(entries: Sequence[Entry]) -> Entry | None:
    """What put the challenger on trial that is tried now.

    A new champion ends every trial; a challenger that waits for a person has passed its own, and
    one that was refused since is tried no more.
    """
    ended = set()
    for entry in reversed(entries):
        if entry.action in TRIALS:
            return None if entry.to_version in ended else entry
        if entry.action in (*BEGIN, "withdrawal"):
            return None
        if entry.action in ("awaiting", "refusal"):
            ended.add(entry.to_version)
    return None


def limit(trial: Entry) -> datetime:
    """When a trial is over, whatever its requests show. trial: what put a challenger on it."""
    evidence: Any = trial.evidence
    return datetime.fromisoformat(trial.at) + timedelta(days=evidence["days"])


def holds(trial: Entry) -> bool:
    """Whether nothing else is decided because of a trial: until a day after its limit, since it may
    be the monitor of another home that ends it."""
    return datetime.now(UTC) < limit(trial) + timedelta(days=1)


def _canonical(value: object) -> str:
    """The one JSON text of a value. Floats are written so that they come back exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash(facts: dict) -> str:
    return hashlib.sha256(_canonical(facts).encode()).hexdigest()


def _unchanged(entry: Entry) -> bool:
    facts = asdict(entry)
    noted = facts.pop("hash")
    try:
        return _hash(facts) == noted
    except (TypeError, ValueError):  # what has no JSON was not written by us
        return False


def _read(connection: "Connection", model: str) -> list[Entry]:
    from sqlalchemy import text

    rows = connection.execute(
        text("SELECT * FROM ledger WHERE model = :model ORDER BY position"), {"model": model}
    )
    return [_entry(row) for row in rows.mappings()]


def _entry(row: Mapping) -> Entry:
    facts = dict(row)
    with suppress(TypeError, ValueError):  # no JSON any more: shown as it is; its hash differs
        facts["evidence"] = json.loads(facts["evidence"])
    return Entry(**facts)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
