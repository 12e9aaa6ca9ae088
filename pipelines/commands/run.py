"""The whole way, from data to served champions: plan first, then only what is missing.

The plan needs no server and no framework, so that a run with nothing to do ends in seconds.
"""

import importlib
import os
import shlex
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from data import versions
from data.errors import DataError, GateRefused
from pipelines.experiments import dataset as data
from pipelines.experiments import leaderboard_rows, shared_data, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import rules
from pipelines.locks import lock
from pipelines.locks.lock import LockHeldError
from pipelines.processes import dask_cluster, prefect_server, servers
from pipelines.promotion import reconcile, retraining
from pipelines.promotion.retraining import Outcome
from pipelines.release import bento, publish, release
from pipelines.reports import leaderboard
from pipelines.runtime import console, disk, environment, settings
from pipelines.training import budget as budgets
from pipelines.training import successive_halving, workers
from pipelines.training.budget import Costs

# Exit codes of a task; of several the first of these that occurs is the run's.
FAILED, LOCKED, REFUSED, DONE = 1, 75, 3, 0
INTERRUPT_SECONDS = 3  # a task
# What a worker's first fit imports: seconds, in which the data is made.
FRAMEWORKS = ("keras", "mlflow", "pipelines.flows")


def chosen(task: str | None, dataset: str | None) -> dict[str, str]:
    """Task → dataset for what was named on the command line; all three when nothing was."""
    if dataset is not None and task is None:
        task = settings.task_of(dataset)
    tasks = settings.TASKS if task is None else [task]
    return {name: settings.dataset_of(name, dataset) for name in tasks}


def run(
    tasks: dict[str, str], profile: str, budget: str | None = None
) -> tuple[dict[str, Outcome], int]:
    """Bring every task to a champion.

    Args:
        tasks: task → dataset.
        profile: a profile of params.yaml.
        budget: of time for all of them, such as 10m; None: all fits are done.

    Returns:
        Each task's outcome, and the exit code.

    Raises:
        UsageError: wrong rules of the gate, or a budget too small: before hours of training.
    """
    start, spending = time.monotonic(), budgets.of(budget)
    spending.check(0)
    for task, dataset in tasks.items():
        rules.of(task, dataset)
    publish.declare()
    console.heading("Plan")
    ended = _locked(tasks) | _without_source(tasks)
    with console.stage("plan") as say:
        free = {task: tasks[task] for task in tasks if task not in ended}
        done = finished(free, profile) if free else {}
        say(f"{len(done)} of {len(tasks)} tasks are up to date")
    ended |= {task: (outcome, _code(outcome)) for task, outcome in done.items()}
    if missing := {task: tasks[task] for task in tasks if task not in ended}:
        if budget is not None:  # it reads the record
            spending.check(_least(missing, profile))
        spending.join(missing)
        ended |= _retrain(missing, profile, budget)
    codes = {code for _, code in ended.values()}
    if not codes & {FAILED, LOCKED}:
        release.release()
    for task, dataset in tasks.items():
        if ended[task][1] in (DONE, REFUSED):
            leaderboard_rows.note_unchanged(task, dataset)
    console.line("total", "", time.monotonic() - start)
    worst = next(code for code in (FAILED, LOCKED, REFUSED, DONE) if code in codes)
    return {task: ended[task][0] for task in tasks}, worst


def finished(tasks: dict[str, str], profile: str) -> dict[str, Outcome]:
    """The outcome of each task that has nothing left to do: data, fits, champion, pointer.

    Planned while DVC, a process of its own, looks at the data: a plan for data that changed, or
    what it raises, is dropped.
    """
    with ThreadPoolExecutor(1) as planner:
        planned = {
            task: planner.submit(_finished, task, dataset, profile)
            for task, dataset in tasks.items()
        }
        watched = list(filter(data.has_source, tasks.values()))
        outdated = versions.outdated(watched) if watched else []
        outcomes = {
            task: planned[task].result()
            for task, dataset in tasks.items()
            if dataset in watched and dataset not in outdated
        }
    return {task: outcome for task, outcome in outcomes.items() if outcome is not None}


def show(outcomes: dict[str, Outcome]) -> None:
    """The last screen: a leaderboard a task, where things lie, what to type next."""
    for task, outcome in outcomes.items():
        if outcome.dataset_hash is None:
            continue
        console.out().print()
        version = DatasetVersion(task, outcome.dataset, outcome.dataset_hash)
        if outcome.trained:
            from pipelines.reports import comparison

            board = comparison.compare(version)
            leaderboard.show(board, comparison.sentences(board))
        else:  # at once: verdicts take a second of imports
            leaderboard.show(leaderboard.compare(version))
        if outcome.left_out:
            console.out().print(f"The budget left out: {'; '.join(outcome.left_out)}", markup=False)
        if outcome.awaiting:
            console.out().print(f"{outcome.dataset}: {outcome.awaiting.sentence}", markup=False)
        if outcome.trial:
            tried = f"version {outcome.trial} is on trial beside the champion"
            console.out().print(f"{outcome.dataset}: {tried}; `espalier monitor` judges it")
    console.out().print(_next(outcomes), markup=False)


def refusals(outcomes: dict[str, Outcome]) -> str:
    """Why no champion stands for what was trained; what stopped before has said so."""
    return "; ".join(
        f"no champion stands for {one.dataset}: {one.reason}"
        for one in outcomes.values()
        if one.dataset_hash is not None and one.champion is None
    )


def _locked(tasks: dict[str, str]) -> dict[str, tuple[Outcome, int]]:
    """The outcome of each task that another run works on, known before anything is waited for."""
    ended = {}
    for task, dataset in tasks.items():
        if held := lock.holder(lock.of_dataset(task, dataset)):
            console.line("stopped", held, failed=True)
            ended[task] = Outcome(dataset, reason=held), LOCKED
    return ended


def _without_source(tasks: dict[str, str]) -> dict[str, tuple[Outcome, int]]:
    """The outcome of each task whose source is not there, or cannot be watched."""
    ended = {}
    for task, dataset in tasks.items():
        try:
            if shared_data.newest(dataset) is None:
                versions.check_source(dataset)
        except DataError as error:
            console.line("stopped", str(error), failed=True)
            ended[task] = Outcome(dataset, reason=str(error)), FAILED
    return ended


def _finished(task: str, dataset: str, profile: str) -> Outcome | None:
    try:
        if not leaderboard_rows.unchanged(task, dataset):
            with suppress(LockHeldError), lock.hold(lock.of_dataset(task, dataset)):
                reconcile.reconcile(task, dataset)
    except reconcile.BrokenLedgerError:
        return None  # the task's own retraining says so, and the others go on
    version = data.present(task, dataset)
    if not version.facts:  # another host's, which a run takes from the DVC remote
        return None
    return retraining.finished(successive_halving.plan(version, profile))


def _least(tasks: dict[str, str], profile: str) -> float:
    """The seconds of one full fit of each task, the cheapest, as far as earlier fits tell."""
    seconds = 0.0
    for task, dataset in tasks.items():
        with suppress(settings.UsageError):  # no version yet
            version = data.present(task, dataset)
            costs = Costs(version, tracking.records(version))
            full = successive_halving.plan(version, profile).full if version.facts else []
            seconds += min(map(costs.predict, filter(costs.know, full)), default=0.0)
    return seconds / dask_cluster.size(workers.for_fits())


def _retrain(
    tasks: dict[str, str], profile: str, budget: str | None
) -> dict[str, tuple[Outcome, int]]:
    """Retrain the tasks at the same time, on one cluster; task → its outcome and exit code."""
    results: dict[str, tuple[Outcome, int]] = {}

    def retrain(task: str, dataset: str) -> None:
        with console.part(task if len(tasks) > 1 else ""):
            results[task] = _retrain_one(task, dataset, profile, budget)

    # Interrupted, they see the cluster end and put that on record; as daemons they delay no exit.
    threads = [threading.Thread(target=retrain, args=item, daemon=True) for item in tasks.items()]
    with ExitStack() as stack:
        stack.callback(_wait_for, threads)
        with console.stage("start") as say:
            with prefect_server.starting():
                stack.enter_context(dask_cluster.running(FRAMEWORKS))
                importlib.import_module("pipelines.flows")
            say("Prefect server and Dask cluster are up")
        console.heading(", ".join(f"{task} · {dataset}" for task, dataset in tasks.items()))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return results


def _wait_for(threads: list[threading.Thread]) -> None:
    for thread in threads:
        if thread.is_alive():
            thread.join(INTERRUPT_SECONDS)


def _retrain_one(task: str, dataset: str, profile: str, budget: str | None) -> tuple[Outcome, int]:
    from pipelines import flows

    try:
        outcome = flows.retrain(task, dataset, profile, lock.MOMENT, False, budget)
        return outcome, _code(outcome)
    except GateRefused as refusal:
        reason, code = "the data was refused", REFUSED
        console.err().print(str(refusal), markup=False)
    except LockHeldError as held:
        reason, code = str(held), LOCKED
    except Exception as error:
        console.keep_traceback()
        reason, code = disk.full(error) or str(error), FAILED
    console.line("stopped", reason, failed=True)
    return Outcome(dataset, reason=reason), code


def _code(outcome: Outcome) -> int:
    return DONE if outcome.champion else REFUSED


def _next(outcomes: dict[str, Outcome]) -> str:
    """Where to read more and what to type next, with paths as seen from where one stands."""
    pages = [
        environment.ROOT / "data" / "reports" / outcome.dataset / "validation.html"
        for outcome in outcomes.values()
    ]
    lines = [f"Report  {os.path.relpath(page)}" for page in pages if page.exists()]
    if (log := console.log()) and log.stat().st_size:
        lines += [f"Log     {os.path.relpath(log)}"]
    lines += [
        f"Served  {', '.join(datasets)}, not {outcomes[task].dataset}: `serve:` in params.yaml may "
        f"name several: {task}: [{', '.join([*datasets, outcomes[task].dataset])}]"
        for task, datasets in settings.served().items()
        if task in outcomes and outcomes[task].dataset not in datasets
    ]
    lines += ["Next, after `source .venv/bin/activate`:"]
    if bento.published():
        lines += ["  espalier serve"]
    lines += [
        f"  espalier compare --task {task} --dataset {outcome.dataset}"
        for task, outcome in outcomes.items()
        if outcome.dataset_hash
    ]
    store = shlex.quote(f"sqlite:///{os.path.relpath(environment.home() / 'mlflow.db')}")
    lines += [
        f"  mlflow ui --backend-store-uri {store}",
        f"  and open {servers.LOCAL_SERVER}/{servers.PAGE}",
    ]
    return "\n" + "\n".join(lines)
