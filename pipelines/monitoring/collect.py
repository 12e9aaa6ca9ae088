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
from pipelines.monitoring import feedback
from pipelines.runtime import console, environment, settings

if TYPE_CHECKING:
    import pyarrow

DAY = 86_400_000_000  # microseconds
LATE = 60_000_000  # workers write a record a second or so after its time, each at its own pace
REQUEST_ID = re.compile(rb'"request_id":"([^"]*)"')  # the second field of a record

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log holds an answer.

    ours: whether it is a model's of the dataset. inputs, answers: how many it has. has_input:
    whether the log holds what was sent.
    """

    time: int
    file: Path
    offset: int
    ours: bool
    inputs: int
    answers: int
    has_input: bool


@dataclass(frozen=True)
class _Gain:
    """What is kept, by its key the time of its request, and what is new likewise; of series with
    its request and value, of others with its place. What is in both has a newer request now."""

    kept: dict[Key, int]
    new: dict[Key, int]
    rows: dict[Key, tuple[Row, float]]
    places: dict[Key, Place]
    labels: dict[Key, str]
    without_input: int = 0

    def retained(self, dataset: str) -> set[Key]:
        """The keys of the rows that may be kept: young enough, and of too many the youngest."""
        limits = settings.collect(dataset)
        oldest = time.time_ns() // 1000 - limits.days * DAY
        times = self.kept | self.new
        young = sorted((key for key in times if times[key] >= oldest), key=lambda key: -times[key])
        return set(young[: limits.rows])


def waiting(task: str, dataset: str) -> int:
    """How many rows `collect` would add. Raises DataError where a part cannot be read."""
    gain = _gain(task, dataset)
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
        gain = _gain(task, dataset)
        retained = gain.retained(dataset)
        days = defaultdict(list)
        for key in sorted(gain.new.keys() & retained):
            days[_part(place, gain.new[key])].append(key)
        shape = _shape(dataset) if task == "image" and days else None
        removed = len(gain.kept.keys() - retained)
        added = changed = 0
        for part in sorted({*days, *collected.parts(place)}):
            rows = _rows(task, gain, days.get(part, ()), shape)
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


def _gain(task: str, dataset: str) -> _Gain:
    """What there is, and what the log has beyond it."""
    from data.sources import collected

    files = collected.parts(environment.ROOT / COLLECTED / dataset)
    names = ["series", "at"] if task == "forecast" else ["request_id", "index"]
    table = collected.read(task, files, [*names, "time"])
    kept = dict(zip(_keys(task, table), table["time"].to_pylist(), strict=True))
    if not settings.collect(dataset).rows:  # another checkout collects it
        return _Gain(kept, {}, {}, {}, {})
    of = _of_series if task == "forecast" else _of_classes
    return of(task, dataset, kept)


def _keys(task: str, table: "pyarrow.Table") -> list[Key]:
    names = ("series", "at") if task == "forecast" else ("request_id", "index")
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def _of_classes(task: str, dataset: str, kept: dict[Key, int]) -> _Gain:
    came, alone = {}, set()
    for row in feedback.stored().to_pylist():
        if row["label"] is not None:
            key = row["request_id"], row["index"] or 0
            came[key] = row["label"], row["time"]
            if row["index"] is None:
                alone.add(key)
    newest = _newest(task, dataset, {request for request, _ in came})
    labels, places, without = {}, {}, 0
    for key, (label, labelled) in came.items():
        place = newest.get(key[0])
        if place is None or not place.ours or key[1] >= place.answers:
            continue
        if key in alone and place.inputs > 1:  # nobody knows which of them is meant
            continue
        is_kept = kept.get(key) == place.time
        if key in kept and not is_kept and labelled < place.time:  # it is the earlier request's
            continue
        without += not (is_kept or place.has_input)
        if is_kept or place.has_input:
            labels[key] = label
        if place.has_input and not is_kept:
            places[key] = place
    new = {key: place.time for key, place in places.items()}
    return _Gain(kept, new, {}, places, labels, without)


def _newest(task: str, dataset: str, requests: Iterable[str]) -> dict[str, Place]:
    """Where the newest answer to each request id is, whichever model gave it."""
    newest: dict[str, Place] = {}
    wanted = {request.encode() for request in requests}
    for found, record in _records(registry.model_name(task, dataset), wanted):
        request = record["request_id"]
        if request not in newest or found.time >= newest[request].time:
            newest[request] = found
    return newest


def _of_series(task: str, dataset: str, kept: dict[Key, int]) -> _Gain:
    """Readings of named series; of one that comes again, at half an interval from it, the first
    counts: who says that the last one is of now gives each at a slightly other time."""
    rows: dict[Key, tuple[Row, float]] = {}
    entry, most = declared.entry(dataset, environment.ROOT), settings.collect(dataset).rows
    if entry["grid"] == "rows":
        return _Gain(kept, {}, rows, {}, {})  # nobody knows when the readings of a history were
    came = {
        row["request_id"]: row["values"]
        for row in feedback.stored().to_pylist()
        if row["values"] is not None
    }
    newest = _newest(task, dataset, came)
    half = entry["interval"] * 500_000  # microseconds: two of one such stretch are one
    taken = {(series, at // half): at for series, at in kept}
    after = max(kept.values(), default=0) - LATE
    for place, record in _records(registry.model_name(task, dataset)):
        if not place.ours or not record.get("series"):
            continue
        request = _request(record)
        is_newest = request["request_id"] in newest and newest[request["request_id"]] == place
        values = came[request["request_id"]] if is_newest else []
        for key, value in _known(record, values, place.time > after):
            if value is not None and not _is_near(*key, taken, half):
                rows[key] = request, float(value)
                taken[key[0], key[1] // half] = key[1]
        if len(rows) > 2 * most:  # memory has a bound, whatever the log holds
            youngest = sorted(rows.items(), key=lambda one: -one[1][0]["time"])
            rows = dict(youngest[:most])
            taken = {(series, at // half): at for series, at in (*kept, *rows)}
    new = {key: request["time"] for key, (request, _) in rows.items()}
    return _Gain(kept, new, rows, {}, {})


def _known(record: Mapping, values: list, with_history: bool) -> Iterator[tuple[Key, float | None]]:
    """The readings that a request's history and the values that came tell, in order."""
    step, last = record["interval"], record["last_time"]
    history = record.get("history") or [] if with_history else []
    owner, series = record.get("client"), record["series"]
    series = f"{owner}/{series}" if owner else series  # clients may use one name for two
    for number, value in enumerate([*history, *values], 1 - len(history)):
        yield (series, last + number * step), value


def _is_near(series: str, at: int, taken: Mapping[Key, int], half: int) -> bool:
    """Whether a reading of the series is nearer than `half`; of `taken` one lies in each."""
    others = (taken.get((series, at // half + beside)) for beside in (-1, 0, 1))
    return any(other is not None and abs(at - other) < half for other in others)


def _request(record: Mapping) -> Row:
    return {name: record.get(name) for name in ("request_id", "time", "client", "version")}


def _records(model: str, wanted: set[bytes] | None = None) -> Iterator[tuple[Place, Row]]:
    """The answers in the log: those of some request ids, or those of named series.

    model: whose are the dataset's.
    """
    if wanted is not None and not wanted:
        return
    for file in request_log.files():
        if file.suffix != request_log.SEGMENT:  # of before inputs were kept
            continue
        with suppress(FileNotFoundError), file.open("rb") as lines:
            offset = 0
            for line in lines:
                found = REQUEST_ID.search(line, 0, 256)
                meant = b'"series":' in line if wanted is None else found and found[1] in wanted
                record = _parsed(line) if meant else None
                if record is not None and record.get("status") == 200:
                    ours, inputs = record.get("model") == model, record.get("inputs") or 1
                    answers, has_input = len(record.get("label") or ()), bool(record.get("input"))
                    place = Place(record["time"], file, offset, ours, inputs, answers, has_input)
                    yield place, record
                offset += len(line)


def _parsed(line: bytes) -> Row | None:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # cut off by a kill, or replaced meanwhile
        return None


def _rows(task: str, gain: _Gain, keys: list[Key] | tuple, shape: "Shape") -> list[Row]:
    """The rows of a part; of a record that was forgotten meanwhile there is none."""
    if task == "forecast":
        found = ((key, *gain.rows[key]) for key in keys)
        return [
            request | {"series": series, "at": at, "value": value}
            for (series, at), request, value in found
        ]
    rows = []
    for key in keys:
        place = gain.places[key]
        with suppress(FileNotFoundError), place.file.open("rb") as file:
            file.seek(place.offset)
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
