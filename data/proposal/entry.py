"""The entry of a new dataset, and three rows as it understands them."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.classes import metric_of
from data.entries import ExpectClasses
from data.errors import DataError
from data.proposal import columns as roles
from data.proposal import pictures, stamps, tables
from data.sources import conversion, paths
from data.sources.columns import chosen

ROLES = {"image": (), "sentiment": ("text", "label"), "forecast": ("time", "value", "series")}
OF_ROWS = {"id": "identifies a row", "group": "says which rows stay on one side of the split"}
SHOWN = 3


@dataclass(frozen=True)
class Proposal:
    """What would be declared, three rows as they are understood by it, and how it was found."""

    entry: dict[str, Any]
    sample: list[dict[str, Any]]
    remarks: list[str]


def proposed(task: str | None, path: Path, columns: Mapping[str, str]) -> Proposal:
    """Look at the first rows of a file, or at the names in a folder, and propose its entry.

    Args:
        task: image, sentiment or forecast; found out where it is not given.
        path: a file or folder, `~` expanded.
        columns: those that are known: text and label, or time, value and series.

    Raises:
        DataError: it cannot be read so, or which option has to be given.
    """
    found = paths.local(path).resolve()
    kind = tables.kind_of(found)
    is_pictures = kind in ("folder", "arrays")
    if task not in (None, *ROLES):
        raise DataError(f"--task is {task!r}, expected {', '.join(ROLES)}")
    if is_pictures != (task == "image") and (is_pictures or task == "image") and task:
        raise DataError(
            f"--task is {task}, but {found} holds {'pictures' * is_pictures or 'a table'}"
        )
    if is_pictures:
        return _of_pictures(found, kind, columns)
    if unknown := set(columns) - {role for of_task in ROLES.values() for role in of_task}:
        raise DataError(
            f"columns has {min(unknown)!r}, expected {ROLES['sentiment']} or {ROLES['forecast']}"
        )
    paths.check(found)
    sample = tables.sample_of(found, kind)
    known = roles.columns_of(sample.table)
    roles.check(known, columns)
    task = task or roles.task_of(known, columns)
    if wrong := set(columns) - set(ROLES[task]):
        raise DataError(f"--{min(wrong)} is not for --task {task}: it has {', '.join(ROLES[task])}")
    entry = {"task": task, "kind": kind, "path": str(found)}
    if task == "sentiment":
        return _of_texts(entry, sample, known, columns)
    return _of_series(entry, sample, known, columns)


def _of_pictures(path: Path, kind: str, columns: Mapping[str, str]) -> Proposal:
    if columns:
        raise DataError(f"--{min(columns)} names a column, but {path} holds pictures")
    if kind == "arrays" and path.is_file() and path.suffix != ".npz":
        path = path.parent  # of a pair of files both are watched for changes
    look = pictures.in_files if kind == "folder" else pictures.in_arrays
    rows, remarks, counts = look(path)
    entry = {"task": "image", "kind": kind, "path": str(path)} | _of_classes(counts)
    return Proposal(entry, rows, [*remarks, *_why(entry)])


def _of_texts(
    entry: dict, sample: tables.Sample, known: dict[str, roles.Column], given: Mapping[str, str]
) -> Proposal:
    names = roles.texts(known, given)
    _check_header(*(known[name] for name in names.values()))
    of_rows = roles.of_rows(known, names.values())
    entry |= sample.settings | {"columns": names} | of_rows
    dataset = chosen(sample.table, "", entry)
    rows = dataset.splits["rows"]
    counts = pd.Series(rows["label"]).value_counts()
    entry |= _of_classes(counts.to_dict())
    classes = pictures.counted(counts.to_dict())
    remarks = [*sample.remarks, f"{_rows(sample)} of {classes}"]
    if missing := sum(name is None for name in rows["label"]):
        remarks.append(f"{missing:,} rows have no label")
    if 2 * len(counts) > counts.sum() > 2:  # as the gate will ask
        remarks.append("most rows have a label of their own: are text and label swapped?")
    remarks += _why(entry)
    taken = [{"text": text, "label": label} for text, label in _first(rows["text"], rows["label"])]
    remarks += [f"{name!r} {OF_ROWS[role]}: `{role}: {name}`" for role, name in of_rows.items()]
    return Proposal(entry, taken, [*remarks, *_unused(sample, names | of_rows)])


def _of_series(
    entry: dict, sample: tables.Sample, known: dict[str, roles.Column], given: Mapping[str, str]
) -> Proposal:
    names = roles.readings(known, given)
    time, value = known[names["time"]], known[names["value"]]
    _check_header(time, value)
    if not time.forms:  # the error names the first row that is not
        conversion.times(time.values, time.name, *time.likely[:1])
        raise DataError(f"column {time.name!r} holds no times: say --time")
    if not value.numbers:
        for row, word in value.odd.items():
            raise DataError(
                f"column {value.name!r} holds something that is not a number: {word[:60]!r} in row"
                f" {row + 1}; leave that cell empty, or say --value"
            )
        conversion.numbers(value.values, value.name)
        raise DataError(f"column {value.name!r} holds no numbers: say --value")
    ids = tables.series_of(sample.table, names.get("series"))
    clock = stamps.clock(time.values, time.name, ids, time.forms)
    lengths, remarks = stamps.rhythm(clock.instants, ids, sample.whole)
    settings = sample.settings | clock.settings
    doubt = value.may_be_thousands and (entry["kind"] == "csv" or value.numbers == (",", ""))
    decimal, thousands = _signs(value, settings, doubt)
    settings |= {"decimal": decimal} if decimal != "." else {}
    settings |= {"thousands": thousands} if thousands else {}
    entry |= settings | {"columns": names} | lengths
    rows = chosen(sample.table, Path(entry["path"]).stem, entry).splits["rows"]
    taken = [
        {"time": f"{str(instant)[:19]}{'Z' * clock.in_utc}", "value": float(number), "series": name}
        for instant, number, name in _first(rows["time"], rows["value"], rows["series"])
    ]
    count = len(set(ids))
    remarks = [
        *sample.remarks,
        f"{_rows(sample)} of {count:,} series" if count > 1 else f"{_rows(sample)} of one series",
        *clock.remarks,
        *_of_signs(decimal, thousands, doubt),
        *remarks,
        *_unused(sample, names),
    ]
    return Proposal(entry, taken, remarks)


def _of_classes(counts: Mapping[str, int]) -> dict[str, Any]:
    """What an entry says where a class is rare: a metric, and that the gate lets it pass where
    enough rows are of it and its share alone would be refused."""
    entry: dict[str, Any] = {**metric_of(counts)}
    fewest, limits = min(counts.values(), default=0), ExpectClasses()
    share = math.floor(100 * fewest * len(counts) / max(1, sum(counts.values()))) / 100
    if fewest >= limits.class_rows and 0 < share < limits.class_share:
        entry["expect"] = {"class_share": share}
    return entry


def _why(entry: Mapping[str, Any]) -> list[str]:
    """Why the entry names a metric."""
    if "metric" not in entry:
        return []
    of = f" of {entry['positive']!r}" if "positive" in entry else ""
    metric = f"`metric: {entry['metric']}`{of}"
    why = [f"a class is rare: {metric}, since accuracy rewards who never names it"]
    if share := entry.get("expect"):
        why.append(f"`expect: {{class_share: {share['class_share']:g}}}` lets it pass the gate")
    return why


def _signs(value: roles.Column, settings: Mapping[str, str], doubt: bool) -> tuple[str, str]:
    """The decimal sign and the one between thousands; of a point that may be either, what is usual
    where semicolons stand between cells and the day comes first."""
    european = settings.get("separator") == ";" and settings.get("time_format", "")[:2] == "%d"
    if value.numbers == (".", "") and european and doubt:
        return ",", "."
    return value.numbers or (".", "")


def _of_signs(decimal: str, thousands: str, doubt: bool) -> list[str]:
    """What is to be said of them."""
    if thousands:
        other = "; `decimal` and `thousands` say otherwise" if doubt else ""
        return [f"{thousands!r} stands between thousands, {decimal!r} is the decimal sign{other}"]
    if decimal == "." and not doubt:
        return []
    sign = "point" if decimal == "." else "comma"
    return [f"the {sign} is the decimal sign{'; `thousands` says otherwise' if doubt else ''}"]


def _check_header(*chosen_columns: roles.Column) -> None:
    for column in chosen_columns:
        of_time = column.forms and stamps.forms(pa.chunked_array([[column.name]]))[0]
        if of_time or column.words.isin([column.name]).any():
            raise DataError(
                f"the first row, with {column.name!r}, looks like data: write the columns' names"
                " above it"
            )


def _rows(sample: tables.Sample) -> str:
    return f"{'' if sample.whole else 'the first '}{len(sample.table):,} rows"


def _first(*values: np.ndarray) -> list[tuple]:
    return list(itertools.islice(zip(*values, strict=True), SHOWN))


def _unused(sample: tables.Sample, names: dict[str, str]) -> list[str]:
    rest = [name for name in sample.table.column_names if name not in names.values()]
    return [f"not used: {', '.join(map(repr, rest))}"] if rest else []
