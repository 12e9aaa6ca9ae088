"""A service that a run starts for itself answers it, whatever the environment asks of clients."""

import os
import sys
from pathlib import Path

import httpx
import tiny

from pipelines.processes import service


def test_it_asks_for_no_token_and_follows_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ESPALIER_HOME", str(tmp_path))
    monkeypatch.setenv("ESPALIER_API_TOKEN", "token")
    monkeypatch.setenv("ESPALIER_PROTECT", "health,metrics")
    monkeypatch.setenv("ESPALIER_FOLLOW", "espalier-sentiment-imdb")
    folder = tiny.publish(tmp_path, "sentiment")
    with service.running(service.CHECKOUT, ["sentiment"], tmp_path) as running:
        assert service.replay(running.url, "sentiment", folder) == len(tiny.REQUESTS["sentiment"])
        assert httpx.get(f"{running.url}/metrics").status_code == 200
