"""What there is to train: every architecture of a task, what it is, what it can be told.

espalier train --list
"""

import json

from models import architectures
from pipelines.runtime import console, settings


def entries(task: str | None) -> dict[str, list[dict]]:
    """Task → `[{"arch", "about", "parameters"}]`, of all tasks or the one named.

    about: one line. parameters: name → default. Imports no framework.
    """
    tasks = settings.TASKS if task is None else [settings.one_of("task", task, settings.TASKS)]
    return {name: [_entry(name, arch) for arch in architectures.names(name)] for name in tasks}


def show(entries: dict[str, list[dict]]) -> None:
    """Print the entries: a line what it is, below it its own parameters with their defaults.

    Those that all of a task have alike are printed once, at its end.
    """
    for task, described in entries.items():
        console.heading(task)
        shared = dict(set.intersection(*(set(_assignments(entry).items()) for entry in described)))
        for entry in described:
            own = [text for name, text in _assignments(entry).items() if name not in shared]
            console.out().print(f"  {entry['arch']:<15}{entry['about']}", markup=False)
            console.out().print(f"  {'':<15}{' '.join(own)}", markup=False, style="dim")
        alike = [text for name, text in _assignments(described[0]).items() if name in shared]
        console.out().print(f"  {'all of them':<15}{' '.join(alike)}", markup=False, style="dim")


def _assignments(entry: dict) -> dict[str, str]:
    """Name → `name=default`, as `--set` takes it."""
    return {
        name: f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in entry["parameters"].items()
    }


def _entry(task: str, arch: str) -> dict:
    about = (architectures.module(task, arch).__doc__ or "").strip().splitlines()[0]
    return {
        "arch": arch,
        "about": about,
        "parameters": architectures.defaults(task, arch),
    }
