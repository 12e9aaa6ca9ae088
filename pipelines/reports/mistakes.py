"""The worst mistakes of each fit, for the page: which pictures, texts and windows it got wrong.

They are validation rows. Whoever looks at test rows chooses the next model by them, and the test
split is then worth less.
"""

import base64
import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from data.errors import DataError
from data.stored import Columns
from pipelines.experiments import dataset as data
from pipelines.experiments import scores, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import charts, svg

MOST = {"image": 12, "sentiment": 8, "forecast": 6}  # of a fit
LETTERS = 400  # of a text; of a longer one the end is left out
SIDE = 128  # pixels, at most, of a picture
OTHER_ROWS = "its validation rows are others than those in this checkout"


def worst(dataset: DatasetVersion, board: dict) -> tuple[dict[str, list[dict]], list[str]]:
    """The worst mistakes of each fit that has a name in a board of `comparison.compare`.

    Of several seeds it is the first one's. Classes: label, sure (the probability of that answer),
    truth, chance (what the true label got), and image (a data URI) or text. Series: when, error and
    naive_error (means over the horizon), picture (SVG).

    Returns:
        Name of the fit → its mistakes, the worst first; and a sentence for each one left out.
    """
    # A refit of older data has learned rows that are validation rows now.
    fits = {
        row["name"]: row
        for row in board["rows"]
        if "name" in row and not (row.get("rescored") and row["refit"])
    }
    if not fits or not dataset.facts:  # then the data lies elsewhere
        return {}, []
    found, notes = {}, []
    for name, row in fits.items():
        scored = f"{dataset.hash}/validation" if row.get("rescored") else "validation"
        try:
            split = data.rows(dataset).splits["validation"]
            found[name] = of_run(row["runs"][0], split, dataset.facts, scored)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            notes.append(f"the mistakes of {name} cannot be shown: {error}")
    return found, notes


def of_run(
    run: Mapping[str, str], split: Columns, facts: Mapping, place: str = "validation"
) -> list[dict]:
    """The worst mistakes of one run; raises DataError where it was measured on other rows.

    place: of its scores, as `scores.rows_of` takes it.
    """
    scored = scores.rows_of(run["run_id"], place, artifact_uri=run["artifact_uri"])
    if facts["task"] == "forecast":
        return _of_series(run["run_id"], scored, split, facts)
    return _of_classes(scored, split, facts)


def _of_classes(scored: Mapping[str, np.ndarray], split: Columns, facts: Mapping) -> list[dict]:
    """Wrong answers, the surest first."""
    label, probabilities = scored["label"], scored["probabilities"]
    if not np.array_equal(label, split["label"]):
        raise DataError(OTHER_ROWS)
    said = scored.get("predicted", probabilities.argmax(axis=1))  # older code kept no answer
    wrong, sure = np.flatnonzero(~scored["correct"]), probabilities[np.arange(len(label)), said]
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][: MOST[facts["task"]]]
    return [
        {
            "label": facts["labels"][said[row]],
            "sure": float(sure[row]),
            "truth": facts["labels"][label[row]],
            "chance": float(probabilities[row, label[row]]),
        }
        | _shown(split, row, facts)
        for row in chosen
    ]


def _shown(split: Columns, row: int, facts: Mapping) -> dict[str, str]:
    """A text, its end left out where it is long; or a picture, small."""
    if "text" in split:
        text = str(split["text"][row])
        return {"text": text if len(text) <= LETTERS else f"{text[:LETTERS]}…"}
    from PIL import Image

    from models.inputs.images import decode_picture

    image = split["image"][row]
    if isinstance(image, bytes):
        height, width, channels = facts["shape"]
        picture = decode_picture(image, "L" if channels == 1 else "RGB", (width, height))
    else:
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=85)
    return {"image": f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"}


def _of_series(
    run_id: str, scored: Mapping[str, np.ndarray], split: Columns, facts: Mapping
) -> list[dict]:
    """The windows that are furthest off, no two of which share a value; forecast once more."""
    from models.artifact import artifact
    from models.export import convert
    from models.inputs.answers import predict

    folder = verification.verify(tracking.record(tracking.judged(run_id)))
    inputs = artifact.read_inputs(folder)
    windows, error = inputs.windows(split, facts["stride"]), scored["error"].mean(axis=1)
    time = split["time"][windows.start + inputs.history]
    if not np.array_equal(time, scored["time"]):
        raise DataError(OTHER_ROWS)
    chosen = _apart(windows.start, error, inputs.history + inputs.horizon)
    run = convert.runner(folder / "model.onnx")
    _, answers = predict(inputs, run, windows.history[chosen])
    series = split["series"] if len(np.unique(split["series"])) > 1 else None
    return [
        {
            "when": (f"{series[windows.start[row]]}, " if series is not None else "")
            + np.datetime_as_string(time[row], "m").replace("T", " "),
            "error": float(error[row]),
            "naive_error": float(scored["naive_error"][row].mean()),
            "picture": svg.lines(
                charts.forecast("forecast", windows.history[row], windows.target[row], answer)
            ),
        }
        for row, answer in zip(chosen, answers, strict=True)
    ]


def _apart(start: np.ndarray, error: np.ndarray, span: int) -> Sequence[int]:
    """The windows of the largest errors, of those that overlap the worst alone."""
    chosen: list[int] = []
    for row in np.argsort(-error, kind="stable"):
        if len(chosen) == MOST["forecast"]:
            break
        if not len(chosen) or np.abs(start[chosen] - start[row]).min() >= span:
            chosen.append(row)
    return chosen
