"""Finished runs straight from MLflow's tables, where its record is a database.

MLflow's own search makes some sixty objects of a run: forty seconds for 10,000 runs. One statement
that asks for what is needed takes less than one. The tables are those of the MLflow versions that
pyproject.toml allows; a test holds both ways equal.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

DATABASES = ("sqlite", "postgresql")

FOUND = """
FROM runs r
JOIN tags kind ON kind.run_uuid = r.run_uuid AND kind.key = 'espalier.kind'
JOIN tags hash ON hash.run_uuid = r.run_uuid AND hash.key = 'espalier.dataset_hash'
WHERE r.experiment_id = :experiment AND r.status = 'FINISHED' AND r.lifecycle_stage = 'active'
AND kind.value = :kind AND hash.value = COALESCE(:dataset_hash, hash.value)
ORDER BY r.start_time, r.run_uuid
"""
TAG = "(SELECT t.value FROM tags t WHERE t.key = '{}' AND t.run_uuid = r.run_uuid)"
# MLflow keeps what is no number as a zero with a mark.
METRIC = (
    "(SELECT CASE WHEN m.is_nan THEN NULL ELSE m.value END FROM latest_metrics m"
    " WHERE m.key = '{}' AND m.run_uuid = r.run_uuid)"
)


class Run(NamedTuple):
    """A finished run, with those of the tags and metrics asked for that it has."""

    run_id: str
    artifact_uri: str
    tags: dict[str, str]
    metrics: dict[str, float]


def readable(uri: str) -> bool:
    """Whether the tracking URI names a database, and no server."""
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def finished(
    uri: str,
    experiment: str,
    dataset_hash: str | None,
    kind: str,
    tags: Sequence[str],
    metrics: Sequence[str],
) -> Iterator[Run]:
    """Yield the finished runs of one kind on this version of a dataset, or on any, oldest first."""
    from sqlalchemy import NullPool, create_engine, text

    asked = [TAG.format(name) for name in tags] + [METRIC.format(name) for name in metrics]
    statement = text(f"SELECT r.run_uuid, r.artifact_uri, {', '.join(asked)} {FOUND}")
    chosen = {"experiment": int(experiment), "dataset_hash": dataset_hash, "kind": kind}
    with create_engine(uri, poolclass=NullPool).connect() as connection:
        for run_id, artifact_uri, *values in connection.execute(statement, chosen):
            told, measured = values[: len(tags)], values[len(tags) :]
            yield Run(run_id, artifact_uri, _there(tags, told), _there(metrics, measured))


def analyse(uri: str) -> None:
    """Let SQLite look which index is worth what: it takes the wrong one in a store of many runs.

    A fifth of a second in a store of 10,000 runs; a store that is busy is left for another time.
    Other databases do it by themselves.
    """
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import OperationalError

    if not uri.startswith("sqlite"):
        return
    with suppress(OperationalError), create_engine(uri, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("PRAGMA analysis_limit = 400")
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _there(names: Sequence[str], values: Sequence) -> dict:
    told = zip(names, values, strict=True)
    return {n: value for n, value in told if value is not None} if None in values else dict(told)
