"""A lineage, or the history of every model, as a person reads it in a terminal."""

from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from pipelines.experiments import tracking
from pipelines.runtime import console

SPLITS = ("validation", "test")
# Of a request's row, what has a line of its own.
REQUEST = (
    "time", "request_id", "model", "version", "fingerprint", "status", "error", "latency_ms"
)  # fmt: skip
CHARACTERS, INPUTS = 400, 8  # of what was sent, where it is kept, and of several texts
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


def show(told: Mapping) -> None:
    """Print what `commands.trace` returns, a lineage or the history; a broken ledger first."""
    for ledger in told["ledgers"]:
        if ledger["broken"]:
            _print(Text(f"THE LEDGER OF {ledger['model']} IS BROKEN", "bold red"))
            _print(Text(f"{ledger['broken']}", "red"))
    if "what" in told:
        _show_lineage(told)
    else:
        _show_history(told["ledgers"])


def _show_lineage(told: Mapping) -> None:
    known = {(one["model"], one["version"], one["fingerprint"]) for one in told["versions"]}
    for request in told.get("requests", []):
        _section(f"request · {request['request_id']}", _request(request, known))
    for version in told["versions"]:
        title = f"{version['model']}/{version['version']} · {version['arch']}"
        _section(title, _version(version, with_checks=not told["fits"]))
    for run in told["runs"]:
        _section(f"{run['kind']} · {run['name']}", _run(run))
    for data in told["data"]:
        _section(f"data · {data['dataset']}", _data(data))
    _show_fits(told["fits"])
    _section("ledgers", ((ledger["model"], _state(ledger)) for ledger in told["ledgers"]))


def _show_history(ledgers: list[Mapping]) -> None:
    if not ledgers:
        _print(Text("nothing was decided yet: `espalier run` makes the first champions"))
    for ledger in ledgers:
        _section(ledger["model"], _history(ledger))


def _show_fits(fits: list[Mapping]) -> None:
    if not fits:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("  run", no_wrap=True)
    table.add_column("what", overflow="fold")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for fit in fits[:LINES]:
        ended = "" if fit["status"] == "FINISHED" else f", {fit['status'].lower()}"
        what = Text(f"{'look' if fit['look'] else fit['kind']} · {fit['name']}{ended}")
        scores = ("" if fit[split] is None else f"{fit[split]:.4f}" for split in SPLITS)
        table.add_row(f"  {fit['run_id']}", what, *scores)
    _print(Text(f"\n{len(fits)} runs, by {fits[0]['metric'].replace('_', ' ')}", "bold"))
    _print(table)
    if len(fits) > LINES:
        _print(Text(f"  … and {len(fits) - LINES} more: --json names them"))


def _request(request: Mapping, known: set) -> Iterator[tuple[str, Text]]:
    model, version, fingerprint = (request[name] for name in ("model", "version", "fingerprint"))
    here = (model, version, fingerprint) in known
    yield "answered", Text(_at(request["time"]))
    yield "by", Text(f"{model}/{version}{'' if here else ', which is not in this registry'}")
    yield "fingerprint", Text(fingerprint)
    refused = f", {request['error']}" if "error" in request else ""
    yield "status", Text(f"{request['status']}{refused}, {request['latency_ms']:.3g} ms")
    rest = {name: _listed(value) for name, value in request.items() if name not in REQUEST}
    if "input" in rest:
        yield "sent", Text(rest.pop("input")[:CHARACTERS])
    yield "besides", Text(_named(rest))


def _listed(value):
    """What is one of each input's: the value of the one, or those of the first few."""
    if not isinstance(value, list) or len(value) == 1:
        return value[0] if isinstance(value, list) else value
    shown = (f"{one:.3g}" if isinstance(one, float) else str(one) for one in value[:INPUTS])
    return " ".join(shown) + (" …" if len(value) > INPUTS else "")


def _version(version: Mapping, with_checks: bool) -> Iterator[tuple[str, Text]]:
    yield "state", Text(", ".join([version["state"], *version["aliases"]]))
    for reign in version["reigns"]:
        yield "champion", Text(_time(reign))
    for place in (*version["pointers"], *version["bentos"]):
        yield "named by", Text(place)
    yield "registered", Text(_at(version["registered"]))
    yield "fingerprint", Text(version["fingerprint"])
    yield "manifest", Text(f"sha256 {version['manifest_sha256']}")
    for entry in version["decisions"]:
        yield f"entry {entry['position']}", _decision(entry, {})
        if with_checks and entry["to_version"] == version["version"]:
            yield from (("", _check(check)) for check in _checks(entry))


def _run(run: Mapping) -> Iterator[tuple[str, Text]]:
    yield "run", Text(f"{run['run_id']}, {run['status'].lower()}")
    if run["kind"] in NO_CANDIDATE:
        yield "", Text(NO_CANDIDATE[run["kind"]])
    if run["why"]:
        yield "why", Text(run["why"])
    yield "parent", Text(run["parent"] or "none")
    yield "started", Text(_at(run["started"]))
    yield "ended", Text(_at(run["ended"]))
    state = {True: " with changes that are not in it", False: "", None: " (dirty or not: unknown)"}
    yield "commit", Text((run["commit"] or "unknown") + state[run["dirty"]])
    if run["fingerprint"]:
        yield "fingerprint", Text(run["fingerprint"])
    if run["backend"]:
        backend = run["backend"]
        yield "backend", Text(f"{backend['name']} {backend['version']}, keras {backend['keras']}")
    if run["seed"] is not None:
        yield "seed", Text(f"{run['seed']}, profile {run['profile']}")
    if run["parameters"]:
        yield "parameters", Text(_named(run["parameters"]))
    for split in SPLITS:
        if measured := _measured(run["metrics"], split):
            yield split, measured
    rest = {k: v for k, v in run["metrics"].items() if not k.startswith(SPLITS)}
    yield "besides", Text(_named(rest))


def _data(data: Mapping) -> Iterator[tuple[str, Text]]:
    yield "hash", Text(data["hash"])
    yield "commit", Text(data["commit"] or "none names it in its dvc.lock")
    yield "check out", Text(data["checkout"] or "no dvc.lock names it: it is not to be had by DVC")


def _history(ledger: Mapping) -> Iterator[tuple[str, Text]]:
    for entry in ledger["decisions"]:
        decision, checks = _decision(entry, ledger["archs"]), _checks(entry)
        if checks:
            passed = sum(check["passed"] for check in checks)
            decision.append(f" ({passed} of {len(checks)} checks passed)", "dim")
        yield f"entry {entry['position']}", decision
    for reign in ledger["reigns"]:
        yield "champion", Text(f"{_called(reign['version'], ledger['archs'])} {_time(reign)}")
    yield "ledger", _state(ledger)


def _decision(entry: Mapping, archs: Mapping) -> Text:
    new, old = _called(entry["to_version"], archs), _called(entry["from_version"], archs)
    words = WORDS[entry["action"]][entry["from_version"] is None].format(new=new, old=old)
    said = Text(f"{_at(entry['at'])}  {words}, by {entry['who']}")
    return said.append(f": {entry['reason']}") if entry["reason"] else said


def _checks(entry: Mapping) -> list[Mapping]:
    """The checks of a decision; none where a person wrote something else into the ledger."""
    evidence = entry["evidence"]
    return evidence.get("checks", []) if isinstance(evidence, Mapping) else []


def _check(check: Mapping) -> Text:
    sign = Text("✓ ", "green") if check["passed"] else Text("✗ ", "red")
    return sign.append(f"{check['name']}: {check['evidence']}", "")


def _state(ledger: Mapping) -> Text:
    if ledger["broken"]:
        return Text(f"BROKEN: {ledger['broken']}", "bold red")
    count = ledger["length"]
    said = Text(f"{count} {'entry' if count == 1 else 'entries'}, the chain is whole")
    return said.append(f"; {ledger['remark']}", "yellow") if ledger["remark"] else said


def _called(version: str | None, archs: Mapping) -> str:
    return f"{archs[version]} v{version}" if version in archs else f"v{version}"


def _time(reign: Mapping) -> str:
    return f"{_at(reign['since'])} – {_at(reign['until']) if reign['until'] else 'now'}"


def _at(stamp: str | None) -> str:
    """2026-01-31T12:34:56.789+00:00 → 2026-01-31 12:34:56 UTC."""
    return "not yet" if stamp is None else f"{stamp[:19].replace('T', ' ')} UTC"


def _measured(metrics: Mapping, split: str) -> Text:
    """The metrics of one split, each with its interval where it has one."""
    own = {
        name.removeprefix(f"{split}_"): value
        for name, value in metrics.items()
        if name.startswith(f"{split}_")
    }
    for name in [name for name in own if f"{name}_low" in own]:
        low, high = own.pop(f"{name}_low"), own.pop(f"{name}_high")
        own[name] = f"{own[name]:.6g} ({low:.6g} – {high:.6g})"
    return Text(_named(own))


def _named(values: Mapping) -> str:
    return ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _section(title: str, rows: Iterable[tuple[str, Text]]) -> None:
    grid = Table.grid(padding=(0, 2))
    for label, said in rows:
        grid.add_row("", Text(label, "dim"), said)
    _print(Text(f"\n{title}", "bold"))
    _print(grid)


def _print(said: Text | Table) -> None:
    console.out().print(said)
