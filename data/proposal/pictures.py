"""What own pictures are, as their names and some of their heads tell."""

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from data.entries import ExpectPictures
from data.errors import DataError
from data.prepare import LARGEST_COMMON, OTHERWISE
from data.sources import arrays, folder

LOOKED_AT = 200


def in_files(root: Path) -> tuple[list[dict[str, Any]], list[str], Counter[str]]:
    """Three rows of a folder or ZIP, what is to be said of it, and the rows of each class.

    Raises:
        DataError: there are no class folders, or see `data.sources.folder.listed`.
    """
    listing = folder.listed(root)
    pictures = [picture for split in listing.splits.values() for picture in split]
    if not pictures:
        raise DataError(f"{root} holds no pictures")
    spread = np.unique(np.linspace(0, len(pictures) - 1, LOOKED_AT).astype(int))
    contents = folder.contents(root, [pictures[number][0] for number in spread])
    sizes = [_size(content) for content in contents]
    shown = np.unique(np.linspace(0, len(spread) - 1, 3).astype(int))
    rows = [
        {
            "file": pictures[spread[number]][0].as_posix(),
            "label": pictures[spread[number]][1],
            "size": sizes[number] or "unreadable",
        }
        for number in shown
    ]
    counts = Counter(name for _, name in pictures)
    return rows, [_whole(counts), _sizes(sizes), *listing.notes, *_too_few(counts)], counts


def in_arrays(path: Path) -> tuple[list[dict[str, Any]], list[str], Counter[str]]:
    """The same of an .npz or of IDX files; raises DataError."""
    dataset = arrays.rows("", {"path": str(path)})
    sizes = {split: _size_of(columns["image"]) for split, columns in dataset.splits.items()}
    split, columns = next(iter(dataset.splits.items()))
    rows = [
        {"file": f"{path.name}, {number}", "label": name, "size": sizes[split]}
        for number, name in enumerate(columns["label"][:3])
    ]
    names = [name for columns in dataset.splits.values() for name in columns["label"]]
    counts = Counter(name for name in names if name is not None)
    are = f"all are {sizes[split]}"
    if len(set(sizes.values())) > 1:
        are = ", ".join(f"{split} is {size}" for split, size in sizes.items())
        are = f"the sizes differ: {are}"
    remarks = [_whole(counts), are, *dataset.facts["notes"]]
    if missing := names.count(None):
        remarks.append(f"{missing:,} more without a label")
    return rows, [*remarks, *_too_few(counts)], counts


def _size_of(images: np.ndarray) -> str:
    height, width = images.shape[1:3]
    return f"{width} x {height}"


def _whole(counts: Counter[str]) -> str:
    return f"{counts.total():,} picture{'s' * (counts.total() > 1)} of {counted(counts)}"


def _too_few(counts: Counter[str]) -> list[str]:
    """Why the gate will refuse them whatever they show."""
    least, remarks = ExpectPictures().rows, []
    if len(counts) < 2:
        remarks.append("the gate refuses a single class: put each class in a folder of its own")
    if counts.total() < least:
        remarks.append(f"the gate refuses fewer than {least} pictures: `expect: rows` says another")
    return remarks


def _size(content: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return f"{picture.width} x {picture.height}"
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None


def counted(classes: Mapping[str, int]) -> str:
    """`2 classes: pos 120, neg 110`; a long name is cut, and of many the commonest are named."""
    most = sorted(classes.items(), key=lambda item: -item[1])[:8]
    shown = ", ".join(f"{' '.join(name.split())[:30]} {count:,}" for name, count in most)
    classes_ = "classes" if len(classes) > 1 else "class"
    return f"{len(classes)} {classes_}: {shown}{', …' if len(classes) > 8 else ''}"


def _sizes(sizes: list[str | None]) -> str:
    known = {size for size in sizes if size}
    if not known:
        return f"none of the {len(sizes)} that were looked at can be read"
    seen = f"{OTHERWISE} x {OTHERWISE}"
    if len(known) == 1 and max(map(int, min(known).split(" x "))) <= LARGEST_COMMON:
        seen = min(known)
    are = f"all are {min(known)}" if len(known) == 1 else f"they have {len(known)} sizes"
    return f"{are}: models see them at {seen}, where `shape` says no other"
