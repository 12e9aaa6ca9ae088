"""The `espalier` command: it parses, calls, and says how it ended.

Nothing heavy is imported here: `espalier --help` answers at once.
"""

import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines import invocation
from pipelines.invocation import DONE, FAILED, INTERRUPTED, REFUSED, StateError
from pipelines.runtime import console, environment
from pipelines.runtime.settings import UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

data_app = typer.Typer(no_args_is_help=True, help="Declare, list, check and remove datasets.")
app.add_typer(data_app, name="data")

Task = Annotated[str | None, typer.Option(help="image, sentiment or forecast.")]
Dataset = Annotated[str | None, typer.Option(help="A dataset of params.yaml.")]
Profile = Annotated[str, typer.Option(help="A profile of params.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress to stderr.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.answer(f"espalier {version('espalier')}")
        raise typer.Exit


@app.callback()
def command(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print it and end.")
    ] = False,
) -> None:
    """Version, validate, train, compare, promote and serve deep-learning models."""


@app.command()
def run(
    task: Task = None,
    dataset: Dataset = None,
    profile: Profile = "quick",
    as_json: Json = False,
) -> None:
    """Take data to served champions: the whole way, for all three tasks or the one named.

    Exit code 0: every task has a champion. 1: failed. 2: wrong usage. 3: the gate said no.
    75: another run holds a task's lock.

    Example: espalier run --task image
    """
    from pipelines.commands import run as step
    from pipelines.runtime import settings

    invocation.begin("run", as_json)
    settings.profile(profile)
    outcomes, code = step.run(step.chosen(task, dataset), profile)
    tasks = {name: asdict(outcome) for name, outcome in outcomes.items()}
    invocation.end(as_json, {"tasks": tasks}, lambda: step.show(outcomes))
    raise typer.Exit(code)


@app.command()
def train(
    task: Task = None,
    arch: Annotated[str | None, typer.Option(help="An architecture of the task.")] = None,
    dataset: Dataset = None,
    profile: Profile = "quick",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to N - 1.")] = 1,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, or several to try each: key=a,b; repeatable."),
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(min=1, help="Search ranges, key=a..b, with N trials; goes on where it was."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Do again what is known already.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name the architectures.")] = False,
    as_json: Json = False,
) -> None:
    """Train one architecture and record it; what is known already is not trained again.

    Example: espalier train --task image --arch cnn --set epochs=3,6 --seeds 2
    """
    if listed:
        from pipelines.experiments import architectures

        invocation.begin("train", as_json)
        entries = architectures.entries(task)
        invocation.end(as_json, {"tasks": entries}, lambda: architectures.show(entries))
        return
    from pipelines.reports import leaderboard
    from pipelines.training import parameter_grid

    invocation.begin("train", as_json)
    what = (_required("task", task), _required("arch", arch), dataset, profile)
    choices = parameter_grid.parsed(changes or [])
    if search is None:
        from pipelines.commands import train as step

        board = step.train(*what, seeds, parameter_grid.grid(choices), force)
    else:
        from pipelines.training import search as searching

        if seeds > 1 or force:
            raise UsageError("--search takes one seed and goes on: leave --seeds and --force out")
        board = searching.search(*what, search, choices)
    invocation.end(as_json, board, lambda: leaderboard.show(board))
    raise typer.Exit(FAILED if board["failed"] else DONE)


@app.command()
def compare(
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    dataset: Dataset = None,
    html: Annotated[Path | None, typer.Option(help="Write it all into this page.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Look for leaks instead.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the models of a dataset's present version: who is better than whom, and how sure.

    Example: espalier compare --task image --html report.html
    """
    from pipelines.experiments import dataset as data
    from pipelines.reports import comparison, page
    from pipelines.runtime import settings

    invocation.begin("compare", as_json)
    name = settings.dataset_of(task, dataset)
    if audit:
        from pipelines.audit import audit as step

        audited = step.audit(task, name)
        invocation.end(as_json, audited.to_dict(), lambda: step.show(audited))
        return
    board = comparison.compare(data.present(task, name))
    invocation.end(as_json, board, lambda: comparison.show(board))
    if html is not None:
        page.write(board, html)
        console.line("page", str(html))


@app.command()
def promote(
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    candidate: Annotated[
        str | None,
        typer.Argument(
            help="A version, a fit's fingerprint or run id, or an architecture, for its best full "
            "fit; by default the best of all."
        ),
    ] = None,
    dataset: Dataset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Whatever the checks say.")] = False,
    reason: Annotated[str, typer.Option(help="Why, with --force; it goes on record.")] = "",
    as_json: Json = False,
) -> None:
    """Put a candidate before the gate: it becomes champion if every check passes.

    Exit code 0: it is champion. 3: the gate said no. 75: another run holds the task.

    Example: espalier promote --task image cnn --dry-run
    """
    from pipelines.commands import promote as step

    invocation.begin("promote", as_json)
    if force != bool(reason) or (force and (dry_run or not reason.strip())):
        raise UsageError('--force needs --reason "…", and neither goes with --dry-run')
    outcome = step.promote(
        task, dataset, candidate, dry_run=dry_run, force=reason if force else None
    )
    invocation.end(as_json, asdict(outcome), lambda: step.show(outcome))
    raise typer.Exit(DONE if outcome.accepted else REFUSED)


@app.command()
def rollback(
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    dataset: Dataset = None,
    reason: Annotated[str, typer.Option(help="Why; it goes on record.")] = "",
    as_json: Json = False,
) -> None:
    """Let the champion before this one serve again; once more goes further back.

    Example: espalier rollback --task image --reason "wrong on receipts"
    """
    from pipelines.commands import rollback as step

    invocation.begin("rollback", as_json)
    outcome = step.rollback(task, dataset, reason)
    invocation.end(as_json, outcome.to_dict(), lambda: step.show(outcome))


@app.command()
def trace(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A version (espalier-image@champion, espalier-image-digits/3), a fingerprint, "
            "an MLflow run id, a data hash or the id of an answered request; by default every "
            "model's history."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where something came from, what came of it, who decided so, and when it served.

    Exit code 1: a ledger is not what was written. 2: nothing is known by that name.

    Example: espalier trace espalier-image@champion
    """
    from pipelines.commands import trace as step
    from pipelines.lineage import terminal_view

    invocation.begin("trace", as_json)
    lineage = step.history() if what is None else step.trace(what)
    invocation.end(as_json, lineage.model_dump(), lambda: terminal_view.show(lineage))
    raise typer.Exit(FAILED if lineage.broken else DONE)


@app.command()
def build(task: Task = None, as_json: Json = False) -> None:
    """Package the served champions as a Bento: all of them, or the one of the task named.

    Example: espalier build --task image
    """
    from pipelines.release import bento

    invocation.begin("build", as_json)
    made = bento.build(task)
    invocation.end(
        as_json, made.to_dict(), lambda: console.out().print(f"{made.tag} in {made.path}")
    )


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(help="Texts or readings, or a folder of pictures.")],
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    dataset: Dataset = None,
    version: Annotated[str | None, typer.Option(help="A version; by default the champion.")] = None,
    out: Annotated[Path | None, typer.Option(help="A .csv, .parquet or .jsonl file.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of texts.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of time stamps.")] = None,
    value: Annotated[str | None, typer.Option(help="The column of values.")] = None,
    series: Annotated[str | None, typer.Option(help="The column that names the series.")] = None,
    as_json: Json = False,
) -> None:
    """Answer a whole file.

    Without --out the answers are JSON lines on standard output.

    Example: espalier predict new.csv --task sentiment --out answers.csv
    """
    from pipelines.commands import predict as step

    if as_json and out is None:
        raise UsageError("--json prints what was done, so that the answers need --out FILE")
    invocation.begin("predict", as_json or out is None)
    named = {"text": text, "time": time, "value": value, "series": series}
    columns = {key: one for key, one in named.items() if one}
    done = step.predict(file, task, dataset, version, columns, out)
    if out is not None:
        invocation.end(as_json, asdict(done), lambda: step.show(done))


@data_app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call the new dataset.")],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of pictures.")],
    task: Task = None,
    text: Annotated[str | None, typer.Option(help="The column of texts.")] = None,
    label: Annotated[str | None, typer.Option(help="The column of labels.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of time stamps.")] = None,
    value: Annotated[str | None, typer.Option(help="The column of values.")] = None,
    series: Annotated[str | None, typer.Option(help="The column that names the series.")] = None,
    as_json: Json = False,
) -> None:
    """Look at data of your own, and declare it.

    Example: espalier data add tickets inbox/tickets.csv --text body --label mood
    """
    from pipelines.commands import data as step

    invocation.begin("data-add", as_json)
    named = {"text": text, "label": label, "time": time, "value": value, "series": series}
    added = step.add(name, path, task, {key: one for key, one in named.items() if one})
    invocation.end(as_json, asdict(added), lambda: step.show_added(added))


@data_app.command("list")
def listed(as_json: Json = False) -> None:
    """Name the datasets: those that ship, and your own.

    Example: espalier data list --json
    """
    from pipelines.commands import data as step

    invocation.begin("data-list", as_json)
    rows = step.listed()
    invocation.end(
        as_json, {"datasets": [asdict(row) for row in rows]}, lambda: step.show_listed(rows)
    )


@data_app.command()
def check(name: Annotated[str, typer.Argument(help="A dataset.")], as_json: Json = False) -> None:
    """Say whether a dataset may be trained on, without training. Exit code 3: it may not.

    Example: espalier data check tickets
    """
    from pipelines.commands import data as step

    invocation.begin("data-check", as_json)
    verdict = step.check(name)
    invocation.end(as_json, verdict, lambda: step.show_checked(verdict))


@data_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A dataset of your own.")], as_json: Json = False
) -> None:
    """Remove a dataset of your own: its declaration, its versions, what was made of it.

    Example: espalier data remove tickets
    """
    from pipelines.commands import data as step

    invocation.begin("data-remove", as_json)
    champions = step.remove(name)
    removed = {"dataset": name, "champions": champions}
    invocation.end(as_json, removed, lambda: step.show_removed(name, champions))


@app.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535)] = 3000) -> None:
    """Serve the champions on 127.0.0.1 until Ctrl-C; new ones are taken over while it runs.

    Example: espalier serve --port 8080
    """
    from pipelines.commands import serve as step

    environment.apply()
    step.serve(port)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, what it would talk to, what is wrong and how to mend it.

    Example: espalier doctor --json
    """
    from pipelines.commands import doctor as step

    set_aside = environment.foreign()
    with suppress(StateError, environment.VariableError):  # each is a finding
        invocation.begin("doctor", as_json)
    findings = step.findings(set_aside)
    invocation.end(as_json, {"findings": findings}, lambda: step.show(findings))
    raise typer.Exit(FAILED if any(finding["mend"] for finding in findings) else DONE)


def main() -> None:
    """Run the command; every failure ends in one sentence and its exit code."""
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            console.err().print("interrupted: what was finished is kept, run it again to go on")
            invocation.leave(INTERRUPTED)
        raise
    except Exception as error:
        sys.exit(invocation.report(error))


def _required(option: str, value: str | None) -> str:
    if value is None:
        raise UsageError(f"--{option} is missing: espalier train --list names what there is")
    return value


if __name__ == "__main__":
    main()
