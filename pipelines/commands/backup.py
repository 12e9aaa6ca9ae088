"""The commands `backup` and `restore`: what a machine knows as one file, and back.

In the file are the databases, the artifacts, what is published, the clients' tokens, labels that
came back, the rows that were collected, the own datasets' entries and versions, and the DVC remote
where that is a folder. What lies on servers is left to their own tools, and named. Logs, the
request log, checkpoints and caches stay out.
"""

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data import declared
from data.dvc import remote as dvc_remote
from data.stored import COLLECTED
from pipelines.locks import state
from pipelines.promotion import ledger, reconcile
from pipelines.release import publish
from pipelines.runtime import console, disk, environment
from pipelines.runtime.settings import UsageError

FORMAT = 1  # of the file; a restore knows those up to its own
ABOUT = "backup.json"
# In the home; restored in this order: the state database, which says what happened, comes last.
FOLDERS = ("mlartifacts", "published", "labels")
FILES = ("tokens.json",)
DATABASES = ("mlflow.db", "espalier.db")
BEGUN = ".restore-begun"  # in the home, from the first file that is moved there to the last
OWN = ("entry.yaml", "dvc.lock")  # of each own dataset


class RestoreError(RuntimeError):
    """The file is no backup that can be restored here; the message says why and what to do."""


@dataclass(frozen=True)
class Backup:
    """What was written or restored.

    file: where. bytes: its size. champions: endpoint → model and version. datasets: the own ones.
    left_out: what a server holds, which its own tools back up.
    """

    file: str
    bytes: int
    champions: dict[str, str]
    datasets: list[str]
    left_out: list[str]


def backup(file: Path) -> Backup:
    """Write all that this machine knows into a new file, whole or not at all.

    Args:
        file: a tar archive; compressed where its name ends in .gz.

    Raises:
        UsageError: the file is there already, or its folder is not.
        LockHeldError: a command trains, decides or releases.
        DiskFullError: there is no room for it.
    """
    if file.exists():
        raise UsageError(f"{file} is there already: name another file, or remove it")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.absolute().parent}: make it, or name another")
    home, making = environment.home(), file.with_name(f".{file.name}.making")
    remote = dvc_remote.place()
    place = file.absolute().parent
    with (
        reconcile.standstill(),
        disk.writing(place),
        tempfile.TemporaryDirectory(dir=place) as scratch,
    ):
        about = {
            "format": FORMAT,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "home": str(home),
            "champions": _champions(publish.folder()),
            "datasets": declared.own(environment.ROOT),
            "left_out": _elsewhere(remote),
        }
        (Path(scratch) / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf-8")
        try:
            with tarfile.open(making, "w:gz" if file.suffix == ".gz" else "w") as archive:
                archive.add(Path(scratch) / ABOUT, ABOUT)
                for name in DATABASES:
                    if (home / name).exists():
                        archive.add(_copied(home / name, Path(scratch)), f"home/{name}")
                for path, name in _places(home, remote):
                    archive.add(path, name)
            making.replace(file)
        finally:
            making.unlink(missing_ok=True)
    return _outcome(file, about)


def restore(file: Path) -> Backup:
    """Bring back what a backup holds, into a home that knows nothing yet; repeatable.

    Raises:
        UsageError: the file is no backup, or a newer one.
        RestoreError: it is damaged, or of a home elsewhere, or there is something here already.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    home, root = environment.home(), environment.ROOT
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".restoring-") as scratch:
        there = Path(scratch)
        try:
            with tarfile.open(file) as archive:
                archive.extractall(there, filter="data")
            about = json.loads((there / ABOUT).read_text(encoding="utf-8"))
        except (tarfile.TarError, EOFError, FileNotFoundError, ValueError) as error:
            reason = str(error).partition(":\n")[0]  # not what each way of packing says
            raise UsageError(f"{file} is no backup that can be read: {reason}") from None
        _check(file, about, there)
        (home / BEGUN).touch()
        remote = dvc_remote.place()
        if remote and (there / "remote").exists():
            shutil.copytree(there / "remote", remote, dirs_exist_ok=True)
        if (there / "collected").exists():
            shutil.copytree(there / "collected", root / COLLECTED, dirs_exist_ok=True)
        for name in about["datasets"]:
            shutil.copytree(there / "own" / name, root / declared.OWN / name, dirs_exist_ok=True)
        for name in (*FOLDERS, *FILES, *DATABASES):
            if (there / "home" / name).exists():
                if (home / name).is_dir():  # of a restore that was killed
                    shutil.rmtree(home / name)
                (there / "home" / name).replace(home / name)
        (home / BEGUN).unlink()
    return _outcome(file, about)


def show(done: Backup, verb: str) -> None:
    """Print what is in the file."""
    console.line(verb, f"{done.bytes / 1e6:,.1f} MB, {done.file}")
    for endpoint, version in done.champions.items():
        console.line(endpoint, version)
    if done.datasets:
        console.line("own data", ", ".join(done.datasets))
    for server in done.left_out:
        console.line("left out", f"{server}: back it up with its own tools")


def _places(home: Path, remote: Path | None) -> Iterator[tuple[Path, str]]:
    """The files and folders that go in as they are, and their names in the archive."""
    for name in (*FOLDERS, *FILES):
        if (home / name).exists():
            yield home / name, f"home/{name}"
    for dataset in declared.own(environment.ROOT):
        for name in OWN:
            place = environment.ROOT / declared.OWN / dataset / name
            if place.exists():
                yield place, f"own/{dataset}/{name}"
    for part in sorted((environment.ROOT / COLLECTED).glob("*/*.parquet")):
        yield part, f"collected/{part.parent.name}/{part.name}"
    if remote and remote.exists():
        yield remote, "remote"


def _elsewhere(remote: Path | None) -> list[str]:
    """What this machine uses and cannot put into a file."""
    home, places = environment.home(), []
    store = os.environ[environment.MLFLOW].partition("?")[0]
    if store != f"sqlite:///{home / DATABASES[0]}":
        places.append(f"MLflow's store {store.rpartition('@')[2]}")
    if state.VARIABLE in os.environ:
        places.append(f"the state database {state.url().render_as_string(hide_password=True)}")
    if remote is None:
        places.append("the DVC remote")
    return places


def _copied(database: Path, scratch: Path) -> Path:
    """A copy of an SQLite database, made by SQLite: whole, whoever writes meanwhile."""
    copy = scratch / database.name
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def _check(file: Path, about: dict, there: Path) -> None:
    """Raise where the unpacked backup cannot be restored here."""
    home, root = environment.home(), environment.ROOT
    if about["format"] > FORMAT:
        raise UsageError(f"{file} is of a newer version (format {about['format']}): update first")
    if about["home"] != str(home):
        raise RestoreError(
            f"{file} is of {about['home']}, and MLflow's records name that path: set ESPALIER_HOME "
            "to it, here too"
        )
    if ledger.models() or ((home / DATABASES[0]).exists() and not (home / BEGUN).exists()):
        raise RestoreError(f"{home} knows of runs or champions already: restore into an empty home")
    for name in about["datasets"]:
        entry = root / declared.own_entry(name)
        if entry.exists() and entry.read_bytes() != (there / "own" / name / OWN[0]).read_bytes():
            raise RestoreError(f"{entry} declares another dataset {name}: move it away first")
    for name in DATABASES:
        database = there / "home" / name
        if database.exists() and (damage := state.damage(database)):
            raise RestoreError(f"{file} is damaged: {name}: {damage}")
    for endpoint in about["champions"]:
        if not publish.intact(endpoint, there / "home"):
            raise RestoreError(f"{file} is damaged: the champion of {endpoint} is not whole")


def _champions(published: Path) -> dict[str, str]:
    files = [path for path in sorted(published.glob("*.json")) if "." not in path.stem]
    pointers = {path.stem: publish.read_file(path) for path in files}
    return {name: f"{one.name}/{one.version}" for name, one in pointers.items() if one}


def _outcome(file: Path, about: dict) -> Backup:
    size = file.stat().st_size
    return Backup(str(file), size, about["champions"], about["datasets"], about["left_out"])
