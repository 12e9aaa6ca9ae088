"""What reading a picture will take is known by its header: small ones stay in the event loop."""

import pytest
import tiny

from models.inputs.images import MAX_PIXELS
from serving.inference.cost import MISLEADING_BYTES, SECONDS_A_BYTE, UNKNOWN_PIXELS, of_picture
from serving.inference.executor import MAX_SECONDS, SHORT_SECONDS


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_small_pictures_are_short_work_and_large_ones_long(format):
    assert of_picture(tiny.picture(format, 28)) < SHORT_SECONDS / 10
    assert of_picture(tiny.picture(format, 1000)) > 2 * SHORT_SECONDS


def test_what_says_no_size_is_long_work():
    assert UNKNOWN_PIXELS < MAX_PIXELS
    assert of_picture(b"GIF89a") > SHORT_SECONDS


def test_a_second_header_and_compressed_texts_make_long_work():
    """Pillow takes the last header, and inflates the texts, however small the first says it is."""
    small, large = tiny.picture("PNG", 8), tiny.picture("PNG", 1000)
    for start in (large[8:33], b"\0\0\0\0zTXt\0\0\0\0"):
        assert of_picture(small[:33] + start + small[33:]) > 2 * SHORT_SECONDS
    assert MISLEADING_BYTES * SECONDS_A_BYTE > SHORT_SECONDS


@pytest.mark.parametrize("hidden", [b"", b"\xff\xf0\0\x20", b"\xff\xc8\0\x20"])
def test_a_second_header_of_a_jpeg_makes_long_work(hidden):
    """Pillow finds it inside of segments that it does not know, too."""
    small, large = tiny.picture("JPEG", 8), tiny.picture("JPEG", 1000)
    frame = large[(start := large.index(b"\xff\xc0")) : start + 19]
    end = small.index(b"\xff\xda")
    assert of_picture(small[:end] + hidden + frame + small[end:]) > 2 * SHORT_SECONDS


def test_the_largest_picture_there_may_be_finds_room():
    """Its header, that of a PNG, and as many bytes as a body may have."""
    side = int(MAX_PIXELS**0.5).to_bytes(4)
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + side + side
    assert SHORT_SECONDS < of_picture(header.ljust(16 << 20, b"\0")) < MAX_SECONDS / 4
