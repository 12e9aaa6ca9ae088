"""About how many seconds reading an input takes on one core: `work.py` decides by it."""

from models.inputs import MAX_PIXELS
from serving.pictures import JPEG, size

SECONDS_A_PIXEL = 3e-8  # of a PNG or WebP with transparency: others take half
SECONDS_A_JPEG_PIXEL = 1e-8  # with ten scans; with one it takes a quarter of that
SECONDS_A_CHARACTER = 5e-8


def of_picture(picture: bytes) -> float:
    """By the size that it says it has; what is no small and simple PNG has a megapixel at least."""
    if len(picture) <= 1 << 14 and picture[12:16] == b"IHDR" and not _swells(picture):
        pixels = int.from_bytes(picture[16:20]) * int.from_bytes(picture[20:24])
    else:
        width, height = size(picture)
        pixels = max((width or 0) * (height or 0), 1 << 20)
    seconds = SECONDS_A_JPEG_PIXEL if picture[:2] == JPEG else SECONDS_A_PIXEL
    return min(pixels, MAX_PIXELS) * seconds


def _swells(picture: bytes) -> bool:
    """Say whether a PNG may hold compressed texts, which become a megabyte each."""
    return b"zTXt" in picture or b"iTXt" in picture or b"iCCP" in picture


def of_texts(texts: list) -> float:
    characters = sum(len(text) for text in texts if isinstance(text, str))
    return characters * SECONDS_A_CHARACTER
