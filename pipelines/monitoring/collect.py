"""Labelled requests become rows of their dataset, so that it grows by itself.

    espalier data collect --task image

Of pictures and texts these are the requests that a label came back for, and whose input the log
holds (ESPALIER_LOG_INPUTS=1). Of a series they are the readings in the histories of requests that
named their series, and the values that came back for such. A row is known by its request and the
index of its input, a reading by its series and time, so that nothing is taken twice. They lie in
data/collected (data/sources/collected.py), a part a day, and go by their age as `collect:` in
params.yaml says. docs/decisions/0072-a-dataset-grows-by-its-requests.md
"""

import base64
import io
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from data import declared
from data.stored import COLLECTED, RAW
from models.inputs import images
from pipelines.experiments import dataset as data
from pipelines.experiments import registry
from pipelines.lineage import request_log
from pipelines.monitoring import feedback, forecasts
from pipelines.monitoring.feedback import Answers
from pipelines.runtime import console, environment, settings

if TYPE_CHECKING:
    import pyarrow

DAY = 86_400_000_000  # microseconds
LATE = 60_000_000  # workers write a record a second or so after its time, each at its own pace
RECORD = re.compile(rb'\{"time":(\d+),"request_id":"([^"]*)"')  # how one begins
REQUEST = ("request_id", "time", "client", "version")  # what a row tells of it
READ = 2_000  # requests whose histories are looked through at a time

Key = tuple[str, int]  # the request's id and the index of its input; or a series and a time
Row = dict[str, Any]


@dataclass(frozen=True)
class Collected:
    """What became of the labelled requests of a dataset.

    added: rows that were new. changed: rows whose label is another now, or whose request id a newer
    request has. removed: rows that are too old, or beyond the most. rows: all that there are now.
    without_input: labels of requests of which the log keeps no input.
    """

    task: str
    dataset: str
    added: int
    changed: int
    removed: int
    rows: int
    without_input: int


@dataclass(frozen=True)
class _Gain:
    """What is kept, by its key the time of its request, and what is new likewise; of series with
    its request and value. What is in both has a newer request now."""

    kept: dict[Key, int]
    new: dict[Key, int]
    rows: dict[Key, tuple[Row, float]]
    labels: dict[Key, str]
    without_input: int = 0

    def retained(self, dataset: str) -> set[Key]:
        """The keys of the rows that may be kept: young enough, and of too many the youngest."""
        limits = settings.collect(dataset)
        oldest = time.time_ns() // 1000 - limits.days * DAY
        times = self.kept | self.new
        young = sorted((key for key in times if times[key] >= oldest), key=lambda key: -times[key])
        return set(young[: limits.rows])


def waiting(task: str, dataset: str, answers: Answers) -> int:
    """How many rows `collect` would add.

    Args:
        task, dataset: whose.
        answers: what is kept of the log.

    Raises:
        DataError: a part cannot be read.
    """
    gain = _gain(task, dataset, answers)
    return len((gain.new.keys() - gain.kept.keys()) & gain.retained(dataset))


def collect(task: str, dataset: str) -> Collected:
    """Take what is new of the log, remove what is too old; killed, the next call goes on.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.

    Raises:
        DataError: a part cannot be read.
        GateRefused: pictures are to be brought to the form of the dataset, which is not there yet,
            and refused.
    """
    from data.sources import collected

    place = environment.ROOT / COLLECTED / dataset
    place.mkdir(parents=True, exist_ok=True)
    with console.stage("collect") as say, collected.locked(place):
        answers = feedback.answers(feedback.stored(), dataset=dataset)
        gain = _gain(task, dataset, answers)
        retained = gain.retained(dataset)
        days, added_keys = defaultdict(list), sorted(gain.new.keys() & retained)
        places = _places({key: gain.new[key] for key in added_keys}) if task != "forecast" else {}
        for key in added_keys:
            days[_part(place, gain.new[key])].append(key)
        shape = _shape(dataset) if task == "image" and days else None
        removed = len(gain.kept.keys() - retained)
        added = changed = 0
        for part in sorted({*days, *collected.parts(place)}):
            rows = _rows(task, gain, days.get(part, ()), places, shape)
            more, others = _write(part, task, rows, gain, retained)
            added, changed = added + more, changed + others
        count = len(gain.kept) - removed + added
        say(f"{count:,} rows of {dataset} are requests: {added:,} of them new, {changed:,} with")
        say(f"another label or request; {removed:,} went")
    return Collected(task, dataset, added, changed, removed, count, gain.without_input)


def _part(place: Path, microseconds: int) -> Path:
    """The part of the day of a request."""
    day = datetime.fromtimestamp(microseconds / 1e6, UTC).date()
    return place / f"{day.isoformat()}{request_log.PARQUET}"


def _write(
    part: Path, task: str, rows: list[Row], gain: _Gain, retained: set[Key]
) -> tuple[int, int]:
    """Write a part anew where it has changed; how many rows are new, how many others than before.

    A row that a newer request replaces goes with the part of its day, which is written before.
    """
    import pyarrow

    from data.sources import collected

    before = collected.read(task, [part] if part.exists() else [])
    going = gain.kept.keys() - retained | gain.new.keys()
    keep = np.array([key not in going for key in _keys(task, before)], bool)
    held = before.filter(keep)
    changed = 0
    if task != "forecast":
        labels = held["label"].to_pylist()
        pairs = zip(_keys(task, held), labels, strict=True)
        now = [gain.labels.get(key, label) for key, label in pairs]
        changed = sum(one != other for one, other in zip(labels, now, strict=True))
        place = held.schema.get_field_index("label")
        held = held.set_column(place, held.schema.field(place), pyarrow.array(now, "string"))
    more = pyarrow.Table.from_pylist(rows, schema=before.schema)
    if rows or changed or len(held) < len(before):
        collected.write(part, pyarrow.concat_tables([held, more]))
    replaced = sum(key in gain.kept for key in _keys(task, more))
    return len(rows) - replaced, changed + replaced


def _gain(task: str, dataset: str, answers: Answers) -> _Gain:
    """What there is, and what the log has beyond it."""
    from data.sources import collected

    files = collected.parts(environment.ROOT / COLLECTED / dataset)
    names = ["series", "at"] if task == "forecast" else ["request_id", "index"]
    table = collected.read(task, files, [*names, "time"])
    kept = dict(zip(_keys(task, table), table["time"].to_pylist(), strict=True))
    if not settings.collect(dataset).rows:  # another checkout collects it
        return _Gain(kept, {}, {}, {})
    model = registry.model_name(task, dataset)
    if task == "forecast":
        return _of_series(model, dataset, kept, answers)
    return _of_classes(model, kept, answers)


def _keys(task: str, table: "pyarrow.Table") -> list[Key]:
    names = ("series", "at") if task == "forecast" else ("request_id", "index")
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def _of_classes(model: str, kept: dict[Key, int], answers: Answers) -> _Gain:
    new: dict[Key, int] = {}
    labels, without = {}, 0
    for row in feedback.only(feedback.match(answers).classes, "model", model).to_pylist():
        key, answered = (row["request_id"], row["index"]), row["time"]
        is_kept = kept.get(key) == answered
        if key in kept and not is_kept and row["label_time"] < answered:  # the earlier request's
            continue
        without += not (is_kept or row["has_input"])
        if is_kept or row["has_input"]:
            labels[key] = row["truth"]
        if row["has_input"] and not is_kept:
            new[key] = answered
    return _Gain(kept, new, {}, labels, without)


def _of_series(model: str, dataset: str, kept: dict[Key, int], answers: Answers) -> _Gain:
    """Readings of named series; of one that comes again, at half an interval from it, the first
    counts, and what came back before all: who says that the last one is of now gives each at a
    slightly other time."""
    rows: dict[Key, tuple[Row, float]] = {}
    entry, most = declared.entry(dataset, environment.ROOT), settings.collect(dataset).rows
    if entry["grid"] == "rows":
        return _Gain(kept, {}, rows, {})  # nobody knows when the readings of a history were
    half = entry["interval"] * 500_000  # microseconds: two of one such stretch are one
    taken = {(series, at // half): at for series, at in kept}
    after = max(kept.values(), default=0) - LATE
    for records, column in _parts_of_series(model, answers, after):
        for request, key, value in _readings(records, column):
            if not _is_near(*key, taken, half):
                rows[key] = request, value
                taken[key[0], key[1] // half] = key[1]
            if len(rows) > 2 * most:  # of what the log holds, no more than can be kept
                youngest = sorted(rows.items(), key=lambda one: -one[1][0]["time"])
                rows = dict(youngest[:most])
                taken = {(series, at // half): at for series, at in (*kept, *rows)}
    new = {key: request["time"] for key, (request, _) in rows.items()}
    return _Gain(kept, new, rows, {})


def _parts_of_series(
    model: str, answers: Answers, after: int
) -> Iterator[tuple["pyarrow.Table", str]]:
    """Answers about named series, some at a time, and which of their columns holds readings.

    after: histories of older requests are known.
    """
    from pyarrow import compute

    graded = feedback.only(feedback.match(answers).forecasts, "model", model)
    yield graded.filter(compute.is_valid(graded["series"])), "came"
    named = feedback.only(answers.named, "model", model)
    named = named.filter(compute.greater(named["time"], after))
    for begin in range(0, len(named), READ):
        yield named.slice(begin, READ), "history"


def _readings(records: "pyarrow.Table", column: str) -> Iterator[tuple[Row, Key, float]]:
    """Each reading, with its request, of several of one series and time the first.

    Args:
        records: answers about named series.
        column: `history`, which ends at the last time, or `came`, which begins after it.
    """
    from pyarrow import compute

    lists = records[column].combine_chunks()
    length = compute.fill_null(compute.list_value_length(lists), 0).to_numpy()
    row = np.repeat(np.arange(len(records)), length)
    step = np.arange(1, len(row) + 1) - np.repeat(np.cumsum(length), length)
    if column == "came":
        step += length[row]
    at = records["last_time"].to_numpy()[row] + step * records["interval"].to_numpy()[row]
    values = lists.flatten().to_numpy(zero_copy_only=False)
    there = ~np.isnan(values)
    row, at, values = row[there], at[there], values[there]
    # Clients may use one name for two series.
    names = [f"{client}/{name}" if client else name for client, name in forecasts.owners(records)]
    codes = {name: number for number, name in enumerate(dict.fromkeys(names))}
    code = np.array([codes[name] for name in names], int)[row]
    order = np.lexsort((at, code))  # which leaves equal ones in their order
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(code[order]) != 0) | (np.diff(at[order]) != 0)
    first = np.sort(order[is_first])
    sent = records.select(REQUEST).to_pylist()
    readings = zip(row[first].tolist(), at[first].tolist(), values[first].tolist(), strict=True)
    for number, moment, value in readings:
        yield sent[number], (names[number], moment), value


def _is_near(series: str, at: int, taken: Mapping[Key, int], half: int) -> bool:
    """Whether a reading of the series is nearer than `half`; of `taken` one lies in each."""
    others = (taken.get((series, at // half + beside)) for beside in (-1, 0, 1))
    return any(other is not None and abs(at - other) < half for other in others)


def _request(record: Mapping) -> Row:
    return {name: record.get(name) for name in REQUEST}


def _places(new: Mapping[Key, int]) -> dict[str, tuple[Path, int]]:
    """Where the log holds the requests of new rows, by their ids: file and offset."""
    times = {request.encode(): b"%d" % moment for (request, _), moment in new.items()}
    places: dict[str, tuple[Path, int]] = {}
    for file in request_log.files() if times else ():
        if file.suffix != request_log.SEGMENT:  # of before inputs were kept
            continue
        with suppress(FileNotFoundError), file.open("rb") as lines:
            offset = 0
            for line in lines:
                begun = RECORD.match(line)
                if begun and times.get(begun[2]) == begun[1]:
                    places.setdefault(begun[2].decode(), (file, offset))
                offset += len(line)
    return places


def _parsed(line: bytes) -> Row | None:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # cut off by a kill, or replaced meanwhile
        return None


def _rows(
    task: str,
    gain: _Gain,
    keys: Iterable[Key],
    places: Mapping[str, tuple[Path, int]],
    shape: "Shape",
) -> list[Row]:
    """The rows of a part; of a record that was forgotten meanwhile there is none."""
    if task == "forecast":
        found = ((key, *gain.rows[key]) for key in keys)
        return [
            request | {"series": series, "at": at, "value": value}
            for (series, at), request, value in found
        ]
    rows = []
    for key in keys:
        if key[0] not in places:
            continue
        held, offset = places[key[0]]
        with suppress(FileNotFoundError), held.open("rb") as file:
            file.seek(offset)
            record = _parsed(file.readline())
            if record and record["request_id"] == key[0]:
                sent = json.loads(record["input"])[key[1]]
                row = {"index": key[1], "label": gain.labels[key]}
                row["predicted"] = record["label"][key[1]]
                row |= {"text": sent["text"]} if task == "sentiment" else _picture(sent, shape)
                rows.append(_request(record) | row)
    return rows


Shape = tuple[int, int, int] | None


def _picture(sent: Mapping, shape: Shape) -> Row:
    """A picture as the dataset has them: the file that was sent, or a PNG of the arrays' shape."""
    file = base64.b64decode(sent["image"])
    if shape is None:
        return {"image": file}
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    made = io.BytesIO()
    images.decode_picture(file, mode, (width, height)).save(made, "PNG")
    return {"image": made.getvalue()}


def _shape(dataset: str) -> Shape:
    """Height, width and channels of a dataset of arrays; None of one of files."""
    raw = environment.ROOT / RAW / dataset
    if not raw.is_dir():
        data.version("image", dataset)
    with np.load(min(raw.glob("*.npz")), allow_pickle=False) as arrays:  # each split has the form
        return arrays["image"].shape[1:] if "image" in arrays else None
