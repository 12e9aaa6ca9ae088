"""At which shape a model sees own pictures, and what becomes of an official test split."""

import json
from pathlib import Path

import numpy as np
import pytest
from encoded import file_of
from PIL import Image

from data import report, stored
from data.errors import DataError
from data.prepare import by_class, common_shape, decided_by, prepare

EXIF = Image.Exif()
EXIF[0x0112] = 6  # lies on its side


def noise(size: tuple[int, int], mode: str = "RGB", kind: str = "PNG", **options) -> bytes:
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return file_of(Image.fromarray(pixels).convert(mode), kind, **options)


@pytest.mark.parametrize(
    ("files", "shape"),
    [
        ([noise((20, 28), "L")] * 2, [28, 20, 1]),
        ([noise((20, 28), "L"), noise((20, 28))], [28, 20, 3]),
        ([noise((20, 28), "L"), noise((28, 20), "L")], [64, 64, 1]),
        ([noise((20, 28)), noise((28, 20), exif=EXIF)], [28, 20, 3]),
        ([noise((20, 28), kind="JPEG", exif=b"Exif\0\0broken")], [28, 20, 3]),
        ([noise((128, 4))], [4, 128, 3]),
        ([noise((129, 4))], [64, 64, 3]),
        ([noise((4, 4)), noise((129, 4))], [64, 64, 3]),
    ],
)
def test_pictures_keep_the_size_that_all_have_if_it_is_small(files, shape):
    assert common_shape(np.array([*files, None], object)[:-1]) == shape


LABELS = ["ham", "spam"]
MAIL = {"spam": {"ham": 1}, "ham": {"spam": 20}}


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        ({}, {}),
        ({"metric": "f1", "positive": "spam"}, {"metric": "f1"}),
        ({"metric": "cost", "costs": MAIL}, {"metric": "cost", "costs": [[0, 20], [1, 0]]}),
        ({"class_weights": "balanced"}, {"class_weights": "balanced"}),
        ({"class_weights": {"spam": 5, "ham": 1}}, {"class_weights": [1, 5]}),
    ],
)
def test_what_decides_is_a_fact_in_the_order_of_the_labels(entry, facts):
    assert decided_by(entry, LABELS) == facts


@pytest.mark.parametrize(
    "entry",
    [
        {"costs": {"spam": {"ham": 1}}},
        {"costs": {"spam": {}, "ham": {"spam": 1}}},
        {"costs": MAIL | {"eggs": {}}},
        {"class_weights": {"spam": 5}},
    ],
)
def test_a_label_that_is_left_out_or_unknown_is_named(entry):
    with pytest.raises(DataError, match="expected each of its labels once, 'ham', 'spam'; see '"):
        decided_by(entry, LABELS)


FILES = np.array([noise((20, 28)) + bytes([row]) for row in range(60)], object)
ARRAYS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)


@pytest.mark.parametrize(
    ("images", "entry", "shape"),
    [
        (FILES, {}, [28, 20, 3]),
        (FILES, {"shape": [12, 14, 1]}, [12, 14, 1]),
        (ARRAYS, {"shape": [8, 8, 1]}, None),  # a fact more would be a new version
    ],
)
def test_the_shape_of_an_entry_goes_over_that_of_the_files(
    images, entry, shape, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    declared = {
        "datasets": {"pets": {"task": "image", "kind": "folder", "path": "pets"} | entry},
        "split": {"classes": {"train": 0.64, "validation": 0.16, "test": 0.2}},
    }
    Path("params.yaml").write_text(json.dumps(declared))
    raw, prepared = stored.RAW / "pets", Path("prepared")
    for folder in (raw, prepared, report.path("pets").parent):
        folder.mkdir(parents=True)
    columns = {"image": images, "label": np.array(["cat", "dog"] * 30), "id": np.arange(60)}
    facts = {"task": "image", "labels": ["cat", "dog"], "notes": []}
    stored.write(raw, stored.Dataset(facts, {"rows": columns}))
    verdict = {"success": True, "notes": [], "raw_hash": stored.hash_of(raw)}
    stored.write_json(report.path("pets"), verdict)
    prepare("pets", prepared)
    assert json.loads((prepared / "dataset.json").read_text()).get("shape") == shape


def drawn(texts, **columns) -> dict[str, set]:
    rows = {"text": np.array(texts, object), "id": np.arange(len(texts)), **columns}
    rows["label"] = np.array(["good", "bad"] * (len(texts) // 2), object)
    facts = {"task": "sentiment", "labels": ["bad", "good"], "notes": []}
    made = by_class(stored.Dataset(facts, {"rows": rows}), SHARES)
    return {name: set(columns["id"]) for name, columns in made.splits.items()}


SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def test_a_row_with_an_id_keeps_its_split_whatever_becomes_of_its_content():
    texts, cleaned = ([f"text {row}{end}" for row in range(200)] for end in ("", " indeed"))
    key = np.array([f"review-{row}" for row in range(200)], object)
    assert drawn(texts, key=key) == drawn(cleaned, key=key)
    assert drawn(texts) != drawn(cleaned)
    twice = drawn(["the same"] * 2 + texts[2:], key=key)
    assert any({0, 1} <= rows for rows in twice.values())


def test_a_group_stays_on_one_side():
    texts = [f"text {row}" for row in range(200)]
    author = np.array([f"author {row % 20}" for row in range(200)], object)
    splits = drawn(texts, group=author)
    authors = [{row % 20 for row in rows} for rows in splits.values()]
    assert sum(map(len, authors)) == 20
    assert [len(rows) for rows in splits.values()] == [120, 40, 40]
    assert sum(len({row % 20 for row in rows}) for rows in drawn(texts).values()) > 40


def test_a_training_row_that_equals_one_of_the_official_test_split_is_left_out():
    texts = np.array([f"text {row}" for row in range(100)], object)
    splits = {
        name: {
            "text": texts[rows],
            "label": np.where(rows % 2, "good", "bad").astype(object),
            "id": rows,
        }
        for name, rows in {"train": np.arange(90), "test": np.arange(85, 100)}.items()
    }
    facts = {"task": "sentiment", "labels": ["bad", "good"], "notes": []}
    made = by_class(stored.Dataset(facts, splits), {"train": 0.8, "validation": 0.2, "test": 0.2})
    assert sorted([*made.splits["train"]["id"], *made.splits["validation"]["id"]]) == [*range(85)]
    assert [*made.splits["test"]["id"]] == [*range(85, 100)]
    [note] = made.facts["notes"]
    assert note.startswith("5 training rows equal a row of the official test split")


def test_a_training_row_of_a_group_of_the_official_test_split_is_left_out():
    rows = {"train": np.arange(90), "test": np.arange(90, 100)}
    splits = {
        name: {
            "text": np.array([f"text {row}" for row in numbers], object),
            "label": np.where(numbers % 2, "good", "bad").astype(object),
            "group": np.array([f"author {row % 30}" for row in numbers], object),
            "id": numbers,
        }
        for name, numbers in rows.items()
    }
    facts = {"task": "sentiment", "labels": ["bad", "good"], "notes": []}
    made = by_class(stored.Dataset(facts, splits), SHARES)
    assert made.facts["notes"] == [
        "30 training rows have the group of a row of the official test split: left out"
    ]
    assert len(made.splits["train"]["id"]) + len(made.splits["validation"]["id"]) == 60
