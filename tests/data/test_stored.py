"""Rows on disk: read as they were written, in the bytes of before, torn files told."""

import numpy as np
import pytest

from data import prepared, stored
from data.errors import DataError
from data.stored import Dataset

PICTURES = {"image": np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), "label": np.arange(3)}
OTHERS = {
    "text": np.array(["a", "", None], dtype=object),
    "value": np.array([1.5, np.nan, -2.0]),
    "time": np.array(["2024-01-01", "NaT", "2024-01-02"], dtype="datetime64[ns]"),
    "observed": np.array([True, False, True]),
    "image": np.array([b"\x89PNG", b"", b"RIFF"], dtype=object),
}


@pytest.mark.parametrize("columns", [PICTURES, OTHERS])
def test_rows_come_back_as_they_were(tmp_path, columns):
    stored.write(tmp_path, Dataset({"name": "mine"}, {"rows": columns}))
    read = stored.read(tmp_path)
    assert read.facts == {"name": "mine"}
    for name, column in columns.items():
        assert read.splits["rows"][name].dtype == column.dtype
        np.testing.assert_array_equal(read.splits["rows"][name], column)


@pytest.mark.parametrize("file", ["dataset.json", "train.npz", "test.npz"])
def test_a_torn_file_is_told(tmp_path, file):
    splits = {"train": PICTURES, "validation": PICTURES, "test": OTHERS}
    stored.write(tmp_path, Dataset({}, splits))
    assert set(prepared.read(tmp_path).splits) == set(splits)
    torn = tmp_path / file
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    with pytest.raises(DataError, match="cannot be read"):
        prepared.read(tmp_path)


def test_a_missing_split_is_told(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.json is missing"):
        prepared.read(tmp_path)
    stored.write(tmp_path, Dataset({}, {"train": PICTURES}))
    with pytest.raises(DataError, match=r"holds the splits \['train'\]"):
        prepared.read(tmp_path)


def test_the_bytes_depend_on_rows_and_facts_alone(tmp_path):
    """When a new library changes this hash, every dataset would count as new and be trained on."""
    text = np.array(["a", "é", None], dtype=object)
    stored.write(tmp_path, Dataset({"name": "mine"}, {"train": PICTURES | {"text": text}}))
    assert stored.hash_of(tmp_path) == "097072485a55164163d86384e8e9252f.dir"
