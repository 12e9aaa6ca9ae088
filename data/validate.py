"""Say whether one dataset may be trained on, with Great Expectations: python -m data.validate NAME

Writes data/reports/NAME/validation.json and validation.html, and then exits with 3 when the gate
refuses; `prepare` depends on the report, so that a refusal stops `dvc repro`.
"""

import importlib
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
from great_expectations.data_context.types.base import ProgressBarsConfig

from data import declared, page, report, stage, stored
from data.errors import GateRefused
from data.suites.table import Table

EXAMPLES = 3


def validate(name: str, folder: Path) -> None:
    """Write the report of dataset `name` and its page into `folder`.

    Raises GateRefused, after writing, when an expectation of severity "critical" is not met.
    """
    entry = declared.entry(name)
    raw = stored.read(stored.RAW / name)
    suite = importlib.import_module(f"data.suites.{entry['task']}").suite
    verdict = judge(name, entry["task"], suite(raw, entry))
    verdict["raw_hash"] = stored.hash_of(stored.RAW / name)
    stored.write_json(folder / "validation.json", verdict)
    (folder / "validation.html").write_text(page.render(verdict), encoding="utf-8")
    if not verdict["success"]:
        raise GateRefused(report.text(verdict))
    print(f"{name}: {len(verdict['checks'])} expectations, {len(verdict['notes'])} findings")


def judge(name: str, task: str, tables: list[Table]) -> dict:
    """The report on the tables of a suite, in the form that data/report.py describes."""
    checks = [check for table in tables for check in _checks(table)]
    unmet = [check for check in checks if not check["met"]]
    failed = [check for check in unmet if check["severity"] == "critical"]
    return {
        "dataset": name,
        "task": task,
        "success": not failed,
        "failed": failed,
        "notes": [f"{check['sentence']}; {check['done']}" for check in unmet if check["done"]],
        "checks": checks,
        "tables": {table.name: _summary(table) for table in tables},
    }


def _checks(table: Table) -> list[dict]:
    """The result of each expectation of one table, in the suite's own order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    results = context.data_sources.pandas_default.read_dataframe(table.frame).validate(
        gx.ExpectationSuite(name=table.name, expectations=table.expectations),
        result_format={
            "result_format": "SUMMARY",  # COMPLETE lists every failing row
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": table.key,
        },
    )
    order = [expectation.description for expectation in table.expectations]
    judged = [_check(result.to_json_dict(), table) for result in results.results]
    return sorted(judged, key=lambda check: order.index(check["rule"]))


def _check(result: dict, table: Table) -> dict:
    """One result of Great Expectations as a check of the report."""
    expectation, outcome = result["expectation_config"], result["result"]
    check = {
        "expectation": expectation["type"],
        "table": table.name,
        "column": expectation["kwargs"].get("column"),
        "rule": expectation["description"],
        "severity": expectation["severity"],
        "done": expectation.get("notes"),
        "met": result["success"],
        "failing": outcome.get("unexpected_count"),
        "rows": len(table.frame),
        "observed": outcome.get("observed_value"),
        "examples": [
            {name: _cell(value) for name, value in row.items()}
            for row in outcome.get("partial_unexpected_index_list") or []
        ],
    }
    return check | {"sentence": report.sentence(check)}


def _cell(value: Any) -> Any:
    """A value of a failing row as JSON may hold it, a text cut to what a line holds."""
    if isinstance(value, str) and len(value) > 80:
        return f"{value[:77]}…"
    if isinstance(value, float):  # numpy's too; JSON has no infinity
        return float(value) if np.isfinite(value) else str(value)
    return value


def _summary(table: Table) -> dict:
    """How many rows, and a short table itself; of others the limits of each column of numbers."""
    values = table.frame
    if len(values) > 100:
        numbers = values.select_dtypes("number").drop(columns="id", errors="ignore")
        finite = numbers.where(np.isfinite(numbers))
        limits = finite.agg(["min", "median", "max"]).T.dropna()
        values = limits.rename_axis("column").reset_index()
    return {"rows": len(table.frame), "values": values.round(4).to_dict("records")}


if __name__ == "__main__":
    stage.run(validate, report.REPORTS)
