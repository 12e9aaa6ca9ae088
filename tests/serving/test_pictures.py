"""The size of a picture, read without decoding it."""

import io

import pytest
from PIL import Image

from serving.http.image_header import size


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "lossless", "alpha"])
def test_the_size_of_a_picture_is_read_from_its_first_bytes(format):
    picture, options = Image.new("RGB", (301, 77), "red"), {}
    if format == "lossless":
        format, options = "WEBP", {"lossless": True}
    elif format == "alpha":
        format, options, picture = "WEBP", {"exif": b"Exif"}, picture.convert("RGBA")
    elif format == "JPEG":
        options = {"progressive": True, "comment": b"x" * 300}
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    content = buffer.getvalue()
    assert size(content) == (301, 77)
    assert all(size(content[:end]) in ((301, 77), (None, None)) for end in range(len(content)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8" + b"\xff" * 500,
        b"RIFF",
        # Wider than a column of the log: it would keep all rows of its journal out of Parquet.
        b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + b"\xff" * 8,
        # Pillow reads on until it finds a header.
        b"\x89PNG\r\n\x1a\n" + bytes(4) + b"prVt" + b"\0\0\0\x08" * 2,
    ],
)
def test_what_is_no_picture_has_no_size(content):
    assert size(content) == (None, None)
