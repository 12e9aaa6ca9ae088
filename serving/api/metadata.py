"""What GET /v1/models tells of a model so that a person or a program can ask it, and trace it."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from serving.inference.loaded_model import Model

INPUT = {
    "image": ("width", "height", "channels", "labels"),
    "text": ("length", "labels"),
    "series": ("history", "horizon", "mean", "scale"),
}


def facts(model: Model) -> dict:
    """Return `input`: its sizes, its labels, the usual values; and `run`, where MLflow shows it."""
    told = {"input": {name: getattr(model.inputs, name) for name in INPUT[model.inputs.kind]}}
    run = run_page(model.manifest)
    return told | ({"run": run} if run else {})


def run_page(manifest: Mapping) -> str | None:
    """Where MLflow shows the run that a model came from, for a browser to open.

    None where MLFLOW_TRACKING_URI names no server, or an older manifest no run.
    """
    server = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if server.scheme not in ("http", "https") or "run_id" not in manifest:
        return None
    host = server.netloc.rpartition("@")[2]  # a password in it is for us alone
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/#/runs/{manifest['run_id']}"
