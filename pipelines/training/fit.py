"""One fit: trained, measured, packaged and recorded; and `espalier train`, which does several."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data import prepared
from models import architectures
from models.errors import ModelError
from pipelines.experiments import dataset as data
from pipelines.experiments import plan, ranking, tracking
from pipelines.experiments.plan import Fit
from pipelines.experiments.tracking import PrunedError
from pipelines.locks import lock
from pipelines.reports import leaderboard
from pipelines.runtime import console, environment, settings
from pipelines.training import baselines, guard, parameter_grid, plots

SCORED = ("validation", "test")
Watch = Callable[[int, dict[str, float]], None]


def train(
    task: str,
    arch: str,
    dataset: str | None,
    profile: str,
    seeds: int,
    changes: Sequence[dict],
    force: bool = False,
) -> dict:
    """Train one architecture with each of `changes` and with seeds 0 … seeds - 1.

    changes: parameters over the profile's, one dict for each point of a grid.
    force: do the fits again that are known already; the newest record is the one that counts.
    Returns these fits' part of the leaderboard, with `failed`: a sentence for each that failed.
    Raises what the last one raised when none succeeded.
    """
    dataset = settings.dataset_of(task, dataset)
    check(task, arch, dataset, profile, changes)
    with lock.hold(task):
        tracking.mend(task, dataset)
        version = data.version(task, dataset)
        planned = [
            fit
            for change in changes
            for fit in plan.fits(
                version, profile=profile, archs=[arch], seeds=range(seeds), changes=change
            )
        ]
        known = {} if force else tracking.reusable(planned)
        missing = [fit for fit in planned if fit.fingerprint not in known]
        report_known(planned, missing)
        failed = []
        if missing or baselines.unscored(version):
            with tracking.parent(version, profile, "train") as parent:
                failed = _fit_each(missing, parent, changes[0])
                baselines.score(version, parent)
    board = leaderboard.compare(version, only=planned)
    return board | {"failed": failed}


def check(task: str, arch: str, dataset: str, profile: str, changes: Iterable[dict]) -> None:
    """Raise UsageError or ParameterError for a wrong name or value, before the data is touched."""
    said = settings.overrides(profile, task, arch, dataset)
    for change in changes:
        architectures.resolve(task, arch, said | change, {"name": dataset})


def _fit_each(fits: list[Fit], parent: str, swept: Iterable[str]) -> list[str]:
    """Do the fits; returns why those failed that did. Raises when none succeeded.

    swept: the parameters that tell the fits apart.
    """
    failed = []
    for number, planned in enumerate(fits):
        if len(fits) > 1:
            point = {name: planned.parameters[name] for name in swept} | {"seed": planned.seed}
            console.line("fit", f"{number + 1} of {len(fits)}: {parameter_grid.told(point)}")
        try:
            fit(planned, data.folder(planned.dataset.name), parent)
        except ModelError as error:
            if len(failed) == number == len(fits) - 1:
                raise
            failed.append(str(error))
            console.line(planned.arch, f"failed: {error}")
    return failed


def fit(fit: Fit, folder: Path, parent: str | None, watch: Watch | None = None) -> str:
    """Train on the prepared data in `folder` and record it all; returns the child run's id.

    watch: called after each epoch with its number, from 1, and metrics; may raise `PrunedError`.
    Killed, it goes on from its last epoch the next time.
    """
    import mlflow

    from models.training import fit as training

    task, metric = fit.dataset.task, ranking.METRIC[fit.dataset.task][0]
    guarded = guard.ensure(fit.dataset, folder, parent)
    dataset = prepared.read(folder)
    start, total = time.monotonic(), fit.parameters["epochs"]
    kept = environment.home() / "checkpoints" / f"{fit.fingerprint}.npz"
    with tracking.child(fit, parent) as run_id, console.epochs(fit.arch, total) as show:

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)
            if watch is not None:
                watch(epoch, metrics)

        try:
            fitted = training.train(
                task,
                fit.arch,
                fit.parameters,
                dataset.splits,
                dataset.facts,
                fit.seed,
                on_epoch,
                kept,
            )
        except PrunedError:
            kept.unlink(missing_ok=True)
            raise
        scores = _record_artifact(fit, fitted, dataset, guarded)
        tracking.log_scores(task, metric, scores)
        _record_plots(fit, fitted, scores["test"], dataset.facts)
        mlflow.log_metrics(
            {"fit_seconds": fitted.seconds, "parameter_count": fitted.parameter_count}
        )
    kept.unlink(missing_ok=True)
    validation, test = (scores[split].metrics[metric] for split in SCORED)
    name = fit.arch if fit.seed == 0 else f"{fit.arch} {fit.seed}"
    said = f"{len(fitted.history)} epochs; {metric} {validation:.4f}, on test {test:.4f}"
    console.line(name, said, time.monotonic() - start)
    return run_id


def _record_artifact(fit: Fit, fitted, dataset, guarded: guard.Guard) -> dict:
    """Write the artifact, prove it, time one request, and keep it with the run.

    Returns the `measure.Scores` of validation and test, measured on the graph that serves.
    """
    import mlflow

    from models.artifact import artifact
    from models.evaluation import measure
    from models.export import convert, package

    run_id = mlflow.active_run().info.run_id  # the service's page leads to it
    identity = {
        "task": fit.dataset.task,
        "dataset": fit.dataset.name,
        "dataset_hash": fit.dataset.hash,
        "arch": fit.arch,
        "seed": fit.seed,
        "parameters": fit.parameters,
        "fingerprint": fit.fingerprint,
        "guard": guarded.fingerprint,
        "run_id": run_id,
    }
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        folder = Path(scratch)
        digest = package.write(
            folder, fitted, dataset.splits, dataset.facts, identity, guarded.folder
        )
        requests = [artifact.payload(case["request"])[0] for case in artifact.read_golden(folder)]
        latency = convert.latency_ms(folder / "model.onnx", fitted.inputs.to_tensor(requests))
        mlflow.log_artifacts(scratch, tracking.MODEL)
        run, facts = convert.runner(folder / "model.onnx"), dataset.facts
        scores = {
            split: measure.score(run, fitted.inputs, fitted.floor, dataset.splits[split], facts)
            for split in SCORED
        }
    if fit.dataset.task == "forecast":
        for scored in scores.values():
            scored.metrics["coverage_80"] = _coverage(fitted.inputs, scored.rows["error"], 0.80)
    mlflow.log_metric("latency_ms", latency)
    mlflow.set_tag("espalier.manifest_sha256", digest)
    return scores


def _coverage(inputs, error, level: float) -> float:
    """The share of targets in the intervals of this level, or of the highest that there is.

    error: absolute, in the data's own unit (window, step).
    """
    highest = inputs.check_options()[1]
    return float((error <= inputs.radius(min(level, highest))).mean())


def _record_plots(fit: Fit, fitted, test, facts: dict) -> None:
    import mlflow

    title, rows = f"{fit.arch} on {fit.dataset.name}", test.rows
    figures = {"learning_curve": plots.learning_curve(fitted.history, title)}
    if fit.dataset.task == "forecast":
        errors = (rows["error"].mean(axis=0), rows["naive_error"].mean(axis=0))
        figures["error_by_step"] = plots.error_by_step(*errors, test.naive, title)
        figures["forecasts"] = plots.forecasts(
            rows["history"], rows["target"], rows["forecast"], title
        )
    else:
        figures["confusion_matrix"] = plots.confusion_matrix(
            rows["confusion"], facts["labels"], title
        )
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"plots/{name}.png")


def report_known(fits: list[Fit], missing: list[Fit]) -> None:
    """Say how many of the fits need not be done again."""
    if len(missing) < len(fits):
        console.line("reused", f"{len(fits) - len(missing)} of {len(fits)} fits are known already")


def report_rung(fits: list[Fit], missing: list[Fit]) -> None:
    """Say what the fits of one rung are: first looks at all, or full fits of the promising."""
    if any(fit.look for fit in fits):
        share, epochs = (fits[0].parameters[name] for name in ("share", "epochs"))
        said = f"{len(fits)} architectures, {share:.0%} of the rows, {epochs} epochs"
        console.line("first look", said)
    elif fits:
        console.line("full fits", ", ".join(fit.arch for fit in fits))
    report_known(fits, missing)


def report_failures(fits: list[Fit], messages: list[str | None]) -> None:
    """Say which fits failed and why; None is a fit that did not."""
    for fit, said in zip(fits, messages, strict=True):
        if said is not None:
            console.line(fit.arch, f"failed: {said}")
