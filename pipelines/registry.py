"""The registry's order of writes: artifact and manifest, version `pending`, checks, `ready`, alias.

The `champion` alias is the commit point: killed before it, the old champion stands, and the next
run goes on with the pending version or removes it.
"""

from dataclasses import dataclass

from pipelines import lease, tracking
from pipelines.choose import METRIC
from pipelines.tracking import Record

CHAMPION = "champion"
STATE = "espalier.state"
# For others that register a version of the same model: each takes a tenth of a second, and of many
# that wait chance says whose turn it is.
REGISTER_SECONDS = 600


@dataclass(frozen=True)
class Version:
    """A registered version. `state` is pending, ready or refused; `reason` says why refused."""

    name: str
    version: str
    run_id: str
    arch: str
    fingerprint: str
    manifest_sha256: str
    dataset_hash: str
    state: str
    reason: str


def model_name(task: str, dataset: str) -> str:
    """The registered model of a task's dataset."""
    return f"espalier-{task}-{dataset}"


def champion(task: str, dataset: str) -> Version | None:
    """The version under the `champion` alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        name = model_name(task, dataset)
        return _version(tracking.connect().get_model_version_by_alias(name, CHAMPION))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def versions(task: str, dataset: str) -> list[Version]:
    """Every version of the model, oldest first."""
    found = tracking.connect().search_model_versions(f"name = '{model_name(task, dataset)}'")
    return sorted((_version(v) for v in found), key=lambda v: int(v.version))


def find(task: str, dataset: str, candidate: Record) -> Version | None:
    """The version that the candidate's run already has.

    A fit done again, because its artifact was damaged, is another run: another version.
    """
    found = tracking.connect().search_model_versions(
        f"name = '{model_name(task, dataset)}' and run_id = '{candidate.run_id}'"
    )
    return min(map(_version, found), key=lambda v: int(v.version), default=None)


def register(task: str, dataset: str, candidate: Record) -> Version:
    """The version of the candidate's fit: the one it already has, or a new one, `pending`.

    Pending versions of other fits are what a killed run left; they are removed.
    """
    client = tracking.connect()
    for version in versions(task, dataset):
        if version.state == "pending" and version.run_id != candidate.run_id:
            client.delete_model_version(version.name, version.version)
    return ensure(task, dataset, candidate)


def ensure(task: str, dataset: str, candidate: Record) -> Version:
    """The version of the candidate's fit: the one it already has, or a new one, `pending`.

    One process at a time: MLflow numbers a version by counting, and of several that count at once
    all but one fail.
    """
    with lease.hold(f"register {model_name(task, dataset)}", REGISTER_SECONDS):
        return find(task, dataset, candidate) or _create(task, dataset, candidate)


def _create(task: str, dataset: str, candidate: Record) -> Version:
    client, name = tracking.connect(), model_name(task, dataset)
    _ensure_model(name)
    made = client.create_model_version(
        name,
        source=f"{client.get_run(candidate.run_id).info.artifact_uri}/{tracking.MODEL}",
        run_id=candidate.run_id,
        tags={
            STATE: "pending",
            "espalier.task": task,
            "espalier.dataset": dataset,
            "espalier.dataset_hash": candidate.dataset_hash,
            "espalier.arch": candidate.arch,
            "espalier.fingerprint": candidate.fingerprint,
            "espalier.manifest_sha256": candidate.manifest_sha256,
        },
    )
    return _version(made)


def crown(version: Version) -> None:
    """Mark the version ready, then make it the champion."""
    client = tracking.connect()
    client.set_model_version_tag(version.name, version.version, STATE, "ready")
    client.set_registered_model_alias(version.name, CHAMPION, version.version)


def refuse(version: Version, reason: str) -> None:
    """Keep the version on record as refused, with the reason."""
    client = tracking.connect()
    client.set_model_version_tag(version.name, version.version, "espalier.reason", reason)
    client.set_model_version_tag(version.name, version.version, STATE, "refused")


def score_on(version: Version, dataset_hash: str) -> float | None:
    """The version's test score on that version of the dataset, if it was measured."""
    task = version.name.split("-")[1]
    if version.dataset_hash == dataset_hash:
        return tracking.record(version.run_id).metrics[f"test_{METRIC[task][0]}"]
    found = tracking.connect().get_model_version(version.name, version.version)
    kept = found.tags.get(_score_tag(dataset_hash))
    return None if kept is None else float(kept)


def keep_score(version: Version, dataset_hash: str, score: float) -> None:
    """Keep the version's test score on another version of the dataset than it was trained on."""
    client = tracking.connect()
    client.set_model_version_tag(
        version.name, version.version, _score_tag(dataset_hash), repr(score)
    )


def _score_tag(dataset_hash: str) -> str:
    return f"espalier.test_score.{dataset_hash}"


def _ensure_model(name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        tracking.connect().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(found) -> Version:
    tags = found.tags
    return Version(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id,
        arch=tags["espalier.arch"],
        fingerprint=tags["espalier.fingerprint"],
        manifest_sha256=tags["espalier.manifest_sha256"],
        dataset_hash=tags["espalier.dataset_hash"],
        state=tags[STATE],
        reason=tags.get("espalier.reason", ""),
    )
