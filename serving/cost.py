"""About how many seconds reading an input takes on one core: `work.py` decides by it."""

SECONDS_A_PIXEL = 1e-8
SECONDS_A_CHARACTER = 5e-8


def of_picture(picture: bytes) -> float:
    """By what a small PNG's header promises; anything else counts as a picture of a megapixel."""
    swells = b"zTXt" in picture or b"iTXt" in picture or b"iCCP" in picture
    if picture[12:16] != b"IHDR" or len(picture) > 1 << 14 or swells:
        return (1 << 20) * SECONDS_A_PIXEL
    pixels = int.from_bytes(picture[16:20]) * int.from_bytes(picture[20:24])
    return pixels * SECONDS_A_PIXEL


def of_texts(texts: list) -> float:
    characters = sum(len(text) for text in texts if isinstance(text, str))
    return characters * SECONDS_A_CHARACTER
