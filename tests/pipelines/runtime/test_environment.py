"""One table makes the environment of our processes, whatever the user's other work left there."""

import os
import socket
from pathlib import Path

import httpx
import pytest

from pipelines.runtime import environment


@pytest.fixture
def variables(monkeypatch, tmp_path):
    """Set the variables, make the environment, and return it."""
    before = dict(os.environ)

    def make(**values: str) -> dict[str, str]:
        os.environ.update({"ESPALIER_HOME": str(tmp_path)} | values)
        environment.apply()
        return dict(os.environ)

    yield make
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, "MPLBACKEND", "Agg"),
        ({"MLFLOW_RUN_ID": "0" * 32}, "MLFLOW_RUN_ID", None),
        ({"GIT_DIR": "/elsewhere/.git"}, "GIT_DIR", None),
        ({"SSL_CERT_FILE": "/nonexistent.pem"}, "SSL_CERT_FILE", None),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE", __file__),
        ({"MLFLOW_TRACKING_URI": "http://there"}, "MLFLOW_TRACKING_URI", "http://there"),
        ({"MLFLOW_DISABLE_TELEMETRY": ""}, "MLFLOW_DISABLE_TELEMETRY", "true"),
        ({"TF_NUM_INTRAOP_THREADS": "2"}, "TF_NUM_INTRAOP_THREADS", "1"),
        ({"ESPALIER_API_TOKEN": ""}, "ESPALIER_API_TOKEN", ""),  # the service refuses it
        ({"ALL_PROXY": "socks://127.0.0.1:9"}, "ALL_PROXY", "socks5://127.0.0.1:9"),
        ({"http_proxy": "http://proxy:3128"}, "http_proxy", "http://proxy:3128"),
    ],
)
def test_what_belongs_to_other_work_is_set_aside(variables, values, name, expected):
    assert variables(**values).get(name) == expected


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "PREFECT_HOME", "ESPALIER_HOME"])
def test_an_empty_variable_is_not_set(variables, name):
    assert variables(**{name: ""})[name].strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "localhost,127.0.0.1,::1"),
        ("localhost,127.0.0.1,::1/128", "localhost,127.0.0.1,::1"),
        ("[::1],fe80::/10,.corp,10.0.0.0/8", "::1,.corp,10.0.0.0/8,localhost,127.0.0.1"),
        ("*", "*"),
    ],
)
def test_loopback_is_excepted_from_the_proxy_and_every_client_can_read_it(variables, before, after):
    values = {"no_proxy": before, "NO_PROXY": ""}
    made = variables(http_proxy="http://proxy:9", ALL_PROXY="socks4://proxy:9", **values)
    assert made["no_proxy"] == made["NO_PROXY"] == after
    with httpx.Client():
        pass


def test_without_a_home_the_folder_of_state_is_one(variables, monkeypatch, tmp_path):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # a number without a name
    assert variables()["HOME"] == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("KERAS_BACKEND", "torch"), ("ESPALIER_HOME", "/tmp/a?b")]
)
def test_what_no_process_can_use_is_refused_in_words(variables, name, value):
    with pytest.raises(environment.VariableError, match=name):
        variables(**{name: value})


@pytest.mark.parametrize("variable", environment.SERVERS)
@pytest.mark.parametrize("listening", [True, False])
def test_a_server_that_does_not_answer_is_named_at_once(monkeypatch, variable, listening):
    monkeypatch.setattr(environment, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scheme = "tcp" if variable == environment.CLUSTER else "http"
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        if not listening:
            silent.close()
        monkeypatch.setenv(variable, url)
        sentence = f"{url} does not answer .*: start it, correct {variable}, or unset it"
        with pytest.raises(environment.ServerError, match=sentence):
            environment.check_server(variable)


@pytest.mark.parametrize(
    ("variable", "value", "answers"),
    [
        ("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", True),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:x", False),
        ("PREFECT_API_URL", "127.0.0.1:4200/api", False),
        ("PREFECT_API_URL", "", True),
        ("ESPALIER_CLUSTER", "localhost", False),
        ("ESPALIER_CLUSTER", "tcp://scheduler.corp:8786", False),
        ("ESPALIER_CLUSTER", "tcp://10.0.0.7:8786", False),
    ],
)
def test_an_address_is_a_server_s_or_told(monkeypatch, variable, value, answers):
    monkeypatch.setenv(variable, value)
    assert (environment.unanswered(variable) == "") is answers


def test_a_scheduler_beyond_this_machine_needs_tls(monkeypatch):
    monkeypatch.setenv("ESPALIER_CLUSTER", "tcp://10.0.0.7:8786")
    assert "needs tls://" in environment.unanswered("ESPALIER_CLUSTER")


@pytest.mark.parametrize(
    ("asked", "resources"),
    [("", {}), ("GPU=1", {"GPU": 1}), ("GPU=1 MEMORY=2e9", {"GPU": 1, "MEMORY": 2e9})],
)
def test_what_a_fit_asks_of_a_worker(monkeypatch, asked, resources):
    monkeypatch.setenv("ESPALIER_RESOURCES", asked)
    assert environment.resources() == resources


@pytest.mark.parametrize("asked", ["GPU", "GPU=", "=1", "GPU=0", "GPU=-1", "GPU=nan", "GPU=one"])
def test_what_no_worker_can_offer_is_refused(variables, asked):
    with pytest.raises(environment.VariableError, match="ESPALIER_RESOURCES holds"):
        variables(ESPALIER_RESOURCES=asked, ESPALIER_CLUSTER="tcp://127.0.0.1:9")


def test_resources_need_a_scheduler(variables):
    with pytest.raises(environment.VariableError, match="ESPALIER_CLUSTER names no scheduler"):
        variables(ESPALIER_RESOURCES="GPU=1")


def test_tokens_are_named_by_a_path_that_children_find(variables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables(ESPALIER_TOKENS="clients/tokens.json")
    assert os.environ["ESPALIER_TOKENS"] == str(tmp_path / "clients/tokens.json")
    variables(ESPALIER_TOKENS="")
    assert os.environ["ESPALIER_TOKENS"] == ""  # the service refuses it


@pytest.mark.parametrize("name", ["ESPALIER_SIGNING_KEY", "ESPALIER_TRUST"])
@pytest.mark.parametrize(("value", "told"), [("", "it is empty"), ("lost.pem", "No such file")])
def test_a_key_that_is_none_is_refused_at_the_start(variables, name, value, told):
    """An empty one would have everybody trusted."""
    with pytest.raises(environment.VariableError, match=f"{name} is .*{told}"):
        variables(**{name: value})


def test_what_is_set_aside_can_be_shown(variables, monkeypatch):
    variables()
    assert environment.foreign() == []
    monkeypatch.setenv("MLFLOW_RUN_ID", "0")
    monkeypatch.setenv("MPLBACKEND", "module://mine")
    assert environment.foreign() == ["MLFLOW_RUN_ID", "MPLBACKEND"]


def test_only_loopback_is_reached_without_the_proxy(variables):
    variables(http_proxy="http://127.0.0.1:9")
    with environment.client("http://127.0.0.1:1", timeout=1) as here:
        assert not here.trust_env
    with environment.client("http://mlflow.corp/health", timeout=1) as there:
        assert there.trust_env


def test_the_repository_s_own_commit_can_be_read(monkeypatch, tmp_path):
    assert environment.git_problem() is None
    monkeypatch.setattr(environment, "ROOT", Path(tmp_path))
    assert "not a git repository" in environment.git_problem()[0]


def test_a_checkout_of_somebody_else_is_told_with_git_s_remedy(monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests set it
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    problem, remedy = environment.git_problem()
    assert "ownership" in problem
    assert remedy.startswith("git config --global --add safe.directory")


def test_a_user_without_a_name_gets_one(variables, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: {}["uid not found: 12345"])
    monkeypatch.delenv("USER", raising=False)
    assert variables()["USER"].startswith("user-")
