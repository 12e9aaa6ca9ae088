"""Labels of earlier requests: what is kept of them, and which answers of the log they belong to.

`<home>/labels/*.jsonl`: `serving/request_log/labels.py` names the fields. Of several labels for one
input of one request the last one counts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.lineage import request_log
from pipelines.monitoring import requests

if TYPE_CHECKING:
    import pyarrow

COUNTED = ("model", "version", "client")
OF_ANSWERS = (
    "request_id", *COUNTED, "inputs", "label", "familiar", "level", "first", "last",
    "forecast", "lower", "upper", "series", "last_time", "interval", "history",
)  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """What the log holds of the answers that matter here.

    counts: model, version, client and requests, how many answers with status 200. wanted: the
    records of the request ids that were asked for, the newest first. named: those of forecasts that
    named their series, by time.
    """

    counts: "pyarrow.Table"
    wanted: "pyarrow.Table"
    named: "pyarrow.Table"


@dataclass(frozen=True)
class Matched:
    """Labels beside the answers that they belong to.

    classes: row, which label it is, label_time, truth and predicted, and of the record time, model,
    version, client and familiar. forecasts: the record, and `came`, the values. unknown,
    unusable: bool (label,), whether there is no such request in the log, or its answer is none that
    such a label is for: another kind, or no such index.
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


def by_request() -> dict[str, Any]:
    """Request id → its label, a list of those of its inputs in turn, or the values that came."""
    alone: dict[str, Any] = {}
    of_inputs: dict[str, dict[int, str]] = {}
    for row in stored().to_pylist():
        if row["index"] is None:
            alone[row["request_id"]] = row["label"] if row["values"] is None else row["values"]
        else:
            of_inputs.setdefault(row["request_id"], {})[row["index"]] = row["label"]
    lists = {request: [of[at] for at in sorted(of)] for request, of in of_inputs.items()}
    return lists | alone


def answers(request_ids: "pyarrow.ChunkedArray", since: datetime | None = None) -> Answers:
    """Read the whole log once.

    Args:
        request_ids: Those whose records are wanted.
        since: The earliest answer that is counted; the records are of all times.
    """
    import pyarrow
    from pyarrow import compute

    first = 0 if since is None else int(since.timestamp() * 1e6)
    fields = requests.schema(OF_ANSWERS)
    counts = [fields.empty_table().group_by(COUNTED).aggregate([([], "count_all")])]
    wanted, named = [fields.empty_table()], [fields.empty_table()]
    for part in requests.batches([*OF_ANSWERS, "status"]):
        answered = compute.equal(part["status"], 200)
        recent = compute.and_(answered, compute.greater_equal(part["time"], first))
        counted = part.select(COUNTED).filter(recent).group_by(COUNTED)
        counts.append(counted.aggregate([([], "count_all")]))
        part = part.select(fields.names)
        asked = compute.is_in(part["request_id"], value_set=request_ids)
        wanted.append(part.filter(compute.and_(answered, asked)))
        named.append(part.filter(compute.and_(answered, compute.is_valid(part["series"]))))
    total = pyarrow.concat_tables(counts).group_by(COUNTED)
    return Answers(
        total.aggregate([("count_all", "sum")]).rename_columns([*COUNTED, "requests"]),
        pyarrow.concat_tables(wanted).sort_by([("time", "descending")]),
        pyarrow.concat_tables(named).sort_by("time"),
    )


def match(labels: "pyarrow.Table", records: "pyarrow.Table") -> Matched:
    """Put labels beside the answers that they belong to; of a request id that was used more than
    once, to the newest.

    Args:
        labels: From `stored`.
        records: `Answers.wanted`.
    """
    from pyarrow import compute

    records = records.combine_chunks()
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
    classes = rows.select(["time", *COUNTED])
    classes = classes.append_column("row", [np.flatnonzero(known)])
    classes = classes.append_column("label_time", of_known["time"])
    classes = classes.append_column("truth", of_known["label"])
    classes = classes.append_column("predicted", predicted)
    classes = classes.append_column("familiar", _item(rows["familiar"], index))
    forecasts = rows.append_column("came", of_known["values"])
    unusable = np.zeros(len(labels), bool)
    unusable[known] = ~(is_class | is_forecast)
    return Matched(classes.filter(is_class), forecasts.filter(is_forecast), ~known, unusable)


def _item(lists: "pyarrow.ChunkedArray", index: np.ndarray) -> "pyarrow.Array":
    """Return the item at an index of each list; null where it has none."""
    import pyarrow
    from pyarrow import compute

    lists = lists.combine_chunks()
    length = compute.fill_null(compute.list_value_length(lists), 0).to_numpy()
    place = lists.offsets.to_numpy()[:-1] + index
    return lists.values.take(pyarrow.array(place, mask=(index >= length)))
