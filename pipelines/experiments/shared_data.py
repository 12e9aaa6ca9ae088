"""Which version of a dataset is the newest, where several checkouts share a state database.

A checkout's dvc.lock knows what its own source gave. Each notes that here, so that another one,
whose source is older or missing, takes the newest rows from the DVC remote instead. On one machine
the source decides alone, and nothing is noted. docs/decisions/0065-the-newest-data-of-all-hosts.md
"""

import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from data import versions
from pipelines.locks import state
from pipelines.runtime import environment

COLUMNS = "at, who, source, raw, prepared"


@dataclass(frozen=True)
class Noted:
    """What a checkout made of a dataset.

    at: in UTC. who: the host and the checkout. source: DVC's name for the raw rows that its own
    source gave; empty where it has none. raw: for those that it used. prepared: for what it made
    of them.
    """

    at: str
    who: str
    source: str
    raw: str
    prepared: str


def newest(dataset: str) -> Noted | None:
    """The version that was noted last; None where nothing is shared, or noted."""
    return next(iter(_noted(dataset)[-1:]), None)


def newer(dataset: str) -> Noted | None:
    """The newest version, where it is another checkout's and has other rows than this one uses.

    A source that has changed here since this checkout last noted it is newer than what others
    noted; one that has not, or that holds rows which others have left behind, is older.
    """
    noted, source = _noted(dataset), versions.source_hash(dataset)
    if not noted:
        return None
    ours = [one.source for one in noted if one.who == _here() and one.source]
    is_older = source == ours[-1] if ours else source in {one.raw for one in noted}
    if source is None or is_older:
        return noted[-1] if noted[-1].raw != source else None
    return None


def names() -> set[str]:
    """DVC's names for the newest rows of each dataset, which checkouts may have to take yet."""
    if state.folder() is not None:
        return set()
    with state.transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT DISTINCT ON (dataset) raw, prepared FROM dataset_versions "
            "ORDER BY dataset, position DESC"
        )
        return {name for row in rows for name in row}


def note(dataset: str) -> None:
    """Send what this checkout has made of a dataset to the DVC remote, and note it, where it is not
    what it noted last."""
    if state.folder() is not None:
        return
    source, raw = versions.source_hash(dataset), versions.raw_hash(dataset)
    made = (source or "", raw, versions.dataset_hash(dataset))
    own = [one for one in _noted(dataset) if one.who == _here()]
    if own and (own[-1].source, own[-1].raw, own[-1].prepared) == made:
        return
    versions.push(dataset)  # before others look for it
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with state.transaction() as connection:
        connection.exec_driver_sql("LOCK TABLE dataset_versions IN EXCLUSIVE MODE")
        connection.exec_driver_sql(
            f"INSERT INTO dataset_versions (dataset, position, {COLUMNS}) SELECT %(dataset)s, "
            "coalesce(max(position), 0) + 1, %(at)s, %(who)s, %(source)s, %(raw)s, %(prepared)s "
            "FROM dataset_versions WHERE dataset = %(dataset)s",
            {"dataset": dataset, "at": now, "who": _here()}
            | dict(zip(("source", "raw", "prepared"), made, strict=True)),
        )


def _noted(dataset: str) -> list[Noted]:
    """What was noted of a dataset, the newest last."""
    if state.folder() is not None:
        return []
    with state.transaction() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT {COLUMNS} FROM dataset_versions WHERE dataset = %(dataset)s ORDER BY position",
            {"dataset": dataset},
        )
        return [Noted(*row) for row in rows]


def _here() -> str:
    return f"{socket.gethostname()}:{environment.ROOT}"
