"""A user's own datasets: a folder each below data/own, that an update of the checkout never meets.

    entry.yaml  the declaration, as an entry of params.yaml
    dvc.yaml    DVC's stages for it, written anew from those of the checkout before each use
    dvc.lock    its versions, which DVC writes

A team may commit the folder or not.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from data import declared
from data.errors import DataError
from data.prepared import NOTES, PREPARED
from data.report import REPORTS
from data.stored import COLLECTED, RAW


def check_name(name: str, root: Path) -> None:
    """Raise DataError where a new dataset cannot have this name: what it needs, or who has it."""
    if not declared.NAME.fullmatch(name):
        raise DataError(f"{name!r} is no name for a dataset: use letters, digits, - and _")
    if name in declared.params(root)["datasets"]:
        file, _ = declared.place_of(name, root)
        raise DataError(f"there is a dataset {name!r} already, in {file}: take another name")


def add(name: str, entry: Mapping, root: Path) -> Path:
    """Declare an own dataset, whole or not at all; returns the file of its entry.

    Args:
        name: of the new dataset.
        entry: what an entry of params.yaml says.
        root: the repository's root.

    Raises:
        DataError: the name is taken or none, or the entry is not one.
    """
    check_name(name, root)
    file = root / declared.own_entry(name)
    file.parent.mkdir(parents=True)
    _write(file, yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True))
    try:
        declared.entry(name, root)
    except DataError:
        shutil.rmtree(file.parent)
        raise
    return file


def remove(name: str, root: Path) -> None:
    """Remove an own dataset: what was made of it, then its declaration with its versions.

    Raises:
        DataError: it is none, or is declared in params.yaml.
    """
    if name not in declared.own(root):
        declared.entry(name, root)
        raise DataError(f"{name} is declared in params.yaml: remove its entry there")
    for place in (RAW, REPORTS, PREPARED, COLLECTED):
        shutil.rmtree(root / place / name, ignore_errors=True)
    (root / NOTES / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(root / declared.OWN / name)


def write_stages(name: str, root: Path) -> None:
    """Write the dvc.yaml of an own dataset, where it is not as the checkout's and its entry say.

    It holds what is meant and no reference: DVC reads the entries of all datasets that it can, and
    one that is half typed would stop the others.
    """
    shipped = yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"), declared.LOADER)
    [variables] = shipped["vars"]
    entry = declared.entry(name, root)
    entry["path"] = str(Path(entry["path"]).expanduser())
    values = {**variables, "key": name} | {f"item.{key}": entry[key] for key in entry}

    def filled(text: str) -> str:
        # A `${` in a path of the user's is no reference: DVC reads `\\${` as it.
        return re.sub(
            r"\$\{([\w.]+)\}", lambda found: str(values[found[1]]).replace("${", "\\${"), text
        )

    own = {declared.own_entry(name).as_posix(): None}
    stages = {
        stage: {
            "wdir": os.path.relpath(root, root / declared.OWN / name),
            "cmd": filled(block["do"]["cmd"]),
            "deps": [filled(path) for path in block["do"]["deps"]],
            "params": [own, *(key for key in block["do"]["params"] if "${key}" not in key)],
            "outs": [filled(path) for path in block["do"]["outs"]],
        }
        for stage, block in shipped["stages"].items()
    }
    text = yaml.safe_dump({"stages": stages}, sort_keys=False, allow_unicode=True)
    file = root / declared.OWN / name / "dvc.yaml"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        _write(file, text)


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
