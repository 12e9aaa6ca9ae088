"""What params.yaml says above the data: which dataset each endpoint serves, and the profiles."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import DataError, did_you_mean
from pipelines.runtime import environment

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pipelines.runtime.sections import Collect, FirstLook, Notify, Profile, Retrain

    Section = TypeVar("Section", bound=BaseModel)

TASKS = ("image", "sentiment", "forecast")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class UsageError(ValueError):
    """A name or value that a person typed is not one we know; the message says what is."""


def served() -> dict[str, list[str]]:
    """Task → the datasets whose champions are served: those under `serve:`, then the own ones.

    The first one answers the task's plain path, and is the one that `run` takes by default.
    """
    from data import declared

    datasets, named = _read()["datasets"], serve()
    for task in named:
        for dataset in named[task]:
            check_served(task, dataset, datasets)
    for dataset in declared.own(environment.ROOT):
        entry = datasets.get(dataset)
        own = entry.get("task") if isinstance(entry, dict) else None  # None: half typed
        if own in named and dataset not in named[own]:
            named[own].append(dataset)
    return named


def serve() -> dict[str, list[str]]:
    """Task → the datasets under `serve:`, whether there are such or not."""
    from pipelines.runtime.sections import Serve

    return checked(Serve, _read().get("serve"), "serve").model_dump()


def check_served(task: str, dataset: str, datasets: Mapping[str, Any]) -> None:
    """Raise UsageError where `serve:` names for a task what is none of its datasets.

    Args:
        task: image, sentiment or forecast.
        dataset: what it names.
        datasets: the entries of all datasets.
    """
    if dataset not in datasets:
        near = did_you_mean(dataset, datasets)
        raise UsageError(f"serve.{task} in params.yaml names no dataset: {dataset!r}{near}")
    entry = datasets[dataset]
    own = entry.get("task", task) if isinstance(entry, dict) else task
    if own != task:
        raise UsageError(f"serve.{task} in params.yaml names {dataset!r}, one for {own}")


def endpoints() -> dict[str, tuple[str, str]]:
    """Name of the model under /v2 → the task and the dataset that it is of.

    Pointers are called so too. The first dataset of a task has the task's name: `image`, and
    `image-fashion` for another one.
    """
    return {
        task if number == 0 else f"{task}-{dataset}": (task, dataset)
        for task, datasets in served().items()
        for number, dataset in enumerate(datasets)
    }


def endpoint(task: str, dataset: str) -> str | None:
    """The name under which the dataset's champion is served; None where it is not."""
    return next((name for name, one in endpoints().items() if one == (task, dataset)), None)


def datasets() -> dict[str, str]:
    """Dataset → the task that it is for; an entry that says none is left out."""
    entries = _read()["datasets"].items()
    return {
        name: entry["task"]
        for name, entry in entries
        if isinstance(entry, dict) and "task" in entry
    }


def declared(dataset: str) -> Mapping[str, Any]:
    """The entry of a dataset as it stands there, unchecked; empty where there is none."""
    entry = _read().get("datasets", {}).get(dataset)
    return entry if isinstance(entry, dict) else {}


def dataset_of(task: str, dataset: str | None) -> str:
    """The dataset that is meant: `dataset` if it is one of `task`, else the first one served."""
    one_of("task", task, TASKS)
    if dataset is None:
        return served()[task][0]
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
    from pipelines.runtime.sections import Gate

    return getattr(checked(Gate, _read().get("gate"), "gate"), task)


def retrain(dataset: str = "all") -> "Retrain":
    """When the dataset is retrained without being asked: what is said of it, over that of `all`."""
    from pipelines.runtime.sections import Retrain

    return _over_all(Retrain, "retrain", dataset)


def collect(dataset: str) -> "Collect":
    """What is kept of collected rows of the dataset: what is said of it, over that of `all`."""
    from pipelines.runtime.sections import Collect

    return _over_all(Collect, "collect", dataset)


def _over_all(model: "type[Section]", section: str, dataset: str) -> "Section":
    """The section of a dataset: what is said of it, over that of `all`."""
    said = named(section)
    rules = [checked(model, said.get(one, {}), section, one) for one in ("all", dataset)]
    return rules[0].model_copy(update=rules[1].model_dump(exclude_unset=True))


def notify() -> "dict[str, Notify]":
    """The ways to tell people, by name; none by default."""
    from pipelines.runtime.sections import Notify

    said = named("notify")
    return {name: checked(Notify, way, "notify", name) for name, way in said.items()}


def named(section: str) -> dict[str, Any]:
    """A section of params.yaml that has names of its own; empty where it is not there."""
    said = _read().get(section) or {}
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        raise UsageError(f"{section} in params.yaml is {said!r}, expected names with their values")
    return said


def profiles() -> dict[str, Any]:
    """The profiles by name, as params.yaml says them. Raises UsageError where it says none."""
    said = _read().get("profiles")
    if not isinstance(said, dict):
        raise UsageError(f"profiles in params.yaml is {said!r}, expected names with parameters")
    return said


def profile(name: str) -> "Profile":
    """The profile of that name."""
    from pipelines.runtime.sections import Profile

    said = profiles()
    return checked(Profile, said[one_of("profile", name, said)], "profiles", name)


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
    raise UsageError(f"unknown {what} {value!r}{near}; known are {', '.join(names) or 'none'}")


def seconds_of(text: str, units: str) -> float | None:
    """The seconds of a duration such as `10m`; None where it is none.

    Args:
        text: a number and a unit, as somebody typed it.
        units: those that are allowed, of UNITS.
    """
    written = re.fullmatch(rf"([0-9]+(?:\.[0-9]+)?)([{units}])", text.strip())
    return float(written[1]) * UNITS[written[2]] if written else None


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
