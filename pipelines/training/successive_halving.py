"""Successive halving: a first look at every architecture, a full fit for the promising ones.

A first look is an ordinary fit on a share of the training rows and for a few epochs. Only full
fits may become champion. Source: Jamieson and Talwalkar, Non-stochastic Best Arm Identification
and Hyperparameter Optimization, AISTATS 2016.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pipelines.experiments import plan as planning
from pipelines.experiments import ranking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import console, settings


@dataclass(frozen=True)
class Plan:
    """What is to be fitted on a version of a dataset, planned once a run.

    looks: a first look at each architecture; none where the profile fits all of them in full.
    full: a full fit of each architecture. keep: how many of these follow from the looks.
    """

    dataset: DatasetVersion
    looks: list[Fit]
    full: list[Fit]
    keep: int

    def fits(self, records: Iterable[Record]) -> list[Fit]:
        """The full fits that follow from the records of the looks, the most promising first."""
        if not self.looks:
            return self.full
        by_arch = {fit.arch: fit for fit in self.full}
        return [by_arch[arch] for arch in promising(self.dataset, records, self.keep)]


@lru_cache(maxsize=8)
def plan(dataset: DatasetVersion, profile: str) -> Plan:
    """The plan of a retraining on this version of a dataset, made once a process."""
    full = planning.fits(dataset, profile=profile)
    first = settings.first_look(profile, dataset.task)
    if first is None:
        return Plan(dataset, [], full, len(full))
    looks = planning.fits(dataset, profile=profile, first=first)
    return Plan(dataset, looks, full, first.keep)


def promising(dataset: DatasetVersion, records: Iterable[Record], keep: int) -> list[str]:
    """The architectures of the `keep` best records by validation, the best first."""
    return [record.arch for record in ranking.ranked(dataset, records)[:keep]]


def show(fits: list[Fit], missing: list[Fit]) -> None:
    """Print what a rung is: first looks at all, or full fits of the promising."""
    if any(fit.look for fit in fits):
        share = fits[0].parameters["share"]
        epochs = sorted({fit.parameters["epochs"] for fit in fits})
        number = str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
        text = f"{len(fits)} architectures, {share:.0%} of the rows, {number} epochs"
        console.line("first look", text)
    elif fits:
        console.line("full fits", ", ".join(fit.arch for fit in fits))
    console.reused(len(fits), len(missing))
