"""Pictures that would take long beyond their size are told from those that people have."""

import io

import numpy as np
import pytest
import tiny
from PIL import Image, PngImagePlugin

from models.inputs import InputError
from serving import pictures


def encoded(kind: str, size: tuple[int, int], mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def described() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for number in range(5):
        info.add_text(f"key {number}", "value" * 100, zip=True)
    return info


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("PNG", {"pnginfo": described(), "icc_profile": b"x" * 3000}),
        ("PNG", {"mode": "P"}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"mode": "L", "progressive": True}),
        ("JPEG", {"mode": "CMYK"}),
        ("JPEG", {"exif": b"Exif\0\0" + b"x" * 60_000, "icc_profile": b"x" * 200_000}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_a_picture_as_people_have_them_passes(kind, options):
    pictures.check(encoded(kind, (1500, 1000), **options))


def test_a_photograph_as_large_as_it_may_be_passes_with_ten_scans():
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 4000), "red").save(buffer, "JPEG", progressive=True)
    pictures.check(buffer.getvalue())


@pytest.mark.parametrize("content", [b"", b"words", tiny.picture()[:30], b"\xff\xd8\xff", b"RIFF"])
def test_what_is_no_picture_is_left_to_the_decoder(content):
    pictures.check(content)


def with_scans(count: int) -> bytes:
    whole = encoded("JPEG", (2000, 2000), "L", progressive=True, quality=5)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scan * count + b"\xff\xd9"


def after_header(content: bytes) -> bytes:
    whole = tiny.picture()
    return whole[:33] + content + whole[33:]


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (after_header(b"\0\0\0\0tEXt\0\0\0\0" * 9000), "too_many_chunks"),
        (after_header(b"\0\0\0\0zTXt\0\0\0\0" * 9 + bytes(5000)), "too_many_chunks"),
        (b"\xff\xd8" + b"\xff\xe5\0\2" * 600, "too_many_segments"),
        (b"\xff\xd8" + b"\xff" * 600, "too_many_segments"),
        (b"\xff\xd8" + b"\0" * 600, "too_many_segments"),
        (b"\xff\xd8" + b"\xff\xd0" * 600, "too_many_segments"),
        (with_scans(60), "too_many_scans"),
        # What looks like the frame of another picture is not one: a marker that stands alone is
        # followed by no length.
        (with_scans(60).replace(b"\xff\xd8", b"\xff\xd8\xff\x01", 1), "too_many_scans"),
    ],
    ids=["chunks", "texts", "segments", "filling", "junk", "markers", "scans", "scans hidden"],
)
def test_a_picture_that_takes_long_is_refused(picture, code):
    with pytest.raises(InputError) as refused:
        pictures.check(picture)
    assert refused.value.code == code
