"""The `espalier` command: it parses, calls, and says how it ended.

Nothing heavy is imported here: `espalier --help` answers at once.
"""

import sys
from typing import Annotated

import typer

from pipelines.cli import data, invocation, models, monitoring, tokens, use
from pipelines.runtime import console

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models.app)
app.add_typer(data.app, name="data")
app.add_typer(use.app)
app.add_typer(monitoring.app)
app.add_typer(tokens.app, name="token")


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


def main() -> None:
    """Run the command; every failure ends in one sentence and its exit code."""
    try:
        app()
    except SystemExit as end:
        if end.code == invocation.INTERRUPTED:
            console.err().print("interrupted: what was finished is kept, run it again to go on")
            invocation.leave(invocation.INTERRUPTED)
        raise
    except Exception as error:
        sys.exit(invocation.report(error))
    finally:
        console.drop_empty_log()
