"""Pictures that would take long beyond their size are told from those that people have, and those
that would take much memory take it one after the other.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
from encoded import file_of
from PIL import Image, PngImagePlugin

from benchmarks.refusals import forget_highest, highest_megabytes
from benchmarks.served import workers_of
from models.inputs.errors import InputError
from models.inputs.images import MAX_PIXELS, MAX_WEBP_PIXELS
from serving.http import image_header


def encoded(kind: str, size: tuple[int, int], mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return file_of(Image.fromarray(pixels).convert(mode), kind, **options)


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
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + b"x" * 60_000, "icc_profile": b"x" * 200_000}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_a_picture_as_people_have_them_passes(kind, options):
    image_header.check(encoded(kind, (1500, 1000), **options))


def test_a_photograph_as_large_as_it_may_be_passes_with_ten_scans():
    picture = Image.new("RGB", (4000, 4000), "red")
    image_header.check(file_of(picture, "JPEG", progressive=True))


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
        (b"\xff\xd8" + b"\xff\xd0" * 600, "too_many_segments"),
        (with_scans(60), "too_many_scans"),
        # What looks like the frame of another picture is not one: a marker that stands alone is
        # followed by no length.
        (with_scans(60).replace(b"\xff\xd8", b"\xff\xd8\xff\x01", 1), "too_many_scans"),
    ],
    ids=["chunks", "texts", "segments", "filling", "markers", "scans", "scans hidden"],
)
def test_a_picture_that_takes_long_is_refused(picture, code):
    with pytest.raises(InputError) as refused:
        image_header.check(picture)
    assert refused.value.code == code


MOST_MEGABYTES = 150  # the worst takes 127


def plain(kind: str, mode: str, pixels: int, **options) -> bytes:
    """A picture of one colour: a few bytes for as many pixels as there may be."""
    return file_of(Image.new(mode, (4000, pixels // 4000)), kind, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode", "pixels", "options"),
    [
        ("PNG", "RGBA", MAX_PIXELS, {}),
        ("PNG", "LA", MAX_PIXELS, {}),
        ("PNG", "I;16", MAX_PIXELS, {}),
        ("JPEG", "RGB", MAX_PIXELS, {"progressive": True, "subsampling": 0}),
        ("WEBP", "RGBA", MAX_WEBP_PIXELS, {"lossless": True}),
        ("WEBP", "RGB", MAX_WEBP_PIXELS, {"quality": 0, "method": 0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_four_of_the_largest_at_once_take_little_memory(server, kind, mode, pixels, options):
    (worker,) = workers_of(server.process.pid)
    picture = plain(kind, mode, pixels, **options)
    headers = {"content-type": f"image/{kind.lower()}"}

    def status(content: bytes) -> int:
        return server.client.post("/v1/image", content=content, headers=headers).status_code

    assert status(tiny.picture(kind)) == 200  # what is loaded once is not counted
    forget_highest(worker)
    before = worker.memory_info().rss / 2**20
    with ThreadPoolExecutor(4) as clients:
        assert list(clients.map(status, [picture] * 4)) == [200] * 4
    assert highest_megabytes(worker) - before < MOST_MEGABYTES


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "lossless", "alpha"])
def test_the_size_of_a_picture_is_read_from_its_first_bytes(format):
    picture, options = Image.new("RGB", (301, 77), "red"), {}
    if format == "lossless":
        format, options = "WEBP", {"lossless": True}
    elif format == "alpha":
        format, options, picture = "WEBP", {"exif": b"Exif"}, picture.convert("RGBA")
    elif format == "JPEG":
        options = {"progressive": True, "comment": b"x" * 300}
    content = file_of(picture, format, **options)
    assert image_header.size(content) == (301, 77)
    assert all(
        image_header.size(content[:end]) in ((301, 77), (None, None)) for end in range(len(content))
    )


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
    assert image_header.size(content) == (None, None)
