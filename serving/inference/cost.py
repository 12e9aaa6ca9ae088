"""About how many seconds reading an input takes on one core: executor.py decides by it."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from models.inputs.images import MAX_PIXELS
from serving.http.image_header import JPEG, PNG, size

SECONDS_A_PIXEL = 2e-8  # of a WebP: a PNG takes 0.5e-8 (grey) to 1.6e-8 (transparent)
SECONDS_A_JPEG_PIXEL = 1e-8  # with ten scans; with one it takes a quarter of that
SECONDS_A_BYTE = 2e-8  # of a picture's file: noise takes longer than one colour
SECONDS_A_CHARACTER = 2.5e-7  # its tokens looked up for the model and for its guard
PAST_FORECASTS = 40  # times as long as one: up to 130 in one batch, and their grades
UNKNOWN_PIXELS = 1 << 20
MISLEADING_BYTES = 1 << 17  # a larger file is long work by its bytes alone
COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")  # chunks of a PNG
FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]")  # begins a JPEG's header


def of_picture(picture: bytes) -> float:
    """By what its header promises."""
    width, height = size(picture)
    pixels = min(width * height, MAX_PIXELS) if width and height else UNKNOWN_PIXELS
    if _misleads(picture):
        pixels = max(pixels, UNKNOWN_PIXELS)
    seconds = SECONDS_A_JPEG_PIXEL if picture[:2] == JPEG else SECONDS_A_PIXEL
    return pixels * seconds + len(picture) * SECONDS_A_BYTE


def _misleads(picture: bytes) -> bool:
    """Say whether a small picture may take longer than its header says.

    Pillow takes the last header, be it inside of a segment that others skip; and each compressed
    text of a PNG may become a megabyte.
    """
    if len(picture) > MISLEADING_BYTES:
        return False
    if picture[:2] == JPEG:
        return len(FRAME.findall(picture)) > 1
    if picture[:8] != PNG:
        return False
    return picture.count(b"IHDR") > 1 or any(kind in picture for kind in COMPRESSED)


def of_pasts(inputs: Any, histories: Iterable) -> int:
    """How many forecasts' time grading past ones takes, where the requests are long enough."""
    if inputs.reads == inputs.history:
        return 0
    lengths = (len(one) for one in histories if isinstance(one, list | np.ndarray))
    return PAST_FORECASTS * sum(length >= inputs.reads for length in lengths)


def of_texts(texts: list) -> float:
    characters = sum(len(text) for text in texts if isinstance(text, str))
    return characters * SECONDS_A_CHARACTER
