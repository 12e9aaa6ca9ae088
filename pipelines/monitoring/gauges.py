"""What a service shows on /metrics of a dataset: `<home>/monitor/<task>-<dataset>.json`.

`serving/http/metrics.py` reads the fields task, dataset, score, promise, labelled and drift.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.release import publish
from pipelines.runtime import environment


def file(task: str, dataset: str) -> Path:
    """The file of a dataset."""
    return environment.home() / "monitor" / f"{task}-{dataset}.json"


def write(task: str, dataset: str, **values: Any) -> None:
    """Change some fields of a dataset's file in one step; the others stay as they are."""
    path, held = file(task, dataset), {}
    with suppress(FileNotFoundError, json.JSONDecodeError):
        held = json.loads(path.read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    publish.write_whole(path, json.dumps(held | {"task": task, "dataset": dataset} | values))
