"""docs/own-architecture.md followed literally in a copy: one file, and every test still passes."""

import shlex
import subprocess
import sys

import pytest
from documents import blocks, files
from project import ROOT, copied, espalier, variables

pytestmark = pytest.mark.slow

PAGE = "docs/own-architecture.md"
# Those that name every architecture, or the order of all.
TESTS = ("tests/models/test_architectures.py", "tests/pipelines/experiments/test_architectures.py")
TESTS += ("tests/pipelines/experiments/test_fingerprint.py",)
TESTS += ("tests/pipelines/runtime/test_settings.py",)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy that has the page's file."""
    project = copied(tmp_path_factory.mktemp("own") / "espalier")
    (project / ".venv").symlink_to(ROOT / ".venv")
    for path, text in files(PAGE).items():
        (project / path).write_text(text)
    return project


def test_the_page_can_be_followed(project):
    tools, here = str(ROOT / ".venv" / "bin"), str(project)
    typed = [command for block in blocks() if block.page == PAGE for command in block.commands]
    assert len(typed) == 3
    typed += [f"pytest -q {' '.join(TESTS)}"]
    for command in typed:
        done = subprocess.run(
            shlex.split(command),
            cwd=project,
            env=variables(PATH=f"{tools}:/usr/bin:/bin", PYTHONPATH=here),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("espalier train"):
            assert "my_net" in done.stdout


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def build(:\n", "line 1: invalid syntax"),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("INPUTS, FIT = {}, {}\n", "has no function build"),
        ("FIT = {}\ndef build(height, *, units=3): ...\n", "has no dict INPUTS"),
        ("INPUTS = FIT = {}\ndef build(height, *, units): ...\n", "parameter units needs"),
    ],
)
def test_a_file_with_a_fault_is_named_and_the_others_go_on(text, cause, project):
    file = project / "models" / "sentiment" / "bad.py"
    file.write_text(text)
    listed = espalier(project, "train", "--list")
    assert listed.returncode == 0, listed.stderr
    assert "transformer" in listed.stdout
    assert cause in listed.stderr
    asked = espalier(project, "train", "--task", "sentiment", "--arch", "bad")
    assert asked.returncode == 1
    assert asked.stderr.startswith(f"espalier: {file.relative_to(project)}")
    assert cause in asked.stderr
    planned = subprocess.run(
        [sys.executable, "-c", PLAN], cwd=project, env=variables(), capture_output=True, text=True
    )
    assert planned.stdout.split() == ["transformer"], planned.stderr


# As a run plans all tasks: what has a fault is told, and no part of it.
PLAN = """
from pipelines.experiments import dataset, plan
facts = {"name": "imdb", "task": "sentiment", "rows": {"train": 100}}
version = dataset.DatasetVersion("sentiment", "imdb", "0" * 32, facts)
print([fit.arch for fit in plan.fits(version, profile="quick")][-1])
"""
