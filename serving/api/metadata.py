"""Model metadata in GET /v1/models: the form of an input, and the run in MLflow."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from serving.inference.loaded_model import Model
from serving.inference.trial import Challenger

INPUT = {
    "image": ("width", "height", "channels", "labels"),
    "text": ("length", "labels"),
    "series": ("history", "reads", "horizon", "mean", "scale"),
}


def describe(task: str, model: Model) -> dict[str, Any]:
    """Return the entry of `model` in the list of models.

    Its `input` holds the sizes, labels and usual values of an input; `about`, `interval` and
    `value`, where they are known, describe the data; `run`, where there is one, is the address of
    its run in MLflow.
    """
    entry: dict[str, Any] = {"task": task, **model.identity}
    entry |= {name: model.manifest[name] for name in ("arch", "dataset", "dataset_hash")}
    entry |= {"metrics": model.pointer.metrics or {}, "served_since": model.since}
    entry["input"] = {name: getattr(model.inputs, name) for name in INPUT[model.inputs.kind]}
    if model.pointer.data:
        entry |= model.pointer.data.model_dump(exclude_none=True)
    run = run_page(model.manifest)
    return entry | ({"run": run} if run else {})


def trial(challenger: Challenger) -> dict[str, Any]:
    """Describe a challenger on trial; `out` says why it is asked no more."""
    named = {"version": challenger.model.pointer.version, "share": challenger.share}
    return named | ({"out": challenger.ended} if challenger.ended else {})


def run_page(manifest: Mapping[str, Any]) -> str | None:
    """Return the address of the page on which MLflow shows the run that made a model.

    None where MLFLOW_TRACKING_URI names no server, or an older manifest names no run.
    """
    server = urlsplit(os.environ.get("MLFLOW_TRACKING_URI", ""))
    if server.scheme not in ("http", "https") or "run_id" not in manifest:
        return None
    host = server.netloc.rpartition("@")[2]  # without user and password
    return f"{server.scheme}://{host}{server.path.rstrip('/')}/#/runs/{manifest['run_id']}"
