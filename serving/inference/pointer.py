"""The file `<slot>.json` that publishes a model: which artifact serves, and its scores."""

import json
import os
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

MAX_BYTES = 1 << 16


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("The artifact must be below the pointer's folder.")
    return path


class Described(BaseModel):
    """What the entry of a model's dataset says for people; each may be missing.

    about: one or two sentences. interval: seconds between two values of a series. value: the name
    of its column.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    about: str | None = None
    interval: int | None = None
    value: str | None = None


class Pointer(BaseModel):
    """The content of a pointer's file.

    artifact: its folder, as seen from the pointer's. metrics: what it scored on the test split.
    data: its dataset, in words. signature: of the artifact (`models.artifact.signature`). Older
    ones have none of these. share: of a challenger's, the percentage of requests that it answers.
    champion: the version that it challenges; None: whichever serves. until: when its trial is over,
    whoever looks; None: once somebody ends it.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    name: str
    version: str
    artifact: Annotated[str, AfterValidator(_inside)]
    manifest_sha256: str
    metrics: dict[str, float] | None = None
    data: Described | None = None
    signature: str | None = None
    share: Annotated[int, Field(ge=0, le=100)] | None = None
    champion: str | None = None
    until: AwareDatetime | None = None

    def to_json(self) -> str:
        """Return the content of its file."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"

    def write(self, path: Path) -> None:
        """Write its file in one step, so that nobody reads half of it."""
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            partial.write_text(self.to_json(), encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def read(path: Path) -> Pointer:
    """Return the pointer in a file; raises OSError or ValueError."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes; at most {MAX_BYTES} are allowed.")
    return Pointer.model_validate_json(path.read_bytes())
