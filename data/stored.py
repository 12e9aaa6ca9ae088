"""How rows lie on disk, raw and prepared alike: dataset.json and one table for each split.

Pictures of one size are arrays and lie in an uncompressed .npz; everything else, pictures as the
bytes of their files among it, lies in Parquet. Equal rows give equal bytes: no time stamps, keys
sorted.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from data.errors import DataError

RAW = Path("data/raw")
Columns = dict[str, np.ndarray]


@dataclass
class Dataset:
    """Facts about the rows, and the rows of each split as named columns of equal length."""

    facts: dict
    splits: dict[str, Columns]


def write(folder: Path, dataset: Dataset) -> None:
    """Write a dataset into an existing empty folder."""
    text = json.dumps(dataset.facts, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")
    for split, columns in dataset.splits.items():
        if any(column.ndim > 1 for column in columns.values()):
            np.savez(folder / f"{split}.npz", **columns)
        else:
            _write_parquet(folder / f"{split}.parquet", columns)


def read(folder: Path) -> Dataset:
    """Read what `write` wrote; raises DataError when a file is missing or cannot be read."""
    facts_path = folder / "dataset.json"
    if not facts_path.is_file():
        raise DataError(f"{facts_path} is missing: make it with `dvc repro`")
    tables = sorted([*folder.glob("*.npz"), *folder.glob("*.parquet")])
    try:
        facts = json.loads(facts_path.read_text(encoding="utf-8"))
        return Dataset(facts, {table.stem: _read_table(table) for table in tables})
    except (
        OSError,
        ValueError,
        EOFError,
        BadZipFile,
    ) as error:  # truncated or overwritten by something else
        raise DataError(f"{folder} cannot be read: {error}") from error


def _write_parquet(path: Path, columns: Columns) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    pq.write_table(table, path, compression="zstd")


def _read_table(path: Path) -> Columns:
    if path.suffix == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}
