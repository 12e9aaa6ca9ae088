"""The command `predict`: a champion answers a whole file, as its service would."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data import declared
from data.errors import DataError
from models.artifact import artifact
from models.inputs.errors import InputError
from pipelines.experiments import registry, verification
from pipelines.experiments.registry import Version
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from models.export.answering import Answering

BATCH = 512
COLUMNS = ("label", "probability", "score", "familiar", "familiarity", "error")
ALWAYS = ("label", "probability", "error")
Write = Callable[["pa.Table"], None]


@dataclass(frozen=True)
class Predicted:
    """What was answered: rows, those of them with an error, by which version, into which file."""

    rows: int
    errors: int
    model: str
    version: str
    fingerprint: str
    out: str | None


def predict(
    file: Path,
    task: str,
    dataset: str | None,
    number: str | None,
    columns: Mapping[str, str],
    out: Path | None,
) -> Predicted:
    """Answer each row of a file, or each picture of a folder, in order.

    Args:
        file: of texts or readings, or a folder of pictures.
        task: image, sentiment or forecast.
        dataset: whose model answers; by default the one that is served first.
        number: of a version; by default the champion.
        columns: text, time, value, series → the name of the column.
        out: a .csv, .parquet or .jsonl file, replaced when all is answered; None: JSON lines on
            standard output.

    Raises:
        UsageError: there is no such version, or no form of that name; or a column of the file would
            be lost.
        DataError: the file cannot be read.
        ArtifactError: the version's artifact is damaged.
    """
    from models.export.answering import Answering

    dataset, file = settings.dataset_of(task, dataset), _found(file)
    version = _version(task, dataset, number)
    folder, entry = verification.verify(version), declared.entry(dataset, environment.ROOT)
    model, given = Answering(folder), artifact.read_golden(folder)[0]["answer"]
    names = [name for name in COLUMNS if name in given or name in ALWAYS]
    rows = errors = 0
    with console.stage("predict") as say, _writer(file, out) as write:
        left_out, answered = _answered(file, task, entry, columns, model, names)
        for table, bad in answered:
            write(table)
            rows, errors = rows + len(table), errors + bad
        if not rows:
            raise DataError(f"{file} holds no rows")
        say(f"{rows:,} rows by {version.name}/{version.version}")
        if errors:
            say(f"; {errors:,} could not be answered: the column error says why")
    for what in left_out:
        console.line("left out", what)
    place = None if out is None else str(out)
    return Predicted(rows, errors, version.name, version.version, version.fingerprint, place)


def show(predicted: Predicted) -> None:
    """Print where the answers are."""
    if predicted.out:
        console.out().print(f"answers in {predicted.out}", markup=False)


def _found(file: Path) -> Path:
    """The file or folder, `~` expanded; raises UsageError where there is none."""
    file = file.expanduser()
    if not file.exists():
        raise UsageError(f"there is no file or folder {file}")
    if not (file.is_file() or file.is_dir()):  # to read a pipe is to wait for who writes into it
        raise UsageError(f"{file} is neither a file nor a folder: write the rows to a file")
    return file


def _version(task: str, dataset: str, number: str | None) -> Version:
    name = registry.model_name(task, dataset)
    if number is None:
        if champion := registry.recorded_champion(task, dataset):
            return champion
        raise UsageError(
            f"{name} has no champion: espalier run --dataset {dataset} makes one, or "
            f"espalier promote --task {task} --dataset {dataset} of what was trained"
        )
    if version := registry.version(name, number):
        return version
    held = ", ".join(version.version for version in registry.versions(task, dataset)) or "none"
    raise UsageError(f"{name} has no version {number!r}; it has {held}")


def _answered(
    file: Path,
    task: str,
    entry: Mapping[str, Any],
    columns: Mapping[str, str],
    model: "Answering",
    names: Sequence[str],
) -> tuple[list[str], Iterator[tuple["pa.Table", int]]]:
    """What is left out, in words; the rows with their answers, and how many have an error.

    Args:
        file: as it was given.
        task: image, sentiment or forecast.
        entry: of the dataset.
        columns: as they were given.
        model: that answers.
        names: the columns that a classifier adds.
    """
    from data.proposal import batches

    if task == "forecast":
        return [], iter([_forecasts(file, entry, columns, model)])
    if task == "image":
        left_out, pictures = batches.pictures(file, BATCH)
        return left_out, _labelled(pictures, model, names)
    texts = batches.texts(file, BATCH, entry, columns.get("text"))
    return [], _labelled(texts, model, names)


def _labelled(
    parts: Iterator[tuple["pa.Table", list]], model: "Answering", names: Sequence[str]
) -> Iterator[tuple["pa.Table", int]]:
    """The rows with their answers, a batch at a time, and how many of them have an error.

    Args:
        parts: tables, and the inputs in each of their rows.
        model: a classifier.
        names: the columns to add.

    Raises:
        UsageError: a column is there twice, or has the name of one of these.
    """
    for table, inputs in parts:
        _check_header(table.column_names, names)
        answers = _answers(model, inputs)
        for name in names:
            table = _with(table, name, [answer.get(name) for answer in answers])
        yield table, sum("error" in answer for answer in answers)


def _check_header(header: Sequence[str], names: Sequence[str]) -> None:
    """Raise UsageError about columns that would be lost beside those of the answers, the names."""
    for name in header:
        if name in names:
            raise UsageError(
                f"the file has a column {name!r}, and so have the answers, which add"
                f" {', '.join(names)}: rename the column"
            )
        if header.count(name) > 1:
            raise UsageError(f"the file has {header.count(name)} columns {name!r}: rename one")


def _answers(model: "Answering", inputs: list) -> list[dict]:
    """An answer for each input, or the error that a request would get."""
    try:
        answers = model.answers(inputs)
    except InputError as error:
        if len(inputs) == 1:
            return [{"error": str(error)}]
        return [answer for one in inputs for answer in _answers(model, [one])]
    return [
        answer | {"probability": answer["probabilities"][answer["label"]]} for answer in answers
    ]


def _forecasts(
    file: Path, entry: Mapping[str, Any], columns: Mapping[str, str], model: "Answering"
) -> tuple["pa.Table", int]:
    """A row for each series and step ahead; a series that is too short has one, with its error."""
    import numpy as np
    import pyarrow as pa

    from data.proposal import batches

    ends, histories = batches.histories(file, entry, columns)
    step = np.timedelta64(entry["interval"], "s")
    on_clock = entry["grid"] == "clock"  # else nobody knows when the next row comes
    rows: list[dict] = []
    errors = 0
    for end, history in zip(ends.to_pylist(), histories, strict=True):
        try:
            [answer] = model.answers([history.tolist()])
        except InputError as error:
            told = f"{error} {end['hole']}" if end["hole"] else str(error)
            rows.append({"series": end["series"], "error": told})
            errors += 1
            continue
        shared = {name: answer[name] for name in ("familiar", "familiarity") if name in answer}
        last = np.datetime64(end["time"], "s")
        for ahead in range(len(answer["forecast"])):
            row: dict[str, Any] = {"series": end["series"], "step": ahead + 1}
            if on_clock:
                row["time"] = f"{last + (ahead + 1) * step}{end['zone']}"
            row |= {name: answer[name][ahead] for name in ("forecast", "lower", "upper")}
            rows.append(row | shared)
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names}), errors


def _with(table: "pa.Table", name: str, values: list) -> "pa.Table":
    """The table with a column of answers."""
    import pyarrow as pa

    kinds = {"label": pa.string(), "error": pa.string(), "familiar": pa.bool_()}
    return table.append_column(name, pa.array(values, kinds.get(name, pa.float64())))


def _writer(file: Path, out: Path | None) -> AbstractContextManager[Write]:
    if out is None:
        return nullcontext(_print)
    if out.suffix.lower() not in (".csv", ".parquet", ".jsonl"):
        raise UsageError(f"--out {out} has no form that is known: .csv, .parquet or .jsonl")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder: name a file in it")
    if out.exists() and out.samefile(file):
        raise UsageError(f"--out {out} is the file that is read: name another")
    return _into(out)


def _print(table: "pa.Table") -> None:
    for row in table.to_pylist():
        console.answer(_line(row))


def _line(row: dict[str, Any]) -> str:
    return json.dumps(_finite(row), default=str, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """The value with None for what JSON has no number for: NaN and the infinite ones."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def _into(out: Path) -> Iterator[Write]:
    """Write into a file beside, which takes the place of `out` when all went well."""
    making = out.with_name(f".{out.name}.making")
    opened: list[Any] = []

    def write(table: "pa.Table") -> None:
        if out.suffix.lower() == ".jsonl":
            if not opened:
                opened.append(making.open("w", encoding="utf-8"))
            for row in table.to_pylist():
                opened[0].write(_line(row) + "\n")
            return
        if not opened:
            opened.append(_opened(out, making, table.schema))
        opened[0].write_table(table)

    try:
        yield write
        for file in opened:
            file.close()
        making.replace(out)
    finally:
        making.unlink(missing_ok=True)


def _opened(out: Path, making: Path, schema: "pa.Schema") -> Any:
    """The writer of a CSV or Parquet file; raises UsageError about what a CSV cannot hold."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if out.suffix.lower() == ".parquet":
        return pyarrow.parquet.ParquetWriter(making, schema)
    try:
        return pyarrow.csv.CSVWriter(making, schema)
    except pa.ArrowInvalid as error:
        names = [one.name for one in schema if str(one.type) in str(error)]
        raise UsageError(
            f"--out {out}: a CSV cannot hold the columns {names} ({str(error).strip()}): name a"
            " .jsonl or .parquet file"
        ) from error
