"""What a champion's own held-out rows look like: the test split of its version of the data.

The rows are answered by the champion's artifact as the service would, once, and kept as records of
the request log in `<home>/monitor/<manifest>-<code>.parquet`. The newest stay; any may be removed.
"""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data import prepared
from data.errors import DataError
from models import signals as measuring
from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from pipelines.experiments import dataset as data
from pipelines.experiments import fingerprint, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.monitoring import requests
from pipelines.monitoring.drift import signals
from pipelines.runtime import environment

if TYPE_CHECKING:
    import pyarrow

    from models.export.answering import Answering

ROWS = 10_000  # of a test split, in equal distances: more say little more
BATCH = 512
KEPT = 16  # references, those that were made last


class NoReference(RuntimeError):
    """A champion's held-out rows are not to be had here; the message says why and what to do."""


def folder() -> Path:
    """Where references are kept."""
    return environment.home() / "monitor"


def of(task: str, dataset: str, version: Version) -> tuple[Any, "pyarrow.Table"]:
    """Return the champion's inputs, and a record for each of its held-out rows, in their order.

    Raises:
        NoReference: its artifact or its data is not to be had on this machine.
    """
    from pyarrow import ArrowInvalid, parquet

    try:
        verified = verification.verify(version)
    except ArtifactError as error:
        raise NoReference(f"the champion's artifact cannot be read: {error}") from error
    inputs = artifact.read_inputs(verified)
    place = folder() / f"{version.manifest_sha256}-{_code()}.parquet"
    with suppress(OSError, ArrowInvalid):
        return inputs, parquet.read_table(place)
    try:
        read = prepared.read(data.local(DatasetVersion(task, dataset, version.dataset_hash)))
    except DataError as error:
        raise NoReference(
            f"the held-out rows of {version.name} v{version.version} are not on this machine, so "
            f"that nothing says what is usual: {error}"
        ) from error
    made = answered(verified, read.splits["test"])
    _keep(made, place)
    return inputs, made


def answered(folder: Path, split: Mapping[str, np.ndarray]) -> "pyarrow.Table":
    """Return a record for each row of a split, up to `ROWS`, as the service would log it.

    Args:
        folder: of the artifact, verified.
        split: as prepared.
    """
    from models.export.answering import Answering

    model = Answering(folder)
    return records(model, rows(model.inputs, split))


def rows(inputs: Any, split: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return raw inputs, up to `ROWS` of a split; histories as long as the model can use."""
    if inputs.kind == "series":
        long = replace(inputs, history=inputs.reads).windows(split).history
        raw = long if len(long) else inputs.windows(split).history
    else:
        raw = split[inputs.kind]
    if len(raw) <= ROWS:
        return raw
    return raw[np.linspace(0, len(raw) - 1, ROWS).astype(int)]


def records(model: "Answering", rows: np.ndarray) -> "pyarrow.Table":
    """Return a record for each raw input; one that the model refuses is refused there too."""
    import pyarrow

    columns, names = signals.fields(model.inputs.kind)
    made = [
        record
        for start in range(0, len(rows), BATCH)
        for record in _records(model, rows[start : start + BATCH])
    ]
    return pyarrow.Table.from_pylist(made, schema=requests.schema(columns, names))


def _records(model: "Answering", rows: np.ndarray) -> Iterator[dict]:
    raw = rows.tolist() if model.inputs.kind == "text" else rows
    tensor = model.inputs.to_tensor(raw)
    for row, read, answer in zip(raw, tensor, model.answers(raw), strict=True):
        record = {
            "inputs": 1,
            "status": 200,
            "signals": measuring.measured(model.inputs, row, read),
        }
        if "familiarity" in answer:
            record["familiarity"] = [answer["familiarity"]]
        yield record | DESCRIBED[model.inputs.kind](model.inputs, row) | _answer(answer)


def _answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "label" in answer:
        probability = answer["probabilities"][answer["label"]]
        return {"label": [answer["label"]], "probability": [probability]}
    return {
        "horizon": len(answer["forecast"]),
        "level": answer["level"],
        "forecast_mean": float(np.mean(answer["forecast"])),
        "interval_width": float(np.mean(answer["upper"]) - np.mean(answer["lower"])),
    }


def _picture(inputs: Any, picture: np.ndarray | bytes) -> dict[str, Any]:
    from PIL import Image

    if isinstance(picture, np.ndarray):
        return {"width": picture.shape[1], "height": picture.shape[0]}
    with Image.open(io.BytesIO(picture)) as opened:
        return {"width": opened.width, "height": opened.height}


def _text(inputs: Any, text: str) -> dict[str, Any]:
    return {"words": int(inputs.word_counts([text], inputs.tokenizer)[0])}


def _series(inputs: Any, history: np.ndarray) -> dict[str, Any]:
    read = history[-inputs.history :]
    described = {"mean": float(read.mean()), "std": float(read.std()), "last": float(read[-1])}
    return {"values": len(history)} | described


DESCRIBED: dict[str, Callable[[Any, Any], dict[str, Any]]] = {
    "image": _picture,
    "text": _text,
    "series": _series,
}


def _code() -> str:
    """What names the code that makes a reference: another may measure otherwise."""
    files = (Path(measuring.__file__), Path(signals.__file__), Path(__file__))
    digests = [fingerprint.digest_of(file)[1] for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:12]


def _keep(table: "pyarrow.Table", place: Path) -> None:
    """Write a reference, whole or not at all."""
    from pyarrow import parquet

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=place.parent) as scratch:
        parquet.write_table(table, Path(scratch) / place.name)
        (Path(scratch) / place.name).replace(place)
    made = sorted(place.parent.glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    for path in made[:-KEPT]:
        path.unlink(missing_ok=True)
