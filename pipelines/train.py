"""One fit: trained, measured, packaged and recorded; and `espalier train`, which does several."""

import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from data import prepared
from models import architectures
from pipelines import (
    choose,
    console,
    environment,
    leaderboard,
    lock,
    plan,
    plots,
    settings,
    tracking,
)
from pipelines import dataset as data
from pipelines.plan import Fit
from pipelines.settings import UsageError

SCORED = ("validation", "test")


def train(
    task: str, arch: str, dataset: str | None, profile: str, seeds: int, changes: dict
) -> dict:
    """Train one architecture with seeds 0 … seeds - 1; returns its part of the leaderboard.

    `changes` are parameters over the profile's. Fits that are known already are not done again.
    """
    dataset = settings.dataset_of(task, dataset)
    # Names are checked before the data is touched.
    settings.profile(profile)
    architectures.resolve(task, arch, changes, {"name": dataset})
    with lock.hold(task):
        tracking.mend(task, dataset)
        dataset_hash = data.version(dataset)
        fits = plan.fits(
            task,
            dataset,
            dataset_hash,
            data.facts(data.folder(dataset)),
            profile=profile,
            archs=[arch],
            seeds=range(seeds),
            changes=changes,
        )
        known = tracking.reusable(fits)
        missing = [fit for fit in fits if fit.fingerprint not in known]
        report_known(fits, missing)
        if missing:
            with tracking.parent(task, dataset, dataset_hash, profile, "train") as parent:
                for planned in missing:
                    fit(planned, data.folder(dataset), parent)
    board = leaderboard.compare(task, dataset, dataset_hash)
    chosen = (arch, fits[0].parameters, profile)
    board["rows"] = [
        row for row in board["rows"] if (row["arch"], row["parameters"], row["profile"]) == chosen
    ]
    return board


def parsed(changes: Iterable[str]) -> dict:
    """`["units=64", "dropout=0.2"]` → `{"units": 64, "dropout": 0.2}`."""
    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--set takes key=value, received {change!r}")
        found[name] = yaml.safe_load(value)
    return found


def fit(fit: Fit, folder: Path, parent: str | None) -> str:
    """Train on the prepared data in `folder` and record it all; returns the child run's id.

    Killed, it goes on from its last epoch the next time.
    """
    import mlflow

    from models import measure
    from models import train as training

    dataset = prepared.read(folder)
    start, total = time.monotonic(), fit.parameters["epochs"]
    kept = environment.home() / "checkpoints" / f"{fit.fingerprint}.npz"
    with tracking.child(fit, parent) as run_id, console.epochs(fit.arch, total) as show:

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            show(epoch, metrics)

        fitted = training.train(
            fit.task,
            fit.arch,
            fit.parameters,
            dataset.splits,
            dataset.facts,
            fit.seed,
            on_epoch,
            kept,
        )
        scores = {
            split: measure.evaluate(fitted, dataset.splits[split], dataset.facts)
            for split in SCORED
        }
        _record_artifact(fit, fitted, dataset)
        _record_scores(fit, scores)
        _record_plots(fit, fitted, scores["test"], dataset.facts)
        mlflow.log_metrics(
            {"fit_seconds": fitted.seconds, "parameter_count": fitted.parameter_count}
        )
    kept.unlink(missing_ok=True)
    metric = choose.METRIC[fit.task][0]
    validation, test = (scores[split].metrics[metric] for split in SCORED)
    name = fit.arch if fit.seed == 0 else f"{fit.arch} {fit.seed}"
    said = f"{len(fitted.history)} epochs; {metric} {validation:.4f}, on test {test:.4f}"
    console.line(name, said, time.monotonic() - start)
    return run_id


def _record_artifact(fit: Fit, fitted, dataset) -> None:
    """Write the artifact, prove it, time one request, and keep it with the run."""
    import mlflow

    from models import artifact, export, package

    identity = asdict(fit)
    del identity["profile"]
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        folder = Path(scratch)
        digest = package.write(folder, fitted, dataset.splits, dataset.facts, identity)
        requests = [artifact.payload(case["request"])[0] for case in artifact.read_golden(folder)]
        latency = export.latency_ms(folder / "model.onnx", fitted.inputs.to_tensor(requests))
        mlflow.log_artifacts(scratch, tracking.MODEL)
    mlflow.log_metric("latency_ms", latency)
    mlflow.set_tag("espalier.manifest_sha256", digest)


def _record_scores(fit: Fit, scores: dict) -> None:
    """Keep the metrics of each split with the interval of the deciding one, and the rows."""
    import mlflow

    from models import measure

    metric = choose.METRIC[fit.task][0]
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        for split, scored in scores.items():
            _, low, high = measure.interval(fit.task, [scored.rows])
            metrics = scored.metrics | {f"{metric}_low": low, f"{metric}_high": high}
            mlflow.log_metrics({f"{split}_{name}": value for name, value in metrics.items()})
            np.savez_compressed(Path(scratch) / f"{split}.npz", **scored.rows)
        mlflow.log_artifacts(scratch, tracking.SCORES)
    mlflow.set_tag("espalier.naive", scores["test"].naive)


def _record_plots(fit: Fit, fitted, test, facts: dict) -> None:
    import mlflow

    title, rows = f"{fit.arch} on {fit.dataset}", test.rows
    figures = {"learning_curve": plots.learning_curve(fitted.history, title)}
    if fit.task == "forecast":
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


def report_failures(fits: list[Fit], messages: list[str | None]) -> None:
    """Say which fits failed and why; None is a fit that did not."""
    for fit, said in zip(fits, messages, strict=True):
        if said is not None:
            console.line(fit.arch, f"failed: {said}")
