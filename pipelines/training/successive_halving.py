"""Successive halving: a first look at every architecture, a full fit for the promising ones.

A first look is an ordinary fit on a share of the training rows and for a few epochs. Only full
fits may become champion. Source: Jamieson and Talwalkar, Non-stochastic Best Arm Identification
and Hyperparameter Optimization, AISTATS 2016.

The champion's recipe is fitted on new rows whatever its first look says: else an old model stays
only because nobody gave it the rows that the others had.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from models import architectures
from models.errors import ModelError
from pipelines.experiments import plan as planning
from pipelines.experiments import ranking, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.runtime import console, settings

BLENDED = 3  # full fits at most: each one more costs its latency and gains less than the one before
# The parameters in which the members of a blend are equal: no picture has two sizes, and no series
# two scales. Texts are read for each member as it knows words.
TOGETHER = {"image": ("size",), "sentiment": (), "forecast": ("share",)}


@dataclass(frozen=True)
class Plan:
    """What is to be fitted on a version of a dataset, planned once a run.

    looks: a first look at each architecture; none where the profile fits all of them in full.
    full: a full fit of each architecture. keep: how many of these follow from the looks.
    champion: the full fits by the champion's recipe: one, those of a blend's members, or none.
    refitted: whether the champion is a refit of it.
    """

    dataset: DatasetVersion
    looks: list[Fit]
    full: list[Fit]
    keep: int
    champion: tuple[Fit, ...] = ()
    refitted: bool = False

    def fits(self, records: Iterable[Record]) -> list[Fit]:
        """The full fits that follow from the records of the looks: the champion's recipe, then the
        most promising first."""
        fits = self.full
        if self.looks:
            by_arch = {fit.arch: fit for fit in self.full}
            fits = [by_arch[arch] for arch in promising(self.dataset, records, self.keep)]
        return [*self.champion, *(fit for fit in fits if fit.fingerprint not in self.always)]

    @property
    def always(self) -> set[str]:
        """The fingerprints of the fits that are done whatever they take."""
        return {fit.fingerprint for fit in self.champion}

    def refits(self, records: Iterable[Record]) -> list[Fit]:
        """The refits that follow from the records of the full fits: of the champion's recipe where
        it is one, and of the best by validation."""
        ranked = ranking.ranked(self.dataset, records)
        wanted = {one.fingerprint for one in ranked[:1]} | (self.always if self.refitted else set())
        fits = {fit.fingerprint: fit for fit in (*self.champion, *self.full)}
        refits = [
            planning.refit(fits[one.fingerprint]) for one in ranked if one.fingerprint in wanted
        ]
        return [fit for fit in refits if fit.fingerprint not in fits]

    def blends(self, records: Iterable[Record]) -> list[Fit]:
        """The blends that follow from the records of the full fits: by the champion's recipe, and
        of the best by validation that read what the best one reads."""
        # A refit has learned the rows on which a blend is calibrated.
        records = [one for one in records if not one.refit]
        ranked = ranking.ranked(self.dataset, records)
        if len(ranked) < 2:
            return []
        members = [[one for one in ranked if one.fingerprint in self.always]]
        members = members if 1 < len(members[0]) == len(self.champion) else []
        alike = TOGETHER[self.dataset.task]
        best = [ranked[0].parameters.get(name) for name in alike]
        same = [one for one in ranked if [one.parameters.get(name) for name in alike] == best]
        members.append(same[:BLENDED])
        profile = self.full[0].profile
        made = [planning.blend(self.dataset, profile, one) for one in members if len(one) > 1]
        return list({one.fingerprint: one for one in made}.values())


def plan(dataset: DatasetVersion, profile: str) -> Plan:
    """The plan of a retraining on this version of a dataset."""
    by_profile = of_profile(dataset, profile)
    if (champion := registry.recorded_champion(dataset.task, dataset.name)) is None:
        return by_profile
    record = tracking.record(champion.run_id)
    fits = _by_recipe(dataset, profile, record)
    return replace(by_profile, champion=fits, refitted=record.refit)


@lru_cache(maxsize=8)
def of_profile(dataset: DatasetVersion, profile: str) -> Plan:
    """The plan without the champion's recipe, made once a process."""
    full = planning.fits(dataset, profile=profile)
    first = settings.first_look(profile, dataset.task)
    if first is None:
        return Plan(dataset, [], full, len(full))
    looks = planning.fits(dataset, profile=profile, first=first)
    return Plan(dataset, looks, full, first.keep)


def _by_recipe(dataset: DatasetVersion, profile: str, record: Record) -> tuple[Fit, ...]:
    """A fit on this data by the architecture, parameters and seed of a record, and by those of each
    member of a blend; none where the code does not know an architecture or a value any more."""
    known, fits = settings.profiles(), []
    with suppress(ModelError):
        for one in planning.recipe(record):
            names = architectures.defaults(dataset.task, one["arch"])
            fits += planning.fits(
                dataset,
                profile=record.profile if record.profile in known else profile,
                archs=[one["arch"]],
                seeds=[one["seed"]],
                changes={name: value for name, value in one["parameters"].items() if name in names},
            )
        return tuple(fits)
    return ()


def promising(dataset: DatasetVersion, records: Iterable[Record], keep: int) -> list[str]:
    """The architectures of the `keep` best records by validation, the best first."""
    return [record.arch for record in ranking.ranked(dataset, records)[:keep]]


def show(fits: list[Fit], missing: list[Fit]) -> None:
    """Print what a rung is: first looks at all, full fits of the promising, or refits."""
    if any(fit.look for fit in fits):
        share = fits[0].parameters["share"]
        epochs = sorted({fit.parameters["epochs"] for fit in fits})
        number = str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
        text = f"{len(fits)} architectures, {share:.0%} of the rows, {number} epochs"
        console.line("first look", text)
    elif fits:
        name = "refit" if all(fit.refit for fit in fits) else "full fits"
        console.line(name, ", ".join(fit.arch for fit in fits))
    console.reused(len(fits), len(missing))
