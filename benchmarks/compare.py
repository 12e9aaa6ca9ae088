"""How long it takes to compare many fits: 10,000 finished runs of a task, in a store of their own.

    make bench-compare        (a minute, most of it to make the stores)

Ten architectures with a thousand runs each, among them two settings with five seeds. Five fits are
recorded the way a real one is, with scores of as many rows as the dataset's test split has; the
others are copies of their rows in the state database, each with parameters and scores of its own.
Wall seconds of the first call in a fresh process, the median of three. MLflow is not imported.
"""

import gc
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from rich.table import Table

from models.evaluation import measure, metrics
from pipelines.experiments import leaderboard_rows, registry, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Row
from pipelines.experiments.plan import Fit
from pipelines.experiments.scores import log_scores
from pipelines.reports import comparison, leaderboard, page
from pipelines.runtime import console, environment

ARCHITECTURES, RUNS, SEEDS, SEVERAL = 10, 1000, 5, 2  # SEVERAL settings have SEEDS seeds each
TURNS = 3
HASH = "0123456789abcdef0123456789abcdef.dir"
DATASETS = {"image": "mnist_5k", "sentiment": "imdb", "forecast": "glucose"}
CLASSES, ROWS = {"image": 10, "sentiment": 2}, {"image": 1000, "sentiment": 5000}
SERIES = {"history": 72, "horizon": 12, "stride": 1, "season": 288, "interval_seconds": 300}
READINGS, EPOCHS = 7861, 20
SPLITS = ("train", "validation", "test")


def main() -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("task")
    for name in ("leaderboard s", "with verdicts s", "page s", "imports s"):
        table.add_column(name, justify="right")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh_process:
        for task in DATASETS:
            with tempfile.TemporaryDirectory(prefix="espalier-") as home:
                fresh_process.apply(make, (task, home))
                seconds = fresh_process.starmap(read, [(task, home)] * TURNS, chunksize=1)
                table.add_row(task, *(f"{one:.2f}" for one in np.median(seconds, axis=0)))
    console.out().print(table)


def read(task: str, home: str) -> list[float]:
    """Compare what is in the store; returns seconds, in the order of the table's columns."""
    times = [time.perf_counter()]
    import jinja2  # noqa: F401
    import scipy.stats  # noqa: F401
    import statsmodels.stats.multitest  # noqa: F401

    _enter(home)
    gc.collect()  # what the imports left behind is theirs
    times.append(time.perf_counter())
    version = DatasetVersion(task, DATASETS[task], HASH)
    board = leaderboard.compare(version)
    times.append(time.perf_counter())
    compared = comparison.compare(version)
    times.append(time.perf_counter())
    page.render(compared, {}, datetime.now(UTC))
    times.append(time.perf_counter())
    read = sum(row["seeds"] for row in board["rows"])
    if read != ARCHITECTURES * RUNS:
        raise RuntimeError(f"{read:,} runs were read, and {ARCHITECTURES * RUNS:,} are there")
    if "mlflow" in sys.modules:
        raise RuntimeError("MLflow was imported")
    imports, *seconds = np.diff(times)
    return [*seconds, imports]


def make(task: str, home: str) -> None:
    """Record SEEDS fits, and copy their rows until there are ARCHITECTURES x RUNS."""
    _enter(home)
    originals = [_recorded(task, seed, scores) for seed, scores in enumerate(_scores(task))]
    rows = [leaderboard_rows.find(run_id) for run_id in originals]
    leaderboard_rows.write(_copies(rows, metrics.of({"task": task}).name))
    leaderboard_rows.remove(originals)
    registry.champion(task, DATASETS[task])  # as every retraining asks


def _enter(home: str) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(name, None)
    os.environ["ESPALIER_HOME"] = home
    environment.apply()


def _copies(originals: list[Row], metric: str) -> Iterator[Row]:
    chance = random.Random(0)
    parameters = json.loads(originals[0].tags["espalier.parameters"])
    for arch in range(ARCHITECTURES):
        for number in range(RUNS):
            setting, seed = divmod(number, SEEDS) if number < SEVERAL * SEEDS else (number, 0)
            original, noise = originals[seed], chance.gauss(0, 0.01)
            run_id = uuid.UUID(int=chance.getrandbits(128)).hex
            tags = {
                "espalier.arch": f"architecture_{arch}",
                "espalier.parameters": json.dumps(parameters | {"units": setting}, sort_keys=True),
            }
            noisy = {
                name: value + noise if metric in name else value
                for name, value in original.metrics.items()
            } | {"latency_ms": chance.random()}
            yield replace(
                original,
                run_id=run_id,
                fingerprint=run_id,
                started=original.started + number,
                tags=original.tags | tags,
                metrics=noisy,
                curves={"loss": [1 / n for n in range(1, EPOCHS + 1)], "val_loss": [1.0] * EPOCHS},
            )


def _recorded(task: str, seed: int, scores: dict) -> str:
    """Record a fit with these scores; returns its run's id."""
    import mlflow

    parameters = {f"parameter_{number}": number / 7 for number in range(20)}
    version = DatasetVersion(task, DATASETS[task], HASH)
    fit = Fit(version, "any", seed, "quick", parameters, f"fingerprint {seed}")
    with tracking.child(fit, None) as run:
        for epoch in range(1, EPOCHS + 1):
            mlflow.log_metrics({"loss": 1 / epoch, "val_loss": 1.1 / epoch}, step=epoch)
        log_scores(metrics.of({"task": task}), scores)
        mlflow.log_metrics({"fit_seconds": 9.0, "parameter_count": 1e5, "latency_ms": 0.1})
        mlflow.set_tag("espalier.manifest_sha256", "0" * 64)
    return run.run_id


def _scores(task: str) -> Iterator[dict]:
    """For each seed what a model that is right most of the time scores on validation and test."""
    chance = np.random.default_rng(0)
    if task == "forecast":
        splits, facts = {split: _series(chance) for split in SPLITS}, SERIES | {"task": task}
        for _ in range(SEEDS):
            yield measure.score_forecasts(
                lambda windows, _: windows.target + chance.normal(0, 2, windows.target.shape),
                splits,
                facts,
            )
        return
    classes, rows = CLASSES[task], ROWS[task]
    splits = {split: {"label": chance.integers(classes, size=rows)} for split in SPLITS}
    for _ in range(SEEDS):
        probabilities = {
            split: np.eye(classes)[splits[split]["label"]] + chance.normal(0, 0.5, (rows, classes))
            for split in ("validation", "test")
        }
        labels = [str(number) for number in range(classes)]
        facts = {"task": "image", "labels": labels}
        yield measure.score_probabilities(probabilities, splits, facts)


def _series(chance: np.random.Generator) -> dict[str, np.ndarray]:
    first = np.datetime64("2026-01-01", "ns")
    return {
        "time": first + np.arange(READINGS) * np.timedelta64(SERIES["interval_seconds"], "s"),
        "value": 150 + np.cumsum(chance.normal(0, 5, READINGS)),
        "observed": np.ones(READINGS, bool),
        "segment": np.zeros(READINGS, int),
    }


if __name__ == "__main__":
    main()
