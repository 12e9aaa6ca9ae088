"""Names, parameters and the code that a run depends on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_data import FACTS

from models import architectures
from models.errors import UnknownName, WrongParameter

ALL = [(task, arch) for task in architectures.TASKS for arch in architectures.names(task)]
GUARDS = [(task, architectures.GUARD) for task in architectures.TASKS]


@pytest.mark.parametrize("task", architectures.TASKS)
def test_names_come_in_textbook_order(task):
    names = architectures.names(task)
    assert names[:2] == ["perceptron", "ann"]
    assert names == [name for name in architectures.TEXTBOOK_ORDER if name in names]


@pytest.mark.parametrize(("task", "arch"), ALL + GUARDS)
def test_parameters_are_complete_and_plain_json(task, arch):
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
    ("name", "value", "said"),
    [
        ("units", 0, "at least 1"),
        ("units", 2.5, "a whole number"),
        ("units", True, "a whole number"),
        ("units", "64", "a whole number"),
        ("units", None, "a whole number"),
        ("size", 0, "at least 1"),
        ("learning_rate", -1.0, "finite number, 0 or more"),
        ("learning_rate", float("nan"), "finite number"),
        ("learning_rate", "fast", "a number"),
    ],
)
def test_a_wrong_value_is_answered_with_the_rule(name, value, said):
    with pytest.raises(WrongParameter, match=f"{name} must be.*{said}"):
        architectures.resolve("image", "ann", {name: value}, FACTS["image"])


def test_a_dataset_of_another_task_is_refused():
    with pytest.raises(WrongParameter, match="digits is a dataset for image"):
        architectures.resolve("forecast", "ann", {}, FACTS["image"])


def test_sources_hold_what_a_run_executes_and_no_other_architecture():
    found = {path.name: path for path in architectures.sources("image", "cnn")}
    assert {"cnn.py", "train.py", "examples.py", "inputs.py", "measure.py", "package.py"} <= set(
        found
    )
    assert {"artifact.py", "export.py", "naive.py", "errors.py", "architectures.py"} <= set(found)
    assert found["cnn.py"].parent.name == "image"
    assert "ann.py" not in found


@pytest.mark.parametrize(
    ("task", "arch", "run"),
    [(*one, "measure, package, train") for one in ALL] + [(*one, "guard") for one in GUARDS],
)
def test_sources_name_every_file_of_the_room_that_a_run_imports(task, arch, run):
    listed = {str(path) for path in architectures.sources(task, arch)}
    program = f"""
import sys
from models import architectures, {run}
architectures.module({task!r}, {arch!r})
for name, one in sys.modules.items():
    if name.startswith("models.") and not one.__file__.endswith("__init__.py"):
        print(one.__file__)
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert set(output.splitlines()) <= listed


def test_planning_imports_no_framework():
    program = """
import sys
from models import architectures
for task in architectures.TASKS:
    for arch in architectures.names(task):
        architectures.resolve(task, arch, {}, {})
        architectures.sources(task, arch)
assert not {"keras", "tensorflow", "jax", "onnx", "onnxruntime"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_the_modules_shared_with_serving_import_little():
    program = """
import sys
import models.artifact, models.familiarity, models.inputs
allowed = {"models", "numpy", "PIL"}
third = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - allowed
print(*sorted(name for name in third if name in
    ("keras", "tensorflow", "onnx", "onnxruntime", "pandas", "pyarrow", "sklearn", "scipy")))
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == []
