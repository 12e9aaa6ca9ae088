"""The audit of a dataset's present version: are the scores on its test split to be believed?

espalier compare --task sentiment --audit
"""

from collections.abc import Mapping
from dataclasses import dataclass

from data import prepared
from pipelines.audit import duplicates, label_leakage, test_split_reuse, time_leakage
from pipelines.audit.finding import Finding
from pipelines.experiments import dataset as data
from pipelines.experiments.dataset import DatasetVersion
from pipelines.runtime import console


@dataclass(frozen=True)
class Audit:
    """What was found in a dataset's version. rows: of each split."""

    dataset: DatasetVersion
    rows: Mapping[str, int]
    findings: list[Finding]

    def to_dict(self) -> dict:
        """The audit as JSON."""
        return {
            "task": self.dataset.task,
            "dataset": self.dataset.name,
            "dataset_hash": self.dataset.hash,
            "rows": self.rows,
            "ok": all(finding.ok for finding in self.findings),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def audit(task: str, dataset: str) -> Audit:
    """Audit the dataset at the hash that the checkout's dvc.lock names.

    Raises UsageError when there is no version, DataError when it does not lie here.
    """
    version = data.present(task, dataset)
    read = prepared.read(data.folder(dataset))
    findings = [
        *audit_splits(read),
        *test_split_reuse.findings(version, read.splits, read.facts),
    ]
    return Audit(version, read.facts["rows"], findings)


def audit_splits(read: prepared.Dataset) -> list[Finding]:
    """What the splits themselves show: shared rows, and labels or targets that are given away."""
    leakage = time_leakage if read.facts["task"] == "forecast" else label_leakage
    checks = (duplicates, leakage)
    return [one for check in checks for one in check.findings(read.splits, read.facts)]


def show(audited: Audit) -> None:
    """Print a line for each finding, and below it what to look at and what to do."""
    rows = " / ".join(f"{audited.rows[split]:,}" for split in prepared.SPLITS)
    title = f"{audited.dataset.task} · {audited.dataset.name} · audit of {rows} rows"
    table = console.table(title)
    for name in ("verdict", "check", "found"):
        table.add_column(name, overflow="fold")
    for finding in audited.findings:
        style = "" if finding.ok else "bold"
        table.add_row(finding.verdict, finding.name, finding.result, style=style)
    console.out().print(table)
    for finding in audited.findings:
        if not finding.ok:
            console.out().print(f"\n{finding.name}: {finding.advice}", markup=False)
            for example in finding.examples:
                line = ", ".join(f"{name} {value}" for name, value in example.items())
                console.out().print(f"  {line}", markup=False)
