"""What may not go on stops: with its exit code, one clear sentence, and nothing half-done."""

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from holding import holding
from PIL import Image
from project import (
    KEPT,
    answer,
    declare_reviews,
    declare_series,
    espalier,
    parameters,
    runs,
    store,
    variables,
    waves,
)

from models.architectures import BLEND

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(prepared_copy, tmp_path_factory):
    return prepared_copy(tmp_path_factory.mktemp("refusals") / "project")


def declare_pictures(project: Path) -> Path:
    """Own pictures, served: 40 of noise in each of two folders, of which three are none."""
    with parameters(project) as params:
        params["datasets"]["pictures"] = {"task": "image", "kind": "folder", "path": "own/pictures"}
        params["serve"]["image"] = "pictures"
    draw, root = np.random.default_rng(0), project / "own" / "pictures"
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(40):
            pixels = draw.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    for number in range(3):
        (root / "cat" / f"{number}.png").write_text("no picture")
    return root


def test_the_gate_says_what_is_wrong_where_and_how_often(project):
    declare_pictures(project)
    reviews = declare_reviews(project)
    bad = re.compile(r"^[a-z ]+( \d+) dreadful", re.MULTILINE)
    reviews.write_text(bad.sub(r"!?!?!?!?!?!?!?\1", reviews.read_text()))
    values = waves()
    values[100:104] = [math.nan] * 4
    declare_series(project, values)
    with parameters(project) as params:
        params["datasets"]["reviews"]["labels"] = ["bad", "good", "mixed"]

    done = espalier(project, "run", "--json")

    assert done.returncode == 3
    for said in (
        "expect_column_values_to_not_be_null on readings.value",
        "not so for 4 of 1,000 readings",
        "not so for 100 of 200 texts",
        "mixed",
        "cat/0.png",
    ):
        assert said in done.stderr
    for dataset in ("pictures", "reviews", "levels"):
        told = done.stderr.partition(f"the gate refused {dataset}")[2].partition("shows the rest")
        assert told[0].count("for example") >= 3
        assert (project / "data" / "reports" / dataset / "validation.html").is_file()
        assert not (project / "data" / "prepared" / dataset).exists()
    for outcome in answer(done)["tasks"].values():
        assert (outcome["champion"], outcome["trained"]) == (None, 0)
        assert outcome["reason"] == "the data was refused"
    assert not store(project).search_model_versions()
    assert not runs(project, "forecast", "levels")


def test_a_missing_or_truncated_source_is_one_sentence(project):
    whole = pa.table({"text": [f"review {row}" for row in range(200)], "label": ["a", "b"] * 100})
    file = project / "own" / "cut.parquet"
    file.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(whole, file)
    file.write_bytes(file.read_bytes()[:-100])
    columns = {"text": "text", "label": "label"}
    cut = {"task": "sentiment", "kind": "parquet", "path": "own/cut.parquet", "columns": columns}
    absent = {"task": "image", "kind": "folder", "path": "own/absent"}
    none = {"task": "forecast", "kind": "csv", "path": "own/none.csv"}
    none |= {"columns": {"time": "t", "value": "v"}}
    none |= {"interval": 300, "history": 24, "horizon": 4, "season": 24}
    with parameters(project) as params:
        params["datasets"] |= {"cut": cut, "absent": absent, "none": none}
        params["serve"] = {"image": "absent", "sentiment": "cut", "forecast": "none"}

    done = espalier(project, "run", "--json")

    assert done.returncode == 1
    stopped = [line.split(maxsplit=1)[1] for line in done.stderr.splitlines() if "stopped" in line]
    paths = ("own/absent", "own/cut.parquet", "own/none.csv")
    assert sorted(path for line in stopped for path in paths if path in line) == sorted(paths)
    assert "Traceback" not in done.stderr
    for dataset in ("absent", "cut", "none"):
        for place in ("raw", "reports", "prepared"):
            assert not list((project / "data" / place).glob(f"*{dataset}*"))
    assert not store(project).search_model_versions()


def test_a_held_lock_stops_its_own_dataset_alone(project):
    """The stocks meanwhile go their way, to another refusal: nothing beats their last close."""
    with parameters(project) as params:
        params["serve"] |= {"image": "digits", "forecast": "stocks"}
    with holding("image/digits", cwd=project, env=variables()) as holder:
        locked = espalier(project, "run", "--task", "image", "--json")
        other = espalier(project, "run", "--task", "forecast", "--json")
    assert locked.returncode == 75, locked.stderr
    assert f"process {holder.pid} " in answer(locked)["tasks"]["image"]["reason"]
    assert f"process {holder.pid} " in locked.stderr
    assert "start" not in locked.stderr  # told before a server was started
    assert not runs(project, "image", "digits", "retrain")

    assert other.returncode == 3, other.stderr
    outcome = answer(other)["tasks"]["forecast"]
    assert (outcome["trained"], outcome["champion"]) == (2, None)
    assert "the naive baseline" in outcome["reason"]
    assert not (project / ".espalier" / "published" / "forecast.json").exists()


def test_nothing_beats_the_naive_forecast_the_second_time_either(project):
    done = espalier(project, "run", "--task", "forecast", "--json")
    assert done.returncode == 3
    outcome = answer(done)["tasks"]["forecast"]
    assert (outcome["trained"], outcome["reused"], outcome["champion"]) == (0, 2, None)
    assert "the naive baseline" in outcome["reason"]


def test_whichever_forecast_is_asked_for_the_gate_says_so(project):
    fits = runs(project, "forecast", "stocks", "fit")
    assert {fit.data.tags["espalier.arch"] for fit in fits} == {*KEPT["forecast"], BLEND}
    for fit in fits:
        done = espalier(project, "promote", "--task", "forecast", fit.info.run_id, "--json")
        assert done.returncode == 3, done.stderr
        assert " refused: " in done.stderr
        failed = [check["name"] for check in answer(done)["checks"] if not check["passed"]]
        assert "naive" in failed
    assert store(project).search_model_versions("name = 'espalier-forecast-stocks'")
