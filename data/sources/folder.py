"""Your own pictures: class-named folders of JPEG, PNG or WebP files, or a ZIP of them."""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np

from data.errors import DataError
from data.sources import paths
from data.sources.conversion import label
from data.stored import Dataset

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
SPLIT = re.compile(r"(train|val|test|dev)(ing|id|idation)?([-_ ]?(set|data|images))?", re.I)
MOST_UNPACKED = 8 << 30  # bytes of a ZIP: all of them are held in memory


@dataclass
class Listing:
    """The pictures of a folder or a ZIP: (path, class) by split, and what is to be said of them."""

    splits: dict[str, list[tuple[PurePosixPath, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def rows(name: str, entry: dict) -> Dataset:
    """`image`: the bytes of each file as they are; `label`: its folder; `file`: its path.

    Whether a file is a picture, the gate will see.

    Raises:
        DataError: see `listed`; or a ZIP is not whole.
    """
    root = paths.local(entry["path"])
    listing = listed(root)
    splits = {}
    for split, files in listing.splits.items():
        columns: dict[str, list] = {
            "image": contents(root, [path for path, _ in files]),
            "label": [name for _, name in files],
            "file": [path.as_posix() for path, _ in files],
        }
        if entry.get("id"):
            columns["key"] = columns["file"]
        if pattern := entry.get("group"):
            columns["group"] = [_group(pattern, path) for path in columns["file"]]
        splits[split] = {key: np.array(values, dtype=object) for key, values in columns.items()}
    present = sorted({word for columns in splits.values() for word in columns["label"]})
    declared = [label(str(word)) for word in entry.get("labels", ())]
    return Dataset({"labels": declared or present, "notes": listing.notes}, splits)


def _group(pattern: str, path: str) -> str | None:
    """What the pattern finds in a path: its first part in parentheses, or all of it."""
    found = re.search(pattern, path)
    return found and found[1 if found.re.groups else 0]


def listed(root: Path) -> Listing:
    """What `root` holds, unread. A folder that is alone there is looked into.

    Folders of train, val and test, each of them with the classes, are splits: test is the official
    one, and the rows of train and val are taken together.

    Raises:
        DataError: there are no class folders; one of them is empty, a link, or holds a file that
            is not named like a picture; a name is not UTF-8 or leads out of a ZIP; or the splits
            hold other classes.
    """
    entries = dict(in_zip(root) if root.is_file() else paths.below(root))
    shown = {path: folder for path, folder in entries.items() if not paths.is_hidden(path)}
    files = sorted(path for path, folder in shown.items() if not folder)
    folders = sorted(path for path, folder in shown.items() if folder)
    base = _sole(PurePosixPath(), folders, files)
    inner = _children(folders, base)
    parts = [path for path in inner if SPLIT.fullmatch(path.name)]
    listing = Listing()
    if len(parts) < 2:
        listing.splits["rows"] = _by_class(root, base, folders, files)
    else:
        listing.splits, listing.notes = _by_split(root, parts, inner, folders, files)
    taken = {path for pictures in listing.splits.values() for path, _ in pictures}
    loose = [path.suffix.lower() in SUFFIXES for path in files if path not in taken]
    beside = [
        f"{count:,} {what}{'s' * (count > 1)}"
        for what, count in (("picture", sum(loose)), ("other file", loose.count(False)))
        if count
    ]
    if hidden := sum(not folder for folder in entries.values()) - len(files):
        files_were = "files were" if hidden > 1 else "file was"
        listing.notes.append(
            f"{hidden:,} hidden or system {files_were} left out: . or @ comes first, Thumbs.db, …"
        )
    if beside:
        listing.notes.append(f"left out beside the class folders: {' and '.join(beside)}")
    return listing


def _children(paths_: Iterable[PurePosixPath], parent: PurePosixPath) -> list[PurePosixPath]:
    return [path for path in paths_ if path.parent == parent]


def _sole(
    base: PurePosixPath, folders: list[PurePosixPath], files: list[PurePosixPath]
) -> PurePosixPath:
    """The folder in which the first division is: below `base` while there is one folder alone."""
    inner = _children(folders, base)
    while len(inner) == 1 and _children(folders, inner[0]) and not _children(files, inner[0]):
        base, inner = inner[0], _children(folders, inner[0])
    return base


def _by_class(
    root: Path, base: PurePosixPath, folders: list[PurePosixPath], files: list[PurePosixPath]
) -> list[tuple[PurePosixPath, str]]:
    """The pictures of the class folders in `base`: path and class."""
    classes = _children(folders, base)
    if not classes:
        raise DataError(f"{root / base} holds no folders: expected one of pictures for each class")
    below = [path for path in folders if path.parent in classes]
    if len(below) > len(classes) and all(SPLIT.fullmatch(path.name) for path in below):
        names = sorted({path.name for path in below})
        raise DataError(f"{root / base} has the splits {names} in its classes: put them around")
    _check_parts(root / base, classes, folders, files)
    pictures = [path for path in files if path.is_relative_to(base) and path.parent != base]
    for path in pictures:
        if path.suffix.lower() not in SUFFIXES:
            name = paths.shown(root / path)
            raise DataError(f"{name} is not a picture: allowed are {', '.join(SUFFIXES)}")
    depth = len(base.parts)
    if empty := set(classes) - {PurePosixPath(*path.parts[: depth + 1]) for path in pictures}:
        raise DataError(
            f"{paths.shown(root / min(empty))} holds no pictures: put some in, or remove it"
        )
    return [(path, label(path.parts[depth])) for path in pictures]


def _check_parts(
    root: Path,
    classes: list[PurePosixPath],
    folders: list[PurePosixPath],
    files: list[PurePosixPath],
) -> None:
    """Raise DataError where folders taken for classes hold the same folders and no pictures: they
    are splits or other parts, whatever they are called.
    """
    inside = {}
    for one in classes:
        deepest = _sole(one, folders, files)
        if len(inner := _children(folders, deepest)) > 1:
            inside[one.name] = {path.name for path in inner}, bool(_children(files, deepest))
    names = next(iter(inside.values()))[0] if inside else set()
    if len(inside) < 2 or any(other != (names, False) for other in inside.values()):
        return
    raise DataError(
        f"{root} holds {sorted(inside)}, each with the folders {sorted(names)}: if these are the"
        " classes, call those train, val and test, or put what they hold together; if those are"
        " the classes, put their pictures directly into them"
    )


def _by_split(
    root: Path,
    parts: list[PurePosixPath],
    inner: list[PurePosixPath],
    folders: list[PurePosixPath],
    files: list[PurePosixPath],
) -> tuple[dict[str, list[tuple[PurePosixPath, str]]], list[str]]:
    """The pictures of folders that are splits, and a note about them."""
    names = [path.name for path in parts]
    if others := sorted({path.name for path in inner} - set(names)):
        raise DataError(
            f"{root} holds the splits {names} and beside them {others}: move those away"
        )
    if any(not _children(folders, part) for part in parts):
        raise DataError(
            f"{root} holds {names}, which are splits and no classes: expected a folder of pictures"
            " for each class in each of them"
        )
    taken = {part.name: _by_class(root, part, folders, files) for part in parts}
    classes = {part: {name for _, name in pictures} for part, pictures in taken.items()}
    for part, present in classes.items():
        if differing := present ^ classes[names[0]]:
            raise DataError(f"{root}: {names[0]} and {part} differ by the classes {differing}")
    tests = [name for name in names if name.lower().startswith("test")]
    training = [name for name in names if name not in tests]
    if not any(name.lower().startswith("train") for name in training):
        raise DataError(f"{root} holds the splits {names}, expected one called train")
    joined = f"{' and '.join(training)} are read together, to be divided anew"
    rows = [row for name in training for row in taken[name]]
    if not tests:
        return {"rows": rows}, [joined]
    test = [row for name in tests for row in taken[name]]
    note = f"{tests[0]} is the official test split"
    return {"train": rows, "test": test}, [note, *([joined] if len(training) > 1 else [])]


def in_zip(path: Path) -> dict[PurePosixPath, bool]:
    """The names in a ZIP, as `paths.below` gives them."""
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise DataError(f"{path} is neither a folder nor a whole ZIP of one") from error
    if (total := sum(entry.file_size for entry in entries)) > MOST_UNPACKED:
        raise DataError(f"{path} unpacks to {total:,} bytes, at most {MOST_UNPACKED:,}: unpack it")
    found: dict[PurePosixPath, bool] = {}
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
            raise DataError(f"{path} holds {entry.filename!r}, expected names below it, with /")
        found |= dict.fromkeys(name.parents, True) | {name: entry.is_dir()}
    found.pop(PurePosixPath(), None)
    return found


def contents(root: Path, files: list[PurePosixPath]) -> list[bytes]:
    """The bytes of some files of a folder or a ZIP; raises DataError when it is not whole."""
    if root.is_dir():
        return [(root / path).read_bytes() for path in files]
    try:
        with ZipFile(root) as archive:
            names = {PurePosixPath(name): name for name in archive.namelist()}  # of ./a, and a//b
            return [archive.read(names[path]) for path in files]
    except (BadZipFile, RuntimeError, ValueError, KeyError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{root} cannot be unpacked: {error}") from error
