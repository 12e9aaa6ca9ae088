"""What the audit says of clean splits, and of splits with one leak each."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from encoded import file_of
from PIL import Image
from small_data import FACTS, dated, digits, waves

from data.stored import Dataset
from pipelines.audit import audit, label_leakage, test_split_reuse

ROWS = {"train": 600, "validation": 150, "test": 150}


def texts() -> Dataset:
    """Reviews whose opinion is in a few words, of which a quarter are wrong."""
    random = np.random.default_rng(0)
    filler = np.array([f"word{number}" for number in range(400)])
    opinions = np.array([["awful", "dull", "boring"], ["great", "lovely", "superb"]])
    splits = {}
    for name, rows in ROWS.items():
        label = np.arange(rows) % 2
        said = (label[:, None] + (random.random((rows, 3)) < 0.25)) % 2
        words = [filler[random.integers(0, 400, random.integers(20, 40))] for _ in label]
        about = [opinions[one, random.integers(0, 3, 3)] for one in said]
        mixed = [random.permutation(one) for one in map(np.append, words, about)]
        splits[name] = {"text": np.array([*map(" ".join, mixed)], object), "label": label}
    return Dataset(FACTS["sentiment"], splits)


def pictures() -> Dataset:
    splits = digits()
    return Dataset(FACTS["image"], {name: dict(split) for name, split in splits.items()})


def files() -> Dataset:
    """Pictures of two classes as PNG files, of three sizes."""
    random = np.random.default_rng(0)
    splits = {}
    for name, rows in ROWS.items():
        split = pictures().splits[name]
        data = [png(pixels, random.choice([24, 32, 48])) for pixels in split["image"][:rows]]
        splits[name] = {"image": np.array(data, object), "label": split["label"][:rows] % 2}
    return Dataset({"task": "image", "labels": ["even", "odd"]}, splits)


def series() -> Dataset:
    return Dataset(FACTS["forecast"], dated(waves()))


def png(pixels: np.ndarray, side: int) -> bytes:
    return file_of(Image.fromarray(pixels[..., 0]).resize((side, side)))


def flagged(dataset: Dataset) -> set[str]:
    return {finding.name for finding in audit.audit_splits(dataset) if not finding.ok}


@pytest.mark.parametrize("make", [texts, pictures, files, series])
def test_clean_splits_pass(make):
    assert flagged(make()) == set()


def into_test(change: Callable, rows: int = 3):
    """Put changed rows of train over rows of test, with their labels."""

    def leak(dataset: Dataset) -> None:
        train, test = dataset.splits["train"], dataset.splits["test"]
        content = "text" if "text" in train else "image"
        for row in range(rows):
            test[content][row] = change(train[content][row])
            test["label"][row] = train["label"][row]

    return leak


def everywhere(name: str):
    """Change each row's content, knowing its label."""

    def leak(dataset: Dataset) -> None:
        change = WITH_LABEL[name]
        for split in dataset.splits.values():
            content = "text" if "text" in split else "image"
            for row, label in enumerate(split["label"]):
                split[content][row] = change(split[content][row], label, row)

    return leak


def edited(text: str) -> str:
    """Two words changed, one added, other signs."""
    words = text.split()
    words[4], words[15] = "another", "word"
    return "<b>" + ", ".join([*words, "Updated"]) + "!</b>"


def sorted_by_label(dataset: Dataset) -> None:
    for split in dataset.splits.values():
        order = np.argsort(split["label"], kind="stable")
        for name, column in split.items():
            split[name] = column[order]


def watermark(pixels: np.ndarray, label: int, row: int) -> np.ndarray:
    marked = pixels.copy()
    marked[0, 0, 0] = 20 * label if row % 4 else marked[0, 0, 0]
    return marked


def resaved(pixels: np.ndarray) -> np.ndarray:
    file = file_of(pixels[..., 0], "JPEG", quality=80)
    return np.asarray(Image.open(io.BytesIO(file)))[..., None]


def noisy(pixels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 6, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def as_jpeg(data: bytes, side: int = 32, quality: int = 90) -> bytes:
    picture = Image.open(io.BytesIO(data)).resize((side, side))
    return file_of(picture, "JPEG", quality=quality)


WITH_LABEL = {
    "words": lambda text, label, row: text + " and so on" * 6 * label,
    "capitals": lambda text, label, row: text.title() if label else text,
    "stars": lambda text, label, row: f"{text} stars{label}" if row % 5 else text,
    "rare": lambda text, label, row: f"{text} rare" if label and row % 3 == 0 else text,
    "brighter": lambda pixels, label, row: pixels // 4 + np.uint8(15 * label),
    "jpeg": lambda data, label, row: as_jpeg(data) if label and row % 4 == 1 else data,
    "wider": lambda data, label, row: as_jpeg(data, int(40 + 8 * label)),
    "finer": lambda data, label, row: as_jpeg(data, quality=int(20 + 75 * label)),
    "watermark": watermark,
}


LEAKS = [
    (texts, into_test(lambda text: text, 1), "equal rows"),
    (texts, into_test(lambda text: f"  {text.upper()} ", 1), "equal rows"),
    (texts, into_test(lambda text: text.replace(" ", ", "), 1), "equal rows"),
    (texts, into_test(edited), "near copies"),
    (texts, into_test(lambda text: " ".join(text.split()[:-6])), "near copies"),
    (pictures, into_test(lambda pixels: pixels, 1), "equal rows"),
    (pictures, into_test(lambda pixels: pixels // 2 + 60), "near copies"),
    (pictures, into_test(resaved), "near copies"),
    (pictures, into_test(noisy), "near copies"),
    (files, into_test(lambda data: data, 1), "equal rows"),
    (files, into_test(as_jpeg), "near copies"),
    (texts, sorted_by_label, "label from the place in the split"),
    (pictures, sorted_by_label, "label from the place in the split"),
    (texts, everywhere("words"), "label from the number of words"),
    (texts, everywhere("capitals"), "label from the share of capitals"),
    (texts, everywhere("stars"), "label from the word 'stars0'"),
    (texts, everywhere("rare"), "label from a mark"),
    (pictures, everywhere("watermark"), "label from one pixel of the frame"),
    (pictures, everywhere("brighter"), "label from the mean brightness"),
    (files, everywhere("jpeg"), "label from a mark"),
    (files, everywhere("wider"), "label from the width"),
    (files, everywhere("finer"), "label from the file's size"),
]


@pytest.mark.parametrize(("make", "leak", "found"), LEAKS)
def test_each_leak_is_found(make, leak, found):
    dataset = make()
    leak(dataset)
    assert found in flagged(dataset)


def test_a_copy_is_shown_with_its_rows():
    dataset = texts()
    dataset.splits["test"]["text"][7] = dataset.splits["train"]["text"][40]
    dataset.splits["validation"]["text"][5] = dataset.splits["train"]["text"][41]
    [equal, *_] = audit.audit_splits(dataset)
    assert {"test": 7, "train": 40, "likeness": 1.0} in equal.examples
    assert {"validation": 5, "train": 41, "likeness": 1.0} in equal.examples
    assert equal.facts == {"validation": 1, "test": 1}
    assert "1 of validation (0.67%) and 1 of test (0.67%) are equal" in equal.result


def test_texts_without_a_word_are_not_copies_of_each_other_but_equal_ones_are():
    dataset = texts()
    for name, rows in {"train": ["!!", "?"], "test": ["…", "?"]}.items():
        dataset.splits[name]["text"][:2] = rows
    [equal, *_] = audit.audit_splits(dataset)
    assert equal.facts == {"validation": 0, "test": 1}


def test_splits_that_overlap_in_time_are_found():
    dataset = series()
    dataset.splits["test"]["time"] = dataset.splits["test"]["time"] - np.timedelta64(5, "h")
    [found] = [one for one in audit.audit_splits(dataset) if not one.ok]
    assert found.name == "order in time"
    assert found.facts == {"validation": 0, "test": 5}


def test_a_series_that_learns_from_the_future_of_another_is_found():
    """Two series, each in order, cut at different instants."""
    dataset = series()
    late = {name: column.copy() for name, column in dataset.splits["train"].items()}
    late["time"] += np.timedelta64(1000, "h")
    late["segment"] += 100
    train = dataset.splits["train"]
    dataset.splits["train"] = {name: np.concatenate([train[name], late[name]]) for name in train}
    assert "order in time" in flagged(dataset)


def test_a_stretch_that_goes_over_a_cut_is_found():
    dataset = series()
    dataset.splits["validation"]["segment"][:] = dataset.splits["train"]["segment"][-1]
    assert flagged(dataset) == {"windows over a cut"}


def test_a_stretch_that_stands_in_two_splits_is_found():
    dataset = series()
    dataset.splits["test"]["value"][50:90] = dataset.splits["train"]["value"][500:540]
    assert flagged(dataset) == {"equal windows"}


@pytest.mark.parametrize("habit", [lambda hour: 0 * hour, lambda hour: 10.0 + hour % 24])
def test_a_flat_or_perfectly_regular_series_is_no_copy_of_itself(habit):
    dataset = series()
    for split in dataset.splits.values():
        hour = (split["time"] - np.datetime64("2026-01-01", "ns")) // np.timedelta64(1, "h")
        split["value"] = habit(hour.astype(float))
    assert flagged(dataset) == set()


def test_chance_cries_no_wolf():
    """Few rows, a number and labels of no relation: some look telling, none is told."""
    random = np.random.default_rng(0)
    flags = 0
    for _ in range(300):
        known, truth = random.integers(0, 2, 20), random.integers(0, 2, 8)
        known[:2], truth[:2] = (0, 1), (0, 1)
        prediction = label_leakage.predict(random.random(20), known, random.random(8), truth)
        flags += (
            prediction.p < label_leakage.ALPHA and prediction.doubt_removed >= label_leakage.HALF
        )
    assert flags <= 0.05 * 300


def test_a_rare_label_does_not_make_every_word_a_mark():
    dataset = texts()
    for split in dataset.splits.values():
        split["label"] = (np.arange(len(split["label"])) % 30 == 0).astype(np.int64)
    assert flagged(dataset) == set()


@pytest.mark.parametrize(("draws", "expected"), [(1, 0.0), (2, 0.564), (10, 1.539), (30, 2.043)])
def test_the_luck_of_the_best_is_the_tabled_one(draws, expected):
    """Harter, Expected Values of Normal Order Statistics, Biometrika 1961."""
    assert test_split_reuse.luck(draws) == pytest.approx(expected, abs=0.001)
