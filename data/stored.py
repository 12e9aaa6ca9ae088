"""How rows lie on disk, raw and prepared alike: dataset.json and NAME.npz for each split.

Equal rows give equal bytes, whichever version of whichever library writes them: uncompressed
arrays in format 1.0 of NumPy, no time stamps, names sorted. A column of texts or of encoded
pictures is two arrays: their bytes one after the other, and the length of each (-1: no value).
docs/decisions/0020-prepared-data-in-canonical-form.md says why.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from data.errors import DataError

RAW, COLLECTED = Path("data/raw"), Path("data/collected")  # the second: data/sources/collected.py
Columns = dict[str, np.ndarray]


@dataclass
class Dataset:
    """Facts about the rows, and the rows of each split as named columns of equal length."""

    facts: dict
    splits: dict[str, Columns]

    def without(self, ids: Sequence[int]) -> "Dataset":
        """The same without the rows of these ids."""
        kept = {split: ~np.isin(rows["id"], ids) for split, rows in self.splits.items()}
        return Dataset(
            self.facts,
            {
                split: {name: column[kept[split]] for name, column in rows.items()}
                for split, rows in self.splits.items()
            },
        )


def write(folder: Path, dataset: Dataset) -> None:
    """Write a dataset into an existing empty folder."""
    write_json(folder / "dataset.json", dataset.facts)
    for split, columns in dataset.splits.items():
        with ZipFile(folder / f"{split}.npz", "w") as archive:
            for name, array in sorted(_arrays(columns)):
                with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    contiguous = np.ascontiguousarray(array)
                    np.lib.format.write_array(file, contiguous, (1, 0), allow_pickle=False)


def write_json(path: Path, content: dict | list) -> None:
    """Write JSON for people and programs; equal contents give equal bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Dataset:
    """Read what `write` wrote; raises DataError when a file is missing or cannot be read."""
    facts_path = folder / "dataset.json"
    if not facts_path.is_file():
        raise DataError(f"{facts_path} is missing: make it with `dvc repro`")
    try:
        facts = json.loads(facts_path.read_text(encoding="utf-8"))
        return Dataset(facts, {path.stem: _columns(path) for path in sorted(folder.glob("*.npz"))})
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"{folder} cannot be read: {error}") from error


def hash_of(folder: Path) -> str:
    """DVC's name for what lies in a folder, `<md5>.dir`: that of the list of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [
        {"md5": _md5(path.read_bytes()), "relpath": path.relative_to(folder).as_posix()}
        for path in files
    ]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _arrays(columns: Columns) -> Iterator[tuple[str, np.ndarray]]:
    for name, column in columns.items():
        if column.dtype != object:
            yield name, column
            continue
        texts = all(value is None or isinstance(value, str) for value in column)
        encoded = [value.encode() if isinstance(value, str) else value for value in column]
        content = b"".join(value for value in encoded if value is not None)
        yield f"{name}.{'utf8' if texts else 'bytes'}", np.frombuffer(content, dtype=np.uint8)
        lengths = [-1 if value is None else len(value) for value in encoded]
        yield f"{name}.lengths", np.array(lengths, dtype=np.int64)


def _columns(path: Path) -> Columns:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = dict(archive)
    columns = {}
    for key in list(arrays):
        name, _, part = key.partition(".")
        if not part:
            columns[name] = arrays[key]
        elif part != "lengths":
            columns[name] = _values(arrays[key].tobytes(), arrays[f"{name}.lengths"], part)
    return columns


def _values(content: bytes, lengths: np.ndarray, kind: str) -> np.ndarray:
    """The texts or encoded pictures that lie one after the other in `content`: objects (rows,)."""
    ends = np.cumsum(np.maximum(lengths, 0))
    values = np.empty(len(lengths), dtype=object)
    for row, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist(), strict=True)):
        value = content[end - length : end] if length >= 0 else None
        values[row] = value.decode() if value is not None and kind == "utf8" else value
    return values
