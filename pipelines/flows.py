"""The wiring: which step runs when, where, and what is tried again. No step is written here.

prefect.yaml deploys both flows: `retrain` on a schedule, `train` to run one fit on any worker.
"""

from dataclasses import replace
from typing import NamedTuple

import prefect
from prefect.cache_policies import NO_CACHE

from pipelines.experiments import dataset as data
from pipelines.experiments import plan, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.locks import lock
from pipelines.promotion import reconcile, retraining
from pipelines.reports import page
from pipelines.runtime import environment, settings
from pipelines.training import baselines, guard, pool, successive_halving
from pipelines.training import fit as fitting

# Only what a network or another process can make fail is tried again. A fit or a check that
# fails once fails for a reason.
RETRIES = {"retries": 3, "retry_delay_seconds": [2, 10, 30]}

version = prefect.task(data.version, cache_policy=NO_CACHE)
push = prefect.task(data.push, cache_policy=NO_CACHE, **RETRIES)
fetch = prefect.task(data.fetch, cache_policy=NO_CACHE, **RETRIES)
ensure_guard = prefect.task(guard.ensure, cache_policy=NO_CACHE)
fit_here = prefect.task(fitting.fit, cache_policy=NO_CACHE, task_run_name="fit {fit.arch}")
score_rivals = prefect.task(baselines.score, cache_policy=NO_CACHE)
consider = prefect.task(retraining.consider, cache_policy=NO_CACHE)
attach_report = prefect.task(page.attach, cache_policy=NO_CACHE, **RETRIES)


class Rung(NamedTuple):
    """The records of fits that were done together, and how many of them were new or known."""

    records: list[Record]
    trained: int
    reused: int


@prefect.flow
def retrain(
    task: str,
    dataset: str | None = None,
    profile: str = "quick",
    runner: str = "local",
    wait_seconds: float = 3600,
) -> dict:
    """Version the data, fit what is not known yet, and let the best try to be champion."""
    environment.apply()
    dataset = settings.dataset_of(task, dataset)
    with lock.hold(task, wait_seconds):
        reconcile.reconcile(task, dataset)
        present = version(task, dataset)
        push(dataset)
        if outcome := retraining.finished(present, profile):
            return outcome
        with tracking.parent(present, profile, "retrain") as parent:
            score_rivals(present, parent)
            ensure_guard(present, data.folder(dataset), parent)
            looks = rung(successive_halving.looks(present, profile), runner, parent)
            fits = rung(successive_halving.fits(present, profile, looks.records), runner, parent)
            consider(present, fits.records)
            attach_report(present, parent)
        return retraining.outcome(present, looks.trained + fits.trained, looks.reused + fits.reused)


@prefect.flow
def train(
    task: str,
    arch: str,
    dataset: str | None = None,
    dataset_hash: str | None = None,
    seed: int = 0,
    profile: str = "quick",
    parameters: dict | None = None,
    fingerprint: str | None = None,
    look: bool = False,
    parent: str | None = None,
) -> None:
    """One fit on whichever worker took it: the data by its hash, the answer through MLflow."""
    environment.apply()
    dataset = settings.dataset_of(task, dataset)
    dataset_hash = dataset_hash or data.versions.dataset_hash(dataset)
    folder = fetch(dataset, dataset_hash)
    fetched = DatasetVersion(task, dataset, dataset_hash, data.facts(folder))
    [fit] = plan.fits(fetched, profile=profile, archs=[arch], seeds=[seed], changes=parameters)
    plan.require_same(fit, fingerprint)
    if not tracking.reusable([fit]):
        fit_here(replace(fit, look=look), folder, parent)


def rung(fits: list[Fit], runner: str, parent: str) -> Rung:
    """Fit what is not known yet, together; one that fails does not stop the others."""
    known = tracking.reusable(fits)
    missing = [fit for fit in fits if fit.fingerprint not in known]
    fitting.report_rung(fits, missing)
    if missing:
        messages = (pool.fit_all if runner == "pool" else in_turn)(missing, parent)
        fitting.report_failures(missing, messages)
    fitted = tracking.reusable(missing)
    return Rung([*known.values(), *fitted.values()], len(fitted), len(known))


def in_turn(fits: list[Fit], parent: str) -> list[str | None]:
    """Fit one after the other in this process; returns for each fit why it failed, or None."""
    states = [
        fit_here(fit, data.folder(fit.dataset.name), parent, return_state=True) for fit in fits
    ]
    return [None if state.is_completed() else state.message for state in states]
