"""Follow one identity in both directions, from the data's hash to what served, and back.

    espalier trace espalier-image@champion
    espalier trace 46024855515b727f72557235cbc0e238.dir
    espalier trace REQUEST_ID

Without a name: what was decided about every model.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data import versions
from pipelines.experiments import leaderboard_rows, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Row
from pipelines.experiments.registry import Version
from pipelines.lineage import records, request_log
from pipelines.lineage.records import Lineage, RunSummary
from pipelines.promotion import ledger
from pipelines.runtime import settings
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    from mlflow.entities import Run

PREFIX = "espalier-"
NAMED_VERSION = re.compile(rf"({PREFIX}[^@/]+)(?:@(champion|challenger)|/([0-9]+))")
RUN, DATA = re.compile(r"[0-9a-f]{32}"), re.compile(r"([0-9a-f]{32})(?:\.dir)?")
FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,128}")
NAMES = (
    "a version (espalier-image@champion, espalier-image-digits/3), a fingerprint or its first 8 "
    "digits at least, an MLflow run id, a data hash as dvc.lock has it, or the id of a request "
    "that a service of this ESPALIER_HOME answered (X-Request-ID)"
)

Sources = Mapping[DatasetVersion, Sequence[str]]  # → the runs that may have kept its dvc.lock


def trace(what: str) -> Lineage:
    """The lineage of one version, run, data hash, fingerprint or answered request.

    Raises:
        UsageError: Nothing is known by that name.
    """
    if named := NAMED_VERSION.fullmatch(what):
        model, alias, number = named.groups()
        lineage = _of_versions("version", [_version(_full_name(model), alias, number)])
    elif RUN.fullmatch(what) and (runs := _search(f"attributes.run_id = '{what}'")):
        lineage = _of_runs("run", runs)
    elif (named := DATA.fullmatch(what)) and (of_data := _of_data(f"{named[1]}.dir")):
        lineage = of_data
    elif FINGERPRINT.fullmatch(what) and (runs := _with_fingerprint(what)):
        lineage = _of_runs("fingerprint", runs)
    elif REQUEST.fullmatch(what) and (requests := request_log.find(what)):
        # As far as this registry has the versions: a service may serve those of another.
        lineage = _of_versions("request", _answering(requests))
        lineage.requests = requests
    else:
        raise UsageError(f"nothing is known by {what!r}: expected {NAMES}")
    lineage.what = what
    return lineage


def history() -> Lineage:
    """What was decided about every model, and whether its ledger is whole."""
    models = sorted({model.name for model in _registered()} | set(ledger.models()))
    return Lineage(kind="history", ledgers=[records.book(model) for model in models])


def _answering(requests: Iterable[Mapping[str, Any]]) -> list[Version]:
    answered = dict.fromkeys((one["model"], one["version"], one["fingerprint"]) for one in requests)
    versions = [(registry.version(*model), fingerprint) for *model, fingerprint in answered]
    return [one for one, fingerprint in versions if one and one.fingerprint == fingerprint]


def _of_versions(kind: str, registered: Sequence[Version]) -> Lineage:
    runs = [tracking.connect().get_run(v.run_id) for v in registered if v.run_id]
    return _lineage(kind, _sources(runs), runs, [], registered)


def _of_runs(kind: str, runs: Sequence["Run"]) -> Lineage:
    """The runs, those below them, and the versions that came of either."""
    ids = [run.info.run_id for run in runs]
    below = [run for i in ids for run in _search(f"tags.`mlflow.parentRunId` = '{i}'")]
    ids += [run.info.run_id for run in below]
    registered = [version for i in ids for version in registry.search(f"run_id = '{i}'")]
    return _lineage(kind, _sources(runs), runs, map(_row, below), registered)


def _of_data(dataset_hash: str) -> Lineage | None:
    """All that came of the data; None where neither a run nor this checkout knows it."""
    tagged = f"tags.`espalier.dataset_hash` = '{dataset_hash}'"
    others = _search(f"{tagged} and tags.`espalier.kind` != '{tracking.FIT}'")
    sources: Sources = _sources(others) or dict.fromkeys(_present(dataset_hash), ())
    if not sources:
        return None
    fits = [row for dataset in sources for row in tracking.ended(dataset, tracking.FIT)]
    return _lineage("data", sources, [], [*map(_row, others), *fits], registry.search(tagged))


def _with_fingerprint(prefix: str) -> list["Run"]:
    """The runs with the fingerprint that begins like this; raises UsageError when several do."""
    runs = _search(f"tags.`espalier.fingerprint` LIKE '{prefix}%'")
    fingerprints = sorted({run.data.tags["espalier.fingerprint"] for run in runs})
    if len(fingerprints) > 1:
        raise UsageError(f"{prefix!r} begins several fingerprints: {', '.join(fingerprints)}")
    return runs


def _lineage(
    kind: str,
    sources: Sources,
    runs: Iterable["Run"],
    fits: Iterable[Row],
    registered: Iterable[Version],
) -> Lineage:
    models = dict.fromkeys(registry.model_name(one.task, one.name) for one in sources)
    books = {model: records.book(model) for model in models}
    return Lineage(
        kind=kind,
        data=[records.data(source, parents) for source, parents in sources.items()],
        runs=[records.run(run) for run in runs],
        fits=sorted(map(records.summary, fits), key=_rank),
        # A copy under another name has no ledger here.
        versions=[records.version(v, books[v.name]) for v in registered if v.name in books],
        ledgers=list(books.values()),
    )


def _rank(fit: RunSummary) -> tuple[bool, bool, float]:
    """Full fits before looks, the best by validation first."""
    score = fit.validation or 0
    return fit.validation is None, fit.look, -score if fit.higher_is_better else score


def _sources(runs: Iterable["Run"]) -> dict[DatasetVersion, list[str]]:
    sources: dict[DatasetVersion, list[str]] = {}
    for run in runs:
        parent = run.data.tags.get("mlflow.parentRunId") or run.info.run_id
        sources.setdefault(_row(run).dataset, []).append(parent)
    return sources


def _row(run: "Run") -> Row:
    return leaderboard_rows.row_of(run, None)


def _full_name(model: str) -> str:
    """The registered model that is meant: `espalier-image` is short for that of its plain path."""
    served, task = settings.served(), model.removeprefix(PREFIX)
    model = registry.model_name(task, served[task][0]) if task in served else model
    models = [registered.name for registered in _registered()]
    if not models:
        raise UsageError(f"there is no {model} yet: `espalier run` makes the first models")
    return settings.one_of("model", model, models)


def _version(model: str, alias: str | None, number: str | None) -> Version:
    """The version of that alias or number; raises UsageError when there is none of ours."""
    wanted = number or registry.aliases(model).get(alias or "")
    version = registry.version(model, wanted) if wanted else None
    if version is None:
        name = f"version {number}" if number else alias
        raise UsageError(
            f"{model} has no {name} that espalier registered: `espalier trace` lists what it had"
        )
    return version


def _registered() -> Sequence[Any]:
    if leaderboard_rows.is_empty_store():
        return []
    return tracking.connect().search_registered_models(f"name LIKE '{PREFIX}%'")


def _present(dataset_hash: str) -> list[DatasetVersion]:
    """Each dataset that has this hash in the checkout."""
    return [
        DatasetVersion(task, dataset, dataset_hash)
        for dataset, task in settings.datasets().items()
        if versions.dataset_hash(dataset) == dataset_hash
    ]


def _search(condition: str) -> list["Run"]:
    """The runs of all experiments for which MLflow's filter holds, oldest first."""
    if leaderboard_rows.is_empty_store():
        return []
    import mlflow

    tracking.connect()  # makes the store where there is none, one process at a time
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    return mlflow.search_runs(
        search_all_experiments=True,
        filter_string=condition,
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
