"""The DVC remote and DVC's cache: what is fetched from them by its hash, and what nobody needs."""

import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from data.dvc import calls, state
from data.errors import DataError

REMOVING = "Removing "  # how DVC begins the line of a file that `gc --dry` would remove
NAMED = re.compile(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)$", re.MULTILINE)  # in a lock, by DVC
LISTED = re.compile(r"\s*([\d.]+)([a-zA-Z]?)  (.+)")  # size, its unit, path: by `dvc list-url`
UNITS = ("", "k", "M", "G", "T", "P")  # each 1,024 of the one before
STORES = (".dvc/cache", ".espalier/dvc-remote")  # in a checkout, where nobody says otherwise
POINTERS = ("*dvc.lock", "*.dvc")  # files of git's history that hold names


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
        done = calls.dvc("--cd", str(scratch), "pull")
        if done.returncode != 0:
            raise DataError(
                f"the DVC remote ({described()}) does not give {dataset_hash} of {dataset}: push "
                f"it where it was made ({calls.error(done)})"
            )
        (scratch / dataset).rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def place() -> Path | None:
    """The folder that is the default DVC remote; None where it is no folder. Raises DataError."""
    url = _remote()[1]
    return Path(url) if url and "://" not in url else None


def check() -> str:
    """The name and the address of the default remote; empty where there is none.

    To one that is no folder a few bytes are sent, other ones each day, and fetched again.

    Raises:
        DataError: it does not take or give them, or not within half a minute.
    """
    name, url = _remote()
    if "://" not in url:
        return f"{name} {url}".strip()
    content = f"{socket.gethostname()} {date.today()}\n"
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        scratch = Path(folder)
        _write_repository(scratch, {}, scratch / "cache")
        (scratch / "probe").write_text(content, encoding="utf-8")
        for step in (["add", "probe"], ["push"], ["pull"]):
            if step == ["pull"]:
                shutil.rmtree(scratch / "cache")
                (scratch / "probe").unlink()
            done = calls.dvc("--cd", folder, *step, seconds=30)
            if done.returncode != 0:
                raise DataError(f"{name} {url}: {calls.error(done)}")
    return f"{name} {url}"


def remove_unfinished() -> None:
    """Remove what DVC could not write whole, of the cache and the remote that lie in the checkout
    where nobody says otherwise: other checkouts may be writing to those elsewhere."""
    # Without DVC, which finds no room for its own files where the checkout lies on that disk.
    state.remove_unfinished(calls.ROOT, *(calls.ROOT / store for store in STORES))


def unused_in_cache() -> list[Path]:
    """The files of DVC's cache that no lock of the checkout names; none of a cache elsewhere,
    which other checkouts may use. Raises DataError."""
    if not _cache().is_relative_to(calls.ROOT):
        return []
    lines = calls.output("gc", "--workspace", "--force", "--dry").splitlines()
    return [Path(line.removeprefix(REMOVING)) for line in lines if line.startswith(REMOVING)]


def remove_unused_in_cache() -> None:
    """Remove from DVC's cache what no lock of the checkout names; the remote keeps it."""
    calls.output("gc", "--workspace", "--force")


def unused(needed: Iterable[str]) -> dict[str, int]:
    """The objects of the DVC remote that nobody known needs, and their bytes.

    Needed is what a lock of the checkout names, or named in any commit of its history, and
    `needed`. DVC keeps the lists of the needed folders in its cache: those that it cannot read
    stop it here, since what they list would go.

    Args:
        needed: names of prepared data, as `dataset_hash` gives them.

    Raises:
        DataError: the remote cannot be reached, or the checkout has only a part of its history.
    """
    lying = _objects()
    if not lying:
        return {}
    with _keeping(needed, lying) as (collect, kept):
        lines = calls.output(*collect, "--dry").splitlines()
        cache = _cache() / "files" / "md5"
        lists = [name for name in kept if name.endswith(".dir")]
        if missing := [name for name in lists if not (cache / name[:2] / name[2:]).exists()]:
            raise DataError(f"the DVC remote ({described()}) does not give {', '.join(missing)}")
    removed = {"".join(Path(line).parts[-2:]) for line in lines if line.startswith(REMOVING)}
    return {name: size for name, size in lying.items() if name in removed}


def remove_unused(needed: Iterable[str]) -> None:
    """Remove what `unused` finds, from DVC's cache too."""
    with _keeping(needed, _objects()) as (collect, _):
        calls.output(*collect)


def _objects() -> dict[str, int]:
    """The objects of the DVC remote by name, and their bytes, as DVC rounds them; none where there
    is no remote yet."""
    name, _ = _remote()
    if not name:
        return {}
    place = f"remote://{name}"
    done = calls.dvc("list-url", "--recursive", "--size", place)
    if f"{place}' does not exist" in done.stderr:
        return {}
    if done.returncode != 0:
        raise DataError(f"the DVC remote ({described()}) cannot be listed: {calls.error(done)}")
    objects = {}
    for number, unit, path in LISTED.findall(done.stdout):
        size = round(float(number) * 1024 ** UNITS.index(unit))
        objects["".join(Path(path).parts[-2:])] = size
    return objects


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
    if calls.git("rev-parse", "--is-shallow-repository").strip() != "false":
        raise DataError(
            f"{calls.ROOT} has only a part of its history, and older versions of data would go: "
            "git fetch --unshallow"
        )
    locks = [path.read_text(encoding="utf-8") for path in state.locks(calls.ROOT) if path.exists()]
    history = calls.git("log", "--all", "--format=", "-p", "-m", "--no-ext-diff", "--", *POINTERS)
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
    settings = calls.settings() | {"core.no_scm": "true", "cache.dir": str(cache)}
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


def _cache() -> Path:
    return Path(calls.output("cache", "dir").strip())


def described() -> str:
    return " ".join(_remote()).strip() or "none is set"


def _remote() -> tuple[str, str]:
    """The name and the address of the default remote, both empty where there is none.

    From the settings: the table of `dvc remote list` is broken at the width of a terminal.
    """
    settings = calls.settings()
    name = settings.get("core.remote", "")
    return name, settings.get(f"remote.{name}.url", "")
