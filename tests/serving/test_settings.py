"""Settings are read from the environment; one that cannot be meant is refused by its name."""

import re
from pathlib import Path

import pytest

from serving import settings
from serving.http.clients import Clients


def protected():
    """What is protected, of a service that knows no client."""
    return settings.protected(Clients(Path("/nowhere/tokens.json")))


def test_an_empty_home_is_none(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for home in ("", "state"):
        monkeypatch.setenv("ESPALIER_HOME", home)
        assert settings.home() == tmp_path / (home or ".espalier")


def test_a_bento_serves_the_champions_that_it_carries(tmp_path, monkeypatch):
    monkeypatch.delenv("ESPALIER_TASKS", raising=False)
    monkeypatch.setattr(settings, "BESIDE", tmp_path)
    assert settings.wanted_tasks() == ("image", "sentiment", "forecast")
    assert settings.required_models() == ()
    (tmp_path / "forecast.json").write_text("{}")
    assert settings.wanted_tasks() == settings.required_models() == ("forecast",)
    (tmp_path / "forecast-load.json").write_text("{}")
    (tmp_path / "served.json").write_text('{"forecast": ["glucose", "load", "absent"]}')
    assert settings.required_models() == ("forecast", "forecast-load")
    assert settings.wanted_tasks() == ("forecast",)
    monkeypatch.setenv("ESPALIER_TASKS", "image")
    assert settings.wanted_tasks() == settings.required_models() == ("image",)


def test_what_is_followed_is_served_and_watched(monkeypatch):
    monkeypatch.delenv("ESPALIER_TASKS", raising=False)
    assert settings.pointer_folders()[0].name == "published"
    models = {"forecast": "espalier-forecast-glucose", "image": "espalier-image-mnist_5k"}
    monkeypatch.setenv("ESPALIER_FOLLOW", ", ".join(models.values()))
    assert settings.followed() == models
    assert settings.wanted_tasks() == settings.required_models() == ("image", "forecast")
    assert settings.pointer_folders()[0].name == "followed"
    second = "espalier-image-fashion"
    monkeypatch.setenv("ESPALIER_FOLLOW", ",".join([*models.values(), second, second]))
    assert settings.followed() == models | {"image-fashion": second}
    assert settings.required_models() == ("image", "image-fashion", "forecast")
    monkeypatch.setenv("ESPALIER_TASKS", "image-fashion")
    assert settings.wanted_tasks() == ("image",)
    assert settings.required_models() == ("image-fashion",)


@pytest.mark.parametrize(
    ("read", "variable", "value", "says"),
    [
        (settings.api_token, "ESPALIER_API_TOKEN", "", "is empty"),
        (
            settings.api_token,
            "ESPALIER_API_TOKEN",
            "token\n",
            "has 6 characters",
        ),
        (settings.api_token, "ESPALIER_API_TOKEN", "t\u00f6k\u00e9n", "visible ASCII characters"),
        (protected, "ESPALIER_PROTECT", "metrik", "did you mean 'metrics'?"),
        (protected, "ESPALIER_PROTECT", "health", "there is no token to ask for"),
        (settings.clients, "ESPALIER_TOKENS", "", "expected the absolute path of a file"),
        (settings.trusted, "ESPALIER_TRUST", "", "no absolute path"),
        (settings.trusted, "ESPALIER_TRUST", "/nowhere.pem", "No such file"),
        (settings.trusted, "ESPALIER_TRUST", "/", "holds no"),
        (settings.clients, "ESPALIER_TOKENS", "pyproject.toml", "expected the absolute path"),
        (settings.clients, "ESPALIER_TOKENS", "/nowhere/tokens.json", "a file that is there"),
        (
            settings.wanted_tasks,
            "ESPALIER_TASKS",
            "image,forcast",
            "did you mean 'forecast'?",
        ),
        (
            settings.hosts,
            "ESPALIER_HOSTS",
            "https://espalier.example.org",
            "names 'https://espalier",
        ),
        (settings.max_requests, "ESPALIER_MAX_REQUESTS", "0", "is '0'"),
        (settings.max_requests, "ESPALIER_MAX_REQUESTS", "1.5", "is '1.5'"),
        (settings.log_megabytes, "ESPALIER_LOG_MB", "-1", "is '-1'"),
        (settings.log_days, "ESPALIER_LOG_DAYS", "0", "is '0'"),
        (settings.log_inputs, "ESPALIER_LOG_INPUTS", "yes", "is 'yes'"),
        (
            settings.followed,
            "ESPALIER_FOLLOW",
            "image",
            "called espalier-TASK-DATASET",
        ),
        (settings.followed, "ESPALIER_FOLLOW", "espalier-image-../x", "espalier-TASK-DATASET"),
        (
            settings.registry,
            "MLFLOW_TRACKING_URI",
            "sqlite:///mlflow.db",
            "names no server",
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(read, variable, value, says, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=re.escape(says)) as refusal:
        read()
    assert variable in str(refusal.value)
    assert "t\u00f6k" not in str(refusal.value)
