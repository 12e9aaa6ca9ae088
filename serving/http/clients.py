"""The clients of this service: each has a name, a token, scopes, and perhaps a last day.

The token file holds SHA-256 digests: whoever reads it cannot ask. A token is 256 random bits, which
nobody guesses, so that a slow digest would protect nothing more. `espalier token` writes the file;
a running service reads it again within a second.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

POLL_SECONDS = 1
ALONE = "default"  # the client whose token ESPALIER_API_TOKEN holds

log = logging.getLogger("bentoml.espalier")


class Client(BaseModel, extra="forbid", frozen=True):
    """Who may ask.

    sha256: of its token. scopes: what it may ask for. expires: when the token ends; None: never.
    """

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: tuple[Literal["predict", "metrics", "feedback"], ...]
    expires: AwareDatetime | None = None

    def has_expired(self) -> bool:
        """Whether the token's time is over."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


class Document(BaseModel, extra="forbid"):
    """What the token file holds."""

    clients: tuple[Client, ...]


class Clients:
    """The clients that are known now. Without a file and a token the service is open.

    Args:
        file: The token file; one that is not there yet is taken in when it comes.
        token: The token of the client `default`, who may ask for everything; None: there is none.

    Raises:
        ValueError: The file is there and cannot be read.
    """

    def __init__(self, file: Path, token: str | None = None):
        self._file = file
        self._alone: tuple[Client, ...] = ()
        if token is not None:
            digest = hashlib.sha256(token.encode("ascii")).hexdigest()
            self._alone = (
                Client(name=ALONE, sha256=digest, scopes=("predict", "metrics", "feedback")),
            )
        self._stamp, self._complaint = _stamp(file), ""
        self._listed = read(file) if self._stamp else None
        self._next_look = time.monotonic() + POLL_SECONDS

    def __str__(self) -> str:
        if self.is_open():
            return f"Open to all who reach it: there is no {self._file}."
        names = [client.name for client in (*self._alone, *(self._listed or ()))]
        return f"Only clients are answered: {', '.join(names) or f'{self._file} lists none'}."

    def is_open(self) -> bool:
        """Whether everybody may ask."""
        self._look()
        return self._listed is None and not self._alone

    def find(self, token: bytes) -> Client | None:
        """Return the client whose token this is, expired or not.

        Each digest is compared, each in constant time: how long it takes says nothing of a guess.
        """
        digest, found = hashlib.sha256(token).hexdigest(), None
        for client in (*self._alone, *(self._listed or ())):
            if hmac.compare_digest(client.sha256, digest):
                found = client
        return found

    def _look(self) -> None:
        """Read a file that has changed; one that is gone or damaged lets the last one stand."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + POLL_SECONDS
        try:
            stamp = _stamp(self._file)
            if stamp == self._stamp or (stamp is None and self._listed is None):
                return
            self._listed, self._stamp, self._complaint = read(self._file), stamp, ""
        except ValueError as error:  # tried again: a client may have been removed
            self._listed = self._listed or ()  # what was open is closed: somebody meant it to be
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("The clients of before stay: %s", error)


def _stamp(file: Path) -> Sequence[int] | None:
    """What changes with a file; None where nothing is there. Raises ValueError."""
    try:
        status = file.stat()
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not file.is_symlink():
            return None
        raise ValueError(f"the token file {file} cannot be read ({error.strerror})") from None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read(file: Path) -> tuple[Client, ...]:
    """Return the clients that a token file lists.

    Raises:
        ValueError: It cannot be read, or does not hold what `espalier token` writes.
    """
    try:
        return Document.model_validate_json(file.read_bytes()).clients
    except OSError as error:
        raise ValueError(f"the token file {file} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(
            f"the token file {file} is not one that `espalier token` wrote: {place}: {first['msg']}"
        ) from None
