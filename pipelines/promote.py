"""From finished fits to a champion: register the best, check it, decide, crown, publish."""

import tempfile
from pathlib import Path

from models import artifact
from pipelines import (
    choose,
    console,
    environment,
    halving,
    publish,
    registry,
    rivals,
    service,
    settings,
    tracking,
)
from pipelines.choose import Decision
from pipelines.registry import Version
from pipelines.tracking import Record


def finished(task: str, dataset: str, dataset_hash: str, facts: dict, profile: str) -> dict | None:
    """The outcome where nothing is left to do; None where something is to fit, decide or publish.

    facts: the prepared data's dataset.json.
    """
    if rivals.unscored(task, dataset, dataset_hash):
        return None
    asked = (task, dataset, dataset_hash, facts, profile)
    looks = halving.looks(*asked)
    seen = tracking.reusable(looks)
    if len(seen) < len(looks):
        return None
    fits = halving.fits(*asked, seen.values())
    known = tracking.reusable(fits)
    if len(known) < len(fits) or not settled(task, dataset, dataset_hash, [*known.values()]):
        return None
    return outcome(task, dataset, dataset_hash, trained=0, reused=len(looks) + len(fits))


def settled(task: str, dataset: str, dataset_hash: str, records: list[Record]) -> bool:
    """Whether these fits have nothing left to decide: what `consider` would do is done."""
    candidate = choose.best(task, records)
    champion = _standing(task, dataset)
    if champion is not None and champion.run_id == candidate.run_id:
        return _published(task, dataset, champion)
    version = registry.find(task, dataset, candidate)
    if version is None or version.state == "pending":
        return False
    if champion is None:
        return version.state == "refused"
    if registry.score_on(champion, dataset_hash) is None:
        return False
    decision = _decide(task, candidate, champion, dataset_hash)
    return not decision.promote and _published(task, dataset, champion)


def consider(task: str, dataset: str, dataset_hash: str, records: list[Record]) -> Version | None:
    """Let the best of `records` try to be champion; returns the champion that stands afterwards.

    Written so that a kill anywhere leaves the old champion serving, and doing it again finishes.
    Raises RuntimeError when there is not one record.
    """
    if not records:
        raise RuntimeError("every fit failed: there is nothing to choose from")
    candidate = choose.best(task, records)
    champion = _standing(task, dataset)
    if champion is None or champion.run_id != candidate.run_id:
        version = registry.register(task, dataset, candidate)
        with console.stage("replay") as say:
            say(f"{_check(task, version)} golden requests answered over HTTP as expected")
        with console.stage("champion") as say:
            score_again(task, dataset, dataset_hash, champion)
            decision = _decide(task, candidate, champion, dataset_hash)
            if decision.promote:
                registry.crown(version)
                champion = registry.champion(task, dataset)
            else:
                registry.refuse(version, decision.reason)
            say(f"{candidate.arch} v{version.version}: {decision.reason}")
    else:
        console.line("champion", f"{champion.arch} v{champion.version} stays")
    if champion is not None and settings.served()[task] == dataset:
        publish.publish(task, champion)
    return champion


def score_again(task: str, dataset: str, dataset_hash: str, champion: Version | None) -> None:
    """Score the champion's artifact on the present test split, unless that was done before.

    One that answers with other classes or another horizon than the data has now cannot be scored,
    and stands in nobody's way.
    """
    if champion is None or registry.score_on(champion, dataset_hash) is not None:
        return
    from data import prepared
    from models import measure
    from models.errors import ModelError

    folder = tracking.artifact_folder(champion.run_id)
    artifact.check(folder, champion.manifest_sha256)
    data = prepared.read(environment.ROOT / prepared.PREPARED / dataset)
    try:
        scores = measure.evaluate_artifact(folder, data.splits, data.facts)
    except ModelError as error:
        console.line("champion", f"cannot be compared any more: {error}")
        return
    registry.keep_score(champion, dataset_hash, scores.metrics[choose.METRIC[task][0]])


def _standing(task: str, dataset: str) -> Version | None:
    """The champion, unless its artifact is damaged: that could not be published again."""
    champion = registry.champion(task, dataset)
    return champion if champion is not None and tracking.whole(champion) else None


def _decide(task: str, candidate: Record, champion: Version | None, dataset_hash: str) -> Decision:
    standing = None if champion is None else registry.score_on(champion, dataset_hash)
    metric, _ = choose.METRIC[task]
    return choose.decide(
        task, candidate.metrics[f"test_{metric}"], candidate.metrics["test_floor"], standing
    )


def _check(task: str, version: Version) -> int:
    """Serve the version from a home of its own and replay its golden requests over HTTP."""
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        home = Path(scratch)
        publish.publish(task, version, home)
        folder = publish.folder(home) / publish.read(task, home)["artifact"]
        try:
            with service.running(service.CHECKOUT, [task], home) as url:
                return service.replay(url, task, folder)
        except service.WrongModelError as error:
            registry.refuse(version, str(error)[:500])
            raise


def _published(task: str, dataset: str, champion: Version) -> bool:
    if settings.served()[task] != dataset:
        return True
    return publish.names(publish.read(task), champion) and publish.intact(task)


def outcome(task: str, dataset: str, dataset_hash: str, trained: int, reused: int) -> dict:
    """What `espalier run --json` says of a task: the champion that stands, or why none does."""
    champion = registry.champion(task, dataset)
    refused = [v for v in registry.versions(task, dataset) if v.state == "refused"]
    return {
        "dataset": dataset,
        "dataset_hash": dataset_hash,
        "trained": trained,
        "reused": reused,
        "champion": None if champion is None else _facts(task, champion),
        "reason": refused[-1].reason if champion is None and refused else "",
    }


def nothing(dataset: str, reason: str) -> dict:
    """The outcome of a task that was stopped before it could choose."""
    return {
        "dataset": dataset,
        "dataset_hash": None,
        "trained": 0,
        "reused": 0,
        "champion": None,
        "reason": reason,
    }


def _facts(task: str, champion: Version) -> dict:
    metrics = tracking.record(champion.run_id).metrics
    test = {
        name.removeprefix("test_"): value
        for name, value in metrics.items()
        if name.startswith("test_")
    }
    return {
        "version": champion.version,
        "arch": champion.arch,
        "fingerprint": champion.fingerprint,
        "test": test,
    }
