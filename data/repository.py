"""The calls of DVC, each in a process of its own: python -m data.repository VERB ARGUMENT …

DVC keeps state in its process, and a `Repo` that is shared fails now and then; data/versions.py
starts this module once for each call. The last line of the output says what came of it.
"""

import json
import logging
import shutil
import sys
import tempfile
from itertools import chain
from pathlib import Path

from data import stage


def reproduce(name: str) -> None:
    """Ingest, validate and prepare dataset `name`, as far as something has changed.

    Exits with 3 when the gate refused; raises DvcException.
    """
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    with Repo(".") as repo:
        _set_aside_what_a_kill_left(repo)
        try:
            repo.reproduce([f"prepare@{name}"])
        except ReproductionError as error:
            if not isinstance(error.__cause__, StageCmdFailedError):
                sys.exit(f"{error}: {error.__cause__ or 'DVC gives no reason'}")
            # The stage has said why; its exit status is the end of DVC's sentence.
            refused = str(error.__cause__).endswith(f"exited with {stage.REFUSED}")
            sys.exit(stage.REFUSED if refused else stage.FAILED)


def _set_aside_what_a_kill_left(repo) -> None:
    """Move away a half-written dvc.lock or a dead process' lock table; DVC writes both anew."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    lock, table = Path("dvc.lock"), Path(".dvc/tmp/rwlock")
    try:
        Lockfile(repo, str(lock)).load()
    except DvcException:
        lock.rename(table.with_name("dvc.lock.unreadable"))
        print("dvc.lock was cut off by a kill: moved to .dvc/tmp, written anew")
    if table.exists() and not _is_held(table):
        table.unlink()


def _is_held(table: Path) -> bool:
    """Whether a process that DVC's lock table names still runs.

    DVC looks for the process' number alone, which a zombie keeps and another process may be given.
    """
    try:
        modes = json.loads(table.read_text(encoding="utf-8"))
    except ValueError:  # cut off by a kill
        return False
    holders = [*modes.get("write", {}).values(), *chain(*modes.get("read", {}).values())]
    return any(_runs(holder["pid"], table.stat().st_mtime) for holder in holders)


def _runs(pid: int, since: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.NoSuchProcess:
        return False


def outdated(*names: str) -> None:
    """Print which of the datasets `reproduce` would make anew, on one line."""
    from dvc.repo import Repo

    with Repo(".") as repo:
        print(*(n for n in names if repo.status([f"prepare@{n}"], with_deps=True)))


def push(name: str) -> None:
    """Send raw rows, report and prepared data of `name` to the remote, as far as it lacks them."""
    from dvc.repo import Repo

    with Repo(".") as repo:
        print(repo.push([f"prepare@{name}"], with_deps=True), "files pushed")


def fetch(dataset_hash: str, name: str, folder: str) -> None:
    """Take the prepared data of that hash from the remote into `folder`, by one rename.

    A repository of its own, that knows nothing but the hash, pulls it: neither the raw data nor
    the git revision that made it is needed.
    """
    from dvc.config import Config
    from dvc.exceptions import CheckoutError
    from dvc.repo import Repo

    config = Config(str(Path(".dvc").absolute()))
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    settings = {
        "core": config["core"] | {"no_scm": True, "site_cache_dir": str(scratch / ".dvc" / "site")},
        "remote": config["remote"],
        "cache": {"dir": config["cache"].get("dir") or str(Path(".dvc/cache").absolute())},
    }
    try:
        (scratch / ".dvc").mkdir()
        pointer = scratch / f"{name}.dvc"
        pointer.write_text(f"outs:\n- md5: {dataset_hash}\n  hash: md5\n  path: {name}\n")
        with Repo(str(scratch), config=settings) as repo:
            repo.pull([str(pointer)])
        (scratch / name).rename(target)
    except CheckoutError:
        where = ", ".join(remote["url"] for remote in config["remote"].values())
        sys.exit(f"the DVC remote {where} has no {dataset_hash} of {name}: push it first")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


VERBS = {verb.__name__: verb for verb in (reproduce, outdated, push, fetch)}


def main(verb: str, *arguments: str) -> None:
    """Run one verb, after those that run in this checkout; an error of DVC becomes one line."""
    stage.end_with_parent()
    from dvc.exceptions import DvcException
    from filelock import FileLock

    logging.getLogger("dvc").setLevel(logging.WARNING)  # the stages' own lines say enough

    Path(".dvc/tmp").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(".dvc/tmp/espalier.lock"):
            VERBS[verb](*arguments)
    except (DvcException, OSError) as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    main(*sys.argv[1:])
