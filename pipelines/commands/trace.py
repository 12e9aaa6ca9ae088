"""Follow one identity in both directions, from the data's hash to what served, and back.

    espalier trace espalier-image@champion
    espalier trace 46024855515b727f72557235cbc0e238.dir
    espalier trace REQUEST_ID

Without a name: what was decided about every model.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from data import versions
from pipelines.experiments import registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.lineage import records as lineage
from pipelines.lineage import request_log
from pipelines.promotion import ledger
from pipelines.runtime import settings
from pipelines.runtime.settings import UsageError

PREFIX = "espalier-"
VERSION = re.compile(rf"({PREFIX}[^@/]+)(?:@(champion|challenger)|/([0-9]+))")
RUN, DATA = re.compile(r"[0-9a-f]{32}"), re.compile(r"([0-9a-f]{32})(?:\.dir)?")
FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,128}")
KNOWN = (
    "a version (espalier-image@champion, espalier-image-digits/3), a fingerprint or its first 8 "
    "digits at least, an MLflow run id, a data hash as dvc.lock has it, or the id of a request "
    "that a service of this ESPALIER_HOME answered (X-Request-ID)"
)


def trace(what: str) -> dict:
    """The lineage of one version, run, data hash, fingerprint or answered request.

    Returns what; kind: version, run, data, fingerprint or request; and lists, which hold what
    `records` says: data; runs, in full; fits, a line each, those that came from the data
    or stand below a parent run; versions; ledgers, those of the models that these may be of. Of a
    request also requests: its rows in the request log.
    Raises UsageError when nothing is known by that name.
    """
    if named := VERSION.fullmatch(what):
        return {"what": what, "kind": "version"} | _of_version(*named.groups())
    if RUN.fullmatch(what) and (runs := _search(f"attributes.run_id = '{what}'")):
        return {"what": what, "kind": "run"} | _of_runs(runs)
    if (named := DATA.fullmatch(what)) and (found := _of_data(f"{named[1]}.dir")):
        return {"what": what, "kind": "data"} | found
    if FINGERPRINT.fullmatch(what) and (runs := _fitted_as(what)):
        return {"what": what, "kind": "fingerprint"} | _of_runs(runs)
    if REQUEST.fullmatch(what) and (rows := request_log.find(what)):
        return {"what": what, "kind": "request", "requests": rows} | _of_requests(rows)
    raise UsageError(f"nothing is known by {what!r}: expected {KNOWN}")


def history() -> dict:
    """What was decided about every model, and whether its ledger is whole.

    Returns {"ledgers": […]}, each with its decisions and reigns.
    """
    models = sorted({model.name for model in _registered()} | set(ledger.models()))
    return {"ledgers": [lineage.book(model).told_in_full() for model in models]}


def broken(told: dict) -> bool:
    """Whether one of the ledgers is not what was written."""
    return any(one["broken"] for one in told["ledgers"])


def _of_version(model: str, alias: str | None, number: str | None) -> dict:
    return _of_versions([_version(_in_full(model), alias, number)])


def _of_requests(rows: Sequence[Mapping]) -> dict:
    """The lineage of the versions that answered, as far as this registry has them: a service may
    serve what was registered elsewhere."""
    answered = dict.fromkeys((row["model"], row["version"], row["fingerprint"]) for row in rows)
    found = [
        version
        for model, number, fingerprint in answered
        for version in _versions(f"name = '{model}'")
        if (str(version.version), version.tags["espalier.fingerprint"]) == (number, fingerprint)
    ]
    return _of_versions(found)


def _of_versions(versions: Sequence) -> dict:
    runs = [tracking.connect().get_run(version.run_id) for version in versions]
    return _told(_sources(runs), runs, [], versions)


def _of_runs(runs: Sequence) -> dict:
    """The runs, those below them, and the versions that came of either."""
    below = [
        child
        for run in runs
        for child in _search(f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    ]
    made = [
        version for run in (*runs, *below) for version in _versions(f"run_id = '{run.info.run_id}'")
    ]
    return _told(_sources(runs), runs, [lineage.brief(run) for run in below], made)


def _of_data(dataset_hash: str) -> dict | None:
    """All that came of the data; None where neither a run nor this checkout knows it."""
    tagged = f"tags.`espalier.dataset_hash` = '{dataset_hash}'"
    others = _search(f"{tagged} and tags.`espalier.kind` != '{tracking.FIT}'")
    known = [DatasetVersion(*names, dataset_hash) for names in _experiments()]
    fits = {version: records for version in known if (records := tracking.records(version))}
    sources = dict.fromkeys(fits, ()) | _sources(others)
    if not sources:
        sources = dict.fromkeys(_present(dataset_hash), ())
    if not sources:
        return None
    lines = [lineage.fit(version.task, one) for version, found in fits.items() for one in found]
    return _told(sources, [], [*map(lineage.brief, others), *lines], _versions(tagged))


def _fitted_as(known_by: str) -> list:
    """The runs with the fingerprint that begins like this; raises UsageError when several do."""
    runs = _search(f"tags.`espalier.fingerprint` LIKE '{known_by}%'")
    found = sorted({run.data.tags["espalier.fingerprint"] for run in runs})
    if len(found) > 1:
        raise UsageError(f"{known_by!r} begins several fingerprints: {', '.join(found)}")
    return runs


def _told(
    sources: Mapping[DatasetVersion, Sequence[str]],
    runs: Sequence,
    fits: list[dict],
    made: Sequence,
) -> dict:
    """sources: version of a dataset → the runs that may have kept its dvc.lock."""
    models = dict.fromkeys(registry.model_name(one.task, one.name) for one in sources)
    books = {model: lineage.book(model) for model in models}
    return {
        "data": [lineage.data(source, parents) for source, parents in sources.items()],
        "runs": [lineage.run(run) for run in runs],
        "fits": sorted(fits, key=_rank),
        # A copy under another name has no ledger here.
        "versions": [lineage.version(one, books[one.name]) for one in made if one.name in books],
        "ledgers": [book.told() for book in books.values()],
    }


def _rank(fit: Mapping) -> tuple:
    """Where a line stands: full fits before looks, the best by validation first."""
    score, sign = fit["validation"], -1 if fit["higher_is_better"] else 1
    return (score is None, fit["look"], 0 if score is None else sign * score)


def _sources(runs: Sequence) -> dict[DatasetVersion, list[str]]:
    found = defaultdict(list)
    for run in runs:
        tags = run.data.tags
        names = ("task", "dataset", "dataset_hash")
        source = DatasetVersion(*(tags[f"espalier.{name}"] for name in names))
        found[source].append(tags.get("mlflow.parentRunId") or run.info.run_id)
    return found


def _in_full(model: str) -> str:
    """The registered model that is meant: `espalier-image` is short for that of what is served."""
    served = settings.served()
    task = model.removeprefix(PREFIX)
    model = registry.model_name(task, served[task]) if task in served else model
    known = [found.name for found in _registered()]
    if not known:
        raise UsageError(f"there is no {model} yet: `espalier run` makes the first models")
    return settings.one_of("model", model, known)


def _version(model: str, alias: str | None, number: str | None):
    """The version as MLflow holds it; raises UsageError when there is none of ours."""
    from mlflow.exceptions import MlflowException

    client = tracking.connect()
    try:
        if number:
            found = client.get_model_version(model, number)
        else:
            found = client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        what = f"version {number}" if number else alias
        raise UsageError(f"{model} has no {what}: `espalier trace` tells what it had") from None
    if not registry.is_ours(found):
        what = f"{model}/{found.version}"
        raise UsageError(f"{what} was not registered by espalier: only MLflow knows of it")
    return found


def _registered() -> Sequence:
    return tracking.connect().search_registered_models(f"name LIKE '{PREFIX}%'")


def _versions(condition: str) -> list:
    """Our versions; whoever registers one by hand gives it no fingerprint, and no state."""
    found = filter(registry.is_ours, tracking.connect().search_model_versions(condition))
    return sorted(found, key=lambda version: (version.name, int(version.version)))


def _experiments() -> list[tuple[str, str]]:
    """The task and dataset of each experiment."""
    found = tracking.connect().search_experiments(filter_string="name LIKE 'espalier/%'")
    return [tuple(one.name.split("/")[1:]) for one in found]


def _present(dataset_hash: str) -> list[DatasetVersion]:
    """Each dataset that has this hash in the checkout."""
    return [
        DatasetVersion(task, dataset, dataset_hash)
        for dataset, task in settings.datasets().items()
        if versions.dataset_hash(dataset) == dataset_hash
    ]


def _search(condition: str) -> list:
    """The runs of all experiments, oldest first."""
    import mlflow

    tracking.connect()  # makes the store where there is none, one process at a time
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    return mlflow.search_runs(
        search_all_experiments=True,
        filter_string=condition,
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
