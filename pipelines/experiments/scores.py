"""What a finished fit scored on the test split, row by row: as recorded, or measured once more.

A model is scored on a version of the data once, and the rows are kept with its run: those of its
own version by the fit itself, those of a later one below `scores/<dataset_hash>/`.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data import classes, stored
from data.errors import DataError
from models.artifact import artifact
from pipelines.experiments import dataset as data
from pipelines.experiments import seen, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record

if TYPE_CHECKING:
    from models.evaluation.measure import Scores
    from models.evaluation.metrics import Metric

RESCORED = "espalier.rescored."  # tag of a run, with the version of the data at its end: when


def log_scores(metric: "Metric", scores: Mapping) -> None:
    """Keep the metrics of each split with the active run, the interval of `metric`, and the rows.

    scores: split → `models.evaluation.measure.Scores`.
    """
    import mlflow

    from models.evaluation import measure

    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        for split, scored in scores.items():
            _, low, high = measure.interval(metric, [scored.rows])
            metrics = scored.metrics | {f"{metric.name}_low": low, f"{metric.name}_high": high}
            mlflow.log_metrics({f"{split}_{name}": value for name, value in metrics.items()})
            # Not compressed: errors and probabilities hardly shrink, and take long to read then.
            np.savez(Path(scratch) / f"{split}.npz", **scored.rows)
        mlflow.log_artifacts(scratch, tracking.SCORES)
    mlflow.set_tag("espalier.naive", scores["test"].naive)


def rows_of(run_id: str, split: str, *, artifact_uri: str = "") -> dict[str, np.ndarray]:
    """The run's scores row by row on one split, as `models.evaluation.measure` made them.

    Args:
        run_id: of the fit, the rival or the baseline.
        split: validation or test; behind the version's hash and a slash where the run is of an
            older version than the one that was scored.
        artifact_uri: the run's, where it is known: asking for it takes longer than reading.

    Raises:
        OSError: there are none.
    """
    file = verification.artifact_of(run_id, f"{tracking.SCORES}/{split}.npz", artifact_uri)
    # Of a torn file numpy would leave open what it opened itself.
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        return dict(arrays)


def recorded(record: Record, split: str) -> "Scores":
    """The scores of a finished fit on a split of its own version of the data. Raises OSError."""
    from models.evaluation.measure import Scores

    prefix = f"{split}_"
    metrics = {
        name.removeprefix(prefix): value
        for name, value in record.metrics.items()
        if name.startswith(prefix)
    }
    rows = rows_of(record.run_id, split, artifact_uri=record.artifact_uri)
    return Scores(metrics, rows, record.naive)


def on_test(
    dataset: DatasetVersion,
    fitted: Record | Version,
    verified: Path | None = None,
    keep: bool = True,
) -> Mapping:
    """The rows (`measure.Scores`) of a record or version on the present test split.

    verified: its artifact's folder, where this run has hashed it already.
    keep: record the rows with the run where they had to be measured now. They say as `unseen`, bool
        (row,), which of them the model was neither fitted nor chosen on, where that is on record.
    Raises DataError where other data than that lies in the checkout, ModelError where the model
    answers with other labels or another horizon than the data.
    """
    from models.evaluation import measure

    if RESCORED + dataset.hash in tracking.connect().get_run(fitted.run_id).data.tags:
        return rows_of(fitted.run_id, f"{dataset.hash}/test")
    if fitted.dataset_hash == dataset.hash:
        rows = rows_of(fitted.run_id, "test")
        if measure.ROWS[dataset.task] <= rows.keys():  # a champion of older code has fewer
            return rows
    folder = verified or verification.verify(fitted)
    read = _prepared(dataset)
    measured = _measured(read, folder)
    unseen = seen.unseen(dataset, fitted, folder, read.splits["test"], measured["test"])
    if unseen is not None:
        measured["test"]["unseen"] = unseen
    if keep:
        _keep(fitted.run_id, dataset.hash, measured)
    return measured["test"]


def by_name(dataset: DatasetVersion, verified: Path, rows: Mapping) -> tuple[np.ndarray, dict]:
    """A classifier of other labels on the present test split, its answers taken by their names.

    verified: the folder of its artifact. rows: those of another model there.
    Returns bool (row,), whether the row's label is one of its own, and its rows; what it says that
    is no label any more is predicted as -1.
    Raises DataError where other data lies in the checkout.
    """
    from models.examples import examples
    from models.export import convert
    from models.inputs.answers import decided

    read, inputs = _prepared(dataset), artifact.read_inputs(verified)
    split, labels = read.splits["test"], read.facts["labels"]
    place = np.array([labels.index(one) if one in labels else -1 for one in inputs.labels])
    outputs = convert.runner(verified / "model.onnx")(examples(inputs, split).tensor)
    predicted = place[decided(outputs, inputs.weights)]
    probabilities = np.zeros((len(outputs), len(labels)))
    probabilities[:, place[place >= 0]] = outputs[:, place >= 0]
    said = {"predicted": predicted, "correct": predicted == split["label"]}
    return np.isin(split["label"], place), {**rows, **said, "probabilities": probabilities}


def failures(split: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which rows of a prepared split a champion has answered wrong as requests: `failure`, bool
    (row,); nothing where no requests were collected."""
    return {"failure": split["failure"]} if "failure" in split else {}


def test_split(dataset: DatasetVersion) -> Mapping[str, np.ndarray]:
    """The present test split. Raises DataError where other data lies in the checkout."""
    return _prepared(dataset).splits["test"]


def names_of(task: str, split: Mapping[str, np.ndarray]) -> list[str]:
    """What identifies each row of a prepared split, whatever its label."""
    if task == "forecast":
        readings = zip(*(split[name] for name in ("series", "time", "value")), strict=True)
        return [f"{series} {time} {value}" for series, time, value in readings]
    if "key" in split:
        return split["key"].tolist()
    return classes.digests(split["image" if task == "image" else "text"]).tolist()


def _measured(read: stored.Dataset, verified: Path) -> dict[str, dict[str, np.ndarray]]:
    """Split → its rows, of those that no fit learns from."""
    from models.evaluation import measure

    return {
        split: {
            **measure.evaluate_artifact(
                verified, {**read.splits, "test": read.splits[split]}, read.facts
            ).rows,
            **failures(read.splits[split]),
        }
        for split in measure.SCORED
    }


def _prepared(dataset: DatasetVersion) -> stored.Dataset:
    from data import prepared

    place = data.folder(dataset.name)
    if (lies_there := stored.hash_of(place)) != dataset.hash:
        raise DataError(
            f"{place} holds {lies_there}, and dvc.lock names {dataset.hash}: "
            f"`dvc checkout {place}`, or `espalier run --dataset {dataset.name}`"
        )
    return prepared.read(place)


def _keep(run_id: str, dataset_hash: str, measured: Mapping[str, Mapping]) -> None:
    client = tracking.connect()
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        for split, rows in measured.items():
            np.savez_compressed(Path(scratch) / f"{split}.npz", **rows)
        client.log_artifacts(run_id, scratch, f"{tracking.SCORES}/{dataset_hash}")
    # The tag comes last: it says that the rows are there.
    client.set_tag(run_id, RESCORED + dataset_hash, datetime.now(UTC).isoformat())
