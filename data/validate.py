"""Say whether one dataset may be trained on, with Great Expectations: python -m data.validate NAME

Writes data/reports/NAME/validation.json and validation.html, and then exits with 3 when the gate
refuses; `prepare` depends on the report, so that a refusal stops `dvc repro`.
"""

import importlib
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import Expectation

from data import declared, report, stage, stored
from data.entries import Expect
from data.errors import GateRefused
from data.report import SET_ASIDE
from data.sources import lines
from data.stored import Dataset
from data.suites.table import SHARE, Table, allow, expect, percent
from data.validation_page import page

EXAMPLES = 3
FIRST_LINE = {"excel": 2}  # of the rows, by kind


def validate(name: str, folder: Path) -> None:
    """Write the report of dataset `name` and its page into `folder`.

    Raises GateRefused, after writing, when an expectation of severity "critical" is not met.
    """
    entry = declared.entry(name)
    raw = stored.read(stored.RAW / name)
    tables, bad = sifted(raw, entry)
    verdict = judge(name, entry["task"], tables)
    if not bad.empty:
        listed = report.path(name).with_name(SET_ASIDE)
        verdict["notes"] += [
            f"{rule}: {len(rows):,} bad rows set aside, {listed} lists them"
            for rule, rows in bad.groupby("rule", sort=False)
        ]
        bad.to_csv(folder / SET_ASIDE, index=False)
    verdict["set_aside"] = bad["id"].nunique()
    verdict["raw_hash"] = stored.hash_of(stored.RAW / name)
    stored.write_json(folder / "validation.json", verdict)
    html = page.render(verdict, entry, raw, tables, bad)
    (folder / "validation.html").write_text(html, encoding="utf-8")
    if not verdict["success"]:
        raise GateRefused(report.text(verdict))
    print(f"{name}: {len(verdict['checks'])} expectations, {len(verdict['notes'])} findings")


def sifted(raw: Dataset, entry: dict) -> tuple[list[Table], pd.DataFrame]:
    """The tables to judge, and the bad rows: id, what else names a row, line, and the rule.

    With `on_bad_rows: drop` the tables are those of the other rows, and one of how many are set
    aside; where that are too many, those of all rows. What was collected of requests refuses no
    dataset: bad ones of these rows are set aside in any case, and the tables are of the source's.
    """
    suite = importlib.import_module(f"data.suites.{entry['task']}").suite
    tables, came = suite(raw, entry), pd.DataFrame(columns=["id"])
    if "collected" in tables[0].frame:
        collected = tables[0].frame["id"][tables[0].frame["collected"]]
        came = _bad_rows(tables[0])
        came = came[came["id"].isin(collected)]
        raw = raw.without(collected.tolist())
        tables = suite(raw, entry)
    if entry["on_bad_rows"] == "refuse":
        return tables, came
    bad = _bad_rows(tables[0])
    begin = lines.of_rows(entry) if len(bad) else None
    if entry["kind"] in FIRST_LINE:
        bad.insert(1, "line", bad["id"] + FIRST_LINE[entry["kind"]])
    elif begin and len(begin) > bad["id"].max():
        bad.insert(1, "line", [begin[row] for row in bad["id"]])
    rows, dropped = len(tables[0].frame), bad["id"].nunique()
    most = entry["expect"]["dropped"]
    if 0 < dropped <= most * rows:
        tables = suite(raw.without(bad["id"].tolist()), entry)
    frame = pd.DataFrame([{"rows": rows, "dropped": dropped, "share": dropped / rows}])
    few = f"at most {percent(most)} of the rows are bad and set aside"
    remedy = allow("dropped", _rounded_up(dropped / rows))
    few_dropped = expect(
        *("ColumnMaxToBeBetween", few), remedy=remedy, column="share", max_value=most
    )
    set_aside = Table("set aside", frame, ["dropped"], [few_dropped])
    return [*tables, set_aside], pd.concat([bad, came], ignore_index=True) if len(came) else bad


def _bad_rows(table: Table) -> pd.DataFrame:
    """The rows of a table that break a rule without exceptions: its key, and `rule`."""
    results = _results(table, table.row_rules(), "COMPLETE")
    rows = [
        {name: row[name] for name in table.key}
        | {"rule": result["expectation_config"]["description"]}
        for result in results
        for row in result["result"].get("unexpected_index_list") or []
    ]
    broken = pd.DataFrame(rows, columns=[*table.key, "rule"])
    by_row = broken.groupby(table.key, sort=False, dropna=False, as_index=False)
    return by_row["rule"].agg("; ".join)


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
    order = [expectation.description for expectation in table.expectations]
    results = _results(table, table.expectations, "SUMMARY")  # COMPLETE lists every failing row
    checks = [_check(result, table) for result in results]
    return sorted(checks, key=lambda check: order.index(check["rule"]))


def _results(table: Table, expectations: Sequence[Expectation], form: str) -> list[dict]:
    """What Great Expectations says of each expectation, failing rows named by the table's key."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    outcome = context.data_sources.pandas_default.read_dataframe(table.frame).validate(
        gx.ExpectationSuite(name=table.name, expectations=list(expectations)),
        result_format={
            "result_format": form,
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": table.key,
        },
    )
    return [result.to_json_dict() for result in outcome.results]


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
        "remedy": "" if result["success"] else _remedy(expectation, outcome, table),
        "met": result["success"],
        "failing": outcome.get("unexpected_count"),
        "rows": len(table.frame),
        "observed": outcome.get("observed_value"),
        "range": _range(table.frame.get(expectation["kwargs"].get("column"))),
        "examples": [
            {name: _cell(value) for name, value in _readable(row, table.frame).items()}
            for row in outcome.get("partial_unexpected_index_list") or []
        ],
    }
    return check | {"sentence": report.sentence(check)}


def _range(values: pd.Series | None) -> list[float]:
    """The least and the largest of a column of numbers; of any other nothing."""
    if values is None or not pd.api.types.is_numeric_dtype(values):
        return []
    finite = values[np.isfinite(values)]
    return (
        [round(end, 4) for end in (finite.min().item(), finite.max().item())] if len(finite) else []
    )


def _remedy(expectation: dict, outcome: dict, table: Table) -> str:
    """What lets a dataset pass that does not: a setting, where at most half of its rows are so."""
    remedy = (expectation.get("meta") or {}).get("remedy", "")
    if not outcome.get("unexpected_count"):
        return remedy
    share = _rounded_up(outcome["unexpected_count"] / outcome["element_count"])
    parts = [part for part in remedy.split("; ") if SHARE not in part or share <= 0.5]
    remedies = ["; ".join(parts).replace(SHARE, f"{share:g}")] if remedy else []
    if share > 0.5:
        return "".join(remedies)
    if expectation["description"] in [rule.description for rule in table.row_rules()]:
        more = f" with `expect: {{dropped: {share:g}}}`" if share > Expect().dropped else ""
        remedies.append(f"`on_bad_rows: drop`{more} in its entry sets such rows aside")
    return ", or ".join(remedies)


def _rounded_up(share: float) -> float:
    return ceil(100 * share - 1e-9) / 100


def _readable(row: dict, frame: pd.DataFrame) -> dict:
    """A failing row with the text or the file that is twice there, not what stands for it."""
    if not row.keys() & {"digest", "labels_of_digest"}:
        return row
    shown = frame.loc[frame["id"] == row["id"]].iloc[0]
    more = {name: shown[name] for name in ("text", "file") if name in shown}
    return {name: value for name, value in row.items() if name != "digest"} | more


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
