"""Commands that use champions, and that look after the machine."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli import invocation
from pipelines.cli.arguments import Dataset, Json, Task
from pipelines.cli.invocation import DONE, FAILED, StateError
from pipelines.runtime import console, environment
from pipelines.runtime.settings import UsageError

app = typer.Typer()


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

    Without --out the answers are JSON lines on standard output. Exit code 1: no row was answered.

    Example: espalier predict new.csv --task sentiment --out answers.csv
    """
    from pipelines.commands import predict as step

    if as_json and out is None:
        raise UsageError("--json prints what was done, so that the answers need --out FILE")
    invocation.begin("predict", as_json or out is None)
    named = {"text": text, "time": time, "value": value, "series": series}
    columns = {key: one for key, one in named.items() if one}
    done = step.predict(file, task, dataset, version, columns, out)
    code, failure = DONE, ""
    if done.errors == done.rows:
        code, failure = FAILED, "no row could be answered: the column error says why"
    invocation.end(as_json, asdict(done), lambda: step.show(done), code, failure)


@app.command()
def build(task: Task = None, as_json: Json = False) -> None:
    """Package the served champions as a Bento: all of them, or the one of the task named.

    Example: espalier build --task image
    """
    from pipelines.release import bento

    invocation.begin("build", as_json)
    made = bento.build(task)
    invocation.end(as_json, asdict(made), lambda: console.out().print(f"{made.tag} in {made.path}"))


@app.command()
def serve(port: Annotated[int, typer.Option(min=0, max=65535)] = 3000) -> None:
    """Serve the champions on 127.0.0.1 until Ctrl-C; new ones are taken over while it runs.

    Example: espalier serve --port 8080
    """
    from pipelines.commands import serve as step

    environment.apply()
    step.serve(port)


@app.command()
def worker(
    resources: Annotated[
        str, typer.Option(help="What it offers: NAME=AMOUNT, such as GPU=1.")
    ] = "",
) -> None:
    """Take fits from the Dask scheduler that ESPALIER_CLUSTER names, one at a time, until Ctrl-C.

    Runs of another commit, or with other packages, send it nothing.

    Example: espalier worker --resources GPU=1
    """
    from pipelines.commands import serve as step

    environment.apply()
    step.worker(resources)


@app.command()
def up(port: Annotated[int, typer.Option(min=0, max=65535)] = 3000) -> None:
    """Start the Prefect server, its worker, the service and MLflow's page; Ctrl-C ends them.

    Example: espalier up --port 8080
    """
    from pipelines.commands import serve as step

    invocation.begin("up", as_json=False)
    step.up(port)


@app.command()
def notify(as_json: Json = False) -> None:
    """Have the Prefect server tell people what params.yaml says under `notify`, and no one else.

    Example: espalier notify
    """
    from pipelines.processes import notifications

    invocation.begin("notify", as_json)
    ways = notifications.apply()
    invocation.end(as_json, {"ways": ways}, lambda: notifications.show(ways))


@app.command()
def status(as_json: Json = False) -> None:
    """Say what serves and since when, what runs, and what lies on the disk.

    Example: espalier status --json
    """
    from pipelines.commands import status as step

    invocation.begin("status", as_json)
    state = step.status()
    invocation.end(as_json, asdict(state), lambda: step.show(state))


@app.command()
def clean(
    older_than: Annotated[str, typer.Option(help="An age: what is younger stays.")] = "30d",
    keep: Annotated[int, typer.Option(min=1, help="Newest retrainings of each dataset.")] = 3,
    shared: Annotated[
        bool, typer.Option("--shared", help="Also the DVC remote and an MLflow server.")
    ] = False,
    forget_client: Annotated[
        str | None, typer.Option(help="Of the request log the rows of a client, and nothing else.")
    ] = None,
    forget_request: Annotated[
        str | None, typer.Option(help="Of the request log the rows of a request id.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only shown.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is old and needed by nothing, and remove it with --yes.

    Registered versions, what serves and what can be rolled back to stay. Exit code 75: a command
    works with what would go. Exit code 1: rows that were to be forgotten are still there.

    Example: espalier clean --older-than 7d --yes
    """
    from pipelines.commands import clean as step

    invocation.begin("clean", as_json)
    named = {"client": forget_client, "request_id": forget_request}
    wanted = {field: value for field, value in named.items() if value is not None}
    if wanted and shared:
        raise UsageError("--shared does not go with --forget-client or --forget-request")
    cleaned = step.forget(wanted, yes) if wanted else step.clean(older_than, keep, yes, shared)
    still = "not all rows could be removed" if wanted and cleaned.left else ""
    code = FAILED if still else DONE
    invocation.end(as_json, asdict(cleaned), lambda: step.show(cleaned), code, still)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new .tar or .tar.gz file.")], as_json: Json = False
) -> None:
    """Write what this machine knows into a file: records, artifacts, champions, versions of data.

    Exit code 75: a command works with it.

    Example: espalier backup monday.tar
    """
    from pipelines.commands import backup as step

    invocation.begin("backup", as_json)
    done = step.backup(file)
    invocation.end(as_json, asdict(done), lambda: step.show(done, "backup"))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file of espalier backup.")], as_json: Json = False
) -> None:
    """Bring back what a backup holds, into a home that knows nothing yet.

    Example: espalier restore monday.tar
    """
    from pipelines.commands import backup as step

    invocation.begin("restore", as_json)
    done = step.restore(file)
    invocation.end(as_json, asdict(done), lambda: step.show(done, "restored"))


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
    wrong = [finding["what"] for finding in findings if finding["mend"]]
    code, failure = (FAILED, f"to be mended: {', '.join(wrong)}") if wrong else (DONE, "")
    invocation.end(as_json, {"findings": findings}, lambda: step.show(findings), code, failure)
