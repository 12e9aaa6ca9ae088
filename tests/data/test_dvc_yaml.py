"""dvc.yaml: every stage lists the modules that it imports, and dvc.lock is of this code."""

import ast
import hashlib

import pytest
import yaml
from checkouts import ROOT

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
SHIPPED = [name for name, entry in PARAMS["datasets"].items() if entry.get("kind") == "package"]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
LOCK = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
IN_PACKAGES = ["digits", "mnist_5k", "imdb", "rotten_tomatoes"]
IN_PACKAGES += ["glucose", "sea_temperature", "stocks"]
LATE = {  # what a stage imports by the name that the dataset's entry gives
    "ingest": lambda entry: ["data/sources/{kind}.py", entry["path"]],
    "validate": lambda entry: ["data/suites/{task}.py"],
    "prepare": lambda entry: [],
}


def filled(template: str, name: str, entry: dict) -> str:
    for key, value in {"key": name, "item.path": entry["path"], **entry}.items():
        template = template.replace(f"${{{key}}}", str(value))
        template = template.replace(f"${{item.{key}}}", str(value))
    return template.format(**entry)


def first_party(path: str) -> set[str]:
    """The files of `data` that one file imports anywhere, typing aside."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    files = {f"{name.replace('.', '/')}.py" for name in names if name.startswith("data")}
    return {file for file in files if (ROOT / file).is_file()}


def closure(paths: list[str]) -> set[str]:
    seen, waiting = set(), list(paths)
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += first_party(path)
    return seen


def modules(stage: str, name: str) -> tuple[set[str], set[str]]:
    """The modules that a stage lists and those that it runs, for one dataset."""
    entry = PARAMS["datasets"][name]
    deps = [filled(dep, name, entry) for dep in STAGES[stage]["do"]["deps"]]
    late = [filled(path, name, entry) for path in LATE[stage](entry)]
    return {dep for dep in deps if dep.endswith(".py")}, closure([f"data/{stage}.py", *late])


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_what_it_runs(stage, name):
    listed, run = modules(stage, name)
    assert run <= listed


@pytest.mark.parametrize("kind", ["csv", "parquet", "json", "excel", "folder", "arrays"])
def test_ingest_lists_what_own_data_of_every_kind_runs(kind):
    deps = STAGES["ingest"]["do"]["deps"]
    listed = {dep.replace("${item.kind}", kind) for dep in deps}
    assert closure(["data/ingest.py", f"data/sources/{kind}.py"]) <= listed


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_nothing_that_no_dataset_runs(stage):
    lists, runs = zip(*(modules(stage, name) for name in SHIPPED), strict=True)
    assert set.union(*lists) == set.union(*runs)


def test_a_source_concerns_only_its_own_datasets():
    reviews = "data/sources/shipped/movie_reviews.py"
    owners = {name for name in SHIPPED if reviews in modules("ingest", name)[0]}
    assert owners == {"imdb", "rotten_tomatoes"}


def test_every_stage_depends_on_its_parameters_and_on_the_stages_before():
    for stage in STAGES.values():
        assert "datasets.${key}" in stage["do"]["params"]
    assert "data/raw/${key}" in STAGES["validate"]["do"]["deps"]
    assert {"data/raw/${key}", "data/reports/${key}"} <= set(STAGES["prepare"]["do"]["deps"])


@pytest.mark.parametrize("name", IN_PACKAGES)
def test_the_lock_was_written_by_this_code(name):
    """When this fails: `dvc repro prepare@NAME`, and commit dvc.lock with the change."""
    for stage in STAGES:
        locked = LOCK[f"{stage}@{name}"]
        for dep in locked["deps"]:
            if dep["path"].endswith(".py"):
                content = (ROOT / dep["path"]).read_bytes()
                assert hashlib.md5(content).hexdigest() == dep["md5"], dep["path"]
        assert locked["params"]["params.yaml"][f"datasets.{name}"] == PARAMS["datasets"][name]
