"""The fits of a retraining, each with its fingerprint, planned without a heavy import."""

from collections.abc import Iterable
from dataclasses import dataclass

from models import architectures
from pipelines.experiments import architectures as files
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
    code: str = ""  # the identity of what computes it

    @property
    def title(self) -> str:
        """What a person calls it: the architecture, and whether it is a first look only."""
        return f"{self.arch} (first look)" if self.look else self.arch


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
    planned = []
    for arch in files.usable(dataset.task) if archs is None else archs:
        overrides = settings.overrides(profile, dataset.task, arch, dataset.name)
        parameters = architectures.resolve(
            dataset.task, arch, {**overrides, **(changes or {})}, dataset.facts
        )
        code = fingerprint.of_code(dataset.task, arch, parameters)
        for seed in seeds:
            identity = fingerprint.of_fit(dataset, arch, parameters, seed)
            fit = Fit(dataset, arch, seed, profile, parameters, identity, code=code)
            planned.append(fit)
    return planned


def check(task: str, arch: str, dataset: str, profile: str, changes: Iterable[dict]) -> None:
    """Raise UsageError, ParameterError or ArchitectureError before the data is touched."""
    files.check(task, arch)
    overrides = settings.overrides(profile, task, arch, dataset)
    for change in changes:
        architectures.resolve(task, arch, overrides | change, {"name": dataset})


def require_same(fit: Fit) -> None:
    """Raise RuntimeError where this process would do another fit than the one that was planned."""
    here = fingerprint.of_fit(fit.dataset, fit.arch, fit.parameters, fit.seed)
    if here != fit.fingerprint:
        raise RuntimeError(
            f"the fit was planned as {fit.fingerprint} and is {here} here: this worker has other "
            "code or packages; give it the same commit and lock"
        )
