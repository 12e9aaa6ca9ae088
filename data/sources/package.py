"""Datasets that ship inside installed packages: `path:` names the module that knows the files."""

import hashlib
import importlib
import importlib.util
from pathlib import Path

from data.errors import DataError
from data.stored import Dataset


def rows(name: str, entry: dict) -> Dataset:
    """The rows of a packaged dataset: `rows(name)` of the module at `entry["path"]`."""
    module = entry["path"].removesuffix(".py").replace("/", ".")
    return importlib.import_module(module).rows(name)


def locate(package: str, file: str, sha256: str) -> Path:
    """The path of a package's data file, its content checked; the package is not imported.

    A pinned digest is what makes `dvc repro` give the same bytes on every machine, and what tells
    a truncated file from a whole one. Raises DataError naming the file and what to do.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {package} is not installed: run `make setup`")
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.is_file():
        raise DataError(f"{path} is missing: reinstall {package}")
    content = path.read_bytes()
    received = hashlib.sha256(content).hexdigest()
    if received != sha256:
        raise DataError(
            f"{path} has {len(content):,} bytes and sha256 {received[:12]}…, expected"
            f" {sha256[:12]}…: it is truncated or of another version, reinstall {package}"
        )
    return path
