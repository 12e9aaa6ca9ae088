"""One fit: trained, measured, packaged and recorded."""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data import prepared
from data.declared import SPLITS
from data.stored import Columns
from models.artifact import artifact
from pipelines.experiments import dataset as data
from pipelines.experiments import plan, ranking, seen, tracking, verification
from pipelines.experiments.journal import Recording
from pipelines.experiments.plan import Fit
from pipelines.experiments.scores import failures, log_scores, recorded
from pipelines.experiments.tracking import PrunedError, Record
from pipelines.locks import lock
from pipelines.locks.lock import LockHeldError
from pipelines.processes import servers, threads
from pipelines.reports import charts
from pipelines.runtime import console, environment
from pipelines.training import guard, mlmodel, plots

if TYPE_CHECKING:
    from models.evaluation.measure import Scores
    from models.training.fit import Fitted

SCORED = ("validation", "test")
FIT_SECONDS = 24 * 3600  # for another process that does the same fit
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Result:
    """What a finished fit comes to: its record, and the line that a person sees of it."""

    record: Record
    line: console.Line


def fit(
    planned: Fit,
    guarded: guard.Guard,
    parent: str | None,
    on_epoch: OnEpoch | None = None,
    again: bool = False,
) -> Result:
    """Do a planned fit in this process and record it below the run `parent`.

    guarded: the guard that is packaged with the model. on_epoch: called after each epoch with its
    number, from 1, and metrics; may raise PrunedError. again: whether it is done even where it is
    on record.
    A refit begins with the fit of the training rows, where that is not on record. Killed, it goes
    on from its last epoch the next time. Raises RuntimeError where this process would do another
    fit than the planned one, ModelError.
    """
    environment.apply()
    plan.require_same(planned)
    tracking.send_journals()
    if not environment.unanswered(environment.MLFLOW):  # it may be away when the files are needed
        verification.artifact_folder(guarded.run_id)
    before = None
    if planned.refit:
        first = plan.before(planned)
        known = _known(first)
        before = known or fit(first, guarded, parent, on_epoch).record
        on_epoch = None  # which reads what an epoch came to on validation
    if threads.use(planned.parameters["threads"]):
        with ExitStack() as held:
            if done := done_already(planned, held, again):
                return done
            return _fit(planned, guarded, parent, on_epoch, before)
    if on_epoch is not None:
        raise RuntimeError(
            f"threads={planned.parameters['threads']} needs a process of its own, which a search "
            "cannot prune: fit the guard first (espalier train), or search without threads"
        )
    return threads.in_own_process(fit, planned, guarded, parent, None, again)


def done_already(planned: Fit, held: ExitStack, again: bool = False) -> Result | None:
    """Hold the fit's lock until `held` ends; returns what another process has made of it since it
    was planned: it was sent twice, or a worker died between its record and its answer.

    again: whether what is on record now is to be done again.
    """
    name, start = lock.of_fit(planned.fingerprint), time.monotonic()
    before = _known(planned) if again else None
    try:
        held.enter_context(lock.hold(name, 0))
    except LockHeldError as other:
        console.line(planned.title, f"{other}; this fit waits")
        held.enter_context(lock.hold(name, FIT_SECONDS))
    record = _known(planned)
    if record is None or record == before:
        return None
    text = "done by another process meanwhile"
    return Result(record, console.Line(planned.title, text, time.monotonic() - start))


def _known(planned: Fit) -> Record | None:
    """The record of a fit that was done already."""
    reusable = partial(verification.reusable, [planned])
    return servers.awaited(reusable, "say what is on record").get(planned.fingerprint)


def _fit(
    planned: Fit,
    guarded: guard.Guard,
    parent: str | None,
    on_epoch: OnEpoch | None,
    before: Record | None,
) -> Result:
    """before: of a refit, the fit of the training rows."""
    import mlflow

    from models.export import package

    start, total = time.monotonic(), planned.parameters["epochs"]
    if before is not None:
        total = int(before.metrics["best_epoch"])
    dataset = data.rows(planned.dataset)
    ends: list[float] = []
    checkpoint = environment.home() / "checkpoints" / f"{planned.fingerprint}.npz"
    with tracking.child(planned, parent) as run, console.epochs(planned.arch, total) as show:

        def each_epoch(epoch: int, metrics: dict[str, float]) -> None:
            ends.append(time.monotonic())
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)
            if on_epoch is not None:
                on_epoch(epoch, metrics)

        try:
            fitted = _fitted(planned, before, dataset, each_epoch, checkpoint)
        except PrunedError:
            checkpoint.unlink(missing_ok=True)
            raise
        write = partial(package.write, fitted=fitted)
        scores = record_artifact(run, planned, fitted.inputs, write, dataset, guarded, before)
        mlflow.log_metrics(_costs(fitted, ends, _rows(planned, dataset)))
        best = {"best_epoch": fitted.best_epoch, "temperature": 1 / fitted.sharpness}
        mlflow.log_metrics(best)
        plots: dict[str, Sequence[charts.Chart]] = {}
        if before is None:  # the epochs of a refit tell nothing apart
            losses = {name: [epoch[name] for epoch in fitted.history] for name in tracking.LOSSES}
            plots["learning_curve"] = [charts.learning_curve(planned.arch, [losses])]
        record_plots(planned, scores["test"], dataset.facts, **plots)
    checkpoint.unlink(missing_ok=True)
    line = line_of(planned, f"{len(fitted.history)} epochs", scores, time.monotonic() - start)
    return Result(tracking.record(run.run_id), line)


def _fitted(
    planned: Fit,
    before: Record | None,
    dataset: prepared.Dataset,
    on_epoch: OnEpoch,
    checkpoint: Path,
) -> "Fitted":
    from models.evaluation import decision
    from models.training import fit as training

    splits, facts = dataset.splits, dataset.facts
    recipe = (planned.dataset.task, planned.arch, planned.parameters, splits, facts, planned.seed)
    if before is not None:
        inputs = artifact.read_inputs(verification.verify(before))
        epochs, temperature = (before.metrics[name] for name in ("best_epoch", "temperature"))
        found = training.Found(inputs, int(epochs), 1 / temperature)
        return training.refit(*recipe, found, on_epoch, checkpoint)
    judge = decision.judge(splits, facts)
    fitted = training.train(*recipe, on_epoch, checkpoint, judge)
    outputs = partial(training.predict, fitted.model)
    inputs = decision.deciding(outputs, fitted.inputs, splits, facts)
    return replace(fitted, inputs=inputs)


def _rows(planned: Fit, dataset: prepared.Dataset) -> float:
    """How many rows an epoch has."""
    splits = ["train", *(["validation"] if planned.refit else [])]
    count = sum(len(next(iter(dataset.splits[split].values()))) for split in splits)
    return count * planned.parameters.get("share", 1)


def _costs(fitted: "Fitted", ends: list[float], rows: float) -> dict[str, float]:
    """What a fit took, of which the seconds of an epoch are what a budget goes by: the first one
    compiles. ends: when each epoch ended. rows: of an epoch."""
    lengths = [end - before for before, end in itertools.pairwise(ends)]
    costs = {"fit_seconds": fitted.seconds, "parameter_count": float(fitted.parameter_count)}
    if not lengths:
        return costs
    seconds = statistics.median(lengths)
    return costs | {"seconds_per_epoch": seconds, "rows_per_second": rows / max(seconds, 1e-9)}


def line_of(planned: Fit, what: str, scores: dict[str, "Scores"], seconds: float) -> console.Line:
    """The line that a person sees of a finished fit; what: it took, or was made of."""
    metric = ranking.metric(planned.dataset).name
    validation, test = (scores[split].metrics[metric] for split in SCORED)
    name = planned.arch if planned.seed == 0 else f"{planned.arch} {planned.seed}"
    text = f"{what}; {metric} {console.figure(validation)}, on test {console.figure(test)}"
    return console.Line(name, text, seconds)


def record_artifact(
    run: Recording,
    planned: Fit,
    inputs: Any,
    write: Callable[..., str],
    dataset: prepared.Dataset,
    guarded: guard.Guard,
    before: Record | None = None,
) -> dict[str, "Scores"]:
    """Write the artifact, prove it, time one request, and keep it with the run.

    inputs: the fitted ones. write: what writes the model, such as `models.export.package.write`.
    before: of a refit, which takes its scores on validation, rows that it was fitted on itself.
    Returns the `measure.Scores` of validation and test, measured on the graph that serves.
    """
    import mlflow

    from models.evaluation import measure
    from models.export import convert

    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        folder = Path(scratch)
        familiarity = verification.artifact_folder(guarded.run_id)
        mlmodel.write(folder, inputs)
        seen.write(folder, dataset.splits)
        digest = write(
            folder,
            splits={**dataset.splits, "test": of_source(dataset)},
            facts=dataset.facts,
            identity=_identity(planned, guarded, run.run_id),
            guard=familiarity,
        )
        requests = [artifact.payload(case["request"])[0] for case in artifact.read_golden(folder)]
        latency = convert.latency_ms(folder / "model.onnx", inputs.to_tensor(requests))
        mlflow.log_artifacts(scratch, tracking.MODEL)
        answer = convert.runner(folder / "model.onnx")
        measured = measure.SCORED if before is None else ["test"]
        scores = measure.score(answer, inputs, dataset.splits, dataset.facts, measured)
    for name, scored in scores.items():
        if planned.dataset.task == "sentiment":
            share = inputs.unknown_share(dataset.splits[name]["text"])
            scored.metrics["unknown_words"] = share
        scored.rows.update(failures(dataset.splits[name]))
    if before is not None:
        scores["validation"] = recorded(before, "validation")
        mlflow.set_tag(tracking.BEFORE, before.run_id)
    log_scores(ranking.metric(planned.dataset), scores)
    mlflow.log_metric("latency_ms", latency)
    mlflow.set_tag("espalier.manifest_sha256", digest)
    return scores


def of_source(dataset: prepared.Dataset) -> Columns:
    """The test rows without those that were requests; of series, where no windows are left, those
    of an earlier split. Golden requests are made of them, which the service shows to everybody."""
    from data import series

    test, facts = dataset.splits["test"], dataset.facts
    if "collected" not in test:
        return test
    if facts["task"] != "forecast":
        return {name: column[~test["collected"]] for name, column in test.items()}
    for split in reversed(SPLITS):
        rows = dataset.splits[split]
        own = ~np.isin(rows["segment"], rows["segment"][rows["collected"]])
        test = {name: column[own] for name, column in rows.items()}
        if len(series.window_starts(test, facts["history"], facts["horizon"], facts["stride"])):
            break
    return test


def _identity(planned: Fit, guarded: guard.Guard, run_id: str) -> dict[str, Any]:
    """What the manifest says of where a model comes from."""
    return {
        "task": planned.dataset.task,
        "dataset": planned.dataset.name,
        "dataset_hash": planned.dataset.hash,
        "arch": planned.arch,
        "seed": planned.seed,
        "parameters": planned.parameters,
        "fingerprint": planned.fingerprint,
        "guard": guarded.fingerprint,
        # The service's page leads to it. MLflow's server, if it was away, has given none yet.
        **({"run_id": run_id} if run_id else {}),
    }


def record_plots(
    planned: Fit, test: "Scores", facts: Mapping, **more: Sequence[charts.Chart]
) -> None:
    """Keep the plots of what a fit answers on the test split with the active run, and `more`."""
    import mlflow

    title, rows = f"{planned.arch} on {planned.dataset.name}", test.rows
    figures = {name: plots.figure(chart, title) for name, chart in more.items()}
    if planned.dataset.task == "forecast":
        errors = (rows["error"].mean(axis=0), rows["naive_error"].mean(axis=0))
        by_step = charts.error_by_step(*errors, test.naive)
        windows = [
            charts.forecast(planned.arch, rows["history"][number], target, answer)
            for number, target in enumerate(rows["target"])
            for answer in [{part: rows[part][number] for part in charts.ANSWER if part in rows}]
        ]
        figures |= {
            "error_by_step": plots.figure([by_step], title),
            "forecasts": plots.figure(windows, title),
        }
    else:
        counts = plots.confusion_matrix(rows["confusion"], facts["labels"], title)
        figures["confusion_matrix"] = counts
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"plots/{name}.png")
