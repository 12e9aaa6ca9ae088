"""The gate's report as one page that loads nothing, legible in light, in dark and on a phone.

It is an out of a DVC stage: equal rows give equal bytes. So it has no date of its own, and tells
when the source was last changed.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from data import report
from data.stored import Dataset
from data.suites.table import Table
from data.validation_page import drawings

CLASSES, ASIDE = 20, 20  # that are listed; of more the rest is counted
EXAMPLES = 6  # rows
LETTERS = 280  # of a text


def render(
    verdict: dict, entry: dict, raw: Dataset, tables: Sequence[Table], bad: pd.DataFrame
) -> str:
    """The whole page as HTML.

    Args:
        verdict: a report as data/report.py describes it.
        entry: the dataset's declaration.
        raw: the rows that were judged.
        tables: those of its suite, the one of its rows first.
        bad: the rows that were set aside: id, what else names a row, and the rule.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"example": report.example, "observed": observed, "number": number}
    frame = tables[0].frame
    classes = next((table.frame for table in tables if table.name == "classes"), None)
    counts = [] if classes is None else classes[["label", "rows"]].values.tolist()
    return jinja.get_template("page.html").render(
        report=verdict,
        entry=entry,
        changed=changed(entry),
        rows=tables[0].name,
        count=len(frame),
        classes=sorted(counts, key=lambda one: -one[1])[:CLASSES],
        class_count=len(counts),
        series=frame["series"].nunique() if entry["task"] == "forecast" else 0,
        strip=drawings.strip(raw, frame) if entry["task"] == "image" else [],
        charts=drawings.charts(entry["task"], frame),
        examples=_examples(entry["task"], frame),
        aside=bad.head(ASIDE).to_dict("records"),
    )


def changed(entry: dict) -> str:
    """When the newest file of an own source was changed; nothing of what a package brings."""
    path = Path(entry["path"]).expanduser()
    if entry["kind"] == "package" or not path.exists():
        return ""
    inside = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    newest = max(file.stat().st_mtime for file in [path, *inside] if file.exists())
    return f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d %H:%M} UTC"


def observed(check: dict) -> str:
    """What was found, in words: `all 500 texts; length 12 to 840`."""
    if check["failing"] is None:
        value = check["observed"]
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return number(value)
    found = f"all {check['rows']:,}"
    if check["failing"]:
        share = 100 * check["failing"] / check["rows"]
        found = f"not so for {check['failing']:,} of {check['rows']:,} ({share:.2g}%)"
    if check["range"] and "digest" not in check["column"]:
        low, high = map(number, check["range"])
        limits = low if low == high else f"{low} to {high}"
        found += f"; {check['column'].replace('_', ' ')} {limits}"
    return found


def number(value: Any) -> str:
    """A number as a person reads it, with six digits at most; anything else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return str(value)


def _examples(task: str, frame: pd.DataFrame) -> list[dict]:
    """A few rows: texts of each label, or the ends of a series."""
    if task == "sentiment":
        each = max(1, EXAMPLES // max(1, frame["label"].nunique()))
        rows = frame.groupby("label", sort=False).head(each).head(EXAMPLES)
        texts = rows["text"].astype(str)
        cut = texts.where(texts.str.len() <= LETTERS, texts.str[:LETTERS] + "…")
        return pd.DataFrame({"label": rows["label"], "text": cut}).to_dict("records")
    if task == "forecast":
        columns = ["time", "value"] + ["series"] * (frame["series"].nunique() > 1)
        ends = pd.concat([frame[: EXAMPLES // 2], frame[EXAMPLES // 2 :].tail(EXAMPLES // 2)])
        return ends[columns].to_dict("records")
    return []
