"""About how many seconds reading an input takes on one core: `work.py` decides by it."""

from serving.pictures import size

SECONDS_A_PIXEL = 1e-8
SECONDS_A_BYTE = 2e-8  # of a picture's file: noise takes longer than one colour
SECONDS_A_CHARACTER = 2.5e-7  # its tokens looked up for the model and for its guard
UNKNOWN_PIXELS = 1 << 20


def of_picture(picture: bytes) -> float:
    """By what its header promises; within a factor of three for PNG, JPEG and most of WebP."""
    width, height = size(picture)
    pixels = UNKNOWN_PIXELS if width is None else width * height
    return pixels * SECONDS_A_PIXEL + len(picture) * SECONDS_A_BYTE


def of_texts(texts: list) -> float:
    characters = sum(len(text) for text in texts if isinstance(text, str))
    return characters * SECONDS_A_CHARACTER
