"""What has to be trained: every fit that is asked for, named before anything heavy is imported."""

from collections.abc import Iterable
from dataclasses import dataclass

from models import architectures
from pipelines.experiments import fingerprint
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import settings


@dataclass(frozen=True)
class Fit:
    """One architecture, one seed, on one version of a dataset: all that decides its outcome."""

    dataset: DatasetVersion
    arch: str
    seed: int
    profile: str
    parameters: dict
    fingerprint: str
    look: bool = False  # a first look only: never champion


def fits(
    dataset: DatasetVersion,
    *,
    profile: str,
    archs: Iterable[str] | None = None,
    seeds: Iterable[int] = (0,),
    changes: dict | None = None,
) -> list[Fit]:
    """The fits of one retraining: `archs` (all of the task by default) × `seeds`.

    `changes` are parameters that were named on the command line, over the profile's, over the
    defaults. Raises ValueError for unknown names.
    """
    task, backend = dataset.task, fingerprint.backend()
    planned = []
    for arch in architectures.names(task) if archs is None else archs:
        chosen = {**settings.overrides(profile, task, arch, dataset.name), **(changes or {})}
        parameters = architectures.resolve(task, arch, chosen, dataset.facts)
        sources = architectures.sources(task, arch)
        for seed in seeds:
            known_by = fingerprint.fingerprint(
                dataset_hash=dataset.hash,
                task=task,
                arch=arch,
                parameters=parameters,
                seed=seed,
                sources=sources,
                backend=backend,
            )
            planned.append(Fit(dataset, arch, seed, profile, parameters, known_by))
    return planned


def require_same(fit: Fit, fingerprint: str | None) -> None:
    """Raise where this process would do another fit than the one that was planned elsewhere."""
    if fingerprint not in (None, fit.fingerprint):
        raise RuntimeError(
            f"the fit was planned as {fingerprint} and is {fit.fingerprint} here: this worker has "
            "other code, parameters or packages; give it the same commit and lock"
        )
