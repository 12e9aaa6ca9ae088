"""The registry's order of writes: artifact and manifest, version `pending`, checks, `ready`, alias.

The `champion` alias is the commit point: killed before it, the old champion stands, and the next
run finishes what the ledger has decided and removes what it has not (`promotion.reconcile`).
"""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from pipelines.experiments import leaderboard_rows, tracking
from pipelines.experiments.tracking import Record
from pipelines.locks import lock

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
STATE = "espalier.state"
HEAD = "espalier.ledger.head"
SIGNATURE = "espalier.signature"
TRIAL, TERMS = "espalier.trial", "espalier.trial_terms"
TAGGED = (
    "arch",
    "fingerprint",
    "manifest_sha256",
    "dataset_hash",
)  # tags `espalier.…` of a version
# For others that register a version of the same model: each takes a tenth of a second, and of many
# that wait chance says whose turn it is.
REGISTER_SECONDS = 600


@dataclass(frozen=True)
class Version:
    """A registered version.

    state: pending, awaiting (a person), ready or refused. head: length and last hash of the ledger
    when the version was last champion. created: milliseconds since 1970; 0 where not known.
    signature: of its artifact, a bundle of `models.artifact.signature`; None where it was never
    promoted with a key. trial: the percentage of requests that it answers while it is on trial, 0
    for a shadow; else None. terms: of that trial, as JSON: the champion, and until when.
    """

    name: str
    version: str
    run_id: str
    arch: str
    fingerprint: str
    manifest_sha256: str
    dataset_hash: str
    state: str
    head: tuple[int, str] | None = field(default=None, compare=False)
    created: int = field(default=0, compare=False)
    signature: str | None = field(default=None, compare=False)
    trial: int | None = field(default=None, compare=False)
    terms: str | None = field(default=None, compare=False)


def model_name(task: str, dataset: str) -> str:
    """The registered model of a task's dataset."""
    return f"espalier-{task}-{dataset}"


def champion(task: str, dataset: str) -> Version | None:
    """The version of ours under the `champion` alias, if there is one.

    MLflow is asked where its store was changed since the last run ended.
    """
    if leaderboard_rows.unchanged(task, dataset):
        return recorded_champion(task, dataset)
    name = model_name(task, dataset)
    named = version(name, aliases(name).get(CHAMPION, ""))
    _note_champion(task, dataset, named)
    return named


def recorded_champion(task: str, dataset: str) -> Version | None:
    """The champion as the last command saw it; MLflow is asked where none did."""
    text = leaderboard_rows.noted(task, dataset, leaderboard_rows.CHAMPION)
    if text is None:
        return None if leaderboard_rows.is_empty_store() else champion(task, dataset)
    noted = json.loads(text)
    if noted is None:
        return None
    noted.pop("reason", None)  # of older notes
    return Version(**noted | {"head": noted["head"] and tuple(noted["head"])})


def versions(task: str, dataset: str) -> list[Version]:
    """Every version of ours of a task's dataset, oldest first."""
    found = of_model(model_name(task, dataset))
    numbers = json.dumps({version.run_id: version.version for version in found})
    leaderboard_rows.note(task, dataset, leaderboard_rows.VERSIONS, numbers)
    return found


def recorded_versions(task: str, dataset: str) -> dict[str, str]:
    """Run → its version, as the last command saw them; MLflow is not asked."""
    return json.loads(leaderboard_rows.noted(task, dataset, leaderboard_rows.VERSIONS) or "{}")


def of_model(name: str) -> list[Version]:
    """Every version of ours of the registered model, oldest first."""
    return search(f"name = '{name}'")


def search(condition: str) -> list[Version]:
    """The versions of ours for which MLflow's filter holds, oldest first."""
    if leaderboard_rows.is_empty_store():
        return []
    versions = tracking.connect().search_model_versions(condition)
    ours = (_version(held) for held in versions if _is_ours(held))
    return sorted(ours, key=lambda version: (version.name, int(version.version)))


def version(name: str, number: str) -> Version | None:
    """The version of that number, if it is there and ours."""
    if not number.isdecimal():  # a service may serve what no registry numbered
        return None
    return next(iter(search(f"name = '{name}' and version_number = {number}")), None)


def find(task: str, dataset: str, candidate: Record) -> Version | None:
    """The version that the candidate's run already has.

    A fit done again, because its artifact was damaged, is another run: another version.
    """
    versions = search(f"name = '{model_name(task, dataset)}' and run_id = '{candidate.run_id}'")
    return versions[0] if versions else None


def register(task: str, dataset: str, candidate: Record) -> Version:
    """The version of the candidate's fit: the one it already has, or a new one, `pending`.

    One process at a time: MLflow numbers a version by counting, and of several that count at once
    all but one fail.
    """
    with lock.hold(f"register {model_name(task, dataset)}", REGISTER_SECONDS):
        return find(task, dataset, candidate) or _create(task, dataset, candidate)


def _create(task: str, dataset: str, candidate: Record) -> Version:
    client, name = tracking.connect(), model_name(task, dataset)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name,
        source=f"{client.get_run(candidate.run_id).info.artifact_uri}/{tracking.MODEL}",
        run_id=candidate.run_id,
        tags={
            STATE: "pending",
            "espalier.task": task,
            "espalier.dataset": dataset,
            **{f"espalier.{field}": getattr(candidate, field) for field in TAGGED},
        },
    )
    return _version(version)


def preview(task: str, dataset: str, candidate: Record) -> Version:
    """What `register` would return, without registering anything."""
    name = model_name(task, dataset)
    numbers = [int(v.version) for v in tracking.connect().search_model_versions(f"name = '{name}'")]
    return find(task, dataset, candidate) or Version(
        name=name,
        version=str(max(numbers, default=0) + 1),
        run_id=candidate.run_id,
        state="pending",
        **{field: getattr(candidate, field) for field in TAGGED},
    )


def ready(version: Version, verdict: str) -> None:
    """Mark the version as one that may serve, also where it was refused before.

    verdict: the gate's, in Markdown, for the version's page.
    """
    _describe(version, verdict)
    _tag(version, STATE, "ready")


def wait(version: Version, verdict: str) -> None:
    """Keep the version until a person decides about it; verdict: the gate's, in Markdown."""
    _describe(version, verdict)
    _tag(version, STATE, "awaiting")


def refuse(version: Version, reason: str, verdict: str) -> None:
    """Keep the version on record as refused, with the reason and the gate's verdict."""
    _tag(version, "espalier.reason", reason)
    _describe(version, verdict)
    _tag(version, STATE, "refused")


def sign(version: Version, signature: str) -> Version:
    """Keep a version's signature with it, for services that follow this registry."""
    _tag(version, SIGNATURE, signature)
    return replace(version, signature=signature)


def set_trial(version: Version, share: int | None, terms: str | None = None) -> None:
    """Tag the version as on trial, for services that follow this registry; None: not any more.

    share: the percentage of requests that it answers. terms: whom it challenges, and until when.
    """
    if share is None:
        if aliases(version.name).get(CHALLENGER) == version.version:
            tracking.connect().delete_registered_model_alias(version.name, CHALLENGER)
        for name in (TRIAL, TERMS):
            tracking.connect().delete_model_version_tag(version.name, version.version, name)
        return
    if aliases(version.name).get(CHALLENGER) != version.version:
        set_challenger(version)
    if terms is not None:
        _tag(version, TERMS, terms)  # first: whoever reads the other has this one
    _tag(version, TRIAL, str(share))


def remove(version: Version) -> None:
    """Delete a version that nothing was decided about; its number is not given again."""
    tracking.connect().delete_model_version(version.name, version.version)


def set_challenger(version: Version) -> None:
    """Let the alias `challenger` name the version that last tried to be champion."""
    tracking.connect().set_registered_model_alias(version.name, CHALLENGER, version.version)


def aliases(name: str) -> dict[str, str]:
    """Alias → version of a registered model; empty where there is no such model."""
    if leaderboard_rows.is_empty_store():
        return {}
    models = tracking.connect().search_registered_models(f"name = '{name}'")
    return {alias: str(number) for model in models for alias, number in model.aliases.items()}


def set_champion(version: Version, head: tuple[int, str] | None = None) -> None:
    """Make the version the champion, unless it is; it is then no challenger any more.

    head: the ledger's length and last hash, tagged on the champion so that a cut tail shows.
    """
    client, named = tracking.connect(), aliases(version.name)
    if named.get(CHAMPION) != version.version:
        client.set_registered_model_alias(version.name, CHAMPION, version.version)
    if named.get(CHALLENGER) == version.version:
        client.delete_registered_model_alias(version.name, CHALLENGER)
    if head is not None and head != version.head:
        # One tag: a kill between two would look like a cut.
        _tag(version, HEAD, " ".join(map(str, head)))
        version = replace(version, head=head)
    _, task, dataset = version.name.split("-", 2)
    _note_champion(task, dataset, version)


def _note_champion(task: str, dataset: str, version: Version | None) -> None:
    text = json.dumps(None if version is None else asdict(version))
    leaderboard_rows.note(task, dataset, leaderboard_rows.CHAMPION, text)


def _describe(version: Version, text: str) -> None:
    tracking.connect().update_model_version(version.name, version.version, description=text)


def _tag(version: Version, name: str, value: str) -> None:
    tracking.connect().set_model_version_tag(version.name, version.version, name, value)


def _is_ours(version: "ModelVersion") -> bool:
    """Whether a version that MLflow holds was made by `register`: a person may register others by
    hand, which have no state."""
    return STATE in version.tags


def _version(held: "ModelVersion") -> Version:
    tags = held.tags
    return Version(
        name=held.name,
        version=str(held.version),
        run_id=held.run_id or "",
        state=tags[STATE],
        **{field: tags[f"espalier.{field}"] for field in TAGGED},
        head=_head(tags[HEAD]) if HEAD in tags else None,
        created=held.creation_timestamp,
        signature=tags.get(SIGNATURE),
        trial=int(tags[TRIAL]) if TRIAL in tags else None,
        terms=tags.get(TERMS),
    )


def _head(tag: str) -> tuple[int, str]:
    length, last = tag.split()
    return int(length), last
