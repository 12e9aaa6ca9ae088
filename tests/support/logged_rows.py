"""The rows of a request log, wherever they lie."""

import json
from pathlib import Path

import pyarrow.parquet


def journal_rows(folder: Path) -> list[dict]:
    """The rows of the journals, of which the last line may be half written yet."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in lines_of(path)]
    return [json.loads(line) for line in lines]


def lines_of(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]


def stored_rows(folder: Path) -> list[dict]:
    """The rows of the Parquet files."""
    paths = sorted(folder.glob("*.parquet"))
    return [row for path in paths for row in pyarrow.parquet.read_table(path).to_pylist()]


def rows_that_count(folder: Path) -> list[dict]:
    """What a reader takes: of a file in both forms, the Parquet."""
    names = {path.stem for path in folder.glob("*.parquet")}
    left = [path for path in sorted(folder.glob("*.jsonl")) if path.stem not in names]
    return stored_rows(folder) + [json.loads(line) for path in left for line in lines_of(path)]
