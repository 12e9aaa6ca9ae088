"""The worst mistakes of a fit: the surest wrong answers, the windows that are furthest off."""

import base64
import io
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tiny
from PIL import Image
from recorded import DIGITS, HASH, finished, fit
from small_data import FACTS, digits, reviews, waves

from data.errors import DataError
from models.evaluation import measure
from models.export import convert
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import mistakes

ROWS = {"image": digits, "sentiment": reviews}


def guessed(splits: dict, facts: dict) -> dict[str, measure.Scores]:
    """Scores of answers by chance, each as sure as chance will have it."""
    chance, classes = np.random.default_rng(0), len(facts["labels"])
    answers = {
        split: chance.dirichlet(np.ones(classes), len(splits[split]["label"]))
        for split in measure.SCORED
    }
    return measure.score_probabilities(answers, splits, facts)


@pytest.mark.parametrize("task", ["image", "sentiment"])
def test_the_surest_wrong_answers_are_shown_with_what_is_right(task, home, tmp_path):
    splits, facts = ROWS[task](), FACTS[task]
    if task == "sentiment":
        splits["validation"]["text"][:] = "long " * 200
    rows = guessed(splits, facts)
    run = finished(fit(), tmp_path / "fit", rows=rows)
    shown = mistakes.of_run(vars(run), splits["validation"], facts)
    assert len(shown) == mistakes.MOST[task]
    scored = rows["validation"].rows
    sure = scored["probabilities"].max(axis=1)
    wrong = np.flatnonzero(~scored["correct"])
    worst = wrong[sure[wrong].argmax()]
    named = [
        facts["labels"][n]
        for n in (scored["probabilities"][worst].argmax(), scored["label"][worst])
    ]
    assert [shown[0]["label"], shown[0]["truth"]] == named
    assert shown[0]["sure"] == pytest.approx(sure[worst])
    assert [one["sure"] for one in shown] == sorted((one["sure"] for one in shown), reverse=True)
    assert all(one["label"] != one["truth"] and one["chance"] < one["sure"] for one in shown)
    if task == "sentiment":
        assert shown[0]["text"] == ("long " * 200)[: mistakes.LETTERS] + "…"
    else:
        content = base64.b64decode(shown[0]["image"].partition("base64,")[2])
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L"), int)
        assert np.abs(pixels - splits["validation"]["image"][worst][..., 0]).mean() < 12
    splits["validation"]["label"] = splits["validation"]["label"][::-1]
    with pytest.raises(DataError, match="are others than those in this checkout"):
        mistakes.of_run(vars(run), splits["validation"], facts)


def test_files_are_shown_as_a_model_sees_them(home, tmp_path):
    splits, facts = digits(), FACTS["image"] | {"shape": [64, 48, 3]}
    run = finished(fit(), tmp_path / "fit", rows=guessed(splits, facts))
    files = np.empty(len(splits["validation"]["label"]), object)
    files[:] = [tiny.picture("JPEG", 300, "RGB")] * len(files)
    shown = mistakes.of_run(vars(run), splits["validation"] | {"image": files}, facts)
    content = base64.b64decode(shown[0]["image"].partition("base64,")[2])
    assert Image.open(io.BytesIO(content)).size == (48, 64)


def test_the_windows_furthest_off_are_drawn_and_none_overlaps(home, tmp_path):
    splits, facts = waves(), FACTS["forecast"] | {"horizon": tiny.HORIZON}
    for rows in splits.values():
        rows["series"] = np.full(len(rows["value"]), "pump")
    planned = replace(fit("ann"), dataset=DatasetVersion("forecast", "waves", HASH))
    model = tmp_path / "model.onnx"
    model.write_bytes(tiny.graph_of("forecast").SerializeToString())
    scored = measure.score(convert.runner(model), tiny.series_inputs(), splits, facts)
    write = partial(tiny.write, task="forecast", seed=0)
    run = finished(planned, tmp_path / "fit", rows=scored, write=write)
    shown = mistakes.of_run(vars(run), splits["validation"], facts)
    errors = scored["validation"].rows["error"].mean(axis=1)
    assert shown[0]["error"] == pytest.approx(errors.max())
    assert 1 < len(shown) <= mistakes.MOST["forecast"]
    times = np.sort([np.datetime64(one["when"]) for one in shown])
    assert np.diff(times).min() >= np.timedelta64(2 * (tiny.HISTORY + tiny.HORIZON), "h")
    for one in shown:
        assert f"mean absolute error {one['error']:.4g} over {tiny.HORIZON} steps" in one["picture"]
    two = splits["validation"]["series"].astype("U8")
    two[::2] = "fan"
    more = mistakes.of_run(vars(run), splits["validation"] | {"series": two}, facts)
    assert more[0]["when"].startswith(("pump, 20", "fan, 20"))


def test_a_fit_whose_mistakes_cannot_be_shown_is_named(home, tmp_path):
    run = finished(fit(), tmp_path / "fit")
    board = {"rows": [{"name": "cnn", "runs": [vars(run)]}, {"arch": "look"}]}
    here = replace(DIGITS, facts=FACTS["image"])
    found, [note] = mistakes.worst(here, board)
    assert found == {}
    assert note.startswith("the mistakes of cnn cannot be shown: ")
    assert mistakes.worst(DIGITS, board) == ({}, [])  # its data lies elsewhere
