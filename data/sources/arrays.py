"""Your own pictures as arrays: an .npz like those of Keras, or the folder of IDX files."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.sources.conversion import label
from data.sources.paths import local
from data.stored import Columns, Dataset

SPLITS = ("train", "test")
PICTURES, LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"  # uint8, of three axes and of one


def rows(name: str, entry: dict) -> Dataset:
    """`image` uint8 (rows, height, width, 1 or 3), `label` str; official splits where there are.

    An .npz holds x and y, or x_train, y_train, x_test and y_test. A folder holds pairs of IDX
    files, packed or not, called …images… and …labels…; one called train… and one called t10k… or
    test… are the official splits.

    Raises:
        DataError: there is no such array or file, or it is of another form.
    """
    path = local(entry["path"])
    pairs = _of_folder(path) if path.is_dir() else _of_npz(path)
    splits = {split: _columns(x, y, f"{path}, {split}") for split, (x, y) in pairs.items()}
    present = {word for columns in splits.values() for word in columns["label"]}
    declared = [label(str(word)) for word in entry.get("labels", ())]
    in_order = sorted(present, key=lambda word: (len(word) if word.isdigit() else 0, word))
    return Dataset({"labels": declared or in_order, "notes": []}, splits)


def _of_npz(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = dict(arrays)
    except Exception as error:  # a torn one fails in zipfile, zlib, or NumPy's header
        raise DataError(
            f"{path} is not a whole .npz of plain arrays: write it with numpy.savez, without"
            " objects; of a pair of IDX files `path` names the folder"
        ) from error
    if {"x", "y"} <= set(held):
        return {"rows": (held["x"], held["y"])}
    if {f"{part}_{split}" for part in "xy" for split in SPLITS} <= set(held):
        return {split: (held[f"x_{split}"], held[f"y_{split}"]) for split in SPLITS}
    raise DataError(
        f"{path} holds {sorted(held)}, expected x and y, or x_train, y_train, x_test and y_test"
    )


def _of_folder(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    pictures = [path for path in sorted(folder.iterdir()) if "images" in path.name]
    pairs = {}
    for path in pictures:
        name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
        first = path.name.split("images")[0].rstrip("-_. ").lower()
        split = {"train": "train", "t10k": "test", "test": "test"}.get(first, "rows")
        if split in pairs:
            raise DataError(f"{folder} holds several pairs of IDX files: put each in a folder")
        packed = folder / f"{name}.gz"
        partner = packed if packed.is_file() else folder / name
        pairs[split] = (_idx(path, PICTURES, 3), _idx(partner, LABELS, 1))
    if set(pairs) in ({"train"}, {"test"}):
        return {"rows": next(iter(pairs.values()))}
    if set(pairs) not in ({"rows"}, set(SPLITS)):
        raise DataError(
            f"{folder} holds {sorted(path.name for path in pictures)}, expected a pair of IDX files"
            " called …images… and …labels…, or one for train and one for t10k"
        )
    return pairs


def _idx(path: Path, magic: bytes, axes: int) -> np.ndarray:
    """uint8 of so many axes."""
    if not path.is_file():
        raise DataError(f"{path} is missing: pictures and labels lie side by side")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not whole: {error}") from error
    shape = np.frombuffer(content[4 : 4 + 4 * axes], ">u4")
    values = np.frombuffer(content, np.uint8)[4 + 4 * axes :]
    if not content.startswith(magic) or len(shape) < axes or len(values) != shape.prod(dtype=int):
        raise DataError(f"{path} is not a whole IDX file of uint8 with {axes} axes")
    return values.reshape(shape)


def _columns(image: np.ndarray, number: np.ndarray, where: str) -> Columns:
    image = image[..., None] if image.ndim == 3 else image
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] not in (1, 3):
        raise DataError(
            f"pictures of {where} are {image.dtype} {image.shape}, expected uint8 of 0 to 255,"
            " (rows, height, width) or (rows, height, width, 1 or 3)"
        )
    number = number.reshape(len(number), -1)
    if number.shape != (len(image), 1) or number.dtype.kind not in "iuUb":
        raise DataError(
            f"labels of {where} are {number.dtype} {number.shape}, expected one number or name for"
            f" each of the {len(image):,} pictures"
        )
    words = [label(str(word)) for word in number[:, 0]]
    return {"image": image, "label": np.array(words, dtype=object)}
