"""The whole way, from data to served champions: plan first, then only what is missing.

The plan needs no server and no framework, so that a run with nothing to do ends in seconds.
"""

import importlib
import json
import os
import shlex
import threading
import time
import traceback
from contextlib import suppress

from data import versions
from data.errors import GateRefused
from pipelines.experiments import dataset as data
from pipelines.experiments import leaderboard_rows
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import rules
from pipelines.locks import lock
from pipelines.locks.lock import LeaseHeldError
from pipelines.processes import prefect_server, service
from pipelines.promotion import reconcile, retraining
from pipelines.release import bento, publish
from pipelines.reports import leaderboard
from pipelines.runtime import console, environment, settings

# Exit codes of a task; of several the first of these that occurs is the run's.
FAILED, LOCKED, REFUSED, DONE = 1, 75, 3, 0
RELEASE_SECONDS = 300


def asked(task: str | None, dataset: str | None) -> dict[str, str]:
    """Task → dataset for what was named on the command line; all three when nothing was."""
    if dataset is not None and task is None:
        task = settings.task_of(dataset)
    tasks = settings.TASKS if task is None else [task]
    return {name: settings.dataset_of(name, dataset) for name in tasks}


def run(tasks: dict[str, str], profile: str, runner: str) -> tuple[dict[str, dict], int]:
    """Bring every task to a champion; returns each task's outcome and the exit code.

    Raises UsageError for rules of the gate that are none: before hours of training, not after.
    """
    start = time.monotonic()
    for task, dataset in tasks.items():
        rules.of(task, dataset)
    console.heading("Plan")
    outcomes = _locked(tasks)
    codes = dict.fromkeys(outcomes, LOCKED)
    with console.stage("plan") as say:
        done = finished({task: tasks[task] for task in tasks if task not in outcomes}, profile)
        say(f"{len(done)} of {len(tasks)} tasks are up to date")
    outcomes |= done
    codes |= {task: _code(outcome) for task, outcome in done.items()}
    todo = {task: dataset for task, dataset in tasks.items() if task not in outcomes}
    if todo:
        with console.stage("start") as say:
            with prefect_server.starting():
                _warm_up()
            say("Prefect server and frameworks are up")
        for task, dataset in todo.items():
            outcomes[task], codes[task] = _retrain(task, dataset, profile, runner)
    if not set(codes.values()) & {FAILED, LOCKED}:
        # Runs of other tasks package the same champions: one after the other.
        with lock.hold("release", RELEASE_SECONDS):
            release()
    for task, dataset in tasks.items():
        if codes[task] in (DONE, REFUSED):
            leaderboard_rows.note_unchanged(task, dataset)
    console.line("total", "", time.monotonic() - start)
    worst = next(code for code in (FAILED, LOCKED, REFUSED, DONE) if code in codes.values())
    return {task: outcomes[task] for task in tasks}, worst


def finished(tasks: dict[str, str], profile: str) -> dict[str, dict]:
    """The outcome of each task that has nothing left to do: data, fits, champion, pointer."""
    # Where MLflow is needed: it takes seconds to import, and DVC is a process of its own meanwhile.
    changed = not all(leaderboard_rows.unchanged(*one) for one in tasks.items())
    importing = threading.Thread(target=importlib.import_module, args=("mlflow",))
    if changed:
        importing.start()
    outdated = versions.outdated(list(tasks.values()))
    if changed:
        importing.join()
    found = {
        task: _finished(task, dataset, profile)
        for task, dataset in tasks.items()
        if dataset not in outdated
    }
    return {task: outcome for task, outcome in found.items() if outcome is not None}


def release() -> None:
    """Package the published champions as a Bento and ask its endpoints, unless that was done."""
    if bento.current() is not None or not any(map(publish.read, settings.TASKS)):
        return
    console.heading("Release")
    with console.stage("bento") as say:
        made = bento.build()
        say(made["tag"])
    with console.stage("smoke") as say:
        tasks, champions = list(made["champions"]), bento.champions(made["tag"])
        with service.running(made["path"], tasks) as running:
            answers = {task: service.smoke(running.url, task, champions) for task in tasks}
        say(f"{len(answers)} endpoints of {made['tag']} answered")
    for task, answer in answers.items():
        console.out().print(f"    POST /v1/{task} → {_short(answer)}", markup=False)


def show(outcomes: dict[str, dict]) -> None:
    """The last screen: a leaderboard a task, where things lie, what to type next."""
    for task, outcome in outcomes.items():
        if outcome["dataset_hash"] is None:
            continue
        console.out().print()
        version = DatasetVersion(task, outcome["dataset"], outcome["dataset_hash"])
        leaderboard.show(leaderboard.compare(version))
        if outcome["champion"] is None:
            console.out().print(f"No champion stands for {outcome['dataset']}: {outcome['reason']}")
    console.out().print(_next(outcomes), markup=False)


def _locked(tasks: dict[str, str]) -> dict[str, dict]:
    """The outcome of each task that another run works on: told before anything waits for that."""
    outcomes = {}
    for task, dataset in tasks.items():
        try:
            with lock.hold(task):
                pass
        except LeaseHeldError as held:
            console.line("stopped", str(held))
            outcomes[task] = retraining.nothing(dataset, str(held))
    return outcomes


def _finished(task: str, dataset: str, profile: str) -> dict | None:
    try:
        if not leaderboard_rows.unchanged(task, dataset):
            with suppress(LeaseHeldError), lock.hold(task):
                reconcile.reconcile(task, dataset)
    except reconcile.BrokenLedgerError:
        return None  # the task's own retraining says so, and the others go on
    return retraining.finished(data.present(task, dataset), profile)


def _warm_up() -> None:
    """Import what the flows need while the server starts: it has the other core."""
    for module in ("keras", "mlflow", "pipelines.flows"):
        importlib.import_module(module)


def _retrain(task: str, dataset: str, profile: str, runner: str) -> tuple[dict, int]:
    from pipelines import flows

    console.heading(f"{task} · {dataset}")
    try:
        outcome = flows.retrain(task, dataset, profile, runner, lock.MOMENT)
        return outcome, _code(outcome)
    except GateRefused as refusal:
        reason, code = "the data was refused", REFUSED
        console.out().print(str(refusal), markup=False)
    except LeaseHeldError as held:
        reason, code = str(held), LOCKED
    except Exception as error:
        traceback.print_exc()
        reason, code = str(error), FAILED
    console.line("stopped", reason)
    return retraining.nothing(dataset, reason), code


def _code(outcome: dict) -> int:
    return DONE if outcome["champion"] else REFUSED


def _short(answer: dict) -> str:
    shown = {name: answer[name] for name in ("label", "score", "forecast") if name in answer}
    if "forecast" in shown:
        shown["forecast"] = [round(value, 1) for value in shown["forecast"]]
    model = answer["model"]
    return f"{json.dumps(shown)} from {model['name']}/{model['version']}"


def _next(outcomes: dict[str, dict]) -> str:
    """Where to read more and what to type next, with paths as seen from where one stands."""
    pages = [
        environment.ROOT / "data" / "reports" / outcome["dataset"] / "validation.html"
        for outcome in outcomes.values()
    ]
    lines = [f"Report  {os.path.relpath(page)}" for page in pages if page.exists()]
    lines += [f"Log     {os.path.relpath(console.log())}"]
    lines += ["Next, after `source .venv/bin/activate`:"]
    if any(map(publish.read, settings.TASKS)):
        lines += ["  espalier serve"]
    lines += [
        f"  espalier compare --task {task} --dataset {outcome['dataset']}"
        for task, outcome in outcomes.items()
        if outcome["dataset_hash"]
    ]
    store = shlex.quote(f"sqlite:///{os.path.relpath(environment.home() / 'mlflow.db')}")
    lines += [f"  mlflow ui --backend-store-uri {store}"]
    return "\n" + "\n".join(lines)
