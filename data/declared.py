"""What is declared about a dataset, checked before anything else is read.

The datasets that ship are declared in params.yaml, a user's own in data/own/NAME/entry.yaml: an
update of the checkout never meets them.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
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
PARAMS, OWN = Path("params.yaml"), Path("data/own")


def params(root: Path = Path()) -> dict:
    """The whole of params.yaml, with the own datasets among `datasets`; None for one without YAML.

    Args:
        root: the repository's root, by default the working folder.

    Raises:
        DataError: the file is missing, no YAML, holds a name twice, or declares no datasets; or an
            own dataset has the name of another.
    """
    if not (root / PARAMS).is_file():
        raise DataError(
            f"there is no params.yaml in {root.absolute()}, expected a repository's root"
        )
    whole = _read(root, PARAMS)
    if not isinstance(whole, dict) or not isinstance(whole.get("datasets"), dict):
        raise DataError(
            f"{root / PARAMS} declares no datasets: expected `datasets:` with one entry or more"
        )
    for name in own(root):
        if name in whole["datasets"]:
            raise DataError(
                f"{name} is declared in params.yaml and in {OWN / name}: rename the folder"
            )
        with suppress(DataError):  # told when it is asked for
            whole["datasets"][name] = None
            whole["datasets"][name] = _read(root, own_entry(name))
    return whole


def own(root: Path = Path()) -> list[str]:
    """The names of the own datasets."""
    return sorted(
        file.parent.name for file in (root / OWN).glob("*/entry.yaml") if not file.is_dir()
    )


def own_entry(name: str) -> Path:
    """The file that declares an own dataset, from the repository's root."""
    return OWN / name / "entry.yaml"


def place_of(name: str, root: Path = Path()) -> tuple[Path, tuple[str, ...]]:
    """The file that declares a dataset, from the repository's root, and the keys to its entry."""
    if (root / own_entry(name)).is_file():
        return own_entry(name), ()
    return PARAMS, ("datasets", name)


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
    return checked(Shares, declared, root, PARAMS, "split", of).model_dump()


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
        raise DataError(f"unknown dataset {name!r}{hint}; declared are: {listed}")
    file, keys = place_of(name, root)
    declared = datasets[name] if keys else _read(root, file)
    if not NAME.fullmatch(name):
        raise DataError(
            f"{'.'.join(keys) or file} has a name that is none: use letters, digits, - and _"
            f"{_line_of(root / file, *keys)}"
        )
    task = checked(Needed, declared, root, file, *keys).task
    return checked(ENTRIES[task], declared, root, file, *keys).model_dump(exclude_none=True)


def check_neighbours(name: str, root: Path = Path()) -> None:
    """Raise DataError about another entry that DVC cannot read: it reads all of params.yaml."""
    from data.entries import Needed

    for other, declared in _read(root, PARAMS)["datasets"].items():
        if other != name:
            checked(Needed, declared, root, PARAMS, "datasets", str(other))


def checked(
    model: "type[Declared]", declared: Any, root: Path, file: Path, *keys: str
) -> "Declared":
    """What is declared, as `model` describes it.

    Args:
        model: the class of the section.
        declared: what the file says under the keys.
        root: the repository's root.
        file: where it is declared, from the root.
        keys: to the section, the outermost first.

    Raises:
        DataError: the first error, with the key, what was received, and the line.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(declared)
    except ValidationError as errors:
        details = errors.errors(include_url=False)
    first = details[0]
    if first["type"] == "literal_error" and isinstance(first["input"], dict):  # or a mapping
        first = next((one for one in details if len(one["loc"]) > len(first["loc"])), first)
    path = [*keys, *_keys(declared, first["loc"], first["type"] == "missing")]
    known = declared if isinstance(declared, dict) and not first["loc"] else {}
    unknown = [str(key) for key in known if key not in model.model_fields]
    place = _line_of(root / file, *path, *unknown[:1])
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
    raise DataError(f"{'.'.join(path)} in {file} {problem}{place}".removeprefix(" in "))


def _keys(declared: Any, loc: Sequence[Any], missing: bool) -> Iterator[str]:
    """The keys of an error's place: without what Pydantic says of the parts of a union."""
    for number, part in enumerate(loc, 1):
        there = isinstance(declared, dict) and part in declared
        if there or isinstance(part, int) or (missing and number == len(loc)):
            yield str(part)
            declared = declared[part] if there else None


def _read(root: Path, file: Path) -> Any:
    """What a YAML file below `root` holds; raises DataError if it is none, or has a key twice."""
    try:
        return copy.deepcopy(_parsed((root / file).read_text(encoding="utf-8-sig"), file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split()).replace(' in "<unicode string>"', "")
        raise DataError(f"{file} is not YAML: {problem}") from error


def _line_of(file: Path, *keys: str) -> str:
    """` (line 12)` of a file, where these keys stand one below the other; else nothing."""
    node = yaml.compose(file.read_text(encoding="utf-8-sig"), LOADER)
    place = ""
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        matching = [pair for pair in pairs if pair[0].value == key]
        if not matching:
            break
        name, node = matching[0]
        place = f" (line {name.start_mark.line + 1})"
    return place


def _check_keys(node: yaml.Node | None, file: Path) -> None:
    """Raise DataError when a key of a file stands twice in one place, as `node` and below."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in lines:
                raise DataError(
                    f"{key.value!r} is in {file} twice, in line {lines[key.value]} and in "
                    f"line {line}: rename or remove one"
                )
            lines[key.value] = line
        _check_keys(value, file)


@cache  # a plan reads params.yaml for each of its fits
def _parsed(text: str, file: Path) -> Any:
    _check_keys(yaml.compose(text, LOADER), file)
    return yaml.load(text, LOADER)
