"""The whole way, from data to served champions: plan first, then only what is missing.

The plan needs no server and no framework, so that a run with nothing to do ends in seconds.
"""

import threading
import time

from data import versions
from data.errors import DataError, GateRefused
from pipelines import bento, console, environment, leaderboard, plan, promote, publish
from pipelines import dataset as data
from pipelines import server, service, settings, tracking
from pipelines.lock import LockHeldError

# Exit codes, the one that outweighs the others first.
FAILED, LOCKED, REFUSED, DONE = 1, 75, 3, 0


def asked(task: str | None, dataset: str | None) -> dict[str, str]:
    """Task → dataset for what was named on the command line; all three when nothing was."""
    if dataset is not None and task is None:
        task = settings.task_of(dataset)
    tasks = settings.TASKS if task is None else [task]
    return {name: settings.dataset_of(name, dataset) for name in tasks}


def run(tasks: dict[str, str], profile: str, runner: str) -> tuple[dict[str, dict], int]:
    """Bring every task to a champion; returns each task's outcome and the exit code."""
    start = time.monotonic()
    console.heading("plan")
    with console.stage("plan") as say:
        outcomes = finished(tasks, profile)
        say(f"{len(outcomes)} of {len(tasks)} tasks have nothing to do")
    todo = {task: dataset for task, dataset in tasks.items() if task not in outcomes}
    codes = {task: _code(outcome) for task, outcome in outcomes.items()}
    if todo:
        with server.prefect():
            _warm_up()
            server.wait()
            for task, dataset in todo.items():
                outcomes[task], codes[task] = _retrain(task, dataset, profile, runner)
    release()
    console.line("total", "", time.monotonic() - start)
    worst = next(code for code in (FAILED, LOCKED, REFUSED, DONE) if code in codes.values())
    return {task: outcomes[task] for task in tasks}, worst


def finished(tasks: dict[str, str], profile: str) -> dict[str, dict]:
    """The outcome of each task that has nothing left to do: data, fits, champion, pointer."""
    # MLflow takes seconds to import; DVC looks at the data in a process of its own meanwhile.
    importing = threading.Thread(target=__import__, args=("mlflow",))
    importing.start()
    outdated = versions.outdated(list(tasks.values()))
    importing.join()
    outcomes = {
        task: _finished(task, dataset, profile)
        for task, dataset in tasks.items()
        if dataset not in outdated
    }
    return {task: outcome for task, outcome in outcomes.items() if outcome is not None}


def _finished(task: str, dataset: str, profile: str) -> dict | None:
    dataset_hash = versions.dataset_hash(dataset)
    facts = data.facts(data.folder(dataset))
    fits = plan.fits(task, dataset, dataset_hash, facts, profile=profile)
    known = tracking.reusable(fits)
    if len(known) < len(fits):
        return None
    if not promote.settled(task, dataset, dataset_hash, list(known.values())):
        return None
    return promote.outcome(task, dataset, dataset_hash, fits, trained=0)


def _warm_up() -> None:
    """Import what the flows need while the server starts: it has the other core."""
    import keras  # noqa: F401
    import mlflow  # noqa: F401

    from pipelines import flows  # noqa: F401


def _retrain(task: str, dataset: str, profile: str, runner: str) -> tuple[dict, int]:
    from pipelines import flows

    console.heading(f"{task} · {dataset}")
    try:
        outcome = flows.retrain(task, dataset, profile, runner, wait_seconds=0)
    except GateRefused as refusal:
        console.out().print(str(refusal), markup=False)
        return _nothing(dataset, "the data was refused"), REFUSED
    except LockHeldError as held:
        console.line("locked", str(held))
        return _nothing(dataset, str(held)), LOCKED
    except Exception as error:
        ...
        return _nothing(dataset, str(error)), FAILED
    return outcome, _code(outcome)
