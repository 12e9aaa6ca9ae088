"""Each command of the documentation is one that the tools know, with options that they take."""

import re
import shlex
import subprocess

import pytest
import typer
from documents import PAGES, blocks, files
from project import ROOT

from pipelines.cli import app

COMMANDS = sorted({command for block in blocks() for command in block.commands})
ESPALIER = [command for command in COMMANDS if command.startswith("espalier ")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
# What else a reader is told to type; `make test-docs` runs these.
OTHERS = ("export ", "curl ", "prefect ", "bentoml ", "mlflow ", "rm ", "git ", "source ", ".venv/")
OTHERS += ("python -c ", "head ", "openssl ", "dask ", "dvc ")


# What our own processes tell each other.
INTERNAL = {"ESPALIER_METRICS_FOLDER", "ESPALIER_STAGE_FAILURE", "ESPALIER_STAGE_PARENT"}


@pytest.mark.parametrize("command", ESPALIER)
def test_an_espalier_command_parses(command):
    verb, arguments = typer.main.get_command(app), shlex.split(command)[1:]
    while hasattr(verb, "commands"):  # `espalier data list`
        name, *arguments = arguments
        verb = verb.commands[name]
    with verb.make_context(name, arguments) as context:
        assert context.args == []


@pytest.mark.parametrize("command", MAKE)
def test_a_target_of_make_is_there(command):
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_no_command_is_of_another_kind():
    others = set(COMMANDS) - set(ESPALIER) - set(MAKE)
    assert [command for command in others if not command.startswith(OTHERS)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_file_leads_there(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_every_variable_that_the_code_reads_is_described():
    code = [
        path for room in ("data", "pipelines", "serving") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    read, described = (
        {name for path in texts for name in re.findall("ESPALIER_[A-Z_]+", path.read_text("utf-8"))}
        for texts in (code, PAGES)
    )
    assert read - described == INTERNAL


def test_a_file_that_a_text_names_is_there():
    """Pages, docstrings and comments; not what a run makes, nor what is named beside its folder."""
    rooms = "data|models|pipelines|serving|tests|benchmarks|docs|deploy"
    named = re.compile(rf"(?<![\w/.])(?:{rooms})/[\w/.-]*\w\.(?:py|md|yaml|conf)\b")
    texts = [path for kind in ("py", "md", "yaml") for path in ROOT.rglob(f"*.{kind}")]
    texts = [
        path for path in texts if not path.relative_to(ROOT).parts[0].startswith((".", "build"))
    ]
    assert len(texts) > 300
    readers = files("docs/own-architecture.md")
    missing = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in texts
        for name in named.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and not name.startswith("data/own/") and name not in readers
    }
    assert missing == set()
