"""The command's edges: what it imports, how it ends, what it says."""

import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from forked import command, started
from project import ROOT, answer, variables
from typer.testing import CliRunner

from pipelines import cli
from pipelines.locks import lock
from pipelines.processes import service


def typed(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """The command, to its end, in a process that need not import anything first."""
    out, errors = home.with_name("out"), home.with_name("errors")
    process = started(home, command, out, errors, *arguments)
    process.join()
    return subprocess.CompletedProcess(
        arguments, process.exitcode, out.read_text(), errors.read_text()
    )


def test_help_imports_nothing_heavy():
    ask = (
        "import sys; from pipelines import cli; sys.argv = ['espalier', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    imported = set(eval(done.stderr))
    assert "typer" in imported
    heavy = {"numpy", "pandas", "tensorflow", "keras", "mlflow", "prefect", "dvc", "bentoml"}
    heavy |= {"dask", "distributed", "httpx", "pydantic", "sqlalchemy", "yaml"}
    assert not imported & heavy


def test_an_interrupted_command_ends_with_its_code_whatever_still_runs(tmp_path):
    """As the interpreter is taken down, a library's threads or hooks may abort the process."""
    program = (
        "import atexit, os, signal\n"
        "from pipelines import cli\n"
        "from pipelines.commands import run\n"
        "run.run = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(os.abort)\n"
        "cli.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "run"],
        cwd=ROOT,
        env=variables(ESPALIER_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 130
    assert "run it again to go on" in ended.stderr
    assert not ended.stdout


VERBS = ["run", "train", "compare", "card", "promote", "approve", "rollback", "trace"]
VERBS += ["build", "serve", "doctor"]
VERBS += ["predict", "up", "status", "clean", "data add", "data list", "data check", "data remove"]


def test_its_version_is_that_of_the_package(tmp_path):
    done = typed(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"espalier {version('espalier')}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb):
    done = CliRunner().invoke(cli.app, [*verb.split(), "--help"])
    assert done.exit_code == 0
    assert f"Example: espalier {verb}" in done.stdout


def test_a_shell_completes_its_words(tmp_path):
    asked = {"_ESPALIER_COMPLETE": "complete_bash", "COMP_WORDS": "espalier pro", "COMP_CWORD": "1"}
    program = str(Path(sys.executable).with_name("espalier"))
    done = subprocess.run([program], env=variables(**asked), capture_output=True, text=True)
    assert done.stdout.split() == ["promote"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--task", "imagery"], "unknown task 'imagery' (did you mean 'image'?)"),
        (["run", "--dataset", "digit"], "unknown dataset 'digit' (did you mean 'digits'?)"),
        (
            ["run", "--task", "image", "--dataset", "imdb"],
            "dataset 'imdb' is one for sentiment, not for image",
        ),
        (["run", "--profile", "quik"], "did you mean 'quick'?"),
        (["run", "--budget", "10"], "'10', expected a number above 0 with s, m or h"),
        (["run", "--task", "image", "--budget", "20s"], "--budget 20s is too small"),
        (["train", "--task", "image", "--arch", "cnnn"], "'cnn'"),
        (["train", "--task", "image", "--arch", "cnn", "--set", "epoch=3"], "'epochs'"),
        (["train", "--task", "image", "--arch", "cnn", "--set", "epochs"], "key=value"),
        (["train", "--task", "image", "--arch", "cnn", "--set", "epochs=-3"], "epochs"),
        (["train", "--task", "image", "--arch", "cnn", "--set", "epochs=3,-3"], "epochs"),
        (["train", "--task", "image", "--arch", "cnn", "--set", "epochs=3..9"], "--search N"),
        (["train", "--task", "image", "--arch", "cnn", "--search", "9"], "--set units=16..128"),
        (["train", "--task", "image", "--arch", "cnn", "--seeds", "0"], "seeds"),
        (["train", "--task", "image"], "espalier train --list"),
        (["train", "--list", "--task", "images"], "did you mean 'image'?"),
        (["compare", "--task", "forecasts"], "did you mean 'forecast'?"),
        (["compare"], "--task"),
        (["promote", "--task", "image", "--force"], "--force needs --reason"),
        (["promote", "--task", "image", "--force", "--reason", " "], "--force needs --reason"),
        (["promote", "--task", "image", "--reason", " "], "--force needs --reason"),
        (["approve", "image", "4"], "--as is missing"),
        (["approve", "image", "--as", "Ada", "--refuse"], '--refuse needs --reason "…"'),
        (["approve", "image", "--as", "Ada"], "nothing of espalier-image-mnist_5k waits for a yes"),
        (["card", "image"], "mnist_5k has no champion yet"),
        (["trace", "digits"], "a data hash as dvc.lock has it"),
        (["fly"], "fly"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(arguments, message, tmp_path):
    done = typed(tmp_path / "home", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_the_architectures_are_listed_for_programs(tmp_path):
    done = typed(tmp_path / "home", "train", "--list", "--json")
    assert done.returncode == 0, done.stderr
    listed = answer(done)["tasks"]
    assert set(listed) == {"image", "sentiment", "forecast"}
    assert {"arch", "about", "parameters"} == set(listed["image"][0])
    assert not list((tmp_path / "home" / "logs").iterdir())  # nothing was written to its log


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("serve", 1, "there is no champion to serve yet: `espalier run` makes them"),
        ("build", 1, "`espalier run`"),
        ("data add names own/absent.csv", 2, "own/absent.csv"),
        ("feedback own/absent.csv", 2, "absent.csv cannot be read: No such file or directory"),
        ("backup absent/monday.tar", 2, "there is no folder"),
        ("restore absent.tar", 2, "there is no file absent.tar"),
        (
            "restore README.md",
            2,
            "README.md is no backup that can be read: file could not be opened",
        ),
        ("token remove nobody", 2, "unknown client 'nobody'; known are none"),
        ("data remove digits", 2, "digits"),
        ("predict own/absent.csv --task sentiment", 2, "there is no file or folder"),
        ("rollback --task image", 3, "espalier-image-mnist_5k has had no champion"),
        ("run --task forecast", 75, "'forecast/glucose' is being run by process"),
        ("promote --task forecast", 75, "'forecast/glucose' is being run by process"),
        ("data check glucose", 75, "'forecast/glucose' is being run by process"),
    ],
)
def test_what_failed_or_was_refused_is_told_on_standard_error(
    command, code, message, tmp_path, monkeypatch
):
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path / "home"))
    with lock.hold("forecast/glucose"):
        done = typed(tmp_path / "home", *command.split())
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert message not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_seen_before_the_service_is_started():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert not service.is_free(port)
    assert service.is_free(port)


def test_a_home_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    home = tmp_path / "file"
    home.write_text("in the way")
    done = typed(home, "compare", "--task", "image")
    assert done.returncode == 1
    assert "set ESPALIER_HOME" in done.stderr
    assert "Traceback" not in done.stderr
    done = typed(home, "doctor")
    assert done.returncode == 1
    assert "set ESPALIER_HOME" in done.stdout  # a finding
    assert done.stderr.startswith("espalier: to be mended: ")
