"""Named versions of the data: made, compared, sent and fetched through DVC, one call at a time.

Each call is a process of its own (data/repository.py), which waits for the others of this checkout
and ends with the process that made the call, however that ends.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data import declared, report, stage
from data.errors import DataError, GateRefused

ROOT = Path(__file__).resolve().parents[1]


def reproduce(dataset: str, on_line: Callable[[str], None] | None = None) -> None:
    """Ingest, validate and prepare what has changed; `on_line` is given each line of output.

    Raises GateRefused, carrying the report, when the gate says no; DataError, in the stage's own
    words, when a source is missing or truncated, the dataset unknown, or DVC cannot go on.
    """
    declared.entry(dataset, ROOT)
    status, lines = _dvc("reproduce", dataset, on_line=on_line)
    if status == stage.REFUSED:
        refused = report.read(dataset, ROOT)
        raise GateRefused(refused, report.text(refused))
    _succeeded(status, lines)


def dataset_hash(dataset: str) -> str | None:
    """DVC's name for the prepared data, `<md5>.dir` as in dvc.lock; None before it was made."""
    import yaml

    lock = ROOT / "dvc.lock"
    if not lock.is_file():
        return None
    stages = yaml.load(lock.read_text(encoding="utf-8"), _loader()).get("stages", {})
    prepared = stages.get(f"prepare@{dataset}")
    return prepared["outs"][0]["md5"] if prepared else None


def lock_is_whole() -> bool:
    """Whether dvc.lock can be read, where there is one."""
    import yaml

    try:
        dataset_hash("")
    except yaml.YAMLError:
        return False
    return True


def commit_of(dataset_hash: str) -> str | None:
    """The first commit, on any branch, whose dvc.lock names this hash; None without one or git."""
    log = ["git", "-C", str(ROOT), "log", "--all", "--format=%H", f"-S{dataset_hash}"]
    try:
        found = subprocess.run([*log, "--", "dvc.lock"], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    commits = found.stdout.split()  # newest first; the last word is none where git has failed
    return commits[-1] if found.returncode == 0 and commits else None


def hash_of(folder: Path) -> str:
    """DVC's name for what lies in a folder, `<md5>.dir`: that of the list of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [
        {"md5": _md5(path.read_bytes()), "relpath": path.relative_to(folder).as_posix()}
        for path in files
    ]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def up_to_date(datasets: list[str]) -> bool:
    """True when `reproduce` would find nothing to do for any of the datasets."""
    return not outdated(datasets)


def outdated(datasets: list[str]) -> list[str]:
    """The datasets of which a source, parameter, module or output has changed; reads only.

    Raises DataError when one of them is not declared.
    """
    for dataset in datasets:
        declared.entry(dataset, ROOT)
    return _succeeded(*_dvc("outdated", *datasets)).split()


def push(dataset: str) -> None:
    """Send what the DVC remote lacks of raw rows, report and prepared data.

    May be repeated at any time, also after an interruption. Raises DataError.
    """
    declared.entry(dataset, ROOT)
    _succeeded(*_dvc("push", dataset))


def fetch(dataset_hash: str, dataset: str, folder: Path) -> Path:
    """Take the prepared data with this hash from the DVC remote into `folder`, and return it.

    Neither raw data nor a matching git revision is needed. `folder` appears whole or not at all;
    one that is there already is taken as fetched, so name it by the hash. Raises DataError.
    """
    if not re.fullmatch(r"[0-9a-f]{32}\.dir", dataset_hash):
        raise DataError(
            f"dataset_hash is {dataset_hash!r}, expected 32 hexadecimal digits and .dir"
        )
    folder = folder.absolute()
    if not folder.exists():
        _succeeded(*_dvc("fetch", dataset_hash, dataset, str(folder)))
    return folder


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _dvc(
    verb: str, *arguments: str, on_line: Callable[[str], None] | None = None
) -> tuple[int, list[str]]:
    """One call: its exit status and its lines of output."""
    with _started(verb, *arguments) as process:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if on_line:
                on_line(lines[-1])
    return process.returncode, lines


@contextmanager
def _started(verb: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """The process of a call; the `python` of the stages is the one that runs this."""
    tools = str(Path(sys.executable).parent)
    path = os.pathsep.join([tools, os.environ.get("PATH", os.defpath)])
    process = subprocess.Popen(
        [sys.executable, "-m", "data.repository", verb, *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _succeeded(status: int, lines: list[str]) -> str:
    """The last line of a call that went well; raises DataError with that of one that did not."""
    last = lines[-1] if lines else ""
    if status != 0:
        raise DataError(last or f"the DVC process ended with status {status} and no word")
    return last


def _loader():
    """libyaml's safe loader where it is built in: ten times as fast."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
