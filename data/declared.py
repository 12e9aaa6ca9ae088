"""params.yaml: read, and what it declares about a dataset checked before anything else is read."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from data.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

    Declared = TypeVar("Declared", bound=BaseModel)

SPLITS = ("train", "validation", "test")  # in which order a series is cut
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
        _check_keys(_composed(text))
        whole = yaml.load(text, LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("datasets"), dict):
        raise DataError(f"{path} declares no datasets: expected `datasets:` with one entry or more")
    return whole


def shares(of: str, root: Path = Path()) -> dict[str, float]:
    """The share of each split, in the order of SPLITS.

    Args:
        of: `classes` or `series`.
        root: the repository's root.

    Raises:
        DataError: the shares are not above 0, or do not add up to 1.
    """
    from data.entries import Shares

    declared = (params(root).get("split") or {}).get(of)
    return checked(Shares, declared, root, "split", of).model_dump()


def entry(name: str, root: Path = Path()) -> dict:
    """The declaration of one dataset, its keys and values checked and its defaults filled in.

    Raises:
        DataError: it names the nearest known dataset or key, and the line.
    """
    from data.entries import ENTRIES, Needed

    datasets = params(root)["datasets"]
    if name not in datasets:
        hint = did_you_mean(name, datasets)
        listed = ", ".join(map(str, datasets))
        raise DataError(f"unknown dataset {name!r}{hint}; params.yaml declares: {listed}")
    declared, keys = datasets[name], ("datasets", name)
    if not NAME.fullmatch(name):
        raise DataError(
            f"datasets.{name} in params.yaml has a name that is none: use letters, digits, - and _"
            f"{_line_of(root, *keys)}"
        )
    task = checked(Needed, declared, root, *keys).task
    return checked(ENTRIES[task], declared, root, *keys).model_dump(exclude_none=True)


def check_neighbours(name: str, root: Path = Path()) -> None:
    """Raise DataError about another entry that DVC cannot read: it reads all of them, always."""
    from data.entries import Needed

    for other, declared in params(root)["datasets"].items():
        if other != name:
            checked(Needed, declared, root, "datasets", other)


def checked(model: "type[Declared]", declared: Any, root: Path, *keys: str) -> "Declared":
    """What params.yaml declares under `keys`, as `model` describes it.

    Raises:
        DataError: the first error, with the key, what was received, and the line.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(declared)
    except ValidationError as errors:
        details = errors.errors(include_url=False)
    first = details[0]
    path = [*keys, *map(str, first["loc"])]
    place = _line_of(root, *path)
    if first["type"] == "missing":
        path.pop()
        missing = [one["loc"] for one in details if one["type"] == "missing"]
        absent = sorted(str(key) for *parents, key in missing if parents == [*first["loc"][:-1]])
        problem = f"lacks {', '.join(absent)}"
    elif first["type"] == "value_error":  # raised by data/entries.py
        problem = str(first["ctx"]["error"])
    elif first["type"] == "model_type":
        problem = f"is {first['input']!r}, expected keys with values"
    else:
        problem = f"is {first['input']!r}: {first['msg'].lower()}"
    raise DataError(f"{'.'.join(path)} in params.yaml {problem}{place}")


def _line_of(root: Path, *keys: str) -> str:
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


def _check_keys(node: yaml.Node | None) -> None:
    """Raise DataError when a key of params.yaml stands twice in one place, as `node` and below."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in lines:
                raise DataError(
                    f"{key.value!r} is in params.yaml twice, in line {lines[key.value]} and in "
                    f"line {line}: rename or remove one"
                )
            lines[key.value] = line
        _check_keys(value)


@cache
def _composed(text: str) -> yaml.Node | None:
    return yaml.compose(text, LOADER)
