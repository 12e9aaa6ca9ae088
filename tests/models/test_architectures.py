"""Names, parameters and the code that a run depends on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_data import FACTS

from models import architectures
from models.errors import UnknownName, WrongParameter
from models.inputs.kinds import CLASSES


@pytest.mark.parametrize("task", architectures.TASKS)
def test_names_come_in_textbook_order_and_parameters_as_plain_json(task):
    names = architectures.names(task)
    shipped = [name for name in architectures.TEXTBOOK_ORDER if name in names]
    assert names == shipped + sorted(set(names) - set(shipped))
    for arch in (*names, architectures.GUARD):
        parameters = architectures.resolve(task, arch, {}, FACTS[task])
        assert json.loads(json.dumps(parameters)) == parameters
        assert {"epochs", "batch_size", "learning_rate", "patience"} <= parameters.keys()


def test_an_override_takes_the_default_s_type():
    chosen = {"units": 7, "learning_rate": 1}
    parameters = architectures.resolve("image", "ann", chosen, FACTS["image"])
    assert (parameters["units"], parameters["learning_rate"]) == (7, 1.0)
    assert type(parameters["learning_rate"]) is float


@pytest.mark.parametrize(
    ("task", "arch", "overrides", "said"),
    [
        ("imagee", "ann", {}, "did you mean 'image'"),
        ("image", "ccn", {}, "did you mean 'cnn'"),
        ("image", "../cnn", {}, "There is no image architecture '../cnn'"),
        ("image", "__init__", {}, "There is no image architecture"),
        ("image", "ann", {"unit": 3}, "did you mean 'units'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(task, arch, overrides, said):
    with pytest.raises(UnknownName, match=said):
        architectures.resolve(task, arch, overrides, {})


@pytest.mark.parametrize(
    ("task", "name", "value", "rule"),
    [
        ("image", "units", 0, "at least 1"),
        ("image", "units", True, "a whole number"),
        ("image", "units", "64", "a whole number"),
        ("image", "units", None, "a whole number"),
        ("image", "size", 0, "at least 1"),
        ("image", "learning_rate", -1.0, "finite number, at least 0"),
        ("image", "learning_rate", float("nan"), "finite number"),
        ("image", "learning_rate", float("inf"), "finite number"),
        ("image", "learning_rate", "fast", "a number"),
        ("image", "share", 1.5, "finite number, from 1e-06 to 1"),
        ("sentiment", "ngrams", 3, "finite number, from 1 to 2"),
    ],
)
def test_a_wrong_value_is_answered_with_the_rule(task, name, value, rule):
    arch = "ann" if task == "image" else "perceptron"
    with pytest.raises(WrongParameter, match=f"{name} must be.*{rule}"):
        architectures.resolve(task, arch, {name: value}, FACTS[task])


def test_a_dataset_of_another_task_is_refused():
    with pytest.raises(WrongParameter, match="digits is a dataset for image"):
        architectures.resolve("forecast", "ann", {}, FACTS["image"])


def sources(task: str, arch: str, **changes) -> set[str]:
    parameters = architectures.resolve(task, arch, changes, {})
    room = Path(architectures.__file__).parent
    files = architectures.sources(task, arch, parameters)
    return {path.relative_to(room).as_posix() for path in files}


def test_sources_hold_what_a_run_executes_and_no_other_architecture_or_task():
    files = sources("image", "cnn")
    assert {"image/cnn.py", "training/fit.py", "examples.py", "inputs/images.py"} <= files
    assert {"artifact/artifact.py", "export/convert.py", "evaluation/naive.py"} <= files
    assert not {"image/ann.py", "inputs/texts.py", "inputs/series.py"} & files
    assert not any(path.startswith(("rivals", "sentiment", "forecast")) for path in files)


def test_augmentation_and_synonyms_are_sources_where_they_are_switched_on():
    assert not any("augmentation/sentiment" in path for path in sources("sentiment", "ann"))
    deleted = sources("sentiment", "ann", delete=0.1)
    assert "augmentation/sentiment.py" in deleted
    assert "augmentation/synonyms.py" not in deleted
    assert "augmentation/synonyms.py" in sources("sentiment", "ann", replace=0.1)


@pytest.fixture(scope="module")
def imported() -> dict[tuple[str, bool], set[str]]:
    """Task and whether it is a guard → the files that are loaded as a run does it.

    Each in a fork of one process that has imported Keras, which takes seconds.
    """
    program = """
import importlib, json, os, sys
import keras
from models import architectures
from models.inputs import kinds

ROOMS = {True: ("export.guard", "training.guard"), False: ("evaluation.measure", "export.package")}
for task in architectures.TASKS:
    for guard, rooms in ROOMS.items():
        if os.fork():
            os.wait()
            continue
        for room in (*rooms, "augmentation.layers"):
            importlib.import_module(f"models.{room}")
        arch = architectures.GUARD if guard else architectures.names(task)[-1]
        architectures.module(task, arch)
        kinds.of_task(task)
        files = [one.__file__ for name, one in sys.modules.items() if name.startswith("models.")]
        print(json.dumps([task, guard, files]), flush=True)
        os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    room = Path(architectures.__file__).parent
    return {
        (task, guard): {
            Path(file).relative_to(room).as_posix()
            for file in files
            if not file.endswith("__init__.py")
        }
        for task, guard, files in map(json.loads, done.stdout.splitlines())
    }


@pytest.mark.parametrize("task", architectures.TASKS)
@pytest.mark.parametrize("guard", [False, True])
def test_sources_name_every_file_of_the_room_that_a_run_imports(imported, task, guard):
    """What is imported by name is loaded as a run does it."""
    arch = architectures.GUARD if guard else architectures.names(task)[-1]
    assert imported[task, guard] <= sources(task, arch)
    assert f"inputs/{CLASSES[task][0]}.py" in imported[task, guard]


def test_modules_are_imported_by_name_in_these_places_alone():
    """Each is one that `architectures.sources` lists by itself: imports do not show them."""
    room = Path(architectures.__file__).parent
    by_name = {
        path.relative_to(room).as_posix()
        for path in room.rglob("*.py")
        if "import_module(" in path.read_text()
    }
    assert by_name == {
        "architectures.py",
        "augmentation/layers.py",
        "export/convert.py",  # what registers a stranger's layers, in the child process
        "export/package.py",
        "inputs/kinds.py",
    }


def test_planning_imports_no_framework():
    program = """
import sys
from models import architectures
for task in architectures.TASKS:
    for arch in architectures.names(task):
        architectures.resolve(task, arch, {}, {})
        architectures.sources(task, arch, architectures.defaults(task, arch))
assert not {"keras", "tensorflow", "jax", "onnx", "onnxruntime"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_the_modules_shared_with_serving_import_little():
    program = """
import sys
import models.artifact.artifact, models.familiarity.familiarity
from models.inputs import images, kinds, series, texts
heavy = {"keras", "tensorflow", "onnx", "onnxruntime", "pandas", "sklearn", "scipy"}
assert not heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
