"""What `espalier up` does where a part of it cannot be set up."""

from pipelines.commands import serve
from pipelines.runtime import settings
from pipelines.runtime.sections import Notify


def test_a_secret_that_is_not_set_is_said_and_ends_nothing(home, monkeypatch, capsys):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # which is not asked
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    ways = {"team": Notify(kind="slack", secret="SLACK_WEBHOOK_URL", to=[])}
    monkeypatch.setattr(settings, "notify", lambda: ways)
    serve._notify()
    assert "SLACK_WEBHOOK_URL is not set: notify.team in" in capsys.readouterr().err
