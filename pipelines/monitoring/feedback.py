"""Labels of earlier requests, and what a look keeps of the log, which it reads once.

`<home>/labels/*.jsonl`: `serving/request_log/labels.py` names the fields. Of several labels for one
input of one request the last one counts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.lineage import request_log
from pipelines.monitoring import requests
from pipelines.monitoring.drift import signals
from pipelines.runtime import settings

if TYPE_CHECKING:
    import pyarrow

MODEL = re.compile(rf"espalier-({'|'.join(settings.TASKS)})-(.+)")
COUNTED = ("model", "version", "client")
OF_ANSWERS = (
    "time", "request_id", *COUNTED, "inputs", "label", "familiar", "level", "first", "last",
    "forecast", "lower", "upper", "series", "last_time", "interval", "history",
)  # fmt: skip
# What a trial reads of either answer: in the record itself, and in its `challenger`.
EITHER = ("version", "status", "error", "label", "forecast_mean")
OF_TRIALS = ("time", *EITHER, *(f"{requests.CHALLENGER}{name}" for name in EITHER))
OF_LABELLED = (*OF_ANSWERS, *OF_TRIALS, f"{requests.CHALLENGER}forecast")


@dataclass(frozen=True)
class Answers:
    """What is kept of the log, which is read once; the fields of a record's `challenger` are
    columns, as `challenger.version`.

    labels: those that it was read for. wanted: the newest answer with status 200 to each request id
    that they name, the newest first: who repeats a request goes by the last answer. named: the
    answers of forecasts that named their series, by time. asked: model → all its records by time,
    also of what it refused, with what drift and trials need.
    """

    labels: "pyarrow.Table"
    wanted: "pyarrow.Table"
    named: "pyarrow.Table"
    asked: Mapping[str, "pyarrow.Table"] = field(default_factory=dict)


@dataclass(frozen=True)
class Matched:
    """Labels beside the answers that they belong to.

    classes: row, which label it is, index, label_time, truth and predicted, and of the record time,
    request_id, model, version, client, has_input and familiar. forecasts: the record, and `came`,
    the values. unknown, unusable: bool (label,), whether there is no such request in the log, or
    its answer is none that such a label is for: another kind, or no such index.
    """

    classes: "pyarrow.Table"
    forecasts: "pyarrow.Table"
    unknown: np.ndarray
    unusable: np.ndarray


def stored() -> "pyarrow.Table":
    """The labels that are kept, by the time they came: time, request_id, index, label, values.

    An index that was left out is null.
    """
    import pyarrow
    from pyarrow import compute

    numbers = pyarrow.list_(pyarrow.float64())
    names = {"time": "int64", "request_id": "string", "index": "int64", "label": "string"}
    fields = pyarrow.schema([*names.items(), ("values", numbers)])
    parts = requests.read(request_log.files(request_log.labels()), fields)
    labels = pyarrow.concat_tables([fields.empty_table(), *parts]).sort_by("time")
    keys = pyarrow.table(
        {
            "request_id": labels["request_id"],
            "index": compute.fill_null(labels["index"], 0),
            "row": np.arange(len(labels)),
        }
    )
    last = keys.group_by(["request_id", "index"]).aggregate([("row", "max")])["row_max"]
    return labels.take(pyarrow.array(np.sort(last.to_numpy())))


def by_request(labels: "pyarrow.Table") -> dict[str, Any]:
    """Request id → its label, a list of those of its inputs in turn, or the values that came."""
    alone: dict[str, Any] = {}
    of_inputs: dict[str, dict[int, str]] = {}
    for row in labels.to_pylist():
        if row["index"] is None:
            alone[row["request_id"]] = row["label"] if row["values"] is None else row["values"]
        else:
            of_inputs.setdefault(row["request_id"], {})[row["index"]] = row["label"]
    lists = {request: [of[at] for at in sorted(of)] for request, of in of_inputs.items()}
    return lists | alone


def answers(
    labels: "pyarrow.Table", tasks: Sequence[str] = (), dataset: str | None = None
) -> Answers:
    """Read the whole log once.

    Args:
        labels: Whose records are wanted: from `stored`.
        tasks, dataset: Of the models all of whose requests are kept; None: of every dataset.
    """
    import pyarrow
    from pyarrow import compute

    of_task = {task: _asked(task) for task in tasks}
    fields = requests.schema(
        [*OF_LABELLED, "input", *chain.from_iterable(of_task.values())],
        [name for task in tasks for name in signals.fields(signals.KINDS[task])[1]],
    )
    empty = fields.empty_table().flatten()
    wanted, named = [_labelled(empty)], [empty.select(OF_ANSWERS)]
    asked: dict[str, list[pyarrow.Table]] = {}
    for part in requests.read(request_log.files(), fields):
        part = part.flatten()
        answered = compute.equal(part["status"], 200)
        ours = compute.is_in(part["request_id"], value_set=labels["request_id"])
        wanted.append(_labelled(part.filter(compute.and_(answered, ours))))
        has_name = compute.is_valid(part["series"])
        named.append(part.select(OF_ANSWERS).filter(compute.and_(answered, has_name)))
        for model in part["model"].unique().to_pylist():
            of = MODEL.fullmatch(model or "")
            if of and of[1] in of_task and dataset in (None, of[2]):
                rows = part.select(of_task[of[1]]).filter(compute.equal(part["model"], model))
                asked.setdefault(model, []).append(rows)
    return Answers(
        labels,
        _newest(pyarrow.concat_tables(wanted)),
        _by_time(named),
        {model: _by_time(parts) for model, parts in asked.items()},
    )


def _labelled(part: "pyarrow.Table") -> "pyarrow.Table":
    """What is kept of labelled answers: not what was sent, but whether the log holds it."""
    from pyarrow import compute

    has_input = compute.is_valid(part["input"])
    return part.select(_once(OF_LABELLED)).append_column("has_input", has_input)


def no_requests(task: str) -> "pyarrow.Table":
    """What `Answers.asked` holds of a model that nobody asked."""
    columns, names = signals.fields(signals.KINDS[task])
    table = requests.schema([*columns, *OF_TRIALS], names).empty_table()
    return table.flatten().select(_asked(task))


def _asked(task: str) -> list[str]:
    """The columns of `Answers.asked`."""
    columns, names = signals.fields(signals.KINDS[task])
    return _once([*OF_TRIALS, *columns, *(f"signals.{name}" for name in names)])


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _newest(records: "pyarrow.Table") -> "pyarrow.Table":
    """The newest record of each request id, the newest first."""
    records = records.sort_by([("time", "descending")])
    ids = records["request_id"].combine_chunks().dictionary_encode()
    _, first = np.unique(ids.indices.to_numpy(), return_index=True)
    return records.take(np.sort(first))


def _by_time(parts: "Sequence[pyarrow.Table]") -> "pyarrow.Table":
    """All records, by time; most logs are of one worker, and are in order."""
    import pyarrow

    table = pyarrow.concat_tables(parts)
    return table if (np.diff(table["time"].to_numpy()) >= 0).all() else table.sort_by("time")


def match(answers: Answers) -> Matched:
    """Put labels beside the answers that they belong to."""
    from pyarrow import compute

    labels, records = answers.labels, answers.wanted.combine_chunks()
    place = compute.index_in(labels["request_id"], value_set=records["request_id"])
    known = compute.is_valid(place).to_numpy()
    of_known = labels.filter(known)
    rows = records.take(place.filter(known)).combine_chunks()
    index = compute.fill_null(of_known["index"], 0).to_numpy()
    alone = compute.fill_null(rows["inputs"], 1).to_numpy() == 1
    given = compute.is_valid(of_known["index"]).to_numpy()
    predicted = _item(rows["label"], index)
    is_class = compute.is_valid(of_known["label"]).to_numpy() & (alone | given)
    is_class &= compute.is_valid(predicted).to_numpy(zero_copy_only=False)
    is_forecast = compute.is_valid(of_known["values"]).to_numpy()
    is_forecast &= compute.is_valid(rows["forecast"]).to_numpy()
    classes = rows.select(["time", "request_id", *COUNTED, "has_input"])
    classes = classes.append_column("index", [index])
    classes = classes.append_column("row", [np.flatnonzero(known)])
    classes = classes.append_column("label_time", of_known["time"])
    classes = classes.append_column("truth", of_known["label"])
    classes = classes.append_column("predicted", predicted)
    classes = classes.append_column("familiar", _item(rows["familiar"], index))
    forecasts = rows.append_column("came", of_known["values"])
    unusable = np.zeros(len(labels), bool)
    unusable[known] = ~(is_class | is_forecast)
    return Matched(classes.filter(is_class), forecasts.filter(is_forecast), ~known, unusable)


def only(table: "pyarrow.Table", column: str, value: str) -> "pyarrow.Table":
    """The rows that have a value in a column."""
    from pyarrow import compute

    return table.filter(compute.equal(table[column], value))


def _item(lists: "pyarrow.ChunkedArray", index: np.ndarray) -> "pyarrow.Array":
    """Return the item at an index of each list; null where it has none."""
    import pyarrow
    from pyarrow import compute

    lists = lists.combine_chunks()
    length = compute.fill_null(compute.list_value_length(lists), 0).to_numpy()
    place = lists.offsets.to_numpy()[:-1] + index
    return lists.values.take(pyarrow.array(place, mask=(index >= length)))
