"""About how many seconds reading an input takes on one core: `work.py` decides by it."""

from models.inputs import MAX_PIXELS
from serving.pictures import JPEG, PNG, size

SECONDS_A_PIXEL = 3e-8  # of a PNG or WebP with transparency: others take half
SECONDS_A_JPEG_PIXEL = 1e-8  # with ten scans; with one it takes a quarter of that
SECONDS_A_BYTE = 2e-8  # of a picture's file: noise takes longer than one colour
SECONDS_A_CHARACTER = 2.5e-7  # its tokens looked up for the model and for its guard
UNKNOWN_PIXELS = 1 << 20


def of_picture(picture: bytes) -> float:
    """By what its header promises."""
    width, height = size(picture)
    pixels = UNKNOWN_PIXELS if width is None else min(width * height, MAX_PIXELS)
    if _swells(picture):
        pixels = max(pixels, UNKNOWN_PIXELS)
    seconds = SECONDS_A_JPEG_PIXEL if picture[:2] == JPEG else SECONDS_A_PIXEL
    return pixels * seconds + len(picture) * SECONDS_A_BYTE


def _swells(picture: bytes) -> bool:
    """Say whether a small PNG may hold compressed texts, which become a megabyte each."""
    if len(picture) > 1 << 16 or picture[:8] != PNG:
        return False
    return b"zTXt" in picture or b"iTXt" in picture or b"iCCP" in picture


def of_texts(texts: list) -> float:
    characters = sum(len(text) for text in texts if isinstance(text, str))
    return characters * SECONDS_A_CHARACTER
