import json
import os
import shutil
import socket
import time
from types import SimpleNamespace

import entries
import keys_of
import pytest

from data.dvc import calls
from pipelines.commands import configuration, doctor
from pipelines.experiments import architectures
from pipelines.runtime import environment, known_bad

ROOT = environment.ROOT
NOWHERE = "http://127.0.0.1:9"


def test_a_healthy_place_has_nothing_to_mend(home):
    findings = doctor.findings(["MLFLOW_RUN_ID"])
    assert [finding for finding in findings if finding["mend"]] == []
    states = {finding["what"]: finding["state"] for finding in findings}
    assert states["backend"].startswith("tensorflow on ")
    assert "tensorflow 2.21" in states["tools"]
    assert states["DVC remote"].startswith("local")
    assert states["state database"] == f"sqlite:///{home / 'espalier.db'}"
    assert "MLFLOW_RUN_ID" in states["variables"]  # set aside


@pytest.fixture
def world(home, tmp_path, monkeypatch):
    """A checkout and a home to be spoiled."""
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)
    (root / "data" / "sources").symlink_to(ROOT / "data" / "sources")
    (root / ".dvc" / "tmp").mkdir(parents=True)
    for name in ("params.yaml", "pyproject.toml", "requirements.lock", "dvc.lock"):
        shutil.copy(ROOT / name, root / name)
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(calls, "ROOT", root)
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield SimpleNamespace(root=root, home=home, env=monkeypatch.setenv, port=other)


def edited(name: str, old: str, new: str):
    """A problem: a file of the checkout says one thing for another."""

    def spoil(world) -> None:
        text = (world.root / name).read_text()
        assert old in text
        (world.root / name).write_text(text.replace(old, new, 1))

    return spoil


def written(place: str, name: str, text: str):
    """A problem: what a file of the checkout or the home holds."""

    def spoil(world) -> None:
        file = getattr(world, place) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return spoil


def declared(**entry):
    """A problem: an own dataset."""
    return written("root", "data/own/mine/entry.yaml", json.dumps(entry))


SERIES = {"task": "forecast", "kind": "csv", "path": ".", "columns": {"time": "t", "value": "v"}}
# What is wrong in the declarations → what it is of, and its cause.
DECLARED = {
    "half-typed": (edited("params.yaml", "\nserve:", "\nserve: ["), "params.yaml", "line "),
    "key twice": (edited("params.yaml", "\nsplit:", "\nserve: 3\nsplit:"), "params.yaml", "twice"),
    "section": (edited("params.yaml", "\nserve:", "\nsever:"), "params.yaml", "'serve'"),
    "task left out": (edited("params.yaml", "  image: mnist_5k", ""), "params.yaml", "lacks image"),
    "unknown": (edited("params.yaml", "image: mnist_5k", "image: mnst"), "params.yaml", "'mnist'"),
    "another's": (
        edited("params.yaml", "image: mnist_5k", "image: imdb"),
        "params.yaml",
        "'imdb', one for sentiment",
    ),
    "sum": (edited("params.yaml", "test: 0.20", "test: 0.3"), "params.yaml", "adds up to 1.1"),
    "gate key": (edited("params.yaml", "alpha: 0.05", "alfa: 0.05"), "params.yaml", "'alpha'"),
    "gate value": (edited("params.yaml", "floor: 0.4", "floor: high"), "params.yaml", "'high'"),
    "gate task": (
        edited("params.yaml", "gate:\n  image", "gate:\n  imge"),
        "params.yaml",
        "'image'",
    ),
    "gate dataset": (
        edited("params.yaml", "    all: {al", "    mnst: {al"),
        "params.yaml",
        "'mnist'",
    ),
    "profile key": (
        edited("params.yaml", "first_look:", "first_lok:"),
        "params.yaml",
        "'first_look'",
    ),
    "profile share": (edited("params.yaml", "share: 0.5", "share: 5"), "params.yaml", "share"),
    "architecture": (edited("params.yaml", "cnn: {all", "cn: {all"), "params.yaml", "'cnn'"),
    "parameter": (
        edited("params.yaml", "cnn: {all: {epochs", "cnn: {all: {epoch"),
        "params.yaml",
        "'epochs'",
    ),
    "kind": (edited("params.yaml", "kind: package", "kind: pakage"), "dataset digits", "pakage"),
    "own key": (declared(**SERIES, intervall=60), "dataset mine", "'interval'"),
    "own YAML": (written("root", "data/own/mine/entry.yaml", "a: ["), "dataset mine", "not YAML"),
    "own name": (written("root", "data/own/imdb/entry.yaml", "a: 1"), "params.yaml", "rename"),
    "source": (
        declared(task="image", kind="folder", path="/no/such"),
        "dataset mine",
        "/no/such is missing",
    ),
}


@pytest.mark.parametrize(("spoil", "what", "cause"), DECLARED.values(), ids=DECLARED)
def test_what_is_declared_wrongly_is_found(spoil, what, cause, world):
    spoil(world)
    assert [one for one in configuration.faults() if one[0] == what and cause in one[1] and one[2]]


def test_all_that_is_declared_wrongly_is_found_at_once(world):
    assert configuration.faults() == []
    for name in ("unknown", "sum", "gate value", "profile share", "architecture", "source"):
        DECLARED[name][0](world)
    assert len(configuration.faults()) == 6


def _decide(world) -> None:
    entries.append("espalier-image-digits")
    entries.rewritten("UPDATE ledger SET reason = 'another'")


# What is wrong with the machine: what it is of → how, its cause, its remedy.
MACHINE = {
    "Python": (
        edited("pyproject.toml", 'requires-python = "', 'requires-python = ">=3.14,'),
        ">=3.14,",
        "make",
    ),
    "lock": (edited("requirements.lock", "\nkeras==3", "\nkeras==2"), "keras 3", "make setup"),
    "variables": (lambda world: world.env("KERAS_BACKEND", "abacus"), "abacus", "unset KERAS"),
    "backend": (lambda world: world.env("KERAS_BACKEND", "abacus"), "not installed", "unset KERAS"),
    "locale": (lambda world: world.env("LC_ALL", "xx_YY.UTF-8"), "xx_YY", "export LC_ALL"),
    "keras.json": (written("home", "keras.json", '{"floatx": "float8"}'), "float8", "keras.json"),
    "git": (lambda world: world.env("PATH", ""), "not installed", "install git"),
    "dvc.lock": (
        written("root", "dvc.lock", "stages:\n  ingest@x:\n    de"),
        "cut off",
        "restores",
    ),
    "DVC's locks": (
        written("root", ".dvc/tmp/rwlock", '{"write": {"x": {"pid": 4194999}}}'),
        "has ended",
        "espalier run",
    ),
    "DVC remote": (lambda world: None, "none", "dvc remote add"),
    "MLflow": (
        lambda world: world.env("MLFLOW_TRACKING_URI", NOWHERE),
        NOWHERE,
        "unset MLFLOW_TRACKING_URI",
    ),
    "Prefect": (
        lambda world: world.env("PREFECT_API_URL", f"{NOWHERE}/api"),
        NOWHERE,
        "unset PREFECT_API_URL",
    ),
    "Dask": (
        lambda world: world.env("ESPALIER_CLUSTER", "localhost"),
        "expected tls://HOST:PORT",
        "unset ESPALIER_CLUSTER",
    ),
    "port": (lambda world: None, "taken by another process", "--port"),
    "state": (lambda world: None, "GiB free", "free some space"),
    "MLflow's database": (
        written("home", "mlflow.db", "no database" * 99),
        "not a database",
        "copy",
    ),
    "ledger": (_decide, "entry 1 was changed", "espalier trace"),
    "telemetry": (
        lambda world: world.env("MLFLOW_DISABLE_TELEMETRY", "false"),
        "MLFLOW_DISABLE_TELEMETRY",
        "unset",
    ),
    "champions": (
        written(
            "home",
            "published/image.json",
            '{"name": "espalier-image-mnist_5k", "version": "1", "artifact": "artifacts/0", '
            '"manifest_sha256": "0"}',
        ),
        "espalier-image-mnist_5k/1",
        "espalier run",
    ),
    "signatures": (
        lambda world: world.env("ESPALIER_TRUST", str(keys_of.pair(world.home, "own")[1])),
        "ESPALIER_SIGNING_KEY is not set",
        "image must not serve",
    ),
    "clients": (
        written("home", "tokens.json", '{"clients": [{"name": "shop"}]}'),
        "no list of clients",
        "issue the tokens anew",
    ),
    "clock": (
        lambda world: os.utime(world.root / "dvc.lock", (time.time() + 7200,) * 2),
        "120 minutes behind",
        "set the clock",
    ),
}


def test_what_is_wrong_with_the_machine_is_found_all_at_once_and_soon(world, monkeypatch):
    world.env("KERAS_HOME", str(world.home))
    monkeypatch.setattr(doctor, "PORT", world.port.getsockname()[1])
    monkeypatch.setattr(doctor, "NEEDED_GIB", 10**9)
    for spoil, _, _ in MACHINE.values():
        spoil(world)
    found = {one["what"]: one for one in doctor.findings() if one["mend"]}
    assert found.keys() == MACHINE.keys()
    for what, (_, cause, remedy) in MACHINE.items():
        assert cause in found[what]["state"], what
        assert remedy in found[what]["mend"], what


def test_versions_that_are_known_to_be_bad_together_are_named(home, tmp_path, monkeypatch):
    assert known_bad.installed() == []
    for name, number in (("sqlalchemy", "2.1.9"), ("onnx", "1.20.0"), ("fastapi", "0.151.0")):
        folder = tmp_path / f"{name}-{number}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
        (folder / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    [finding] = [one for one in doctor.findings() if one["what"] == "versions"]
    assert "sqlalchemy>=2.1 with prefect<3.9: schedules silently" in finding["state"]
    mend = ".venv/bin/uv pip install 'fastapi<0.151' 'sqlalchemy<2.1' 'onnx>=1.21'"
    assert finding["mend"] == mend


@pytest.mark.parametrize(
    ("address", "cause"),
    [("postgresql+psycopg2://127.0.0.1:9/none", "refused"), (None, "not a database")],
)
def test_a_state_database_that_cannot_be_used_is_found(address, cause, home, monkeypatch):
    if address:
        monkeypatch.setenv("ESPALIER_DATABASE_URL", address)
    else:
        (home / "espalier.db").write_text("no database" * 99)
    found = {one["what"]: one for one in doctor.findings() if one["mend"]}
    assert cause in found["state database"]["state"]
    assert "ESPALIER_DATABASE_URL" in found["state database"]["mend"]
    assert found.keys() <= {"state database", "ledger"}


def test_an_architecture_with_a_fault_is_found(home, monkeypatch):
    def check(task: str, arch: str) -> None:
        if arch == "gru":
            raise architectures.ArchitectureError(f"models/{task}/{arch}.py, line 1: no")

    monkeypatch.setattr(architectures, "check", check)
    assert [one[0] for one in configuration.faults()] == ["architecture gru"] * 2
