"""What is expected of pictures: whole, of the declared shape, not blank, balanced, few doubles."""

import io

import numpy as np
import pandas as pd
from great_expectations.expectations import Expectation
from PIL import Image

from data.classes import digests
from data.entries import ExpectPictures
from data.stored import Dataset
from data.suites.classes import belonging, classes, labelled
from data.suites.splits import of_classes
from data.suites.table import Table, allow, at_least, between, expect, filled, percent

FORMATS = ("JPEG", "PNG", "WEBP")
# What a request may have, in models/inputs/images.py.
MOST_PIXELS, MOST_WEBP_PIXELS, LONGEST_SIDE = 16_000_000, 8_300_000, 65_535
STATISTICS = ["pixel_type", "height", "width", "channels", "mean", "spread", "brightest"]


def suite(raw: Dataset, entry: dict) -> list[Table]:
    """The tables `pictures`, with statistics instead of pixels, and `classes`."""
    frame, limits = statistics(raw), ExpectPictures(**entry.get("expect", {}))
    label, labels = frame["label"].to_numpy(), raw.facts["labels"]
    arrays = all(split["image"].dtype == np.uint8 for split in raw.splits.values())
    shape = entry.get("shape") if arrays else None  # files are brought to it when they are read
    expectations = [
        at_least(limits.rows, "pictures", len(frame)),
        *visible(limits),
        *scaled(arrays),
        *shaped(shape),
        *labelled(label, labels, limits, "pictures"),
        *belonging(frame, "pictures"),
    ]
    key = [name for name in ("id", "file") if name in frame]
    return [
        Table("pictures", frame, key, expectations),
        classes(label, labels, limits, entry),
        of_classes(frame, labels, len(raw.splits.get("test", {}).get("label", ()))),
    ]


def statistics(raw: Dataset) -> pd.DataFrame:
    """One row for each picture: id, label, pixel_type, height, width, channels, mean, spread,
    brightest, digest, labels_of_digest; and file, where there are files. Numbers of a picture that
    cannot be read are missing. Those of an official test split come last.
    """
    splits = [raw.splits[name] for name in sorted(raw.splits, key="test".__eq__)]
    columns = {
        name: np.concatenate([split[name] for split in splits])
        for name in splits[0]
        if name != "image"
    }
    pictures = [picture for split in splits for picture in split["image"]]
    measured = pd.DataFrame([_measure(picture) for picture in pictures], columns=STATISTICS)
    frame = pd.DataFrame(columns).join(measured)
    frame["digest"] = digests(pictures)
    frame["labels_of_digest"] = frame.groupby("digest")["label"].transform("nunique")
    return frame


def _measure(picture: np.ndarray | bytes) -> tuple:
    """STATISTICS of one picture: uint8 (height, width, channels), or the bytes of its file."""
    pixels = _decode(picture) if isinstance(picture, bytes) else picture
    if pixels is None:
        return (None,) * len(STATISTICS)
    return str(pixels.dtype), *pixels.shape, pixels.mean(), pixels.std(), float(pixels.max())


def _decode(encoded: bytes) -> np.ndarray | None:
    """Pixels of a JPEG, PNG or WebP, (height, width, channels); None for what no model can read."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            animated = picture.format in ("PNG", "WEBP") and getattr(picture, "n_frames", 1) > 1
            most = MOST_WEBP_PIXELS if picture.format == "WEBP" else MOST_PIXELS
            large = picture.width * picture.height > most or max(picture.size) > LONGEST_SIDE
            if animated or large:
                return None
            pixels = np.asarray(_flat(picture, depth=encoded[24]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return pixels.reshape(*pixels.shape[:2], -1)


def _flat(picture: Image.Image, depth: int) -> Image.Image:
    """A picture in grey or colour as a model gets it (models/inputs/images.py): the upper 8 of 16
    bits, over white where it is transparent. depth: bits of a PNG's shade.
    """
    shade = picture.info.get("transparency")
    mode = "L" if picture.mode in ("1", "L", "LA") or picture.mode.startswith("I") else "RGB"
    if picture.mode.startswith("I"):
        deep = np.asarray(picture)
        picture = Image.fromarray(np.where(deep == shade, 255, deep >> 8).astype(np.uint8))
    elif picture.mode == "L" and depth in (2, 4) and shade is not None:
        picture.info["transparency"] = shade * (255 // (2**depth - 1))
    elif picture.mode == "RGB" and depth == 16 and shade is not None:
        picture.info["transparency"] = tuple(value >> 8 for value in shade)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGB", layer.size, "white")
        picture.paste(layer, mask=layer)
    return picture.convert(mode)


def visible(limits: ExpectPictures) -> list[Expectation]:
    """Every row is a picture on which something is to be seen."""
    whole = (
        f"each file is a whole {', '.join(FORMATS)} of one frame and at most {MOST_PIXELS:,} "
        f"pixels, {MOST_WEBP_PIXELS:,} of WebP"
    )
    scale = "pixels are whole, 0 to 255"
    few = f"at most {percent(limits.blank)} of the pictures are of one shade all over"
    blank = few if limits.blank else "no picture is of one shade all over"
    return [
        filled("pixel_type", whole),
        expect("ColumnValuesToBeInSet", scale, column="pixel_type", value_set=["uint8"]),
        between("spread", blank, low=0.5, mostly=1 - limits.blank, remedy=allow("blank")),
    ]


def scaled(arrays: bool) -> list[Expectation]:
    """The scale is 0 to 255. Arrays on another are a mistake of their source; files are as some
    camera made them, a dark one of 12 bits in 16 too.
    """
    done = "" if arrays else "a model gets the pixels as they are: brighten dark ones beforehand"
    mean = "the mean pixel over all pictures lies between 5 and 250"
    bright = "the brightest pixel is at least 128: the scale is 0 to 255, not 0 to 1"
    return [
        expect("ColumnMeanToBeBetween", mean, done, column="mean", min_value=5, max_value=250),
        expect("ColumnMaxToBeBetween", bright, done, column="brightest", min_value=128),
    ]


def shaped(shape: list[int] | None) -> list[Expectation]:
    """The declared height, width and channels, or else limits that any picture keeps."""
    units = {"height": "pixels high", "width": "pixels wide", "channels": "channels deep"}
    if shape:
        return [
            between(side, f"each picture is {size} {unit}", size, size)
            for (side, unit), size in zip(units.items(), shape, strict=True)
        ]
    limits = {"height": (4, 8192), "width": (4, 8192), "channels": (1, 3)}
    return [
        between(side, f"each picture is {low} to {high} {units[side]}", low, high)
        for side, (low, high) in limits.items()
    ]
