"""The gate's report as one page that loads nothing, legible in light and in dark."""

from html import escape

from data.report import example

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 25%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
td { vertical-align: top; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
.outcome { white-space: nowrap }
.met { color: light-dark(#17692f, #7fd99a) }
.found { color: light-dark(#7a4b00, #f0c060) }
.failed { color: light-dark(#a31621, #ff9a9a); font-weight: 600 }
code { font-size: .85em; opacity: .8 }
"""


def render(report: dict) -> str:
    """The whole page as HTML, from a report as data/report.py describes it."""
    name = escape(report["dataset"])
    verdict = ("met", "may be trained on") if report["success"] else ("failed", "is refused")
    parts = [
        f"<h1>{name}</h1>",
        f'<p class="{verdict[0]}">This {escape(report["task"])} dataset {verdict[1]}:'
        f" {len(report['checks'])} expectations, {len(report['failed'])} not met,"
        f" {len(report['notes'])} findings.</p>",
        _failed(report["failed"]),
        _notes(report["notes"]),
        _checks(report["checks"]),
        *(_table(name, summary) for name, summary in report["tables"].items()),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}: validation</title>\n<style>{STYLE}</style>\n"
        f"{''.join(parts)}</html>\n"
    )


def _failed(checks: list[dict]) -> str:
    items = ""
    for check in checks:
        shown = "".join(f"<li>{escape(example(row))}</li>" for row in check["examples"])
        items += f"<li>{escape(check['sentence'])}<ul>{shown}</ul></li>"
    return f"<h2>Why it is refused</h2><ul>{items}</ul>\n" if items else ""


def _notes(notes: list[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Found, and what is done about it</h2><ul>{items}</ul>\n" if items else ""


def _checks(checks: list[dict]) -> str:
    rows = []
    for check in checks:
        outcome = "met" if check["met"] else "failed"
        outcome = "found" if outcome == "failed" and check["severity"] == "warning" else outcome
        where = ".".join(part for part in (check["table"], check["column"]) if part)
        rows.append(
            f'<tr><td class="outcome {outcome}">{outcome}</td><td>{escape(check["sentence"])}<br>'
            f"<code>{escape(check['expectation'])} {escape(where)}</code></td></tr>"
        )
    return f"<h2>Expectations</h2><table>{''.join(rows)}</table>\n"


def _table(name: str, summary: dict) -> str:
    head = "<tr><th>column<th>least<th>median<th>greatest</tr>"
    rows = _rows([[column, *values] for column, values in summary["columns"].items()])
    shown = summary.get("values")
    if shown:
        head = "<tr>" + "".join(f"<th>{escape(column)}" for column in shown[0]) + "</tr>"
        rows = _rows([list(row.values()) for row in shown])
    return (
        f"<h2>{summary['rows']:,} {escape(name)}</h2>"
        f'<div class="scroll"><table>{head}{rows}</table></div>\n'
    )


def _rows(rows: list[list]) -> str:
    return "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) + "</tr>" for row in rows
    )
