"""Named versions of the data: made, compared, sent and fetched through DVC's command line."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from data import declared, stage, stored
from data.dvc import own, state
from data.errors import DataError, GateRefused
from data.prepared import PREPARED
from data.sources import paths
from data.stored import RAW

ROOT = Path(__file__).resolve().parents[1]
REMOVING = "Removing "  # how DVC begins the line of a file that `gc --dry` would remove
NAMED = re.compile(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)$", re.MULTILINE)  # in a lock, by DVC
POINTERS = ("*dvc.lock", "*.dvc")  # files of git's history that hold names


def reproduce(dataset: str) -> None:
    """Ingest, validate and prepare what has changed.

    Raises:
        GateRefused: the gate says no.
        DataError: a source is missing or truncated, the dataset is not declared, or DVC cannot go
            on; in the words of the stage that failed.
    """
    target = _target(dataset)
    check_source(dataset)
    _reproduce(target)


def adopt(dataset: str, raw: str) -> None:
    """Validate and prepare rows that another checkout has sent to the DVC remote, whatever the
    source here holds, and whether there is one.

    Args:
        dataset: a declared one.
        raw: DVC's name for the raw rows, as `raw_hash` gives it there.

    Raises:
        GateRefused: the gate says no.
        DataError: the remote does not give the rows, or DVC cannot go on.
    """
    target = _target(dataset)
    if raw_hash(dataset) != raw or not _holds(dataset, raw):
        place = ROOT / RAW / dataset
        fetched = fetch(raw, dataset, place.with_name(f".{dataset}.{raw}"))
        shutil.rmtree(place, ignore_errors=True)
        fetched.rename(place)
    _reproduce("--single-item", target.replace("prepare", "validate"), target)


def _holds(dataset: str, raw: str) -> bool:
    place = ROOT / RAW / dataset
    return place.is_dir() and stored.hash_of(place) == raw


def _reproduce(*arguments: str) -> None:
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        written = Path(folder) / "failure.json"
        done = _dvc("repro", *arguments, variables={stage.FAILURE: str(written)})
        if done.returncode == 0:
            return
        if not written.exists():
            raise DataError(_error(done))
        failure = json.loads(written.read_text(encoding="utf-8"))
    kind = GateRefused if failure["status"] == stage.REFUSED else DataError
    raise kind(failure["message"])


def check_source(dataset: str) -> None:
    """Raise DataError where the path of a dataset names nothing, or what DVC cannot watch."""
    path = ROOT / Path(declared.entry(dataset, ROOT)["path"]).expanduser()
    if not path.exists():
        file, _ = declared.place_of(dataset, ROOT)
        raise DataError(f"{path} is missing: `path:` of {dataset} in {file} names it")
    paths.check(path)


def lock_file(dataset: str) -> Path:
    """The lock that names the versions of a dataset, from the root; an own one has its own."""
    file, keys = declared.place_of(dataset, ROOT)
    return Path("dvc.lock") if keys else file.with_name("dvc.lock")


def dataset_hash(dataset: str) -> str | None:
    """DVC's name for the prepared data, `<md5>.dir` as in its lock; None before it was made."""
    return _locked(dataset, "prepare", "outs", f"{PREPARED}/{dataset}")


def source_hash(dataset: str) -> str | None:
    """DVC's name for the raw rows that the source here gave; None before it was read."""
    return _locked(dataset, "ingest", "outs", f"{RAW}/{dataset}")


def raw_hash(dataset: str) -> str | None:
    """DVC's name for the raw rows that the prepared data was made of; None before that."""
    return _locked(dataset, "prepare", "deps", f"{RAW}/{dataset}")


def _locked(dataset: str, stage_name: str, side: str, path: str) -> str | None:
    """What the lock has as the hash of a stage's output or dependency."""
    lock = lock_file(dataset)
    name = f"{stage_name}@{dataset}" if lock == Path("dvc.lock") else stage_name
    locked = state.stages(ROOT, ROOT / lock).get(name, {})
    return next((one["md5"] for one in locked.get(side, []) if one["path"] == path), None)


def commit_of(dataset_hash: str) -> str | None:
    """The first commit, on any branch, of a lock that names this hash; None without one or git."""
    locks = ("dvc.lock", f"{declared.OWN}/*/dvc.lock")
    try:
        found = _git("log", "--all", "--format=%H", f"-S{dataset_hash}", "--", *locks)
    except DataError:
        return None
    commits = found.split()  # newest first
    return commits[-1] if commits else None


def outdated(datasets: list[str]) -> list[str]:
    """The datasets of which a source, parameter, module or output has changed; reads only.

    Raises:
        DataError: one of them is not declared, or DVC cannot tell.
    """
    targets = [_target(dataset) for dataset in datasets]
    for dataset in datasets:
        check_source(dataset)
    changed = json.loads(_output("status", "--json", "--with-deps", *targets))
    # `ingest@NAME`, of an own dataset `data/own/NAME/dvc.yaml:ingest`
    names = {one.partition("@")[2] or Path(one.rpartition(":")[0]).parent.name for one in changed}
    return [dataset for dataset in datasets if dataset in names]


def push(dataset: str) -> None:
    """Send what the DVC remote lacks of raw rows, report and prepared data.

    May be repeated at any time, also after an interruption.

    Raises:
        DataError: the remote cannot be reached, or something to send is missing here.
    """
    done = _dvc("push", "--with-deps", _target(dataset))
    if done.returncode != 0:
        raise DataError(
            f"{dataset} cannot be sent to the DVC remote ({_remotes()}): {_error(done)}"
        )


def unused() -> list[Path]:
    """The files of DVC's cache that no lock of the checkout names; none of a cache elsewhere,
    which other checkouts may use. Raises DataError."""
    if not _cache().is_relative_to(ROOT):
        return []
    lines = _output("gc", "--workspace", "--force", "--dry").splitlines()
    return [Path(line.removeprefix(REMOVING)) for line in lines if line.startswith(REMOVING)]


def remove_unused() -> None:
    """Remove from DVC's cache what no lock of the checkout names; the remote keeps it."""
    _output("gc", "--workspace", "--force")


def unused_in_remote(needed: Iterable[str]) -> dict[str, int]:
    """The objects of the DVC remote that nobody known needs, and their bytes.

    Needed is what a lock of the checkout names, or named in any commit of its history, and
    `needed`. DVC keeps the lists of the needed folders in its cache: those that it cannot read
    stop it here, since what they list would go.

    Args:
        needed: names of prepared data, as `dataset_hash` gives them.

    Raises:
        DataError: the remote cannot be reached, or the checkout has only a part of its history.
    """
    lying = _remote_objects()
    if not lying:
        return {}
    with _keeping(needed, lying) as (collect, kept):
        lines = _output(*collect, "--dry").splitlines()
        cache = _cache() / "files" / "md5"
        lists = [name for name in kept if name.endswith(".dir")]
        if missing := [name for name in lists if not (cache / name[:2] / name[2:]).exists()]:
            raise DataError(f"the DVC remote ({_remotes()}) does not give {', '.join(missing)}")
    removed = {"".join(Path(line).parts[-2:]) for line in lines if line.startswith(REMOVING)}
    return {name: size for name, size in lying.items() if name in removed}


def remove_unused_in_remote(needed: Iterable[str]) -> None:
    """Remove what `unused_in_remote` finds, from DVC's cache too."""
    with _keeping(needed, _remote_objects()) as (collect, _):
        _output(*collect)


def fetch(dataset_hash: str, dataset: str, folder: Path) -> Path:
    """Take the prepared data with this hash from the DVC remote into `folder`.

    Neither raw data nor a matching git revision is needed: a repository of its own, that knows
    nothing but the hash, pulls it.

    Args:
        dataset_hash: DVC's name for the prepared data.
        dataset: its dataset.
        folder: appears whole or not at all; one that exists is taken as fetched, so name it by
            the hash.

    Returns:
        The folder.

    Raises:
        DataError: the remote cannot be reached, or does not hold the hash.
    """
    if not re.fullmatch(r"[0-9a-f]{32}\.dir", dataset_hash):
        raise DataError(
            f"dataset_hash is {dataset_hash!r}, expected 32 hexadecimal digits and .dir"
        )
    folder = folder.absolute()
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{dataset}.", dir=folder.parent))
    try:
        _write_repository(scratch, {dataset: dataset_hash}, _cache())
        done = _dvc("--cd", str(scratch), "pull")
        if done.returncode != 0:
            raise DataError(
                f"the DVC remote ({_remotes()}) does not give {dataset_hash} of {dataset}: push it "
                f"where it was made ({_error(done)})"
            )
        (scratch / dataset).rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def remote_folder() -> Path | None:
    """The folder that is the default DVC remote; None where it is no folder. Raises DataError."""
    url = _remote()[1]
    return Path(url) if url and "://" not in url else None


def check_remote() -> str:
    """The name and the address of the default remote; empty where there is none.

    To one that is no folder a few bytes are sent, other ones each day, and fetched again.

    Raises:
        DataError: it does not take or give them, or not within half a minute.
    """
    url = _remote()[1]
    if "://" not in url:
        return " ".join(_remote()).strip()
    content = f"{socket.gethostname()} {date.today()}\n"
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        scratch = Path(folder)
        _write_repository(scratch, {}, scratch / "cache")
        (scratch / "probe").write_text(content, encoding="utf-8")
        for step in ("add", "push", "pull"):
            if step == "pull":
                shutil.rmtree(scratch / "cache")
                (scratch / "probe").unlink()
            done = _dvc("--cd", folder, step, "probe" if step == "add" else "probe.dvc", seconds=30)
            if done.returncode != 0:
                raise DataError(f"{_remotes()}: {_error(done)}")
    return _remotes()


def _target(dataset: str) -> str:
    """The last stage of a dataset, as DVC's command line names it; the entries are checked.

    Raises:
        DataError: the dataset, or one that DVC reads with it, is not declared as it should be.
    """
    if dataset in declared.own(ROOT):
        own.write_stages(dataset, ROOT)
        return f"{declared.OWN}/{dataset}/dvc.yaml:prepare"
    declared.entry(dataset, ROOT)
    declared.check_neighbours(dataset, ROOT)
    return f"prepare@{dataset}"


def _remote() -> tuple[str, str]:
    """The name and the address of the default remote, both empty where there is none.

    From the settings: the table of `dvc remote list` is broken at the width of a terminal.
    """
    settings = {name: value for name, _, value in _settings()}
    name = settings.get("core.remote", "")
    return name, settings.get(f"remote.{name}.url", "")


def _settings() -> list[tuple[str, str, str]]:
    """DVC's settings of this checkout: name, sign and value of each."""
    return [line.partition("=") for line in _output("config", "--list").splitlines()]


def _remotes() -> str:
    return " ".join(_remote()).strip() or "none is set"


def _cache() -> Path:
    return Path(_output("cache", "dir").strip())


def _remote_objects() -> dict[str, int]:
    """The objects of the DVC remote by name, and their bytes; none where there is no remote yet."""
    from dvc.exceptions import URLMissingError
    from dvc.repo import Repo

    name, _ = _remote()
    if not name:
        return {}
    try:
        with Repo(str(ROOT)) as repo:
            found = repo.ls_url(f"remote://{name}", recursive=True, config=repo.config)
    except URLMissingError:
        return {}
    except Exception as error:  # each kind of remote has errors of its own
        raise DataError(f"the DVC remote ({_remotes()}) cannot be listed: {error}") from error
    return {"".join(Path(one["path"]).parts[-2:]): one["size"] for one in found}


@contextmanager
def _keeping(
    needed: Iterable[str], lying: Mapping[str, int]
) -> Iterator[tuple[list[str], list[str]]]:
    """DVC's arguments that collect in the remote and the cache what nobody known needs.

    A second project names what no lock of the checkout does: DVC's own `--all-commits` reads each
    commit anew, for minutes.

    Yields:
        The arguments, and the names in the remote that are kept so.
    """
    if _git("rev-parse", "--is-shallow-repository").strip() != "false":
        raise DataError(
            f"{ROOT} has only a part of its history, and older versions of data would go: "
            "git fetch --unshallow"
        )
    locks = [path.read_text(encoding="utf-8") for path in state.locks(ROOT) if path.exists()]
    history = _git("log", "--all", "--format=", "-p", "-m", "--no-ext-diff", "--", *POINTERS)
    kept = sorted({*NAMED.findall("\n".join([*locks, history])), *needed} & lying.keys())
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        _write_repository(Path(folder), {name: name for name in kept}, _cache())
        yield ["gc", "--workspace", "--cloud", "--force", "--projects", folder], kept


def _write_repository(folder: Path, pointers: Mapping[str, str], cache: Path) -> None:
    """A DVC repository without git, with the settings of this checkout.

    Args:
        folder: an empty one.
        pointers: a path in it → DVC's name for what shall lie there.
        cache: where its cache lies.
    """
    # Of one that stands twice the later counts: .dvc/config.local comes after .dvc/config.
    settings = {name: value for name, _, value in _settings()}
    settings |= {"core.no_scm": "true", "cache.dir": str(cache)}
    sections: dict[str, list[str]] = {}
    for name, value in settings.items():
        section, _, key = name.rpartition(".")
        kind, _, named = section.partition(".")
        title = f"['{kind} \"{named}\"']" if named else f"[{kind}]"
        sections.setdefault(title, []).append(f"{key} = {value}")
    (folder / ".dvc").mkdir()
    text = "\n".join(line for title, lines in sections.items() for line in (title, *lines))
    (folder / ".dvc" / "config").write_text(f"{text}\n", encoding="utf-8")
    for path, name in pointers.items():
        pointer = f"outs:\n- md5: {name}\n  hash: md5\n  path: {path}\n"
        (folder / f"{path}.dvc").write_text(pointer, encoding="utf-8")


def _git(*arguments: str) -> str:
    """The standard output of git in this checkout; raises DataError."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise DataError("git is not installed") from error
    if done.returncode != 0:
        raise DataError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _output(*arguments: str) -> str:
    """The standard output of a call that must go well; raises DataError."""
    done = _dvc(*arguments)
    if done.returncode != 0:
        raise DataError(_error(done))
    return done.stdout


def _dvc(
    *arguments: str, seconds: float | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One call; the `python` of the stages is the one that runs this. seconds: it may take."""
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "data.dvc.command", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ
            | {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
            | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {seconds:.0f} s")


def _error(done: subprocess.CompletedProcess[str]) -> str:
    """DVC's own last word on a call that failed."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    silent = f"DVC ended with status {done.returncode} and no message"
    return (errors or lines or [silent])[-1]
