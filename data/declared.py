"""params.yaml: read, and what it declares about a dataset checked before anything else is read."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from data.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

SPLITS = ("train", "validation", "test")  # in which order a series is cut
KINDS = {
    "package": ("image", "sentiment", "forecast"),
    "folder": ("image",),
    "csv": ("sentiment", "forecast"),
    "parquet": ("sentiment", "forecast"),
}
# libyaml's loader, where it is built in, is ten times as fast
LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def params(root: Path = Path()) -> dict:
    """The whole of params.yaml.

    Args:
        root: the repository's root, by default the working folder.

    Raises:
        DataError: the file is missing, no YAML, holds a name twice, or declares no datasets.
    """
    path = root / "params.yaml"
    if not path.is_file():
        raise DataError(
            f"there is no params.yaml in {root.absolute()}, expected a repository's root"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        check_keys(_composed(text))
        whole = yaml.load(text, LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("datasets"), dict):
        raise DataError(f"{path} declares no datasets: expected `datasets:` with one entry or more")
    return whole


def line_of(root: Path, *keys: str) -> str:
    """` (line 12)` of params.yaml, where these keys stand one below the other; else nothing."""
    node = _composed((root / "params.yaml").read_text(encoding="utf-8-sig"))
    place = ""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        matching = [pair for pair in pairs if pair[0].value == key]
        if not matching:
            break
        name, node = matching[0]
        place = f" (line {name.start_mark.line + 1})"
    return place


def check_keys(node: yaml.Node | None) -> None:
    """Raise DataError when a key of params.yaml stands twice in one place, as `node` and below."""
    first: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        line = key.start_mark.line + 1
        if isinstance(key.value, str) and key.value != "<<":
            if key.value in first:
                raise DataError(
                    f"{key.value!r} is in params.yaml twice, in line {first[key.value]} and in "
                    f"line {line}: rename or remove one"
                )
            first[key.value] = line
        check_keys(value)


@cache
def _composed(text: str) -> yaml.Node | None:
    return yaml.compose(text, LOADER)


def shares(of: str, root: Path = Path()) -> dict[str, float]:
    """The share of each split, in the order of SPLITS.

    Args:
        of: `classes` or `series`.
        root: the repository's root.

    Raises:
        DataError: the shares are not above 0, or do not add up to 1.
    """
    from data.entries import Shares

    where = f"`split: {of}:` in params.yaml"
    declared = (params(root).get("split") or {}).get(of) or {}
    divided = _checked(Shares, declared, where, root, "split", of).model_dump()
    if abs(sum(divided.values()) - 1) > 1e-6:
        raise DataError(f"{where} adds up to {sum(divided.values()):g}, expected 1")
    return divided


def entry(name: str, root: Path = Path()) -> dict:
    """The declaration of one dataset, its keys and values checked and its defaults filled in.

    Raises:
        DataError: it names the nearest known dataset, key or column, and the line.
    """
    from data.entries import ENTRIES

    datasets = params(root)["datasets"]
    if name not in datasets:
        hint = did_you_mean(name, datasets)
        listed = ", ".join(map(str, datasets))
        raise DataError(f"unknown dataset {name!r}{hint}; params.yaml declares: {listed}")
    declared, place = datasets[name], line_of(root, "datasets", name)
    where = f"dataset {name!r} in params.yaml"
    if not NAME.fullmatch(name):
        raise DataError(f"{where} has a name that is none: use letters, digits, - and _{place}")
    if not isinstance(declared, dict) or not declared.keys() >= {"task", "kind", "path"}:
        raise DataError(f"{where} needs task, kind and path{place}")
    task, kind = str(declared["task"]), str(declared["kind"])
    if task not in KINDS.get(kind, ()):
        allowed = "; ".join(f"{kind}: {', '.join(tasks)}" for kind, tasks in KINDS.items())
        raise DataError(
            f"{where} has kind {kind!r} and task {task!r}; the tasks of each kind are "
            f"{allowed}{place}"
        )
    checked = _checked(ENTRIES[task], declared, where, root, "datasets", name)
    if kind in ("csv", "parquet") and "columns" not in declared:
        raise DataError(f"{where} lacks columns{place}")
    return checked.model_dump(exclude_none=True)


def check_neighbours(name: str, root: Path = Path()) -> None:
    """Raise DataError about another entry that DVC cannot read: it reads all of them, always."""
    for other, declared in params(root)["datasets"].items():
        if other == name or (
            isinstance(declared, dict) and {"task", "kind", "path"} <= set(declared)
        ):
            continue
        raise DataError(
            f"dataset {other!r} in params.yaml needs task, kind and path"
            f"{line_of(root, 'datasets', other)}: complete or remove it, DVC reads every entry"
        )


def _checked(
    model: "type[BaseModel]", declared: Any, where: str, root: Path, *keys: str
) -> "BaseModel":
    """What `declared` says, as `model` declares it; raises DataError with the first error."""
    from pydantic import ValidationError

    try:
        return model.model_validate(declared)
    except ValidationError as error:
        raise DataError(_sentence(model, error, where, root, keys)) from None


def _sentence(
    model: "type[BaseModel]", errors: "ValidationError", where: str, root: Path, keys: tuple
) -> str:
    """The first error in words; one about an unknown key goes before one about a missing key."""
    from data.entries import COLUMNS

    details = errors.errors(include_url=False, include_context=False)
    first = next((one for one in details if one["type"] == "extra_forbidden"), details[0])
    path, kind = [str(part) for part in first["loc"]], first["type"]
    place = line_of(root, *keys, *path)
    key = path[0]
    if key == "columns" and len(path) > 1:
        key, model, where = path[1], COLUMNS[model], f"`columns:` of {where}"
    if kind in ("extra_forbidden", "missing"):
        if kind == "missing":
            absent = sorted(str(one["loc"][-1]) for one in details if one["type"] == "missing")
            return f"{where} lacks {', '.join(absent)}{place}"
        allowed = sorted(model.model_fields)
        hint = did_you_mean(key, allowed)
        return f"{where} has an unknown key {key!r}{hint}; allowed: {allowed}{place}"
    expected = model.model_fields[key].description
    return f"{key} of {where} is {first['input']!r}, expected {expected}{place}"
