"""The audit of a dataset's present version: is what the test split says worth believing?

espalier compare --task sentiment --audit
"""

from rich.table import Table

from data import prepared
from pipelines.audit import duplicates, label_leakage, test_split_reuse, time_leakage
from pipelines.audit.finding import Finding
from pipelines.experiments import dataset as data
from pipelines.runtime import console


def present(task: str, dataset: str) -> dict:
    """Audit the dataset at the hash that the checkout's dvc.lock names.

    Returns `{"task", "dataset", "dataset_hash", "rows", "ok", "findings"}`; a finding holds what
    `pipelines.audit.finding` says, and its `verdict`, "ok" or "look at it".
    Raises UsageError when there is no version, DataError when it does not lie here.
    """
    version = data.present(task, dataset)
    read = prepared.read(data.folder(dataset))
    found = [
        *of_splits(read),
        *test_split_reuse.findings(version, read.splits, read.facts),
    ]
    return {
        "task": task,
        "dataset": dataset,
        "dataset_hash": version.hash,
        "rows": read.facts["rows"],
        "ok": all(finding.ok for finding in found),
        "findings": [finding.to_json() for finding in found],
    }


def of_splits(read: prepared.Dataset) -> list[Finding]:
    """What the splits themselves show: shared rows, and labels or targets that are given away."""
    leaks = time_leakage if read.facts["task"] == "forecast" else label_leakage
    return [*duplicates.findings(read.splits, read.facts), *leaks.findings(read.splits, read.facts)]


def show(audited: dict) -> None:
    """Print a line for each finding, and below what to look at and what to do."""
    console.out().print(table(audited))
    for finding in audited["findings"]:
        if finding["verdict"] != "ok":
            console.out().print(f"\n{finding['name']}: {finding['advice']}", markup=False)
            for example in finding["examples"]:
                told = ", ".join(f"{name} {value}" for name, value in example.items())
                console.out().print(f"  {told}", markup=False)


def table(audited: dict) -> Table:
    """The findings for a terminal."""
    rows = " / ".join(f"{audited['rows'][split]:,}" for split in prepared.SPLITS)
    shown = Table(
        title=f"{audited['task']} · {audited['dataset']} · audit of {rows} rows",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name in ("verdict", "check", "found"):
        shown.add_column(name, overflow="fold")
    for finding in audited["findings"]:
        style = "" if finding["verdict"] == "ok" else "bold"
        shown.add_row(finding["verdict"], finding["name"], finding["found"], style=style)
    return shown
