"""A lineage, or the history of every model, as a person reads it in a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from pipelines.lineage.records import Book, Interval, Lineage, RunSummary, Version
from pipelines.promotion.ledger import Entry
from pipelines.runtime import console

CHARACTERS, ITEMS = 400, 8  # of a text, and of a list
LINES = 20  # of the runs that came from one version of the data
VERBS = {
    "promotion": "was promoted",
    "refusal": "was refused",
    "force": "was promoted by force",
    "rollback": "was rolled back to",
    "awaiting": "passed and waits for a person",
    "shadow": "went on trial, shadowing",
    "canary": "went on trial, as a canary",
    "withdrawal": "was taken back",
}

Rows = Iterator[tuple[str, Text]]


def show(lineage: Lineage) -> None:
    """Print a lineage or the history; a broken ledger first."""
    for book in lineage.ledgers:
        if book.broken:
            _print(Text(f"THE LEDGER OF {book.model} IS BROKEN", "bold red"))
            _print(Text(book.broken, "red"))
    for request in lineage.requests:
        _section(f"request · {request['request_id']}", _fields(request))
    for version in lineage.versions:
        title = f"{version.model}/{version.version} · {version.arch}"
        _section(title, _version(version, with_checks=not lineage.fits))
    for run in lineage.runs:
        _section(f"{run.kind} · {run.name}", _fields(run))
    for data in lineage.data:
        _section(f"data · {data.dataset}", _fields(data))
    if fits := lineage.fits:
        metric = fits[0].metric.replace("_", " ")
        _section(f"{len(fits)} runs, by {metric}, validation / test", _fits(fits))
    for book in lineage.ledgers:
        _section(f"ledger · {book.model}", _ledger(book, in_full=lineage.kind == "history"))
    if not lineage.ledgers:
        _print(Text("nothing was decided yet: `espalier run` makes the first champions"))


def _fits(fits: list[RunSummary]) -> Rows:
    for fit in fits[:LINES]:
        scores = ["–" if s is None else console.figure(s) for s in (fit.validation, fit.test)]
        ended = "" if fit.status == "FINISHED" else f", {fit.status.lower()}"
        kind = "look" if fit.look else fit.kind
        yield fit.run_id, Text(f"{' / '.join(scores)}  {kind} · {fit.name}{ended}")
    if len(fits) > LINES:
        yield "…", Text(f"and {len(fits) - LINES} more: --json names them")


def _version(version: Version, with_checks: bool) -> Rows:
    yield from _fields(version, "decisions", "reigns")
    yield from _reigns(version.reigns, {})
    for entry in version.decisions:
        yield f"entry {entry.position}", _decision(entry, {})
        # Where a person wrote something else into the ledger there are none.
        if with_checks and entry.to_version == version.version and isinstance(entry.evidence, dict):
            yield from (("", _check(check)) for check in entry.evidence.get("checks", []))


def _ledger(book: Book, in_full: bool) -> Rows:
    if in_full:
        for entry in book.decisions:
            yield f"entry {entry.position}", _decision(entry, book.archs)
        yield from _reigns(book.reigns, book.archs)
    yield "length", Text(str(book.length))
    chain = Text(f"BROKEN: {book.broken}", "bold red") if book.broken else Text("whole")
    yield "chain", chain
    if book.remark:
        yield "remark", Text(book.remark, "yellow")


def _reigns(reigns: Iterable[Interval], archs: Mapping[str, str]) -> Rows:
    for one in reigns:
        period = f"{one.since} – {one.until or 'now'}"
        yield "champion", Text(f"{_label(one.version, archs)} {period}")


def _decision(entry: Entry, archs: Mapping[str, str]) -> Text:
    before = _label(entry.from_version, archs) if entry.from_version else "none"
    new, reason = _label(entry.to_version, archs), f": {entry.reason}" if entry.reason else ""
    decision = f"{new} {VERBS[entry.action]}, champion before: {before}"
    return Text(f"{entry.at}  {decision}, by {entry.who}{reason}")


def _check(check: Mapping[str, Any]) -> Text:
    sign = Text("✓ ", "green") if check["passed"] else Text("✗ ", "red")
    return sign.append(f"{check['name']}: {check['evidence']}", "")


def _label(version: str, archs: Mapping[str, str]) -> str:
    return f"{archs[version]} v{version}" if version in archs else f"v{version}"


def _fields(record: BaseModel | Mapping[str, Any], *hidden: str) -> Rows:
    """A row for each field that has a value and is not hidden."""
    for name, value in dict(record).items():
        if name not in hidden and value not in (None, "", [], {}):
            yield name.replace("_", " "), Text(_text(value))


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_text, value[:ITEMS])) + (" …" if len(value) > ITEMS else "")
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:CHARACTERS]


def _section(title: str, rows: Iterable[tuple[str, Text]]) -> None:
    grid = Table.grid(padding=(0, 2))
    for label, text in rows:
        grid.add_row("", Text(label, "dim"), text)
    _print(Text(f"\n{title}", "bold"))
    _print(grid)


def _print(content: Text | Table) -> None:
    console.out().print(content)
