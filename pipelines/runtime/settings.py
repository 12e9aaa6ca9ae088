"""What params.yaml says above the data: which dataset each endpoint serves, and the profiles."""

from data import declared
from models.inputs.errors import did_you_mean
from pipelines.runtime import environment

TASKS = ("image", "sentiment", "forecast")


class UsageError(ValueError):
    """A name or value that a person typed is not one we know; the message says what is."""


def served() -> dict[str, str]:
    """Task → the dataset whose champion its endpoint serves, and which `run` takes by default."""
    return _read()["serve"]


def datasets() -> dict[str, str]:
    """Dataset → the task that it is for."""
    return {name: entry["task"] for name, entry in _read()["datasets"].items()}


def dataset_of(task: str, dataset: str | None) -> str:
    """The dataset that is meant: `dataset` when it is one of `task`, else the served one."""
    known = _read()["datasets"]
    if dataset is None:
        return served()[one_of("task", task, TASKS)]
    if one_of("dataset", dataset, known) and known[dataset]["task"] != task:
        raise UsageError(f"dataset {dataset!r} is one for {known[dataset]['task']}, not for {task}")
    return dataset


def task_of(dataset: str) -> str:
    """The task that `dataset` is for."""
    known = _read()["datasets"]
    return known[one_of("dataset", dataset, known)]["task"]


def gate(task: str) -> dict:
    """What the gate asks of the task's candidates: `all` or a dataset → rules."""
    return _read().get("gate", {}).get(task, {})


def profile(name: str) -> dict:
    """What the profile says: task → architecture or `all` → `all` or a dataset → parameters."""
    profiles = _read()["profiles"]
    return profiles[one_of("profile", name, profiles)]


def first_look(profile_name: str, task: str) -> dict | None:
    """`{"share", "epochs", "keep"}` where the profile looks at all and fits the promising in full.

    share: of the training rows, 0 to 1. keep: how many architectures get a full fit.
    """
    look = profile(profile_name).get("first_look", {}).get(task)
    if look is not None and look.keys() != {"share", "epochs", "keep"}:
        raise UsageError(
            f"first_look of profile {profile_name!r} holds {', '.join(look)} for {task}: "
            "it takes share, epochs and keep, all three"
        )
    return look


def overrides(profile_name: str, task: str, arch: str, dataset: str) -> dict:
    """The parameters that the profile sets for this architecture on this dataset.

    Later goes over earlier: all/all, all/dataset, architecture/all, architecture/dataset.
    """
    said, chosen = profile(profile_name).get(task, {}), {}
    for named in ("all", arch):
        for where in ("all", dataset):
            chosen |= said.get(named, {}).get(where, {})
    return chosen


def one_of(what: str, value: str, known) -> str:
    """`value` if it is in `known`; else `UsageError` with the nearest known name."""
    known = list(known)
    if value in known:
        return value
    near = did_you_mean(value, known)
    raise UsageError(f"unknown {what} {value!r}{near}; known are {', '.join(known)}")


def _read() -> dict:
    return declared.params(environment.ROOT)
