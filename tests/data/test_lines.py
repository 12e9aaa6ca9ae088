"""At which line of its file a row begins."""

import gzip

import pytest

from data.sources import lines

CSV = 'text;label\n\nfirst;a\n"of two\nlines";b\n\n\nlast;"a ""quoted"" one"\n'


@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_a_csv_begin_where_they_do(tmp_path, packed):
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(CSV.encode("cp1252")) if packed else CSV.encode("cp1252"))
    entry = {"kind": "csv", "path": str(path), "separator": ";", "encoding": "cp1252"}
    assert lines.of_rows(entry) == [3, 4, 8]


def test_blank_lines_between_json_lines_are_no_rows(tmp_path):
    (tmp_path / "rows.jsonl").write_text('\n{"a": 1}\n\n{"a": 2}\n')
    assert lines.of_rows({"kind": "json", "path": str(tmp_path / "rows.jsonl")}) == [2, 4]


def test_of_what_has_no_lines_nothing_is_said(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"a,b\n\xff,1\n")
    assert lines.of_rows({"kind": "csv", "path": str(tmp_path / "rows.csv")}) is None
    assert lines.of_rows({"kind": "csv", "path": str(tmp_path / "gone.csv")}) is None
    assert lines.of_rows({"kind": "parquet", "path": str(tmp_path / "rows.csv")}) is None
