"""Your own pictures as arrays: an .npz like those of Keras, or the folder of IDX files."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.errors import DataError
from data.sources import conversion
from data.sources.paths import local
from data.stored import Columns, Dataset

SPLITS = ("train", "test")
PICTURES, LABELS = b"\0\0\x08\x03", b"\0\0\x08\x01"  # uint8, of three axes and of one


def rows(name: str, entry: dict) -> Dataset:
    """`image` uint8 (rows, height, width, 1 or 3), `label` str; official splits where there are.

    An .npz holds x and y, or x_train, y_train, x_test and y_test; x_val and y_val are rows of
    train. A folder holds pairs of IDX
    files, packed or not, called …images… and …labels…; one called train… and one called t10k… or
    test… are the official splits.

    Raises:
        DataError: there is no such array or file, or it is of another form.
    """
    path = local(entry["path"])
    pairs, notes = (_of_folder(path), []) if path.is_dir() else _of_npz(path)
    declared = [conversion.label(str(word)) for word in entry.get("labels", ())]
    splits = {
        split: _columns(x, y, f"{path}, {split}", declared) for split, (x, y) in pairs.items()
    }
    if "val" in splits:
        splits["train"] = _joined(splits["train"], splits.pop("val"), path)
    present = {word for columns in splits.values() for word in columns["label"]} - {None}
    in_order = sorted(present, key=lambda word: (len(word) if word.isdigit() else 0, word))
    return Dataset({"labels": declared or in_order, "notes": notes}, splits)


def _of_npz(path: Path) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], list[str]]:
    """Pictures and labels of each split, and notes."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = dict(arrays)
    except Exception as error:  # a torn one fails in zipfile, zlib, or NumPy's header
        raise DataError(
            f"{path} is not a whole .npz of plain arrays: write it with numpy.savez, without"
            " objects; of a pair of IDX files `path` names the folder"
        ) from error
    ends = {"rows": ""} | {split: f"_{split}" for split in (*SPLITS, "val")}
    taken = [split for split, end in ends.items() if {f"x{end}", f"y{end}"} <= set(held)]
    taken = ["rows"] if "rows" in taken else taken
    if taken != ["rows"] and not set(SPLITS) <= set(taken):
        raise DataError(
            f"{path} holds {sorted(held)}, expected x and y, or x_train, y_train, x_test and y_test"
        )
    pairs = {split: (held.pop(f"x{ends[split]}"), held.pop(f"y{ends[split]}")) for split in taken}
    notes = ["train and val are read together, to be divided anew"] if "val" in taken else []
    notes += [f"arrays that are not used: {', '.join(map(repr, sorted(held)))}"] if held else []
    return pairs, notes


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


def _columns(image: np.ndarray, number: np.ndarray, where: str, declared: list[str]) -> Columns:
    image = image[..., None] if image.ndim == 3 else image
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] not in (1, 3):
        raise DataError(
            f"pictures of {where} are {image.dtype} {image.shape}, expected uint8 of 0 to 255,"
            " (rows, height, width) or (rows, height, width, 1 or 3)"
        )
    if not image.size:
        raise DataError(f"{where} holds no pictures, {image.shape}: expected some, or no such part")
    is_one_each = number.size == len(image) and number.shape[:1] == (len(image),)
    if not is_one_each or number.dtype.kind not in "iuUb":
        raise DataError(
            f"labels of {where} are {number.dtype} {number.shape}, expected one number or name for"
            f" each of the {len(image):,} pictures"
        )
    words = pa.chunked_array([[str(word) for word in number.ravel()]])
    return {"image": image, "label": conversion.labels(words, "y", declared)}


def _joined(train: Columns, val: Columns, path: Path) -> Columns:
    """The rows of both; raises DataError where their pictures are of another size."""
    first, second = train["image"].shape[1:], val["image"].shape[1:]
    if first != second:
        raise DataError(f"{path}: pictures of train are {first} and of val {second}: make them one")
    return {name: np.concatenate([train[name], val[name]]) for name in train}
