"""What params.yaml declares under `datasets:`, checked before anything is read."""

from pathlib import Path

import yaml

from data.errors import DataError, nearest

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
WHOLE = ("interval", "history", "horizon", "season", "stride", "min_rows")
COLUMNS = {"sentiment": ({"text", "label"}, set()), "forecast": ({"time", "value"}, {"series"})}


def params(root: Path = Path()) -> dict:
    """The whole of params.yaml; `root` is the repository's root, by default the working folder."""
    path = root / "params.yaml"
    if not path.is_file():
        raise DataError(
            f"there is no params.yaml in {root.absolute()}, expected a repository's root"
        )
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def entry(name: str, root: Path = Path()) -> dict:
    """The declaration of one dataset, its keys checked and its defaults filled in.

    Raises DataError naming the nearest known dataset, key or column.
    """
    known = params(root).get("datasets") or {}
    if name not in known:
        listed = ", ".join(known)
        hint = nearest(name, list(known))
        raise DataError(f"unknown dataset {name!r}{hint}; params.yaml declares: {listed}")
    declared = known[name]
    _check_kind(name, declared)
    _check_keys(f"dataset {name!r} in params.yaml", declared, *_keys(declared))
    if declared["kind"] in ("csv", "parquet"):
        required, optional = COLUMNS[declared["task"]]
        columns = declared.get("columns") or {}
        _check_keys(f"`columns:` of dataset {name!r} in params.yaml", columns, required, optional)
    declared = DEFAULTS.get(declared["task"], {}) | declared
    _check_numbers(name, declared)
    return declared


def _check_kind(name: str, declared: dict) -> None:
    if not isinstance(declared, dict) or not declared.keys() >= ALWAYS:
        raise DataError(f"dataset {name!r} in params.yaml needs task, kind and path")
    task, kind = declared["task"], declared["kind"]
    if kind not in KINDS or task not in KINDS[kind]:
        allowed = "; ".join(f"{kind}: {', '.join(tasks)}" for kind, tasks in KINDS.items())
        raise DataError(
            f"dataset {name!r} in params.yaml has kind {kind!r} and task {task!r};"
            f" the tasks of each kind are {allowed}"
        )


def _check_numbers(name: str, declared: dict) -> None:
    where = f"of dataset {name!r} in params.yaml"
    for key in WHOLE:
        value = declared.get(key, 1)
        if not isinstance(value, int) or value < 1:
            unit = "seconds" if key == "interval" else "steps"
            raise DataError(
                f"{key} {where} is {value!r}, expected a whole number of {unit}, 1 or more"
            )
    if declared.get("grid", "clock") not in ("clock", "rows"):
        raise DataError(f"grid {where} is {declared['grid']!r}, allowed: clock, rows")


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
            hint = nearest(key, allowed)
            raise DataError(f"{where} has an unknown key {key!r}{hint}; allowed: {allowed}")
