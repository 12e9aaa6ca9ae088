"""A lineage, or the history of every model, as a person reads it in a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from pipelines.experiments import tracking
from pipelines.lineage.records import Book, History, Interval, Lineage, Run, RunSummary, Version
from pipelines.lineage.records import intervals as intervals_of
from pipelines.promotion.ledger import Entry
from pipelines.runtime import console

SPLITS = ("validation", "test")
TIMES = ("time", "registered", "started", "ended")
CHARACTERS, ITEMS = 400, 8  # of a text, and of a list
LINES = 20  # of the runs that came from one version of the data
NO_CANDIDATE = {
    tracking.BASELINE: "a baseline of the leaderboard: never a candidate",
    tracking.RIVAL: "a classical rival on the leaderboard: never a candidate",
    tracking.GUARD: "it says what is familiar, and is packaged with every model of this data",
}
# What was decided, over a champion and where there was none.
WORDS = {
    "promotion": ("{new} was promoted over {old}", "{new} was promoted, none stood before"),
    "refusal": ("{new} was refused, {old} stays", "{new} was refused, none stands"),
    "force": ("{new} was forced in over {old}", "{new} was forced in, none stood before"),
    "rollback": ("back from {old} to {new}", "back to {new}"),
}

Rows = Iterator[tuple[str, Text]]


def show(lineage: Lineage | History) -> None:
    """Print a lineage or the history; a broken ledger first."""
    for book in lineage.ledgers:
        if book.broken:
            _print(Text(f"THE LEDGER OF {book.model} IS BROKEN", "bold red"))
            _print(Text(book.broken, "red"))
    if isinstance(lineage, Lineage):
        _show_lineage(lineage)
        return
    if not lineage.ledgers:
        _print(Text("nothing was decided yet: `espalier run` makes the first champions"))
    for book in lineage.ledgers:
        _section(book.model, _history(book))


def _show_lineage(lineage: Lineage) -> None:
    registered = {(one.model, one.version, one.fingerprint) for one in lineage.versions}
    for request in lineage.requests:
        _section(f"request · {request['request_id']}", _request(request, registered))
    for version in lineage.versions:
        title = f"{version.model}/{version.version} · {version.arch}"
        _section(title, _version(version, with_checks=not lineage.fits))
    for run in lineage.runs:
        _section(f"{run.kind} · {run.name}", _run(run))
    for data in lineage.data:
        checkout = data.checkout or "no dvc.lock names it: it is not to be had by DVC"
        _section(f"data · {data.dataset}", _fields(vars(data) | {"checkout": checkout}))
    if fits := lineage.fits:
        metric = fits[0].metric.replace("_", " ")
        _section(f"{len(fits)} runs, by {metric}, validation / test", _fits(fits))
    _section("ledgers", ((book.model, _state(book)) for book in lineage.ledgers))


def _fits(fits: list[RunSummary]) -> Rows:
    for fit in fits[:LINES]:
        scores = ["–" if s is None else f"{s:.4f}" for s in (fit.validation, fit.test)]
        ended = "" if fit.status == "FINISHED" else f", {fit.status.lower()}"
        kind = "look" if fit.look else fit.kind
        yield fit.run_id, Text(f"{' / '.join(scores)}  {kind} · {fit.name}{ended}")
    if len(fits) > LINES:
        yield "…", Text(f"and {len(fits) - LINES} more: --json names them")


def _request(request: Mapping[str, Any], registered: set[tuple[str, str, str]]) -> Rows:
    model = request["model"], request["version"], request["fingerprint"]
    elsewhere = "" if model in registered else ", which is not in this registry"
    yield "answered by", Text(f"{model[0]}/{model[1]}{elsewhere}")
    hidden = ("request_id", "model", "version")
    yield from _fields({name: value for name, value in request.items() if name not in hidden})


def _version(version: Version, with_checks: bool) -> Rows:
    yield "state", Text(", ".join([version.state, *version.aliases]))
    for interval in version.reigns:
        yield "champion", Text(_period(interval))
    hidden = ("model", "version", "state", "aliases", "arch", "decisions", "reigns")
    yield from _fields({name: value for name, value in vars(version).items() if name not in hidden})
    for entry in version.decisions:
        yield f"entry {entry.position}", _decision(entry, {})
        if with_checks and entry.to_version == version.version:
            yield from (("", _check(check)) for check in _checks(entry))


def _run(run: Run) -> Rows:
    if run.kind in NO_CANDIDATE:
        yield "", Text(NO_CANDIDATE[run.kind])
    summary = ("name", "kind", "metric", "metrics", "higher_is_better", *SPLITS)
    yield from _fields({name: value for name, value in vars(run).items() if name not in summary})
    for split in SPLITS:
        yield from _fields({split: _scores(run.metrics, f"{split}_")})
    rest = {name: value for name, value in run.metrics.items() if not name.startswith(SPLITS)}
    yield from _fields({"other metrics": rest})


def _history(book: Book) -> Rows:
    for entry in book.entries:
        decision, checks = _decision(entry, book.archs), _checks(entry)
        if checks:
            passed = sum(check["passed"] for check in checks)
            decision.append(f" ({passed} of {len(checks)} checks passed)", "dim")
        yield f"entry {entry.position}", decision
    for interval in intervals_of(book.entries):
        yield "champion", Text(f"{_label(interval.version, book.archs)} {_period(interval)}")
    yield "ledger", _state(book)


def _decision(entry: Entry, archs: Mapping[str, str]) -> Text:
    new, old = _label(entry.to_version, archs), _label(entry.from_version, archs)
    words = WORDS[entry.action][entry.from_version is None].format(new=new, old=old)
    reason = f": {entry.reason}" if entry.reason else ""
    return Text(f"{_time(entry.at)}  {words}, by {entry.who}{reason}")


def _checks(entry: Entry) -> list[Mapping[str, Any]]:
    """The checks of a decision; none where a person wrote something else into the ledger."""
    return entry.evidence.get("checks", []) if isinstance(entry.evidence, Mapping) else []


def _check(check: Mapping[str, Any]) -> Text:
    sign = Text("✓ ", "green") if check["passed"] else Text("✗ ", "red")
    return sign.append(f"{check['name']}: {check['evidence']}", "")


def _state(book: Book) -> Text:
    if book.broken:
        return Text(f"BROKEN: {book.broken}", "bold red")
    count = len(book.entries)
    state = Text(f"{count} {'entry' if count == 1 else 'entries'}, the chain is whole")
    return state.append(f"; {book.remark}", "yellow") if book.remark else state


def _label(version: str | None, archs: Mapping[str, str]) -> str:
    return f"{archs[version]} v{version}" if version and version in archs else f"v{version}"


def _period(interval: Interval) -> str:
    return f"{_time(interval.since)} – {_time(interval.until) if interval.until else 'now'}"


def _time(iso: str) -> str:
    """2026-01-31T12:34:56.789+00:00 → 2026-01-31 12:34:56 UTC."""
    return f"{iso[:19].replace('T', ' ')} UTC"


def _scores(metrics: Mapping[str, float], prefix: str) -> dict[str, Any]:
    """The metrics of one split, each with its interval where it has one."""
    split: dict[str, Any] = {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name.startswith(prefix)
    }
    for name in [name for name in split if f"{name}_low" in split]:
        low, high = split.pop(f"{name}_low"), split.pop(f"{name}_high")
        split[name] = f"{split[name]:.6g} ({low:.6g} – {high:.6g})"
    return split


def _fields(values: Mapping[str, Any]) -> Rows:
    """A row for each field that has a value."""
    for name, value in values.items():
        if value not in (None, "", [], {}):
            yield name.replace("_", " "), Text(_time(value) if name in TIMES else _text(value))


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
