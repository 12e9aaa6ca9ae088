"""Commands that watch what is served: espalier monitor, espalier feedback."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli import invocation
from pipelines.cli.arguments import Dataset, Json, Task
from pipelines.cli.invocation import DONE, FAILED
from pipelines.runtime import console

app = typer.Typer()


@app.command()
def monitor(
    task: Task = None,
    dataset: Dataset = None,
    since: Annotated[str, typer.Option(help="How far back answers are scored.")] = "7d",
    html: Annotated[Path | None, typer.Option(help="Write it all into this page.")] = None,
    as_json: Json = False,
) -> None:
    """Say how good the champions are on what was labelled, beside what they promised.

    Exit code 1: a dataset could not be looked at.

    Example: espalier monitor --task image --since 30d
    """
    from pipelines.commands import monitor as step

    invocation.begin("monitor", as_json)
    found = step.monitor(task, dataset, since)
    if html is not None:
        step.page(found, since, html)
        console.line("page", str(html))
    code = FAILED if found.failure else DONE
    invocation.end(as_json, found.to_dict(), lambda: step.show(found, since), code, found.failure)


@app.command()
def feedback(
    file: Annotated[Path, typer.Argument(help="A CSV file: request_id,label or …,values.")],
    task: Task = None,
    as_json: Json = False,
) -> None:
    """Take labels of earlier requests from a file; POST /v1/feedback takes them one by one.

    The columns are request_id,label, with index where a request had several inputs, or of
    forecasts request_id,values, a JSON list. Exit code 1: no row belongs to a request in the log.

    Example: espalier feedback labels.csv --task image
    """
    from pipelines.commands import monitor as step
    from pipelines.monitoring import feedback_file

    invocation.begin("feedback", as_json)
    taken = feedback_file.take(file, task)
    code, failure = DONE, ""
    if taken.rows and not taken.matched:
        code, failure = FAILED, "no row belongs to an answer in the request log"
    invocation.end(as_json, asdict(taken), lambda: step.show_taken(taken), code, failure)
