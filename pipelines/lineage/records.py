"""What is on record of one identity: of a dataset's version, a run, a model's version, a ledger.

Read from dvc.lock and git, MLflow, the ledger, and the pointers that services watch. The fields of
each record are those that `espalier trace --json` prints; an alias is the tag that it is read from.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, Field, Json

from data import prepared, versions
from pipelines.experiments import leaderboard_rows, ranking, registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Row
from pipelines.promotion import ledger
from pipelines.promotion.ledger import Entry
from pipelines.release import bento, publish

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun


class Interval(BaseModel):
    """When a version was champion; begun_by, ended_by: positions of entries; None: it still is."""

    version: str
    since: str
    begun_by: int
    until: str | None
    ended_by: int | None


class Book(BaseModel):
    """A model's ledger, and what the registry holds beside it.

    champion: the version under that alias. aliases: champion and challenger, where they are set →
    version. archs: version → architecture. broken: a sentence that names the first break of the
    chain; None when it is whole. remark: what else a reader should know, or "". reigns: the
    intervals in which each version was champion.
    """

    model: str
    length: int
    champion: str | None
    broken: str | None
    remark: str
    aliases: dict[str, str]
    archs: dict[str, str]
    decisions: list[Entry]
    reigns: list[Interval]


class RunSummary(BaseModel):
    """What a run was, how it ended and what it scored; why: the cause of its failure."""

    run_id: str
    name: str
    kind: str = Field(alias="espalier.kind")
    look: Json[bool] = Field(False, alias="espalier.look")
    status: str
    why: str | None = Field(None, validation_alias=AliasChoices(tracking.FAILURE, tracking.PRUNED))
    fingerprint: str | None = Field(None, alias="espalier.fingerprint")
    metric: str
    higher_is_better: bool
    validation: float | None
    test: float | None


class Run(RunSummary):
    """A run of whatever kind, with all that decided its outcome; dirty: None where not known."""

    task: str = Field(alias="espalier.task")
    dataset: str = Field(alias="espalier.dataset")
    dataset_hash: str = Field(alias="espalier.dataset_hash")
    arch: str | None = Field(None, alias="espalier.arch")
    profile: str | None = Field(None, alias="espalier.profile")
    seed: Json[int] | None = Field(None, alias="espalier.seed")
    parameters: Json[dict[str, Any]] = Field({}, alias="espalier.parameters")
    backend: Json[dict[str, str]] | None = Field(None, validation_alias=tracking.BACKEND)
    commit: str | None = Field(None, alias="mlflow.source.git.commit")
    dirty: Json[bool] | None = Field(None, alias="espalier.git_dirty")
    parent: str | None = Field(None, alias="mlflow.parentRunId")
    started: str | None
    ended: str | None
    metrics: dict[str, float]


class Version(BaseModel):
    """A registered version, what was decided about it, when it was champion, what names it."""

    model: str
    version: str
    state: str
    aliases: list[str]
    arch: str
    fingerprint: str
    run_id: str
    manifest_sha256: str
    registered: str | None
    decisions: list[Entry]
    reigns: list[Interval]
    pointers: list[str]
    bentos: list[str]


class Data(BaseModel):
    """A dataset's version; checkout: the command that brings its files back, if there is one."""

    task: str
    dataset: str
    hash: str
    commit: str | None
    checkout: str | None


class Lineage(BaseModel):
    """What is known by a name, or the history of every model.

    kind: version, run, data, fingerprint, request or history. requests: records of the request
    log. runs: in full. fits: those that came from the data or are below a parent run, the best
    first. ledgers: those of the models that these may be of.
    """

    kind: str
    what: str | None = None
    requests: list[dict[str, Any]] = []
    data: list[Data] = []
    runs: list[Run] = []
    fits: list[RunSummary] = []
    versions: list[Version] = []
    ledgers: list[Book]

    @property
    def broken(self) -> list[str]:
        """A sentence for each ledger that is not what was written."""
        return [f"{one.model}: {one.broken}" for one in self.ledgers if one.broken]


def book(model: str) -> Book:
    """The ledger of a registered model, verified against the longest head that was noted.

    Each version that was champion carries the head of its time: a cut end shows even where the
    alias was set back with it.
    """
    registered, aliases = registry.of_model(model), registry.aliases(model)
    heads = [version.head for version in registered if version.head]
    entries, champion = ledger.entries(model), aliases.get(registry.CHAMPION)
    return Book(
        model=model,
        length=len(entries),
        champion=champion,
        broken=ledger.verify(entries, max(heads, default=None)),
        remark=_remark(entries, champion, bool(heads)),
        aliases=aliases,
        archs={version.version: version.arch for version in registered},
        decisions=entries,
        reigns=intervals(entries),
    )


def intervals(entries: Iterable[Entry]) -> list[Interval]:
    """When which version was champion, oldest first."""
    begun = [entry for entry in entries if entry.action in ledger.BEGIN]
    return [
        Interval(
            version=entry.to_version,
            since=entry.at,
            begun_by=entry.position,
            until=following.at if following else None,
            ended_by=following.position if following else None,
        )
        for entry, following in zip_longest(begun, begun[1:])
    ]


def version(registered: registry.Version, book: Book) -> Version:
    """A registered version."""
    name, number = registered.name, registered.version
    facts = {
        "model": name,
        "aliases": [alias for alias, version in book.aliases.items() if version == number],
        "registered": _iso(registered.created or None),
        "decisions": [entry for entry in book.decisions if _concerns(entry, number)],
        "reigns": [interval for interval in book.reigns if interval.version == number],
        "pointers": _pointers(name, number),
        "bentos": bento.carriers(name, number),
    }
    return Version.model_validate(vars(registered) | facts)


def run(run: "MlflowRun") -> Run:
    """A run that MLflow holds, in full."""
    row = leaderboard_rows.row_of(run, None)
    facts = {
        "started": _iso(run.info.start_time),
        "ended": _iso(run.info.end_time),
        "metrics": dict(sorted(row.metrics.items())),
    }
    return Run.model_validate(run.data.tags | _summary(row) | facts)


def summary(row: Row) -> RunSummary:
    """A run as one line of several."""
    return RunSummary.model_validate(_summary(row))


def data(dataset: DatasetVersion, parents: Sequence[str]) -> Data:
    """A dataset's version.

    Args:
        dataset: The version.
        parents: Runs that may have kept the dvc.lock of their time, the newest last.
    """
    place, commit = f"{prepared.PREPARED}/{dataset.name}", versions.commit_of(dataset.hash)
    checkout: str | None = f"dvc pull {place}"
    lock = versions.lock_file(dataset.name)
    if versions.dataset_hash(dataset.name) != dataset.hash:
        if commit is not None:
            checkout = f"git checkout {commit[:12]} -- {lock} && {checkout}"
        else:
            kept = _kept_lock(dataset.hash, parents)
            checkout = f"cp {kept} {lock} && {checkout}" if kept else None
    return Data(
        task=dataset.task,
        dataset=dataset.name,
        hash=dataset.hash,
        commit=commit,
        checkout=checkout,
    )


def _summary(row: Row) -> dict[str, Any]:
    """The fields of a `RunSummary`."""
    metric = ranking.metric(row.dataset)
    return {
        **row.tags,
        "run_id": row.run_id,
        "name": row.name,
        "status": row.status,
        "metric": metric.name,
        "higher_is_better": metric.more_is_better,
        "validation": row.metrics.get(f"validation_{metric.name}"),
        "test": row.metrics.get(f"test_{metric.name}"),
    }


def _kept_lock(dataset_hash: str, parents: Sequence[str]) -> Path | None:
    for run_id in reversed(parents):
        path = verification.artifact_of(run_id, "dvc.lock")
        if path.is_file() and dataset_hash in path.read_text(encoding="utf-8"):
            return path
    return None


def _concerns(entry: Entry, version: str) -> bool:
    """Whether a decision was about the version, or ended its time."""
    return entry.to_version == version or (
        entry.from_version == version and entry.action in ledger.BEGIN
    )


def _pointers(name: str, version: str) -> list[str]:
    """The pointers of this home, which services watch, that name the version."""
    return [
        str(publish.folder() / f"{endpoint}.json")
        for endpoint, pointer in bento.published().items()
        if (pointer.name, pointer.version) == (name, version)
    ]


def _remark(entries: Sequence[Entry], champion: str | None, noted: bool) -> str:
    standing = [None, *(entry.to_version for entry in ledger.champions(entries))][-1]
    if not entries:
        return "" if champion is None else "its champion is older than its ledger"
    if champion != standing:
        decided = f"version {standing}" if standing else "no version"
        return f"the ledger says that {decided} is champion, the alias names {champion or 'none'}"
    if not noted:
        return "no version carries its head: a cut end would not show"
    return ""


def _iso(milliseconds: int | None) -> str | None:
    """ISO, UTC, as the ledger writes it."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
