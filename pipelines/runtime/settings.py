"""What params.yaml says above the data: which dataset each endpoint serves, and the profiles."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import DataError, did_you_mean
from pipelines.runtime import environment

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pipelines.runtime.sections import FirstLook, Profile

    Section = TypeVar("Section", bound=BaseModel)

TASKS = ("image", "sentiment", "forecast")


class UsageError(ValueError):
    """A name or value that a person typed is not one we know; the message says what is."""


def served() -> dict[str, str]:
    """Task → the dataset whose champion its endpoint serves, and which `run` takes by default."""
    from pipelines.runtime.sections import Serve

    params = _read()
    serve = checked(Serve, params.get("serve"), "serve").model_dump()
    for task, dataset in serve.items():
        if dataset not in params["datasets"]:
            near = did_you_mean(dataset, params["datasets"])
            raise UsageError(f"serve.{task} in params.yaml names no dataset: {dataset!r}{near}")
    return serve


def datasets() -> dict[str, str]:
    """Dataset → the task that it is for; an entry without a task is left out."""
    entries = _read()["datasets"].items()
    return {name: entry["task"] for name, entry in entries if "task" in (entry or {})}


def dataset_of(task: str, dataset: str | None) -> str:
    """The dataset that is meant: `dataset` when it is one of `task`, else the served one."""
    if dataset is None:
        return served()[one_of("task", task, TASKS)]
    if (own := task_of(dataset)) != task:
        raise UsageError(f"dataset {dataset!r} is one for {own}, not for {task}")
    return dataset


def task_of(dataset: str) -> str:
    """The task that `dataset` is for."""
    from data import declared

    names = list(_read()["datasets"])
    return declared.entry(one_of("dataset", dataset, names), environment.ROOT)["task"]


def gate(task: str) -> dict:
    """What the gate asks of the task's candidates: `all` or a dataset → rules."""
    return _read().get("gate", {}).get(task, {})


def profile(name: str) -> "Profile":
    """The profile of that name."""
    from pipelines.runtime.sections import Profile

    profiles = _read()["profiles"]
    return checked(Profile, profiles[one_of("profile", name, profiles)], "profiles", name)


def first_look(profile_name: str, task: str) -> "FirstLook | None":
    """How the profile screens the architectures of a task; None where it fits all in full."""
    looks = profile(profile_name).first_look.items()
    return next((look for name, look in looks if name == task), None)


def overrides(profile_name: str, task: str, arch: str, dataset: str) -> dict[str, Any]:
    """The parameters that the profile sets for this architecture on this dataset.

    Later goes over earlier: all/all, all/dataset, architecture/all, architecture/dataset.
    """
    of_task = getattr(profile(profile_name), task)
    chosen: dict[str, Any] = {}
    for named in ("all", arch):
        for where in ("all", dataset):
            chosen |= of_task.get(named, {}).get(where, {})
    return chosen


def one_of(what: str, value: str, names: Iterable[str]) -> str:
    """`value` if it is one of `names`; else `UsageError` with the nearest of them.

    Args:
        what: the kind of name, for the message.
        value: as somebody typed it.
        names: all that there are.
    """
    names = list(names)
    if value in names:
        return value
    near = did_you_mean(value, names)
    raise UsageError(f"unknown {what} {value!r}{near}; known are {', '.join(names)}")


def checked(model: "type[Section]", received: Any, *keys: str) -> "Section":
    """A section of params.yaml as `model` declares it; raises UsageError with the first error."""
    from data import declared

    try:
        return declared.checked(model, received, environment.ROOT, declared.PARAMS, *keys)
    except DataError as error:
        raise UsageError(str(error)) from None


def _read() -> dict:
    from data import declared  # imports a YAML parser

    return declared.params(environment.ROOT)
