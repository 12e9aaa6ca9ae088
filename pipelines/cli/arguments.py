"""The arguments that several commands have."""

from typing import Annotated

import typer

Task = Annotated[str | None, typer.Option(help="image, sentiment or forecast.")]
Dataset = Annotated[str | None, typer.Option(help="A dataset: espalier data list names them.")]
Profile = Annotated[str, typer.Option(help="A profile of params.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress to stderr.")]
