"""Raw rows of each task that pass the gate, and how a test spoils them."""

import numpy as np
from checkouts import reviews

from data.stored import Dataset

SERIES = {"task": "forecast", "interval": 300, "history": 12, "horizon": 3, "season": 12}
SERIES |= {"stride": 1, "fill": 900, "grid": "clock", "min_rows": 1}


def pictures(rows: int = 120) -> Dataset:
    draw = np.random.default_rng(0)
    columns = {
        "image": draw.integers(0, 256, (rows, 8, 8, 1), dtype=np.uint8),
        "label": np.array([str(row % 3) for row in range(rows)]),
        "id": np.arange(rows),
    }
    return Dataset({"labels": ["0", "1", "2"], "notes": []}, {"rows": columns})


def texts(rows: int = 300) -> Dataset:
    text, label = zip(*reviews(rows), strict=True)
    columns = {
        "text": np.array(text, dtype=object),
        "label": np.array(label, dtype=object),
        "id": np.arange(rows),
    }
    return Dataset({"labels": ["bad", "good"], "notes": []}, {"rows": columns})


def readings(rows: int = 600) -> Dataset:
    seconds = 300 * np.arange(rows)
    columns = {
        "time": seconds.astype("datetime64[s]").astype("datetime64[ns]"),
        "value": 100 + 10 * np.sin(np.arange(rows) / 20),
        "series": np.full(rows, "a", dtype=object),
        "id": np.arange(rows),
    }
    return Dataset({"notes": []}, {"rows": columns})


def put(column: str, rows, value):
    """A corruption: `value` in some rows of a column."""

    def corrupt(columns):
        columns[column][rows] = value

    return corrupt


FILE = {"kind": "csv", "path": "rows.csv"}
ENTRIES = {  # task → what makes its rows, and how these are declared
    "image": (pictures, {"task": "image", "kind": "folder", "path": "pets"}),
    "sentiment": (texts, FILE | {"task": "sentiment", "columns": {"text": "t", "label": "l"}}),
    "forecast": (readings, FILE | SERIES | {"columns": {"time": "t", "value": "v"}}),
}
SPLIT = {"train": 0.6, "validation": 0.2, "test": 0.2}
