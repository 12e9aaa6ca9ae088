"""The wiring: which step runs when, where, and what is tried again. No step is written here.

prefect.yaml deploys `retrain` on a schedule. Fits, the guard and the rivals are tasks for the
workers of a Dask cluster; what reads and decides stays in the flow's own process.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import dask
import distributed
import prefect
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner
from prefect_dask import DaskTaskRunner

from pipelines.experiments import dataset as data
from pipelines.experiments import tracking, verification
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.locks import lock
from pipelines.processes import dask_cluster
from pipelines.promotion import reconcile, retraining
from pipelines.runtime import console, environment, settings
from pipelines.training import baselines, guard, successive_halving
from pipelines.training import fit as fitting

# Only what a network or another process can make fail is tried again. A fit or a check that
# fails once fails for a reason.
RETRIES: dict[str, Any] = {"retries": 3, "retry_delay_seconds": [2, 10, 30]}
# The full fits wait for the first looks, and these for the guard: what others wait for goes first.
GUARD, RIVAL, FIRST_LOOK = 3_000_000, 2_000_000, 1_000_000

make_version = prefect.task(cache_policy=NO_CACHE)(data.version)
push = prefect.task(cache_policy=NO_CACHE, **RETRIES)(data.push)
ensure_guard = prefect.task(cache_policy=NO_CACHE)(guard.ensure)
fit_on_worker = prefect.task(cache_policy=NO_CACHE, task_run_name="fit {planned.arch}")(fitting.fit)
score_source = prefect.task(cache_policy=NO_CACHE)(baselines.score)
decide = prefect.task(cache_policy=NO_CACHE)(retraining.decide)
attach_report = prefect.task(cache_policy=NO_CACHE, **RETRIES)(retraining.report)
# prefect_dask leaves open what futures its runner makes; Prefect takes them for those of threads.
RUNNER: TaskRunner[Any] = DaskTaskRunner(**dask_cluster.runner_options())


class Rung(NamedTuple):
    """The records of fits that were done together, and how many of them were new or reused."""

    records: list[Record]
    trained: int
    reused: int


@prefect.flow(task_runner=RUNNER)
def retrain(
    task: str, dataset: str | None = None, profile: str = "quick", wait_seconds: float = 3600
) -> retraining.Outcome:
    """Version the data, do the fits that are missing, and let the best try to be champion."""
    environment.apply()
    name = settings.dataset_of(task, dataset)
    with lock.hold(task, wait_seconds):
        reconcile.reconcile(task, name)
        with data.versioning:
            version = make_version(task, name)
            push(version.name)
        plan = successive_halving.plan(version, profile)
        if outcome := retraining.finished(plan):
            return outcome
        with tracking.parent(version, profile, "retrain") as parent:
            guarding = submit(ensure_guard, GUARD, version, parent)
            sources = baselines.unscored(version)
            scoring = [submit(score_source, RIVAL, source, parent) for source in sources]
            guarded = guarding.result()
            console.show(*guarded.lines)
            first = rung(plan.looks, guarded, parent, lambda _: FIRST_LOOK)
            for scored in scoring:
                console.show(*scored.result())
            longest = successive_halving.longest(first.records)
            full = rung(plan.fits(first.records), guarded, parent, longest)
            decide(version, full.records)
            attach_report(version, parent)
        return retraining.outcome(version, first.trained + full.trained, first.reused + full.reused)


def rung(
    fits: list[Fit], guarded: guard.Guard, parent: str, priority: Callable[[Fit], float]
) -> Rung:
    """Do the fits that are missing, side by side; one that fails does not stop the others."""
    reused = verification.reusable(fits)
    missing = [fit for fit in fits if fit.fingerprint not in reused]
    successive_halving.show(fits, missing)
    pending = {submit(fit_on_worker, priority(fit), fit, guarded, parent): fit for fit in missing}
    records = []
    for future in as_completed(list(pending)):
        result = result_of(future)
        if isinstance(result, fitting.Result):
            console.show(result.line)
            records.append(result.record)
        else:
            console.line(pending[future].arch, f"failed: {result}", failed=True)
    return Rung([*reused.values(), *records], len(records), len(reused))


def submit(task: prefect.Task, priority: float, *arguments: Any) -> PrefectFuture:
    """Send a task to the cluster; of those that wait the one with the highest priority is next."""
    with dask.annotate(priority=priority):
        return task.submit(*arguments)


def result_of(future: PrefectFuture) -> object:
    """What a task returned, or the exception that it or three workers in turn ended with.

    Raises where there is no answer, since the cluster ended.
    """
    try:
        return future.result(raise_on_failure=False)
    except distributed.KilledWorker as error:
        return error
