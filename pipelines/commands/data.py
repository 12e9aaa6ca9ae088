"""The commands `data`: own datasets declared, listed, checked, removed; any grown by requests."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data import declared, report, versions
from data.dvc import own
from data.errors import DataError
from pipelines.experiments import dataset as data
from pipelines.locks import lock
from pipelines.release import publish
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Added:
    """An own dataset that was declared.

    entry: what its file declares. sample: three rows as they were understood. remarks: sentences on
    what was detected.
    """

    dataset: str
    file: str
    entry: dict
    sample: list[dict]
    remarks: list[str]


@dataclass(frozen=True)
class Listed:
    """A dataset that is declared.

    file: where. hash: DVC's, of its version here; None before one was made. fault: what is wrong
    with its entry; then nothing is known of it.
    """

    dataset: str
    task: str
    path: str
    file: str
    hash: str | None
    served: bool
    fault: str


def add(
    name: str,
    path: Path,
    task: str | None,
    columns: Mapping[str, str],
    about: str | None = None,
) -> Added:
    """Declare the data at a path as the own dataset `name`; nothing of the data is copied.

    Args:
        name: of the new dataset.
        path: a file or a folder.
        task: image, sentiment or forecast; None: the one that the data is of.
        columns: text, label, time, value, series → the name of the column.
        about: what the rows are, in a sentence or two; None says nothing.

    Raises:
        UsageError: the name is none or taken, an option is missing, or the data cannot be read.
    """
    from data.proposal.entry import proposed as propose

    if task is not None:
        settings.one_of("task", task, settings.TASKS)
    try:
        own.check_name(name, environment.ROOT)
        proposed = propose(task, path, columns)
        entry = proposed.entry | ({} if about is None else {"about": about})
        file = own.add(name, entry, environment.ROOT)
    except DataError as error:
        raise UsageError(str(error)) from None
    place = str(file.relative_to(environment.ROOT))
    return Added(name, place, entry, proposed.sample, proposed.remarks)


def listed() -> list[Listed]:
    """All datasets that are declared, the own ones last, also those whose entry is none."""
    served = {one for datasets in settings.served().values() for one in datasets}
    rows = []
    for name in declared.params(environment.ROOT)["datasets"]:
        task, path, fault = "", "", ""
        try:
            entry = declared.entry(name, environment.ROOT)
            task, path = entry["task"], entry["path"]
        except DataError as error:
            fault = str(error)
        file = str(declared.place_of(name, environment.ROOT)[0])
        named = versions.dataset_hash(name)
        rows.append(Listed(name, task, path, file, named, name in served, fault))
    return rows


def check(name: str) -> dict:
    """Make the version of a dataset's data as it is now, and return the report of its gate.

    Raises GateRefused where the gate says no, DataError.
    """
    task = settings.task_of(name)
    with lock.hold(lock.of_dataset(task, name)):
        made = data.version(task, name)
    return report.read(name, environment.ROOT) | {"dataset_hash": made.hash}


def collect(tasks: Mapping[str, str]) -> list[dict]:
    """Make rows of the labelled requests of datasets, and a version where there are some.

    Args:
        tasks: task → dataset.

    Returns:
        Of each what was collected (`pipelines.monitoring.collect.Collected`), and `dataset_hash`;
        None where nothing was collected, ever.

    Raises:
        GateRefused: the gate says no.
        DataError: there is no source, or a part is damaged.
    """
    from pipelines.monitoring import collect as requests

    grown = []
    for task, name in tasks.items():
        with lock.hold(lock.of_dataset(task, name)):
            taken = requests.collect(task, name)
            made = data.version(task, name).hash if taken.rows or taken.removed else None
        grown.append(asdict(taken) | {"dataset_hash": made})
    return grown


def remove(name: str) -> list[str]:
    """Remove an own dataset and what was made of it; returns the champions that it leaves.

    Raises UsageError where it is none.
    """
    from pipelines.experiments import registry

    task = settings.datasets().get(name)  # None: its entry is none, so that no run can be going on
    with lock.hold(lock.of_dataset(task, name)) if task else nullcontext():
        try:
            own.remove(name, environment.ROOT)
        except DataError as error:
            raise UsageError(str(error)) from None
    publish.declare()  # a service that runs drops it too
    if task is None or (champion := registry.recorded_champion(task, name)) is None:
        return []
    return [f"{registry.model_name(task, name)}/{champion.version}"]


def show_added(added: Added) -> None:
    """Print what was understood, and what to type next."""
    out = console.out()
    entry = ", ".join(f"{key} {_value(value)}" for key, value in added.entry.items())
    console.line("entry", f"{added.file}: {entry}")
    for remark in added.remarks:
        console.line("", remark)
    console.line("rows", "as they were understood:")
    out.print(_table(added.sample))
    out.print(f"Next    espalier run --dataset {added.dataset}", markup=False)
    out.print(f"Change  {added.file}; espalier data check {added.dataset}", markup=False)


def show_listed(rows: Sequence[Listed]) -> None:
    """Print the datasets as a table."""
    table = console.table("datasets")
    for column in ("dataset", "task", "data", "version", "served"):
        table.add_column(column, overflow="fold")
    for row in rows:
        version, served = (row.hash or "")[:8], "✓" if row.served else ""
        table.add_row(row.dataset, row.task, row.fault or row.path, version, served)
    console.out().print(table)


def show_checked(verdict: dict) -> None:
    """Print the findings of the gate, and where its page is."""
    for note in verdict["notes"]:
        console.line("finding", note)
    page = report.path(verdict["dataset"]).with_suffix(".html")
    console.out().print(f"{verdict['dataset']} may be trained on; {page} shows why", markup=False)


def show_collected(grown: Sequence[Mapping]) -> None:
    """Print what to type next, and why labels made no rows."""
    for one in grown:
        if one["without_input"]:
            labels = f"{one['without_input']:,} labels of {one['dataset']}"
            why = "the log does not hold what was sent: ESPALIER_LOG_INPUTS=1 keeps it"
            console.line("left out", f"{labels}: {why}")
        if one["added"]:
            console.out().print(f"Next    espalier run --dataset {one['dataset']}", markup=False)


def show_removed(name: str, champions: Sequence[str]) -> None:
    """Print what is gone, and what stays."""
    stays = f"; {', '.join(champions)} stays in the registry" if champions else ""
    console.out().print(f"{name} is removed, its source untouched{stays}", markup=False)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} → {column}" for key, column in value.items())
    return str(value)


def _table(rows: Sequence[dict]) -> "Table":
    table = console.table("")
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=60)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table
