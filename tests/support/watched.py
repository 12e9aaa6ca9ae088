"""A champion with test rows on record, the requests that it answered, and their labels."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
from recorded import classified, finished, fit

from models.evaluation.measure import Scores
from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from pipelines.experiments import registry
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.plan import Fit

LABELS = ["cat", "dog"]
START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1e6)
MINUTE = 60_000_000
HISTORY, HORIZON = 8, 4


def champion(folder: Path, right: float = 0.9) -> registry.Version:
    """Make the next version of image digits, of 200 test rows, champion."""
    rows = classified(right, LABELS)
    record = finished(
        fit(seed=len(list(folder.parent.glob("*")))),
        folder,
        rows=rows,
        inputs=ImageInputs(8, 8, 1, tuple(LABELS)),
        **{f"test_{name}": value for name, value in rows["test"].metrics.items()},
    )
    version = registry.register("image", "digits", record)
    registry.set_champion(version)
    return version


def forecaster(
    folder: Path, lost: int = 10, windows: int = 100, write: Callable[[Path], str] | None = None
) -> registry.Version:
    """Make a version of forecast glucose champion, which lost some test windows to persistence.

    write: as `recorded.finished` takes it.
    """
    error = np.ones((windows, HORIZON))
    error[: windows - lost : 2] = 0.5
    naive_error = np.full((windows, HORIZON), 0.9)
    naive_error[: windows - lost] = 2.0
    rows = {
        "error": error,
        "naive_error": naive_error,
        "time": np.datetime64("2026-01-01") + np.arange(windows) * np.timedelta64(20, "m"),
        "series": np.array(["a"] * windows),
        "season": np.zeros(windows, int),
        "block": np.int64(2),
    }
    scored = {split: Scores({}, rows, "persistence") for split in ("validation", "test")}
    planned = Fit(
        dataset=DatasetVersion("forecast", "glucose", "f" * 32 + ".dir"),
        arch="gru",
        seed=0,
        profile="quick",
        parameters={},
        fingerprint="gru",
    )
    inputs = SeriesInputs.fit(np.arange(50.0), HISTORY, HORIZON)
    scores = {"test_coverage_95": 0.94}
    record = finished(planned, folder, rows=scored, inputs=inputs, write=write, **scores)
    version = registry.register("forecast", "glucose", record)
    registry.set_champion(version)
    return version


def answered(number: int, label: str | list[str] = "cat", **changes) -> dict:
    """The record of a request for a class, `r<number>`, a minute after the one before."""
    labels = [label] if isinstance(label, str) else label
    return {
        "time": START + number * MINUTE,
        "request_id": f"r{number}",
        "task": "image",
        "model": "espalier-image-digits",
        "version": "1",
        "status": 200,
        "inputs": len(labels),
        "label": labels,
        "familiar": [True] * len(labels),
    } | changes


def labelled(number: int, label: str = "cat", **changes) -> dict:
    """The label of `r<number>`."""
    return {"time": START + number * MINUTE, "request_id": f"r{number}", "label": label} | changes


def write(home: Path, folder: str, *records: dict) -> None:
    """Append records to the log, `requests`, or to `labels`."""
    (home / folder).mkdir(exist_ok=True)
    with (home / folder / "1.jsonl").open("ab") as file:
        file.writelines(orjson.dumps(record) + b"\n" for record in records)
