"""The gate's report as one page that loads nothing, legible in light and in dark."""

from html import escape

import pandas as pd

from data.report import example

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 25%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
td { vertical-align: top; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
.met { color: light-dark(#17692f, #7fd99a) }
.failed { color: light-dark(#a31621, #ff9a9a); font-weight: 600 }
"""


def render(report: dict) -> str:
    """The whole page as HTML, from a report as data/report.py describes it."""
    name = escape(report["dataset"])
    verdict = ("met", "may be trained on") if report["success"] else ("failed", "is refused")
    refused = [
        f"{check['sentence']} ({'; '.join(map(example, check['examples']))})"
        for check in report["failed"]
    ]
    tables = "".join(
        _table(f"{table['rows']:,} {title}", table["values"])
        for title, table in report["tables"].items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}: validation</title>\n<style>{STYLE}</style>\n<h1>{name}</h1>"
        f'<p class="{verdict[0]}">This {escape(report["task"])} dataset {verdict[1]}:'
        f" {len(report['checks'])} expectations, {len(report['failed'])} not met,"
        f" {len(report['notes'])} findings.</p>"
        f"{_list('Why it is refused', refused)}"
        f"{_list('Found, and what is done about it', report['notes'])}"
        f"{_table('Expectations', [_row(check) for check in report['checks']])}"
        f"{tables}</html>\n"
    )


def _list(title: str, sentences: list[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h2>{title}</h2><ul>{items}</ul>\n" if items else ""


def _row(check: dict) -> dict:
    missed = "found" if check["severity"] == "warning" else "failed"
    return {
        "outcome": "met" if check["met"] else missed,
        "rule": check["sentence"],
        "expectation": check["expectation"],
        "of": ".".join(part for part in (check["table"], check["column"]) if part),
    }


def _table(title: str, rows: list[dict]) -> str:
    with pd.option_context("display.max_colwidth", None):
        table = pd.DataFrame(rows, dtype=object).to_html(index=False, border=0, justify="left")
    return f'<h2>{title}</h2><div class="scroll">{table}</div>\n'
