"""Draw the splits of one dataset, once, into data/prepared/NAME: python -m data.prepare NAME

Writes data/notes/NAME.json as well: what was noted about the rows, and what was done about it.
Texts, pixels and values stay raw: what a request would need as well is done in models/inputs/.
"""

import io
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import ExifTags, Image

from data import classes, declared, report, series, stage, stored
from data.declared import SPLITS
from data.errors import DataError
from data.prepared import NOTES, PREPARED
from data.stored import Columns, Dataset

FORMATS = ("JPEG", "PNG", "WEBP")
CONTENT = {"image": "image", "sentiment": "text"}
# Pixels a side. Pictures of one larger size are as a camera made them: nobody chose it for a model,
# and a fit on 128 x 128 takes four times as long as one on 64 x 64 already.
LARGEST_COMMON, OTHERWISE = 128, 64
GREY = ("1", "L", "LA", "I", "I;16", "I;16B")


def prepare(name: str, folder: Path) -> None:
    """Write the splits and the facts of dataset `name` into `folder`, in the form of data.prepared.

    Raises DataError when there are no raw rows or the gate did not let them pass.
    """
    entry = declared.entry(name)
    raw = stored.read(stored.RAW / name)
    verdict = report.read(name)
    if not verdict["success"]:
        raise DataError(f"the gate refused {name}: see {report.path(name)}")
    if verdict.get("raw_hash") != stored.hash_of(stored.RAW / name):
        raise DataError(f"{report.path(name)} judged other rows: run `dvc repro validate@{name}`")
    raw.facts["notes"] += verdict["notes"]  # of rows set aside too: what is left is the version
    raw = raw.without(report.set_aside(name))
    if entry["task"] == "forecast":
        prepared = by_time(raw, entry, declared.shares("series"))
        prepared.facts |= decided_by(entry, [])
    else:
        prepared = by_class(raw, declared.shares("classes"))
        prepared.facts |= decided_by(entry, prepared.facts["labels"])
    files = _source_files(prepared.splits["train"])
    if files is not None:  # arrays are of one shape as they are
        prepared.facts["shape"] = entry.get("shape") or common_shape(files)
    prepared.facts["rows"] = {
        split: len(next(iter(columns.values()))) for split, columns in prepared.splits.items()
    }
    if all("collected" in columns for columns in prepared.splits.values()):
        prepared.facts["collected"] = {
            split: int(columns["collected"].sum()) for split, columns in prepared.splits.items()
        }
    NOTES.mkdir(exist_ok=True)
    stored.write_json(NOTES / f"{name}.json", prepared.facts.pop("notes"))
    stored.write(folder, prepared)
    rows = ", ".join(f"{split} {count:,}" for split, count in prepared.facts["rows"].items())
    print(f"{name}: {rows}")


def by_class(raw: Dataset, shares: dict[str, float]) -> Dataset:
    """Labelled rows, stratified; an official test split stays as it is, and so do all splits where
    rows were collected: those come to theirs, each by its own content.

    raw: splits `rows`, or `train` and `test`, of the columns that data.ingest describes.
    """
    content = CONTENT[raw.facts["task"]]
    index = {label: number for number, label in enumerate(raw.facts["labels"])}
    for columns in raw.splits.values():
        columns["label"] = np.array([index[label] for label in columns["label"]], dtype=np.int64)
    rows, official = raw.splits.get("rows"), {}
    if rows is None:
        rows, official = _apart_from_test(raw, content), {"test": raw.splits["test"]}
    to_draw = {split: share for split, share in shares.items() if split not in official}
    more = None
    if "collected" in rows:
        rows, more = _take(rows, ~rows["collected"]), _take(rows, rows["collected"])
    digests = classes.together(*classes.names(rows, content).values())
    numbers = classes.draw(rows["label"], digests, to_draw)
    drawn = {split: _take(rows, chosen) for split, chosen in numbers.items()} | official
    if more is not None:
        for split, chosen in classes.fixed(classes.digests(more[content]), shares).items():
            drawn[split] = {
                name: np.concatenate([column, more[name][chosen]])
                for name, column in drawn[split].items()
            }
    optional = ("id", "key", "group", "collected", "failure")
    kept = [name for name in (content, "label", *optional) if name in rows]
    splits = {split: {name: drawn[split][name] for name in kept} for split in SPLITS}
    return Dataset(dict(raw.facts), splits)


def decided_by(entry: dict, labels: list[str]) -> dict:
    """What the entry says of the metric and the weights of classes, in the order of the labels.

    Raises DataError where it names another label, or leaves a mistake or a class out.
    """
    facts = {"metric": entry["metric"]} if "metric" in entry else {}
    weights = entry.get("class_weights")
    if isinstance(weights, dict):
        weights = _by_label("class_weights", weights, labels)
    if weights is not None:
        facts["class_weights"] = weights
    if "costs" in entry:
        rows = _by_label("costs", entry["costs"], labels)
        each = zip(labels, rows, strict=True)
        right = [_by_label(f"costs.{label}", {label: 0.0} | row, labels) for label, row in each]
        facts["costs"] = right
    return facts


def _by_label(key: str, named: dict, labels: list[str]) -> list:
    """The values in the order of the labels."""
    values = {unicodedata.normalize("NFC", str(name)): value for name, value in named.items()}
    if other := [*(values.keys() - set(labels)), *(set(labels) - values.keys())]:
        raise DataError(
            f"{key} of the entry is of {', '.join(map(repr, values))}: expected each of its "
            f"labels once, {', '.join(map(repr, labels))}; see {other[0]!r}"
        )
    return [values[name] for name in labels]


def common_shape(files: np.ndarray) -> list[int]:
    """Height, width and channels at which a model sees pictures: their own size where all have the
    same, at most LARGEST_COMMON a side, and one channel where all are grey.
    """
    sizes, modes = zip(*map(_header, files), strict=True)
    width, height = sizes[0] if len(set(sizes)) == 1 else (OTHERWISE, OTHERWISE)
    if max(width, height) > LARGEST_COMMON:
        width = height = OTHERWISE
    return [height, width, 1 if set(modes) <= set(GREY) else 3]


def _source_files(train: Columns) -> np.ndarray | None:
    """The encoded pictures of the training split that its source gave; None where there are none.

    What clients send has other sizes: it changes none of the model's.
    """
    if "image" not in train or train["image"].dtype != object:
        return None
    return train["image"][~train["collected"]] if "collected" in train else train["image"]


def _header(file: bytes) -> tuple[tuple[int, int], str]:
    """The width and height of one picture, upright, and its mode."""
    with Image.open(io.BytesIO(file), formats=FORMATS) as picture:
        size, mode = picture.size, picture.mode
        if max(size) > LARGEST_COMMON:  # not turned: a PNG is decoded for what stands at its end
            return size, mode
        try:
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception:  # it cannot be read: models/inputs/images.py takes it for upright, too
            orientation = 1
    return (size[::-1] if orientation in (5, 6, 7, 8) else size), mode


def _apart_from_test(raw: Dataset, content: str) -> Columns:
    """The rows of the official training split that equal none of the official test split."""
    train, test = raw.splits["train"], raw.splits["test"]
    held, own = classes.names(test, content), np.ones(len(train["label"]), bool)
    for word, names in classes.names(train, content).items():
        leaked = own & np.isin(names, held[word])
        own &= ~leaked
        if count := np.count_nonzero(leaked):
            share = "equal" if word == "content" else f"have the {word} of"
            raw.facts["notes"].append(
                f"{count:,} training rows {share} a row of the official test split: left out"
            )
    return _take(train, own)


def _take(columns: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def by_time(raw: Dataset, entry: dict, shares: dict[str, float]) -> Dataset:
    """Series on their grid, cut at the same instants for all of them.

    raw: split `rows` of the columns that data.ingest describes; entry: as in params.yaml.
    """
    rows, notes = pd.DataFrame(raw.splits["rows"]), raw.facts["notes"]
    counts = rows["series"].value_counts().sort_index()
    short = counts.index[counts < entry["min_rows"]]
    notes += [f"{name} is too short and was left out" for name in short]
    rows = rows[~rows["series"].isin(short)]
    placed = series.place(rows, entry)
    notes += _grid_notes(placed, len(rows))
    splits = series.cut(placed, series.cuts(rows["time"], shares), list(shares))
    facts = {name: entry[name] for name in ("history", "horizon", "stride", "season")}
    facts |= {name: entry[name] for name in ("below", "above") if entry.get(name) is not None}
    return Dataset(raw.facts | facts | {"interval_seconds": entry["interval"]}, splits)


def _grid_notes(placed: pd.DataFrame, readings: int) -> list[str]:
    """What was done to so many readings, in sentences."""
    observed = placed["observed"]
    counts = {
        "readings stood beside the regular grid: snapped to the nearest point": (
            observed & (placed["read"] != placed["time"])
        ).sum(),
        "readings shared a grid point with a nearer one: left out": readings - observed.sum(),
        "missing grid points were carried forward: they stand in histories, never as targets": (
            ~observed
        ).sum(),
        "longer gaps were not filled: no window spans one": (
            placed["stretch"].nunique() - placed["series"].nunique()
        ),
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count]


if __name__ == "__main__":
    stage.run(prepare, PREPARED)
