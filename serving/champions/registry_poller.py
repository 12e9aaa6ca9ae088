"""Poll a registry on another machine: a thread for the champion of each registered model, and one
for who is on trial beside it.

Every two seconds the thread asks which version the alias names. A new one is downloaded into a
staging folder and every byte is proven; then its artifact and a pointer are put where the slots
watch (`slots.py`), as `promote` does on the trainers' machine. While the registry is away, or the
champion that it has is damaged, all stays as it is. Nobody is on trial but a version that is whole.
"""

import fcntl
import hashlib
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel

from models.artifact import artifact
from models.artifact.signature import SignatureError, Trusted
from serving.champions import fallback
from serving.champions.registry_client import (
    CHALLENGER,
    CHAMPION,
    NOT_FOUND,
    NoVersion,
    Registry,
    RegistryError,
    Version,
)
from serving.http.metrics import counter
from serving.inference import pointer as pointers
from serving.inference.pointer import Pointer

POLL_SECONDS = 2
AWAY_SECONDS = 10  # between two polls of a registry that is away
REFUSED_SECONDS = 60  # until a damaged version is downloaded once more

# What a registered manifest that is no manifest of ours makes of reading it.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

log = logging.getLogger("bentoml.espalier")


class DamagedVersion(Exception):
    """A version that must not serve; the message says why."""


class RegistryPoller:
    """Keeps a pointer up to date with the version under an alias of a registered model.

    Args:
        registry: The MLflow server.
        slot: The slot's name; of a challenger, that of its pointer.
        name: The registered model.
        folder: Where the pointer `<slot>.json` and the artifacts are kept.
        trusted: Who must have signed a version; None: nobody.
        alias: champion, or challenger: its pointer is there while it is on trial.
    """

    def __init__(
        self,
        registry: Registry,
        slot: str,
        name: str,
        folder: Path,
        trusted: Trusted | None = None,
        alias: str = CHAMPION,
    ):
        self.alias = alias
        self.registry, self.slot, self.name, self.trusted = registry, slot, name, trusted
        self.pointer = folder / f"{slot}.json"
        self.artifacts = folder / slot
        self._proven: Version | None = None  # whose artifact this process has found whole
        self._refused: Version | None = None
        self._retry_at = 0.0  # when the refused one is downloaded once more
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        log.info("Following the %s of %s at %s", self.alias, self.name, self.registry.url)
        threading.Thread(target=self._run, name=f"follow {self.slot}", daemon=True).start()

    def stop(self) -> None:
        """End the thread; a download that runs is given up with the process."""
        self._stop.set()

    def poll(self) -> None:
        """Bring the pointer up to date; raises DamagedVersion, or what `Registry` raises."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        with _try_lock(self.artifacts / ".lock") as locked:
            if locked:
                version = None
                try:
                    version = self.registry.version(self.name, self.alias)
                except NoVersion:
                    if self.alias == CHAMPION:
                        raise
                if version and (self.alias == CHAMPION or version.trial):
                    self._follow(version)
                else:
                    self.pointer.unlink(missing_ok=True)

    def _run(self) -> None:
        wait, away, awaited = 0.0, False, False
        while not self._stop.wait(wait):
            wait = POLL_SECONDS
            try:
                self.poll()
                if away:
                    log.info("The %s of %s is followed again.", self.alias, self.name)
                away = awaited = False
            except NoVersion as error:  # the first one is to come, or the alias was taken away
                if not awaited:
                    log.info("%s It is asked again every %s s.", error, POLL_SECONDS)
                away, awaited = False, True
            except DamagedVersion as error:
                log.error("Refused %s from %s: %s", self.slot, self.registry.url, error)
                counter("espalier_model_refusals", "task").labels(self.slot).inc()
            except Exception as error:  # whatever it is, the next poll may succeed
                if not away:
                    named = f"The {self.alias} of {self.name}"
                    log.warning("%s cannot be followed for now: %s", named, _describe(error))
                wait, away = AWAY_SECONDS if away else POLL_SECONDS, True

    def _follow(self, version: Version) -> None:
        current = _read(self.pointer)
        if self.alias == CHALLENGER and current and current.version != version.number:
            self.pointer.unlink(missing_ok=True)  # its trial has ended
        if version == self._refused and time.monotonic() < self._retry_at:
            return
        try:
            _check_tags(version, self.trusted)
            pointer = Pointer(
                name=self.name,
                version=version.number,
                artifact=f"{self.slot}/{version.manifest_sha256}",
                manifest_sha256=version.manifest_sha256,
                signature=version.signature,
                **_terms(version) if self.alias == CHALLENGER else {},
            )
            current = _read(self.pointer)
            published = current and current.model_copy(update={"metrics": None}) == pointer
            if published and version == self._proven:
                return
            downloaded = self._place(version)
        except DamagedVersion:
            self._refused, self._retry_at = version, time.monotonic() + REFUSED_SECONDS
            if self.alias == CHALLENGER:  # a champion goes on, since somebody must answer
                self.pointer.unlink(missing_ok=True)
            raise
        if downloaded or not published:  # the slots read once more what they have refused
            metrics = self.registry.test_metrics(version)
            pointer.model_copy(update={"metrics": metrics}).write(self.pointer)
        self._proven = version

    def _place(self, version: Version) -> bool:
        """Have the version's artifact in its place, whole; returns whether it was downloaded."""
        target, staging = self.artifacts / version.manifest_sha256, self.artifacts / ".fetching"
        try:
            artifact.check(target, version.manifest_sha256)
            return False
        except (artifact.ArtifactError, OSError):
            self._remove_unused()
        staging.mkdir()
        try:
            self._download(version, staging)
            shutil.rmtree(target, ignore_errors=True)
            staging.replace(target)
        except (RegistryError, *MALFORMED) as error:
            if isinstance(error, RegistryError) and error.status not in NOT_FOUND:
                raise  # the server fails for now, and not the version
            raise DamagedVersion(f"version {version.number}: {_describe(error)}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return True

    def _remove_unused(self) -> None:
        """Remove what a kill has left, and every artifact that no pointer names any more."""
        kept = map(_read, [self.pointer, *fallback.paths(self.pointer)])
        used = {pointer.manifest_sha256 for pointer in kept if pointer}
        for folder in self.artifacts.iterdir():
            if folder.is_dir() and folder.name not in used:
                shutil.rmtree(folder)

    def _download(self, version: Version, folder: Path) -> None:
        """Download the files that the manifest names, once it is proven to be ours."""
        manifest = folder / artifact.MANIFEST
        self.registry.download(self.name, version, manifest, artifact.MAX_MANIFEST_BYTES)
        content = manifest.read_bytes()
        if hashlib.sha256(content).hexdigest() != version.manifest_sha256:
            raise ValueError("its manifest is not the one that was registered")
        files = json.loads(content)["files"]
        if strange := files.keys() - artifact.FILES:  # a name may lead out of the folder
            raise ValueError(f"its manifest names strange files: {sorted(strange)}")
        for name, entry in files.items():
            max_bytes = min(entry["bytes"], artifact.MAX_FILE_BYTES)
            self.registry.download(self.name, version, folder / name, max_bytes)
        artifact.check(folder, version.manifest_sha256)


def _check_tags(version: Version, trusted: Trusted | None) -> None:
    """Raise DamagedVersion for a version that may not serve, or that names no digest.

    Args:
        version: What the registry says of it; nothing of it was downloaded yet.
        trusted: Who must have signed it; None: nobody.
    """
    name = f"version {version.number}"
    if version.state != "ready":
        state = version.state or "unknown"
        raise DamagedVersion(f"{name} is {state}: its tag espalier.state is not ready")
    if not re.fullmatch(r"[0-9a-f]{64}", version.manifest_sha256):
        raise DamagedVersion(f"{name} has no tag with the sha256 of its manifest")
    if trusted is not None:
        try:
            trusted.check(version.signature, version.manifest_sha256)
        except SignatureError as error:
            raise DamagedVersion(f"{name}: {error}") from error


class Terms(BaseModel):
    """What the tag `espalier.trial_terms` says; that of an older trial is missing."""

    champion: str | None = None
    until: AwareDatetime | None = None


def _terms(version: Version) -> dict[str, Any]:
    """Return what a pointer says of a trial, by the version's tags; raises DamagedVersion."""
    try:
        terms = Terms.model_validate_json(version.terms or "{}")
    except ValueError as error:
        message = "its tag espalier.trial_terms is not what was written"
        raise DamagedVersion(f"version {version.number}: {message}") from error
    return {"share": _share(version)} | dict(terms)


def _share(version: Version) -> int:
    """Return the percentage of requests in a version's tag; raises DamagedVersion."""
    trial = version.trial or ""
    if not re.fullmatch(r"[0-9]{1,3}", trial, re.ASCII) or int(trial) > 100:
        message = f"its tag espalier.trial is {trial[:50]!r}, and no percentage"
        raise DamagedVersion(f"version {version.number}: {message}")
    return int(trial)


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Lock a file for the block, so that one of several workers or services with one home polls.

    Yields:
        Whether it is this process.
    """
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _read(path: Path) -> Pointer | None:
    """Return a pointer; None where there is none, or one that cannot be read."""
    try:
        return pointers.read(path)
    except (FileNotFoundError, ValueError):
        return None


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
