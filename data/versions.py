"""Named versions of the data: made, compared, sent and fetched through DVC's command line."""

import json
import shutil
import tempfile
from pathlib import Path

from data import declared, stage, stored
from data.dvc import calls, own, remote, state
from data.errors import DataError, GateRefused
from data.prepared import PREPARED
from data.sources import paths
from data.stored import COLLECTED, RAW


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
        place = calls.ROOT / RAW / dataset
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{dataset}.", dir=place.parent) as scratch:
            fetched = remote.fetch(raw, dataset, Path(scratch) / dataset)
            if place.exists():
                shutil.rmtree(place)
            fetched.rename(place)
    _reproduce("--single-item", _target(dataset, "validate"), target)


def _holds(dataset: str, raw: str) -> bool:
    place = calls.ROOT / RAW / dataset
    return place.is_dir() and stored.hash_of(place) == raw


def _reproduce(*arguments: str) -> None:
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        written = Path(folder) / "failure.json"
        done = calls.dvc("repro", *arguments, variables={stage.FAILURE: str(written)})
        if done.returncode == 0:
            return
        if calls.is_full(done):
            remote.remove_unfinished()
        if not written.exists():
            raise DataError(calls.error(done))
        failure = json.loads(written.read_text(encoding="utf-8"))
    kind = GateRefused if failure["status"] == stage.REFUSED else DataError
    raise kind(failure["message"])


def check_source(dataset: str) -> None:
    """Raise DataError where the path of a dataset names nothing, or what DVC cannot watch."""
    path = calls.ROOT / Path(declared.entry(dataset, calls.ROOT)["path"]).expanduser()
    if not path.exists():
        file, _ = declared.place_of(dataset, calls.ROOT)
        raise DataError(f"{path} is missing: `path:` of {dataset} in {file} names it")
    paths.check(path)


def lock_file(dataset: str) -> Path:
    """The lock that names the versions of a dataset, from the root; an own one has its own."""
    file, keys = declared.place_of(dataset, calls.ROOT)
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
    locked = state.stages(calls.ROOT, calls.ROOT / lock).get(name, {})
    return next((one["md5"] for one in locked.get(side, []) if one["path"] == path), None)


def commit_of(dataset_hash: str) -> str | None:
    """The first commit, on any branch, of a lock that names this hash; None without one or git."""
    locks = ("dvc.lock", f"{declared.OWN}/*/dvc.lock")
    try:
        found = calls.git("log", "--all", "--format=%H", f"-S{dataset_hash}", "--", *locks)
    except DataError:
        return None
    commits = found.split()  # newest first
    return commits[-1] if commits else None


def source_changed(dataset: str) -> bool:
    """Whether the source, or what reads it, has changed since it was read; whatever lies in its
    place now. Raises DataError."""
    answer = json.loads(calls.output("status", "--json", _target(dataset, "ingest")))
    return any(kind != "changed outs" for stage in answer.values() for one in stage for kind in one)


def outdated(datasets: list[str]) -> list[str]:
    """The datasets of which a source, parameter, module or output has changed; reads only.

    Raises:
        DataError: one of them is not declared, or DVC cannot tell.
    """
    targets = [_target(dataset) for dataset in datasets]
    for dataset in datasets:
        check_source(dataset)
    changed = json.loads(calls.output("status", "--json", "--with-deps", *targets))
    # `ingest@NAME`, of an own dataset `data/own/NAME/dvc.yaml:ingest`
    names = {one.partition("@")[2] or Path(one.rpartition(":")[0]).parent.name for one in changed}
    return [dataset for dataset in datasets if dataset in names]


def push(dataset: str) -> None:
    """Send what the DVC remote lacks of raw rows, report and prepared data.

    May be repeated at any time, also after an interruption.

    Raises:
        DataError: the remote cannot be reached, or something to send is missing here.
    """
    done = calls.dvc("push", "--with-deps", _target(dataset))
    if done.returncode != 0:
        if calls.is_full(done):
            remote.remove_unfinished()
        cause = f"the DVC remote ({remote.described()}): {calls.error(done)}"
        raise DataError(f"{dataset} cannot be sent to {cause}")


def _target(dataset: str, stage_name: str = "prepare") -> str:
    """A stage of a dataset, as DVC's command line names it; the entries are checked.

    Raises:
        DataError: the dataset, or one that DVC reads with it, is not declared as it should be.
    """
    (calls.ROOT / COLLECTED / dataset).mkdir(parents=True, exist_ok=True)  # DVC watches it
    if dataset in declared.own(calls.ROOT):
        own.write_stages(dataset, calls.ROOT)
        return f"{declared.OWN}/{dataset}/dvc.yaml:{stage_name}"
    declared.entry(dataset, calls.ROOT)
    declared.check_neighbours(dataset, calls.ROOT)
    return f"{stage_name}@{dataset}"
