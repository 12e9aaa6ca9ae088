"""Labels that arrive as a file: read, matched against the request log, and kept with the others.

    espalier feedback labels.csv

A CSV file with the columns request_id, label and, where a request may have several inputs, index;
or of forecasts request_id and values, a JSON list with null for what is not known.
"""

import csv
import json
import math
import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from pipelines.lineage import request_log
from pipelines.monitoring import feedback, promise
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ({"request_id", "label"}, {"request_id", "label", "index"}, {"request_id", "values"})
# The bounds of POST /v1/feedback.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MAX_INDEX, MAX_LABEL, MAX_STEPS = 255, 256, 1024
NAMED = 3  # lines of each kind that are told

Key = tuple[str, int]  # the request's id, and the index


@dataclass(frozen=True)
class Taken:
    """What became of the rows of a file.

    matched: labels of answers in the log; new of them were written, the others are kept already.
    doubled: rows that a later one of the same request and index replaces. unknown: of no request in
    the log. invalid: not what a row must be, or not for such an answer. foreign: of a class that
    the model does not know. examples: of the last four, which lines, and why.
    """

    file: str
    rows: int
    matched: int
    new: int
    doubled: int
    unknown: int
    invalid: int
    foreign: int
    examples: dict[str, list[str]] = field(default_factory=dict)


def take(file: Path, task: str | None = None) -> Taken:
    """Take the labels of a file; taking it again changes nothing.

    Args:
        file: see above.
        task: whose requests they belong to; None: any.

    Raises:
        UsageError: it cannot be read, or has other columns.
    """
    from pyarrow import compute

    rows, problems, count = _rows(file)
    labels = _table(rows)
    answers = feedback.answers(labels)
    if task is not None:
        ours = compute.starts_with(answers.wanted["model"], f"espalier-{task}-")
        answers = replace(answers, wanted=answers.wanted.filter(ours))
    matched = feedback.match(answers)
    left = {
        "unknown": (matched.unknown, "no such request is in the log"),
        "invalid": (matched.unusable, "its request was answered with something else"),
        "foreign": (_foreign(matched, len(labels)), "the model does not know this label"),
    }
    lines, kept = labels["line"].to_numpy(), np.ones(len(labels), bool)
    for kind, (here, reason) in left.items():
        problems[kind] += [f"line {line}: {reason}" for line in lines[here].tolist()]
        kept &= ~here
    new = _new(labels.filter(kept))
    _write(new)
    counts = {kind: len(problems[kind]) for kind in ("doubled", "unknown", "invalid", "foreign")}
    examples = {kind: told[:NAMED] for kind, told in problems.items() if told}
    return Taken(
        str(file), count, matched=int(kept.sum()), new=len(new), examples=examples, **counts
    )


def _rows(file: Path) -> tuple[dict[Key, dict[str, Any]], dict[str, list[str]], int]:
    """Read a file: its rows by their keys, of several the last; what is wrong with others; and how
    many there are."""
    rows: dict[Key, dict[str, Any]] = {}
    problems: dict[str, list[str]] = defaultdict(list)
    count = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            if set(reader.fieldnames or ()) not in COLUMNS:
                raise UsageError(
                    f"{file} has the columns {', '.join(reader.fieldnames or ())}; expected "
                    "request_id,label or request_id,label,index, or of forecasts request_id,values"
                )
            for row in reader:
                count += 1
                try:
                    key, label = _parsed(row)
                except ValueError as error:
                    problems["invalid"].append(f"line {reader.line_num}: {error}")
                    continue
                if key in rows:
                    line = rows.pop(key)["line"]
                    problems["doubled"].append(f"line {line}: line {reader.line_num} replaces it")
                rows[key] = label | {"line": reader.line_num}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read as CSV in UTF-8 ({error})") from None
    return rows, problems, count


def _parsed(row: dict[str, str]) -> tuple[Key, dict[str, Any]]:
    """The key and the label of a row; raises ValueError, which says what is wrong."""
    if None in row or None in row.values():
        raise ValueError("it has more or fewer cells than the first line")
    if not REQUEST_ID.fullmatch(row["request_id"]):
        raise ValueError(f"{row['request_id']!r} is no request id")
    if "values" in row:
        return (row["request_id"], 0), {"values": _values(row["values"])}
    if not 1 <= len(row["label"]) <= MAX_LABEL:
        raise ValueError(f"its label has {len(row['label'])} characters, expected 1 to {MAX_LABEL}")
    index = row.get("index", "")
    if index and not (index.isdecimal() and int(index) <= MAX_INDEX):
        raise ValueError(f"its index is {index!r}, expected 0 to {MAX_INDEX}")
    label = {"label": row["label"]} | ({"index": int(index)} if index else {})
    return (row["request_id"], int(index or 0)), label


def _values(text: str) -> list[float | None]:
    """A cell of values; raises ValueError."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        values = None
    numbers = isinstance(values, list) and all(
        value is None or (type(value) in (int, float) and math.isfinite(value)) for value in values
    )
    if not numbers or not 1 <= len(values) <= MAX_STEPS:
        raise ValueError(f"its values are no JSON list of 1 to {MAX_STEPS:,} numbers or null")
    return values


def _table(rows: dict[Key, dict[str, Any]]) -> "pyarrow.Table":
    import pyarrow

    now = time.time_ns() // 1000
    held = [{"time": now, "request_id": key[0]} | row for key, row in rows.items()]
    names = {"time": "int64", "request_id": "string", "index": "int64", "label": "string"}
    numbers = pyarrow.list_(pyarrow.float64())
    fields = pyarrow.schema([*names.items(), ("values", numbers), ("line", "int64")])
    return pyarrow.Table.from_pylist(held, schema=fields)


def _foreign(matched: feedback.Matched, count: int) -> np.ndarray:
    """Which labels, bool (label,), name a class that the model that answered does not know."""
    import pyarrow
    from pyarrow import compute

    foreign, classes = np.zeros(count, bool), matched.classes
    pairs = classes.group_by(["model", "version"]).aggregate([]).to_pylist()
    for pair in pairs:
        _, task, dataset = pair["model"].split("-", 2)
        promised = promise.of(task, dataset, pair["version"])
        if promised is None:  # nobody knows which labels it has
            continue
        own = classes.filter(
            compute.and_(
                compute.equal(classes["model"], pair["model"]),
                compute.equal(classes["version"], pair["version"]),
            )
        )
        known = compute.is_in(own["truth"], value_set=pyarrow.array(promised.labels))
        foreign[own.filter(compute.invert(known))["row"].to_numpy()] = True
    return foreign


def _new(labels: "pyarrow.Table") -> list[dict[str, Any]]:
    """The labels that are not kept already, without what they lack."""
    from pyarrow import compute

    stored = feedback.stored()
    stored = stored.filter(compute.is_in(stored["request_id"], value_set=labels["request_id"]))
    kept = {_key(row): (row["label"], row["values"]) for row in stored.to_pylist()}
    return [
        {name: value for name, value in row.items() if value is not None and name != "line"}
        for row in labels.to_pylist()
        if kept.get(_key(row)) != (row["label"], row["values"])
    ]


def _key(row: dict[str, Any]) -> Key:
    return row["request_id"], row["index"] or 0


def _write(labels: list[dict[str, Any]]) -> None:
    """Write labels into a file of their own; of a kill the next call brings what is missing."""
    if not labels:
        return
    folder = request_log.labels()
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S-%f")
    path = folder / f"{stamp}-{os.getpid()}{request_log.SEGMENT}"
    try:
        with path.open("xb") as file:
            file.writelines(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in labels)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
