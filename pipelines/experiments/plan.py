"""What has to be trained: every fit that is asked for, named before anything heavy is imported."""

from collections.abc import Iterable
from dataclasses import dataclass

from models import architectures
from pipelines.experiments import fingerprint
from pipelines.runtime import settings


@dataclass(frozen=True)
class Fit:
    """One architecture, one seed, on one version of a dataset: all that decides its outcome."""

    task: str
    dataset: str
    dataset_hash: str
    arch: str
    seed: int
    profile: str
    parameters: dict
    fingerprint: str
    look: bool = False  # a first look only: never champion


def fits(
    task: str,
    dataset: str,
    dataset_hash: str,
    facts: dict,
    *,
    profile: str,
    archs: Iterable[str] | None = None,
    seeds: Iterable[int] = (0,),
    changes: dict | None = None,
) -> list[Fit]:
    """The fits of one retraining: `archs` (all of the task by default) × `seeds`.

    `facts` is the prepared data's dataset.json; `changes` are parameters that were named on the
    command line, over the profile's, over the defaults. Raises ValueError for unknown names.
    """
    guard = fingerprint.of_guard(
        dataset_hash=dataset_hash,
        task=task,
        parameters=architectures.guard_parameters(task, facts),
    )
    planned = []
    for arch in architectures.names(task) if archs is None else archs:
        chosen = {**settings.overrides(profile, task, arch, dataset), **(changes or {})}
        parameters = architectures.resolve(task, arch, chosen, facts)
        for seed in seeds:
            known_by = fingerprint.of_fit(
                dataset_hash=dataset_hash,
                task=task,
                arch=arch,
                parameters=parameters,
                seed=seed,
                guard=guard,
            )
            planned.append(
                Fit(task, dataset, dataset_hash, arch, seed, profile, parameters, known_by)
            )
    return planned


def require_same(fit: Fit, fingerprint: str | None) -> None:
    """Raise where this process would do another fit than the one that was planned elsewhere."""
    if fingerprint not in (None, fit.fingerprint):
        raise RuntimeError(
            f"the fit was planned as {fingerprint} and is {fit.fingerprint} here: this worker has "
            "other code, parameters or packages; give it the same commit and lock"
        )
