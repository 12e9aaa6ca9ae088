"""What there is to train: every architecture of a task, what it is, what it can be told.

espalier train --list
"""

import json
from functools import cache
from types import FunctionType

from models import architectures
from models.errors import ModelError, ParameterError
from pipelines.runtime import console, settings

PAGE = "docs/own-architecture.md"


class ArchitectureError(ModelError):
    """The file of an architecture cannot be used; the message says where and why."""


def entries(task: str | None) -> dict[str, list[dict]]:
    """Task → `[{"arch", "about", "parameters"}]`, of all tasks or the one named.

    about: one line. parameters: name → default. Imports no framework.
    """
    tasks = settings.TASKS if task is None else [settings.one_of("task", task, settings.TASKS)]
    return {name: [_entry(name, arch) for arch in usable(name)] for name in tasks}


@cache
def usable(task: str) -> list[str]:
    """The architectures of a task: one whose file has a fault is told, once, and left out."""
    names = []
    for arch in architectures.names(task):
        try:
            check(task, arch)
            names.append(arch)
        except ArchitectureError as error:
            console.line(arch, f"left out: {error}", failed=True)
    return names


def check(task: str, arch: str) -> None:
    """Raise ArchitectureError where the file of an architecture cannot be used, UnknownName."""
    place = f"models/{task}/{arch}.py"
    if arch == architectures.BLEND:
        raise ArchitectureError(
            f"{place}: {arch} is what a mean of several fits is called: rename it"
        )
    try:
        file = architectures.module(task, arch)
    except SyntaxError as error:
        raise ArchitectureError(f"{place}, line {error.lineno}: {error.msg}") from None
    except ParameterError:
        raise
    except Exception as error:  # whatever a person's file does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise ArchitectureError(f"{place} cannot be imported: {reason}") from None
    kinds = {"build": FunctionType, "INPUTS": dict, "FIT": dict}
    for name, kind in kinds.items():
        if not isinstance(getattr(file, name, None), kind):
            raise ArchitectureError(f"{place} has no {kind.__name__} {name}: see {PAGE}")
    for name, value in architectures.defaults(task, arch).items():
        if not isinstance(value, int | float | str | None):
            raise ArchitectureError(
                f"{place}: the parameter {name} needs a number, a word, True, False or None as its "
                f"default: see {PAGE}"
            )


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
    lines = (architectures.module(task, arch).__doc__ or "").strip().splitlines()
    return {
        "arch": arch,
        "about": lines[0] if lines else "",
        "parameters": architectures.defaults(task, arch),
    }
