"""What params.yaml declares under `datasets:`, checked before anything is read."""

from pathlib import Path

import yaml

from data.errors import DataError, nearest

SPLITS = ("train", "validation", "test")  # in which order a series is cut
KINDS = {
    "package": ("image", "sentiment", "forecast"),
    "folder": ("image",),
    "csv": ("sentiment", "forecast"),
    "parquet": ("sentiment", "forecast"),
}
ALWAYS = {"task", "kind", "path"}
REQUIRED = {
    "image": set(),
    "sentiment": set(),
    "forecast": {"interval", "history", "horizon", "season"},
}
ALLOWED = {
    "image": {"labels", "shape"},
    "sentiment": {"labels", "columns"},
    "forecast": {"columns", "range", "stride", "fill", "grid", "min_rows"},
}
DEFAULTS = {"forecast": {"stride": 1, "fill": 900, "grid": "clock", "min_rows": 1}}
COLUMNS = {"sentiment": ({"text", "label"}, set()), "forecast": ({"time", "value"}, {"series"})}


def params(root: Path = Path()) -> dict:
    """The whole of params.yaml; `root` is the repository's root, by default the working folder."""
    path = root / "params.yaml"
    if not path.is_file():
        raise DataError(
            f"there is no params.yaml in {root.absolute()}, expected a repository's root"
        )
    try:
        whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("datasets"), dict):
        raise DataError(f"{path} declares no datasets: expected `datasets:` with one entry or more")
    return whole


def shares(of: str, root: Path = Path()) -> dict[str, float]:
    """The share of each split, in the order of SPLITS; of: `classes` or `series`.

    Raises DataError unless the shares are above 0 and add up to 1.
    """
    where = f"`split: {of}:` in params.yaml"
    declared = (params(root).get("split") or {}).get(of) or {}
    _check_keys(where, declared, set(SPLITS), set())
    divided = {split: declared[split] for split in SPLITS}
    if not _numbers(list(divided.values())) or min(divided.values()) <= 0:
        raise DataError(f"{where} is {divided}, expected numbers above 0")
    if abs(sum(divided.values()) - 1) > 1e-6:
        raise DataError(f"{where} adds up to {sum(divided.values()):g}, expected 1")
    return divided


def entry(name: str, root: Path = Path()) -> dict:
    """The declaration of one dataset, its keys and values checked and its defaults filled in.

    Raises DataError naming the nearest known dataset, key or column.
    """
    known = params(root)["datasets"]
    if name not in known:
        listed = ", ".join(known)
        hint = nearest(name, list(known))
        raise DataError(f"unknown dataset {name!r}{hint}; params.yaml declares: {listed}")
    declared = known[name]
    where = f"dataset {name!r} in params.yaml"
    _check_kind(where, declared)
    _check_keys(where, declared, *_keys(declared))
    if declared["kind"] in ("csv", "parquet"):
        columns = declared["columns"] or {}
        _check_keys(f"`columns:` of {where}", columns, *COLUMNS[declared["task"]])
    for key, (is_right, expected) in RULES.items():
        if key in declared and not is_right(declared[key]):
            raise DataError(f"{key} of {where} is {declared[key]!r}, expected {expected}")
    return DEFAULTS.get(declared["task"], {}) | declared


def _check_kind(where: str, declared: dict) -> None:
    if not isinstance(declared, dict) or not declared.keys() >= ALWAYS:
        raise DataError(f"{where} needs task, kind and path")
    task, kind = str(declared["task"]), str(declared["kind"])
    if task not in KINDS.get(kind, ()):
        allowed = "; ".join(f"{kind}: {', '.join(tasks)}" for kind, tasks in KINDS.items())
        raise DataError(
            f"{where} has kind {kind!r} and task {task!r}; the tasks of each kind are {allowed}"
        )


def _keys(declared: dict) -> tuple[set, set]:
    task = declared["task"]
    required = ALWAYS | REQUIRED[task]
    if declared["kind"] in ("csv", "parquet"):
        required = required | {"columns"}
    return required, ALLOWED[task]


def _check_keys(where: str, received: dict, required: set, optional: set) -> None:
    missing = required - set(received)
    if missing:
        raise DataError(f"{where} lacks {', '.join(sorted(missing))}")
    for key in received:
        if key not in required | optional:
            allowed = sorted(required | optional)
            hint = nearest(str(key), allowed)
            raise DataError(f"{where} has an unknown key {key!r}{hint}; allowed: {allowed}")


def _whole(value) -> bool:
    return type(value) is int and value >= 1


def _numbers(value) -> bool:
    return isinstance(value, list) and all(type(one) in (int, float) for one in value)


STEPS = (_whole, "a whole number of steps, 1 or more")
# What the value of a key must be: a test, and the words for it.
RULES = {
    "path": (lambda path: isinstance(path, str), "the path of a file or folder"),
    "columns": (
        lambda columns: all(isinstance(name, str) for name in columns.values()),
        "names of columns of the file",
    ),
    "labels": (
        lambda labels: isinstance(labels, list) and all(type(one) in (str, int) for one in labels),
        "a list of names; quote yes, no, on and off, which YAML takes for true and false",
    ),
    "shape": (
        lambda shape: isinstance(shape, list) and len(shape) == 3 and all(map(_whole, shape)),
        "[height, width, channels]",
    ),
    "range": (
        lambda limits: _numbers(limits) and len(limits) == 2 and limits[0] < limits[1],
        "[lowest, highest]",
    ),
    "interval": (_whole, "a whole number of seconds, 1 or more"),
    "fill": (lambda fill: _numbers([fill]) and fill >= 0, "a number of seconds, 0 or more"),
    "grid": (lambda grid: grid in ("clock", "rows"), "clock or rows"),
    **dict.fromkeys(("history", "horizon", "season", "stride", "min_rows"), STEPS),
}
