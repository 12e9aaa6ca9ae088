"""Which datasets are served: `served.json`, task → datasets, beside the pointers of a folder.

`image.json` publishes the champion of the task's first dataset, `image-NAME.json` that of another.
These names without `.json` are those of the slots, and of the models under /v2. A folder of one
dataset a task needs no `served.json`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

FILE = "served.json"

Dataset = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
Served = dict[str, list[Dataset]]
_FORMAT = TypeAdapter(Served)


def read(folder: Path) -> Served:
    """Return what a folder of pointers is for; raises OSError or ValueError."""
    return _FORMAT.validate_json((folder / FILE).read_bytes(), strict=True)


def task_of(name: str) -> str:
    """Return the task of a slot's name: `image` of `image-fashion`."""
    return name.partition("-")[0]


def path_of(name: str) -> str:
    """Return the path under /v1 of a slot: `/v1/image/fashion` of `image-fashion`."""
    return f"/v1/{name.replace('-', '/', 1)}"


def names(served: Served, tasks: Iterable[str]) -> list[str]:
    """Return the name that each served dataset of some tasks has beside the task's own."""
    return [f"{task}-{dataset}" for task in tasks for dataset in served.get(task, ())]
