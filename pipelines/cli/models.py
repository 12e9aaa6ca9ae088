"""Commands that make, compare and choose models."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli import invocation
from pipelines.cli.arguments import Dataset, Json, Profile, Task
from pipelines.cli.invocation import DONE, FAILED, REFUSED
from pipelines.runtime import console
from pipelines.runtime.settings import UsageError

app = typer.Typer()


@app.command()
def run(
    task: Task = None,
    dataset: Dataset = None,
    profile: Profile = "quick",
    budget: Annotated[
        str | None,
        typer.Option(
            help="At most about this long: 90s, 10m, 1h. Fits that it is too small for "
            "are left out and named."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take data to served champions: the whole way, for all three tasks or the one named.

    Exit code 0: every task has a champion. 1: failed. 2: wrong usage. 3: the gate said no.
    75: another run holds a dataset's lock.

    Example: espalier run --task image --budget 10m
    """
    invocation.begin("run", as_json)
    from pipelines.commands import run as step
    from pipelines.runtime import settings

    settings.profile(profile)
    outcomes, code = step.run(step.chosen(task, dataset), profile, budget)
    tasks = {name: asdict(outcome) for name, outcome in outcomes.items()}
    failure = step.refusals(outcomes)
    invocation.end(as_json, {"tasks": tasks}, lambda: step.show(outcomes), code, failure)


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
    code = FAILED if board["failed"] else DONE  # each was told when it failed
    invocation.end(as_json, board, lambda: leaderboard.show(board), code)


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
    version = data.present(task, name)
    board = comparison.compare(version)
    if html is not None:
        page.write(version, board, html)
        console.line("page", str(html))
    invocation.end(as_json, board, lambda: comparison.show(board))


@app.command()
def card(
    task: Annotated[str, typer.Argument(help="image, sentiment or forecast.")],
    dataset: Dataset = None,
    html: Annotated[Path | None, typer.Option(help="Write it into this page.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it into this file.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a champion is, for who may use it: its model card, in Markdown unless asked else.

    Example: espalier card image --html card.html
    """
    from pipelines.lineage import card as step
    from pipelines.reports import card as report

    invocation.begin("card", as_json)
    made = step.card(task, dataset)
    step.write(made, html, markdown)

    def show() -> None:
        if html is None and markdown is None:
            console.answer(report.markdown(made).rstrip())

    invocation.end(as_json, asdict(made), show)


@app.command()
def promote(
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    candidate: Annotated[
        str | None,
        typer.Argument(
            help="A version, a fit's fingerprint or run id, or an architecture or blend, for its "
            "best full fit; by default the best of all."
        ),
    ] = None,
    dataset: Dataset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Whatever the checks say.")] = False,
    reason: Annotated[str, typer.Option(help="Why, with --force; it goes on record.")] = "",
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Try it first: it is asked what the champion is.")
    ] = False,
    canary: Annotated[
        int | None,
        typer.Option(min=1, max=50, help="Try it first: it answers this percentage of requests."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="After which a trial ends by itself.")] = 7,
    as_json: Json = False,
) -> None:
    """Put a candidate before the gate: it becomes champion if every check passes.

    With --shadow or --canary it goes on trial beside the champion first (docs/trial.md).

    Exit code 0: it is champion, on trial, or waits for a person, where `approval: required` is set.
    3: the gate said no. 75: another run holds the task.

    Example: espalier promote --task image cnn --dry-run
    """
    from pipelines.commands import promote as step
    from pipelines.promotion.decision import Terms

    invocation.begin("promote", as_json)
    if force != bool(reason) or (force and (dry_run or not reason.strip())):
        raise UsageError('--force needs --reason "…", and neither goes with --dry-run')
    if shadow + (canary is not None) + force > 1:
        raise UsageError("--shadow, --canary and --force exclude each other: choose one")
    terms = Terms(canary or 0, days) if shadow or canary else None
    outcome = step.promote(
        task, dataset, candidate, dry_run=dry_run, force=reason or None, terms=terms
    )
    sentence, facts = step.sentence(outcome), asdict(outcome)
    if outcome.accepted:
        invocation.end(as_json, facts, lambda: console.out().print(sentence, markup=False))
    invocation.end(as_json, facts, lambda: None, REFUSED, sentence)


@app.command()
def approve(
    task: Annotated[str, typer.Argument(help="image, sentiment or forecast.")],
    version: Annotated[
        str | None, typer.Argument(help="The version that is meant; by default the one that waits.")
    ] = None,
    by: Annotated[str, typer.Option("--as", help="Who answers; it goes on record.")] = "",
    dataset: Dataset = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no.")] = False,
    reason: Annotated[str, typer.Option(help="Why, with --refuse; it goes on record.")] = "",
    as_json: Json = False,
) -> None:
    """Say yes or no to a candidate that passed the gate and waits, where a person is asked.

    Exit code 0: done. 2: nothing waits. 3: too late, or what has changed since changes the verdict.
    75: something else was decided meanwhile.

    Example: espalier approve image 4 --as Ada
    """
    from pipelines.commands import promote as step

    invocation.begin("approve", as_json)
    if not by.strip():
        raise UsageError('--as is missing: who answers goes on record, --as "Ada Lovelace"')
    if refuse != bool(reason.strip()):
        raise UsageError('--refuse needs --reason "…", and a yes has none')
    outcome = step.approve(task, dataset, version, by.strip(), no=reason if refuse else None)
    sentence, facts = step.sentence(outcome), asdict(outcome)
    if outcome.accepted or refuse:
        invocation.end(as_json, facts, lambda: console.out().print(sentence, markup=False))
    invocation.end(as_json, facts, lambda: None, REFUSED, sentence)


@app.command()
def rollback(
    task: Annotated[str, typer.Option(help="image, sentiment or forecast.")],
    dataset: Dataset = None,
    reason: Annotated[str, typer.Option(help="Why; it goes on record.")] = "",
    challenger: Annotated[
        bool, typer.Option("--challenger", help="End the trial that is on; the champion stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let the champion before this one serve again; once more goes further back.

    Example: espalier rollback --task image --reason "wrong on receipts"
    """
    from pipelines.commands import promote as step

    invocation.begin("rollback", as_json)
    outcome = (step.take_back if challenger else step.rollback)(task, dataset, reason)
    invocation.end(as_json, outcome.to_dict(), lambda: step.show_rollback(outcome))


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
    code, failure = FAILED if lineage.broken else DONE, "; ".join(lineage.broken)
    facts = lineage.model_dump()
    invocation.end(as_json, facts, lambda: terminal_view.show(lineage), code, failure)


def _required(option: str, value: str | None) -> str:
    if value is None:
        raise UsageError(f"--{option} is missing: espalier train --list names what there is")
    return value
