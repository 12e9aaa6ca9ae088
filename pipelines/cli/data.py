"""Commands for data of one's own: espalier data …"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli import invocation
from pipelines.cli.arguments import Dataset, Json, Task

app = typer.Typer(no_args_is_help=True, help="Declare, list, check, grow and remove datasets.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call the new dataset.")],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of pictures.")],
    task: Task = None,
    text: Annotated[str | None, typer.Option(help="The column of texts.")] = None,
    label: Annotated[str | None, typer.Option(help="The column of labels.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of time stamps.")] = None,
    value: Annotated[str | None, typer.Option(help="The column of values.")] = None,
    series: Annotated[str | None, typer.Option(help="The column that names the series.")] = None,
    about: Annotated[
        str | None, typer.Option(help="What the rows are, in a sentence or two.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at data of your own, and declare it.

    Example: espalier data add tickets inbox/tickets.csv --text body --label mood
    """
    from pipelines.commands import data as step

    invocation.begin("data-add", as_json)
    named = {"text": text, "label": label, "time": time, "value": value, "series": series}
    columns = {key: one for key, one in named.items() if one}
    added = step.add(name, path, task, columns, about)
    invocation.end(as_json, asdict(added), lambda: step.show_added(added))


@app.command("list")
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


@app.command()
def check(name: Annotated[str, typer.Argument(help="A dataset.")], as_json: Json = False) -> None:
    """Say whether a dataset may be trained on, without training. Exit code 3: it may not.

    Example: espalier data check tickets
    """
    from pipelines.commands import data as step

    invocation.begin("data-check", as_json)
    verdict = step.check(name)
    invocation.end(as_json, verdict, lambda: step.show_checked(verdict))


@app.command()
def collect(task: Task = None, dataset: Dataset = None, as_json: Json = False) -> None:
    """Make rows of the labelled requests in the log, and a version of the data with them.

    Exit code 3: it may not be trained on.

    Example: espalier data collect --task image
    """
    from pipelines.commands import data as step
    from pipelines.commands.run import chosen

    invocation.begin("data-collect", as_json)
    grown = step.collect(chosen(task, dataset))
    invocation.end(as_json, {"datasets": grown}, lambda: step.show_collected(grown))


@app.command()
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
