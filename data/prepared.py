"""The prepared data, as a fit is given it: `dataset.json` and train, validation and test tables.

    image      `image` uint8 (rows, height, width, channels), or for pictures of a folder their
               encoded bytes (rows,); `label` int64, an index into facts["labels"]; `id` int64, the
               row number in the raw data
    sentiment  `text` str, raw; `label` and `id` likewise
    both       `key` str, what the source calls the row, and `group` str, where the entry names
               them; `failure` bool, whether a request that a champion answered wrong, where rows
               were collected
    all        `collected` bool, whether of a request, where rows were collected
    forecast   `value` float64 on the regular grid; `observed` bool, False where the last value was
               carried forward; `segment` int64, constant inside an unbroken stretch and unique over
               the dataset; `time` datetime64[ns]; `series` str

facts: `name`, `task`, `labels` (classes), `positive` (the label that the entry calls so, if any),
`rows` {split: count}, `collected` likewise, where rows were collected, and for a forecast
`interval_seconds`, `history`, `horizon`, `stride`, `season`. What the gate and the preparation
noted lies beside it, in data/notes/NAME.json: a reworded note is no new data.
"""

from pathlib import Path

from data import stored
from data.declared import SPLITS
from data.errors import DataError
from data.stored import Dataset

PREPARED = Path("data/prepared")
NOTES = Path("data/notes")


def read(folder: Path) -> Dataset:
    """Facts and splits of one prepared dataset; raises DataError when it is not whole."""
    dataset = stored.read(folder)
    if set(dataset.splits) != set(SPLITS):
        raise DataError(f"{folder} holds the splits {sorted(dataset.splits)}, expected {SPLITS}")
    return dataset
