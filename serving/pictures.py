"""How large a picture says it is, read from its first bytes without decoding anything."""

MAX_SEGMENTS = 64  # of a JPEG, before its frame: photographs have about ten
# The frames of JPEG: C4, C8 and CC among these numbers are something else.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

NOTHING = (None, None)


def size(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    """Return width and height of a PNG, JPEG or WebP, or twice None."""
    if picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) >= 24:
        return int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
    if picture[:2] == b"\xff\xd8":
        return _of_jpeg(picture)
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP" and len(picture) >= 30:
        return _of_webp(picture)
    return NOTHING


def _of_jpeg(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    """Walk from segment to segment up to the frame, which holds the size."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        if position + 9 > len(picture) or picture[position] != 0xFF:
            return NOTHING
        kind = picture[position + 1]
        if kind in FRAMES:
            height = int.from_bytes(picture[position + 5 : position + 7])
            return int.from_bytes(picture[position + 7 : position + 9]), height
        if kind == 0xFF:  # one of any number of filling bytes
            position += 1
        else:
            position += 2 + int.from_bytes(picture[position + 2 : position + 4])
    return NOTHING


def _of_webp(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    kind = picture[12:16]
    if kind == b"VP8 ":
        width, height = picture[26:28], picture[28:30]
        return (
            int.from_bytes(width, "little") & 0x3FFF,
            int.from_bytes(height, "little") & 0x3FFF,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(picture[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = picture[24:27], picture[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    return NOTHING
