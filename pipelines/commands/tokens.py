"""The command `token`: which clients a service answers, and what each may ask for.

It writes the token file, which `serving/http/clients.py` reads, and again whenever it changes. The
file holds SHA-256 digests: a token is shown once, to whoever issues it.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from pipelines.release import publish
from pipelines.runtime import console, environment, settings
from pipelines.runtime.settings import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = "default"  # the client that ESPALIER_API_TOKEN makes
Scope = Literal["predict", "metrics", "feedback"]
WAIT_SECONDS = 10
MOST_SECONDS = 3650 * 86400  # ten years


class Client(BaseModel, extra="forbid"):
    """Who may ask: the digest of the token, its scopes, and when it ends; None: never."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...]
    expires: AwareDatetime | None = None

    @property
    def expired(self) -> bool:
        """Whether the token's time is over."""
        return self.expires is not None and self.expires <= datetime.now(UTC)

    def to_dict(self) -> dict:
        """What a person may know of it."""
        return self.model_dump(mode="json", exclude={"sha256"}) | {"expired": self.expired}


class Document(BaseModel, extra="forbid"):
    """What the file holds."""

    clients: list[Client]


@dataclass(frozen=True)
class Issued:
    """A new client and its token, which nothing keeps."""

    client: Client
    token: str

    def to_dict(self) -> dict:
        """The outcome as JSON."""
        return self.client.to_dict() | {"token": self.token, "file": str(file())}


def file() -> Path:
    """The token file: ESPALIER_TOKENS, or tokens.json in the home."""
    return Path(os.environ.get("ESPALIER_TOKENS") or environment.home() / "tokens.json")


def add(name: str, scopes: Sequence[str], expires: str | None) -> Issued:
    """Issue a token; services take it within a second.

    Args:
        name: what the request log calls the client.
        scopes: predict, metrics, feedback.
        expires: how long it is good for, `90d` or `12h`; None: until it is removed.

    Raises:
        UsageError: a name, scope or duration that cannot be, or there is a client of that name.
    """
    if not NAME.fullmatch(name) or name == RESERVED:
        raise UsageError(
            f"a client cannot be called {name!r}: up to 64 letters, digits and . _ -, the first a "
            f"letter or digit, and not {RESERVED}"
        )
    for scope in scopes:
        settings.one_of("scope", scope, get_args(Scope))
    token = secrets.token_urlsafe(32)
    values = {
        "name": name,
        "sha256": hashlib.sha256(token.encode("ascii")).hexdigest(),
        "scopes": tuple(dict.fromkeys(scopes)),
        "expires": None if expires is None else _end(expires),
    }
    client = Client.model_validate(values)
    with _changing() as clients:
        if any(other.name == name for other in clients):
            raise UsageError(f"there is a client {name}: remove it first, or choose another name")
        clients.append(client)
    return Issued(client, token)


def listed() -> list[Client] | None:
    """The clients, by name; None where there is no file, and nobody needs one of its tokens."""
    clients = _read()
    return None if clients is None else sorted(clients, key=lambda client: client.name)


def remove(name: str) -> None:
    """Take a client's token back; services refuse it within a second. Raises UsageError."""
    with _changing() as clients:
        settings.one_of("client", name, [client.name for client in clients])
        clients[:] = [client for client in clients if client.name != name]


def show_issued(issued: Issued) -> None:
    """Print the token, alone on its line, and what it is good for."""
    client = issued.client
    console.line("token", f"of {client.name}: {', '.join(client.scopes)}, {_until(client)}")
    console.line("file", str(file()))
    console.answer(issued.token)


def show_listed(clients: Sequence[Client] | None) -> None:
    """Print one line a client."""
    if clients is None:
        console.out().print(f"there is no {file()}: a service asks for none of its tokens")
        return
    table = console.table("")
    for column in ("client", "scopes", "expires"):
        table.add_column(column, overflow="fold")
    for client in clients:
        table.add_row(client.name, ", ".join(client.scopes), _until(client))
    console.out().print(table)


def show_removed(name: str) -> None:
    """Print whose token is refused from now on."""
    console.out().print(f"the token of {name} is refused from now on", markup=False)


def _until(client: Client) -> str:
    if client.expires is None:
        return "until it is removed"
    return f"{'expired' if client.expired else 'until'} {client.expires:%Y-%m-%d %H:%M} UTC"


def _end(duration: str) -> datetime:
    seconds = settings.seconds_of(duration, "dh")
    if not seconds or seconds > MOST_SECONDS:
        raise UsageError(
            f"--expires is {duration!r}, expected days or hours, up to 3650d: 90d or 12h"
        )
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def _read() -> list[Client] | None:
    try:
        return Document.model_validate_json(file().read_bytes()).clients
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{file()} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise UsageError(
            f"{file()} is no list of clients: remove it, and issue the tokens anew"
        ) from None


@contextmanager
def _changing() -> Iterator[list[Client]]:
    """The clients, to be changed in the block; written at its end, if it ends well."""
    file().parent.mkdir(parents=True, exist_ok=True)
    # Beside the file, which several homes may share; and while the state database is away.
    with FileLock(f"{file()}.lock", timeout=WAIT_SECONDS):
        clients = _read() or []
        yield clients
        document = Document(clients=clients)
        publish.write_whole(file(), document.model_dump_json(indent=2) + "\n")
