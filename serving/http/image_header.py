"""The header of a picture, read without decoding: its size, and whether decoding is expensive.

Pillow spends microseconds on each chunk of a PNG and each segment of a JPEG, of which a file may
hold millions, and libjpeg goes over the whole picture for each scan: 94 KB can take it 20 seconds.
"""

from collections.abc import Iterator

from models.inputs.errors import InputError

MAX_CHUNKS = 8192  # of a PNG: those with the pixels have at least 8 KB each, as a rule
MAX_TEXTS = 8  # of them that are compressed: each may become a megabyte
SMALL_BYTES = 4096  # of a PNG, in which there is no room for many
MAX_SEGMENTS = 512  # of a JPEG, before its first scan: photographs have about ten
# Pixels times scans of a JPEG; a progressive one has about ten scans.
MAX_SCANNED = 256_000_000
# The frames of JPEG: C4, C8 and CC among these numbers are something else.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SEQUENTIAL = (0xC0, 0xC1)
SCAN = 0xDA
ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xDA)))  # markers that nothing belongs to
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"

NOTHING = (None, None)


def size(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    """Return width and height of a PNG, JPEG or WebP, or twice None."""
    if picture[:8] == PNG and picture[12:16] == b"IHDR" and len(picture) >= 24:
        width, height = int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
        return (width, height) if max(width, height) < 1 << 31 else NOTHING  # PNG knows no more
    if picture[:2] == JPEG:
        return _of_jpeg(picture)
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP" and len(picture) >= 30:
        return _of_webp(picture)
    return NOTHING


def check(picture: bytes) -> None:
    """Raise InputError for a picture whose decoding would take long beyond its size."""
    if picture[:8] == PNG:
        if len(picture) > SMALL_BYTES:
            _check_png(picture)
    elif picture[:2] == JPEG:
        _check_jpeg(picture)


def _check_png(picture: bytes) -> None:
    position, texts = len(PNG), 0
    for _ in range(MAX_CHUNKS):
        kind = picture[position + 4 : position + 8]
        if kind in (b"IEND", b""):
            return
        texts += kind in (b"zTXt", b"iTXt", b"iCCP")
        if texts > MAX_TEXTS:
            message = f"The picture has more than {MAX_TEXTS} compressed texts or profiles."
            raise InputError("too_many_chunks", message)
        position += 12 + int.from_bytes(picture[position : position + 4])
    message = f"The picture has more than {MAX_CHUNKS:,} chunks."
    raise InputError("too_many_chunks", message)


def _check_jpeg(picture: bytes) -> None:
    frame = None
    for kind, position in _segments(picture):
        if kind in FRAMES:
            frame = kind, picture[position + 9 : position + 10]
        # With all components in its first scan, a sequential one has no other.
        components = picture[position + 4 : position + 5]
        if kind == SCAN and frame and frame[0] in SEQUENTIAL and frame[1] == components:
            return
    width, height = _of_jpeg(picture)
    scans = picture.count(bytes((0xFF, SCAN)))
    if scans * (width or 0) * (height or 0) > MAX_SCANNED:
        message = f"The picture has {scans} scans, too many for {width} x {height} pixels."
        raise InputError("too_many_scans", message)


def _of_jpeg(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    for kind, position in _segments(picture):
        if kind in FRAMES and position + 9 <= len(picture):
            height = int.from_bytes(picture[position + 5 : position + 7])
            return int.from_bytes(picture[position + 7 : position + 9]), height
    return NOTHING


def _segments(picture: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kind and the position of each segment of a JPEG, up to the first scan.

    It skips what libjpeg skips, so that both see the same. Raises InputError if that takes long.
    """
    position = 2
    for _ in range(MAX_SEGMENTS):
        if position + 2 > len(picture):
            return
        kind = picture[position + 1]
        if picture[position] != 0xFF or kind == 0xFF:
            position += 1
        elif kind in ALONE:
            position += 2
        else:
            yield kind, position
            if kind == SCAN:
                return
            position += 2 + int.from_bytes(picture[position + 2 : position + 4])
    message = f"The picture has more than {MAX_SEGMENTS} segments before its pixels."
    raise InputError("too_many_segments", message)


def _of_webp(picture: bytes) -> tuple[int, int] | tuple[None, None]:
    bits, lossless, canvas = (
        int.from_bytes(picture[start:stop], "little")
        for start, stop in ((26, 30), (21, 25), (24, 30))
    )
    sizes = {
        b"VP8 ": (bits & 0x3FFF, bits >> 16 & 0x3FFF),
        b"VP8L": ((lossless & 0x3FFF) + 1, (lossless >> 14 & 0x3FFF) + 1),
        b"VP8X": ((canvas & 0xFFFFFF) + 1, (canvas >> 24) + 1),
    }
    return sizes.get(picture[12:16], NOTHING)
