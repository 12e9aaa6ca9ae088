"""The wiring: which step runs when, where, and what is tried again. No step is written here.

prefect.yaml deploys `retrain` and `monitor` on a schedule. Fits, the guard and the rivals are tasks
for the workers of a Dask cluster; what reads and decides stays in the flow's own process. Prefect's
pages show what the console does: the lines in the log of a run, its verdict as the name of its
state, the leaderboard as an artifact.
"""

import re
import socket
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import dask
import distributed
import prefect
from distributed import scheduler
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.flow_runs import suspend_flow_run
from prefect.futures import PrefectFuture, as_completed
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run, task_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner
from prefect_dask import DaskTaskRunner
from pydantic import Field

from data.errors import GateRefused
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking, verification
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import Record
from pipelines.lineage import card
from pipelines.locks import lock
from pipelines.monitoring import collect, watch
from pipelines.processes import dask_cluster, servers
from pipelines.promotion import approval, reconcile, retraining
from pipelines.release import release
from pipelines.runtime import console, environment, settings
from pipelines.training import baselines, blend, guard, successive_halving, workers
from pipelines.training import budget as budgets
from pipelines.training import fit as fitting
from pipelines.training.budget import Budget, Costs

# Only what a network or another process can make fail is tried again. A fit or a check that
# fails once fails for a reason.
RETRIES: dict[str, Any] = {"retries": 3, "retry_delay_seconds": [2, 10, 30]}
# The full fits wait for the first looks, and these for the guard: what others wait for goes first.
GUARD, RIVAL, FIRST_LOOK = 3_000_000, 2_000_000, 1_000_000


def step(name: str | Callable[[], str], **options: Any) -> Callable[[Callable], Any]:
    """A task whose runs are called `name`, in which its arguments stand in braces."""
    return prefect.task(cache_policy=NO_CACHE, task_run_name=name, **options)


def fit_name() -> str:
    """What is fitted, and on which host where that is not said by itself; asked where it is."""
    where = f" · {socket.gethostname()}" if dask_cluster.named() else ""
    return f"fit {task_run.parameters['planned'].title}{where}"


take_requests = step("collect {dataset}")(collect.collect)
make_version = step("data {dataset}")(data.version)
push = step("push {dataset}", **RETRIES)(data.push)
ensure_guard = step("guard {dataset.name}")(guard.ensure)
fit_on_worker = step(fit_name)(fitting.fit)
make_blend = step("blend {planned.dataset.name}")(blend.make)
score_source = step("{source.kind} {source.dataset.name}")(baselines.score)
decide = step("gate {dataset.name}")(retraining.decide)
keep_card = step("card {dataset}", **RETRIES)(card.keep)
attach_report = step("report {dataset.name}", **RETRIES)(retraining.report)
build_bento = step("bento")(release.release)
look = step("look {dataset}")(watch.look)
# What becomes of a task that no worker brings to an end.
ENDED = (distributed.KilledWorker, scheduler.NoWorkerError, scheduler.NoValidWorkerError)
# prefect_dask leaves open what futures its runner makes; Prefect takes them for those of threads.
RUNNER: TaskRunner[Any] = DaskTaskRunner(**dask_cluster.runner_options())


class Rung(NamedTuple):
    """The records of fits that were done together, how many of them were new or reused, and those
    for which the budget was too small."""

    records: list[Record]
    trained: int
    reused: int
    left_out: list[str]


def run_name() -> str:
    """The name of a flow run, from its parameters."""
    given = flow_run.parameters
    return f"retrain {given['task']} {settings.dataset_of(given['task'], given.get('dataset'))}"


@prefect.flow(task_runner=RUNNER, flow_run_name=run_name)
def retrain(
    task: str,
    dataset: str | None = None,
    profile: str = "quick",
    wait_seconds: float = 3600,
    package: bool = True,
    budget: str | None = None,
    reasoned: bool = False,
) -> retraining.Outcome:
    """Version the data, do the fits that are missing, let the best try to be champion.

    Args:
        task: image, sentiment or forecast.
        dataset: one of the task; None: the first that is served.
        profile: a profile of params.yaml.
        wait_seconds: for another run that holds the task.
        package: whether the champions become a Bento then, as at the end of `espalier run`.
        budget: of time, such as 1h; None: all fits are done.
        reasoned: whether labelled requests become rows before, and new data waits until it is worth
            it (`pipelines.monitoring.retrain`).

    Returns:
        What the task came to. The run's state is called after it: Promoted, On trial, Kept,
        Refused, or Awaiting, where a person is asked: a deployment's run is suspended then, and its
        page asks.
        Where nothing was done it is Nothing new or Not yet.

    Raises:
        GateRefused: the data was refused, and the state says so.
    """
    state: Any  # Prefect returns what it holds, or raises that
    environment.apply()
    name, spending = settings.dataset_of(task, dataset), budgets.of(budget)
    began = datetime.now(UTC).isoformat(timespec="milliseconds")
    with console.read_by(prefect.get_run_logger().info), prefect.tags(*tag(task, name, profile)):
        servers.watch(environment.MLFLOW)
        try:
            with spending.part(task), lock.hold(lock.of_dataset(task, name), wait_seconds):
                outcome, verdict = retrained(task, name, profile, spending, reasoned)
        except GateRefused as refusal:
            state = Failed(name="Data refused", message=str(refusal), data=refusal)
            return state
        if (asked := outcome.awaiting) and (answer := ask(asked, asked.since >= began)):
            outcome, verdict = retraining.answered(task, outcome, *answer)
            keep_card(task, name, return_state=True)
        if package:
            build_bento()
    state = Completed(name=verdict.name, message=verdict.text, data=outcome)
    return state


def retrained(
    task: str, name: str, profile: str, spending: Budget, reasoned: bool
) -> tuple[retraining.Outcome, retraining.Verdict]:
    """The steps of a retraining, while its dataset's lock is held; no run is left RUNNING."""
    reconcile.reconcile(task, name)
    asked = approval.waiting(task, name)
    if asked and mark_of(asked) in flow_run.tags:  # this run's answer comes before what is new
        verdict = retraining.Verdict("Awaiting", asked.sentence)
        return retraining.outcome(data.present(task, name), trained=0, reused=0), verdict
    watch.conclude(task, name)  # nothing is decided while a challenger is on trial
    with data.versioning:
        if reasoned:
            take_requests(task, name)
        version = make_version(task, name)
        push(version.name)
    plan = successive_halving.plan(version, profile)
    if outcome := retraining.finished(plan):
        return outcome, retraining.settled(outcome)
    if reasoned and (reason := postponed(task, name)):
        return retraining.outcome(version, trained=0, reused=0), reason
    waits = partial(console.line, "workers")
    with (
        tracking.parent(version, profile, "retrain") as parent,
        dask_cluster.watched(workers.for_fits(), waits),
    ):
        guarding = submit_fit(ensure_guard, GUARD, version, parent)
        sources = baselines.unscored(version)
        scoring = [submit(score_source, RIVAL, source, parent) for source in sources]
        guarded = guarding.result()
        console.show(*guarded.lines)
        costs = Costs(version, tracking.records(version))
        first = rung(plan.looks, guarded, parent, spending, costs)
        fits = plan.fits(first.records)
        full = rung(fits, guarded, parent, spending, costs, bool(plan.looks), plan.always)
        blended = blends(plan.blends(full.records), full.records, guarded, parent)
        refits = plan.refits(full.records)
        again = rung(refits, guarded, parent, spending, costs, ranked=True, more=True)
        for scored in scoring:
            console.show(*scored.result())
        left_out = [*first.left_out, *full.left_out, *again.left_out]
        verdict = decide(version, [*full.records, *blended, *again.records])
        note = attach_report(version, parent, spending.text, left_out)
        show_report(version, note, parent)
        keep_card(task, name, return_state=True)  # without it the decision stands all the same
    tracking.mend(task, name)  # of a worker that died, and whose host may never come back
    trained, reused = first.trained + full.trained, first.reused + full.reused
    return retraining.outcome(version, trained, reused, left_out), verdict


class Answer(RunInput):
    """What the page of a suspended run asks."""

    approve: bool = Field(description="Whether it becomes champion.")
    name: str = Field(min_length=1, description="Who answers; it goes on record.")
    reason: str = Field("", description="Of a no: why.")


def ask(asked: approval.Question, own: bool) -> tuple[str, str | None] | None:
    """Suspend this run until its page is answered: its process ends, and another one goes on here.

    Args:
        asked: what waits for a person.
        own: whether this process put the question.

    Returns:
        Who answers, and why not, if it is a no; None where the question is another run's, or the
        run is no deployment's.
    """
    mark = mark_of(asked)
    if not (deployment.id and (own or mark in flow_run.tags)):
        return None
    tag(mark)
    left = datetime.fromisoformat(asked.until) - datetime.now(UTC)
    form = Answer.with_initial_data(description=f"{asked.dataset}: {asked.sentence}")
    answer = suspend_flow_run(
        wait_for_input=form, key=mark, timeout=max(1, int(left.total_seconds()))
    )
    return answer.name, None if answer.approve else answer.reason or "without a reason"


def mark_of(asked: approval.Question) -> str:
    """The tag of the run that put a question."""
    return f"asks-for-version-{asked.version}-of-{asked.dataset}"


def postponed(task: str, name: str) -> retraining.Verdict | None:
    """Why new data waits; None where it does not, or the code is what is new."""
    verdict = watch.advise(task, name)
    console.line("retrain", verdict.text)
    waits = verdict.facts.changed is not None and not verdict.retrain
    return retraining.Verdict("Not yet", verdict.text) if waits else None


def watch_name() -> str:
    """The name of a run of `monitor`, from its parameters."""
    return f"monitor {flow_run.parameters['task']}"


@prefect.flow(flow_run_name=watch_name)
def monitor(task: str) -> list[dict]:
    """Look at the champions of a task that are served; say what is wrong, and whether to retrain.

    Args:
        task: image, sentiment or forecast.

    Returns:
        What was seen of each dataset. The run's state says whether a retraining was asked for; it
        is Failed where a dataset could not be looked at. Where a trial ends and a person is asked,
        it is suspended until its page is answered.
    """
    environment.apply()
    state: Any
    with console.read_by(prefect.get_run_logger().info), prefect.tags(*tag(task)):
        servers.watch(environment.MLFLOW)
        looks = [look(task, name) for name in settings.served()[task]]
        answer_questions(looks)
    if failure := watch.failure(looks):
        state = Failed(message=failure)
        return state
    verdicts = {one.dataset: one.retrain for one in looks}
    asked = any(verdict.retrain for verdict in verdicts.values())
    state = Completed(
        name="Retrain" if asked else "Nothing to do",
        message="\n".join(f"{name}: {verdict.text}" for name, verdict in verdicts.items()),
        data=[one.to_dict() for one in looks],
    )
    return state


def answer_questions(looks: Iterable[watch.Look]) -> None:
    """Have a person answer for each challenger whose trial this run ended, where one is asked."""
    own = []
    for one in looks:
        if asked := approval.waiting(one.task, one.dataset):
            ended = one.trial is not None and one.trial.challenger == asked.version
            if ended or mark_of(asked) in flow_run.tags:
                own.append(asked)
    tag(*map(mark_of, own))  # all of them before the first: the process that goes on sees no trial
    for asked in own:
        if answer := ask(asked, own=True):
            by, no = answer
            approval.answer(asked.task, asked.dataset, asked.version, by, no=no)
            keep_card(asked.task, asked.dataset, return_state=True)


def tag(*tags: str) -> tuple[str, ...]:
    """Give this flow run tags, beside those that it has; returns them."""
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(flow_run.id).tags  # `flow_run.tags` are those of the beginning
        client.update_flow_run(flow_run.id, tags={*now, *tags})
    return tags


def show_report(version: data.DatasetVersion, note: str, run_id: str) -> None:
    """Keep what a retraining came to as an artifact of the flow run."""
    create_markdown_artifact(
        key=re.sub("[^a-z0-9]+", "-", f"{version.task}-{version.name}".lower()).strip("-"),
        markdown=f"{note}\n\n[The run in MLflow]({servers.page_of(run_id)})",
        description=f"What retraining {version.task} on {version.name} came to",
    )


def rung(
    fits: list[Fit],
    guarded: guard.Guard,
    parent: str,
    spending: Budget,
    costs: Costs,
    ranked: bool = False,
    always: Collection[str] = (),
    more: bool = False,
) -> Rung:
    """Do the fits that are missing, side by side, as long as the budget lasts; one that fails does
    not stop the others. ranked: whether the most promising stand first. always: the fingerprints
    of fits that are done whatever they take. more: whether the run can do without any of them."""
    reused = verification.reusable(fits)
    missing = [fit for fit in fits if fit.fingerprint not in reused]
    successive_halving.show(fits, missing)
    size = len(missing) if spending.text is None else dask_cluster.size(workers.for_fits())
    planned = budgets.Rung(spending, costs, missing, ranked, more or bool(reused), size, always)
    pending: dict[PrefectFuture, Fit] = {}
    records = []
    while True:
        for fit in planned.begin():
            priority = FIRST_LOOK if fit.look else costs.predict(fit)
            with prefect.tags(fit.arch):
                pending[submit_fit(fit_on_worker, priority, fit, guarded, parent)] = fit
        if not pending:
            break
        future = next(as_completed(list(pending)))
        fit, result = pending.pop(future), result_of(future)
        if isinstance(result, fitting.Result):
            planned.end(fit, result.record, result.line.seconds)
            console.show(result.line)
            records.append(result.record)
        else:
            planned.end(fit)
            console.line(fit.title, f"failed: {dask_cluster.cause_of(result)}", failed=True)
    left_out = [fit.title for fit in planned.waiting]
    if left_out:
        text = f"{len(left_out)} of {len(fits)}, for the budget: {', '.join(left_out)}"
        console.line("left out", text)
    return Rung([*reused.values(), *records], len(records), len(reused), left_out)


def blends(
    planned: list[Fit], members: list[Record], guarded: guard.Guard, parent: str
) -> list[Record]:
    """The records of blends of finished fits; those that are missing are made."""
    reused = verification.reusable(planned)
    records = [*reused.values()]
    for one in planned:
        if one.fingerprint in reused:
            continue
        result = result_of(submit(make_blend, FIRST_LOOK, one, members, guarded, parent))
        if isinstance(result, fitting.Result):
            console.show(result.line)
            records.append(result.record)
        else:
            console.line(one.arch, f"failed: {dask_cluster.cause_of(result)}", failed=True)
    return records


def submit(task: prefect.Task, priority: float, *arguments: Any) -> PrefectFuture:
    """Send a task to the cluster; of those that wait the one with the highest priority is next."""
    with dask.annotate(priority=priority, resources=workers.for_tasks()):
        return task.submit(*arguments)


def submit_fit(task: prefect.Task, priority: float, *arguments: Any) -> PrefectFuture:
    """Send a task that trains to a worker that offers what fits ask for."""
    with dask.annotate(priority=priority, resources=workers.for_fits()):
        return task.submit(*arguments)


def result_of(future: PrefectFuture) -> object:
    """What a task returned, or the exception that it, three workers in turn or its wait ended with.

    Raises where there is no answer, since the cluster ended.
    """
    try:
        return future.result(raise_on_failure=False)
    except ENDED as error:
        return error
