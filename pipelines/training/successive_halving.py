"""Successive halving: a first look at every architecture, a full fit for the promising ones.

A look is an ordinary fit on a share of the training rows and for a few epochs. Only full fits may
become champion. Source: Jamieson and Talwalkar, Non-stochastic Best Arm Identification and
Hyperparameter Optimization, AISTATS 2016.
"""

from collections.abc import Iterable
from dataclasses import replace

from pipelines.experiments import plan, ranking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import settings


def looks(dataset: DatasetVersion, profile: str) -> list[Fit]:
    """A first look at each architecture; none where the profile fits all of them in full."""
    first = settings.first_look(profile, dataset.task)
    if first is None:
        return []
    small = {"share": first["share"], "epochs": first["epochs"]}
    fits = plan.fits(dataset, profile=profile, changes=small)
    return [replace(fit, look=True) for fit in fits]


def fits(dataset: DatasetVersion, profile: str, seen: Iterable[Record]) -> list[Fit]:
    """The full fits that follow from the looks: of the promising, or of all without a look."""
    first = settings.first_look(profile, dataset.task)
    archs = None if first is None else promising(dataset.task, seen, first["keep"])
    return plan.fits(dataset, profile=profile, archs=archs)


def promising(task: str, seen: Iterable[Record], keep: int) -> list[str]:
    """The architectures of the `keep` best looks by validation, the best first."""
    return [record.arch for record in ranking.ranked(task, seen)[:keep]]
