"""The gate's report, data/reports/NAME/validation.json: read, and as text.

dataset, task, success, raw_hash (DVC's name for the rows that were judged)
failed   the checks that refuse the dataset
set_aside  how many rows `on_bad_rows: drop` left out, before the rest was judged; set_aside.csv
         beside the report lists them
notes    sentences: what was found that does not refuse it, and what is done about it
checks   every expectation, in order: expectation, table, column, rule, severity ("critical"
         refuses, "warning" is a finding), done (about a finding), remedy (what lets it pass), met,
         failing (rows; None for one about a whole table), rows, observed, range (the least and
         the largest of a column of numbers), examples (three failing rows), sentence
tables   {name: rows, values: a short table itself, of others the limits of each column}
"""

import csv
import json
from pathlib import Path

from data.errors import DataError

REPORTS = Path("data/reports")
SET_ASIDE = "set_aside.csv"


def path(name: str) -> Path:
    """Where the validate stage writes the report of dataset `name`; its page lies beside it."""
    return REPORTS / name / "validation.json"


def read(name: str, root: Path = Path()) -> dict:
    """The report of dataset `name` in a checkout; raises DataError when there is none."""
    try:
        return json.loads((root / path(name)).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path(name)} cannot be read: {error}") from error


def set_aside(name: str) -> list[int]:
    """The ids of the rows of dataset `name` that the gate left out; of none there is no list."""
    listed = path(name).with_name(SET_ASIDE)
    if not listed.exists():
        return []
    with listed.open(encoding="utf-8", newline="") as file:
        return [int(row["id"]) for row in csv.DictReader(file)]


def sentence(check: dict) -> str:
    """One check in plain words: `no text is empty: not so for 3 of 500 texts`."""
    if check["met"]:
        return check["rule"]
    found = f", observed {check['observed']}"
    if check["failing"] is not None:
        found = f" for {check['failing']:,} of {check['rows']:,} {check['table']}"
    remedy = f"; {check['remedy']}" if check.get("remedy") else ""
    return f"{check['rule']}: not so{found}{remedy}"


def text(report: dict) -> str:
    """A refusal for a terminal: which expectations failed, on which column, and three examples."""
    failed = report["failed"]
    count = f"{len(failed)} of {len(report['checks'])}"
    lines = [f"the gate refused {report['dataset']}; expectations not met: {count}"]
    for check in failed:
        column = f" on {check['table']}.{check['column']}" if check["column"] else ""
        lines += [f"  {check['sentence']}", f"    {check['expectation']}{column}"]
        lines += [f"    for example {example(row)}" for row in check["examples"]]
    return "\n".join([*lines, f"  {path(report['dataset']).with_suffix('.html')} shows the rest"])


def example(row: dict) -> str:
    """A failing row in plain words: `id 7, label 'baad'`."""
    return ", ".join(f"{name} {value!r}" for name, value in sorted(row.items()))
