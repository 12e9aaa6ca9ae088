"""The fits of a retraining, each with its fingerprint, planned without a heavy import."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from models import architectures
from pipelines.experiments import architectures as files
from pipelines.experiments import fingerprint
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Record
from pipelines.runtime import settings

if TYPE_CHECKING:
    from pipelines.runtime.sections import FirstLook


STEPS_AN_EPOCH = 10  # at least: of few rows a step takes fewer
LEAST_BATCH = 16
RECIPE = ("arch", "seed")
MEMBER = (*RECIPE, "parameters", "fingerprint")


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
    def logged(self) -> dict:
        """The parameters as MLflow shows them: the members of a blend by their fingerprints."""
        if "members" not in self.parameters:
            return self.parameters
        return {
            f"member_{number}": f"{one['arch']} {one['fingerprint']}"
            for number, one in enumerate(self.parameters["members"], start=1)
        }

    @property
    def refit(self) -> bool:
        """Whether it learns the validation rows too."""
        return self.parameters.get("refit", False)

    @property
    def kind(self) -> str:
        """What it is: a first look, a full fit or a refit."""
        if self.look:
            return "first look"
        return "refit" if self.refit else "full"

    @property
    def title(self) -> str:
        """What a person calls it: the architecture, and what it is where it is not a full fit."""
        return self.arch if self.kind == "full" else f"{self.arch} ({self.kind})"


def fits(
    dataset: DatasetVersion,
    *,
    profile: str,
    archs: Iterable[str] | None = None,
    seeds: Iterable[int] = (0,),
    changes: dict | None = None,
    first: "FirstLook | None" = None,
) -> list[Fit]:
    """The fits of one retraining: `archs` (all of the task by default) × `seeds`.

    `changes` are parameters that were named on the command line, over the profile's, over the
    defaults; `first` makes first looks of them. Raises ValueError for unknown names.
    """
    rows = dataset.facts["rows"]["train"]
    small, steps = {}, settings.profile(profile).steps
    if first is not None:
        share = max(first.share, min(1.0, first.rows / rows))
        small = {"share": share, "epochs": first.epochs, "refit": False}
        steps = first.steps
    planned = []
    for arch in files.usable(dataset.task) if archs is None else archs:
        overrides = settings.overrides(profile, dataset.task, arch, dataset.name)
        named = {**overrides, **(changes or {})}
        parameters = architectures.resolve(dataset.task, arch, named | small, dataset.facts)
        parameters |= _enough(parameters, named.keys() - small.keys(), rows, steps)
        code = fingerprint.of_code(dataset.task, arch, parameters)
        for seed in seeds:
            identity = fingerprint.of_fit(dataset, arch, parameters, seed)
            look = first is not None
            planned.append(Fit(dataset, arch, seed, profile, parameters, identity, look, code))
    return planned


def blend(dataset: DatasetVersion, profile: str, members: Iterable[Record]) -> Fit:
    """The mean of finished fits as a fit of its own, whose parameters are their recipes."""
    ordered = sorted(members, key=lambda one: (one.arch, one.seed, one.fingerprint))
    parameters = {"members": [{name: getattr(one, name) for name in MEMBER} for one in ordered]}
    identity = fingerprint.of_blend(dataset, [one.fingerprint for one in ordered])
    code = fingerprint.of_blending(dataset.task, [one.code for one in ordered])
    return Fit(dataset, architectures.BLEND, 0, profile, parameters, identity, code=code)


def refit(fit: Fit) -> Fit:
    """The fit of the same recipe on the rows of training and validation together."""
    return _with(fit, refit=True)


def before(refit: Fit) -> Fit:
    """The fit of the training rows that a refit goes by."""
    return _with(refit, refit=False)


def _with(fit: Fit, **changes: Any) -> Fit:
    parameters = fit.parameters | changes
    identity = fingerprint.of_fit(fit.dataset, fit.arch, parameters, fit.seed)
    code = fingerprint.of_code(fit.dataset.task, fit.arch, parameters)
    return replace(fit, parameters=parameters, fingerprint=identity, code=code)


def recipe(record: Record) -> list:
    """What a record fitted, whatever the rows and the code: of a blend what its members did. A
    refit has the recipe of the fit before it."""
    return [
        {name: one[name] for name in RECIPE} | {"parameters": _without_refit(one["parameters"])}
        for one in record.parameters.get("members", [vars(record)])
    ]


def _without_refit(parameters: Mapping) -> dict:
    return {name: value for name, value in parameters.items() if name != "refit"}


def _enough(parameters: Mapping, named: Collection[str], rows: int, steps: int) -> dict[str, int]:
    """The batch, the epochs and the patience that let a fit on few rows learn.

    Args:
        parameters: the complete ones.
        named: those that somebody chose, which stay.
        rows: of the training split.
        steps: the least that the fit takes.
    """
    rows = int(rows * parameters["share"])
    batch, epochs = parameters["batch_size"], parameters["epochs"]
    if "batch_size" not in named:
        batch = min(batch, max(LEAST_BATCH, rows // STEPS_AN_EPOCH))
    if "epochs" not in named:
        epochs = max(epochs, math.ceil(steps / max(1, rows // batch)))
    patience = parameters["patience"]
    if "patience" not in named:
        patience = math.ceil(patience * epochs / parameters["epochs"])
    return {"batch_size": batch, "epochs": epochs, "patience": patience}


def check(task: str, arch: str, dataset: str, profile: str, changes: Iterable[dict]) -> None:
    """Raise UsageError, ParameterError or ArchitectureError before the data is touched."""
    files.check(task, arch)
    overrides = settings.overrides(profile, task, arch, dataset)
    for change in changes:
        architectures.resolve(task, arch, overrides | change, {"name": dataset})


def require_same(fit: Fit) -> None:
    """Raise RuntimeError where this process would do another fit than the one that was planned."""
    if members := fit.parameters.get("members"):
        here = fingerprint.of_blend(fit.dataset, [one["fingerprint"] for one in members])
    else:
        here = fingerprint.of_fit(fit.dataset, fit.arch, fit.parameters, fit.seed)
    if here != fit.fingerprint:
        raise RuntimeError(
            f"the fit was planned as {fit.fingerprint} and is {here} here: this worker has other "
            "code or packages; give it the same commit and lock"
        )
