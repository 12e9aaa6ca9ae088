"""Commands for who may ask a service: espalier token …"""

from typing import Annotated

import typer

from pipelines.cli import invocation
from pipelines.cli.arguments import Json

app = typer.Typer(no_args_is_help=True, help="Issue, list and remove the tokens of clients.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the request log calls the client.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="predict (alone by default), metrics, feedback; repeatable."),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="How long it is good for: 90d, 12h.")] = None,
    as_json: Json = False,
) -> None:
    """Issue a token and print it, this once. From the first one on services ask for a token.

    Example: espalier token add shop --expires 90d
    """
    from pipelines.commands import tokens as step

    invocation.begin("token-add", as_json)
    issued = step.add(name, scope or ["predict"], expires)
    invocation.end(as_json, issued.to_dict(), lambda: step.show_issued(issued))


@app.command("list")
def listed(as_json: Json = False) -> None:
    """Name the clients, what each may ask for, and when its token ends.

    Example: espalier token list --json
    """
    from pipelines.commands import tokens as step

    invocation.begin("token-list", as_json)
    clients = step.listed()
    rows = [client.to_dict() for client in clients or []]
    invocation.end(as_json, {"clients": rows}, lambda: step.show_listed(clients))


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A client.")], as_json: Json = False) -> None:
    """Take a client's token back; running services refuse it within a second.

    Example: espalier token remove shop
    """
    from pipelines.commands import tokens as step

    invocation.begin("token-remove", as_json)
    step.remove(name)
    invocation.end(as_json, {"client": name}, lambda: step.show_removed(name))
