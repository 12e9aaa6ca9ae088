"""From a raw picture to a tensor: what is accepted, and that nothing but InputError escapes."""

import contextlib
import io
import struct
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from raw_inputs import COLOUR, DIGITS, GREY, refused

from models.inputs import images
from models.inputs.errors import InputError
from models.inputs.images import ImageInputs


def file_of(picture, kind="PNG", **options) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)


def test_a_file_and_its_pixels_give_the_same_tensor(pixels):
    tensor = GREY.to_tensor(pixels[None, ..., None])
    assert tensor.dtype == np.float32
    assert tensor.shape == (1, 8, 8, 1)
    assert (tensor.min() >= 0) & (tensor.max() <= 1)
    assert np.array_equal(GREY.to_tensor([file_of(pixels)]), tensor)
    assert np.array_equal(GREY.to_tensor([file_of(pixels, "WEBP", lossless=True)]), tensor)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    ],
)
def test_every_mode_is_read(kind, mode):
    file = file_of(Image.new(mode, (11, 5)), kind)
    for inputs in (GREY, COLOUR):
        tensor = inputs.to_tensor([file])
        assert tensor.shape == (1, 8, 8, inputs.channels)
        assert np.isfinite(tensor).all()


def test_sixteen_bits_are_scaled_and_not_clipped(pixels):
    deep = pixels.astype(np.uint16) << 8
    assert np.array_equal(GREY.to_tensor([file_of(deep)]), GREY.to_tensor([file_of(pixels)]))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_picture_in_bands_is_what_it_is_in_one_piece(mode, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 4), dtype=np.uint8)
    picture, options = Image.fromarray(noise), {"exif": Image.Exif()}
    options["exif"][0x0112] = 8
    if mode == "I;16":
        picture = Image.fromarray(noise.view(np.uint16)[..., 0])
    elif mode == "P":
        picture = picture.convert("RGB").quantize(64)
        options["transparency"] = bytes(range(64))
    else:
        picture = picture.convert(mode)
    file = file_of(picture, **options)
    whole = [inputs.to_tensor([file]) for inputs in (GREY, COLOUR)]
    for pixels in (1, 700, 6000):  # a band has one row, ten rows, nearly all
        monkeypatch.setattr(images, "BAND_PIXELS", pixels)
        for inputs, expected in zip((GREY, COLOUR), whole, strict=True):
            assert np.array_equal(inputs.to_tensor([file]), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_when_it_is_small_already(orientation):
    noise = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file_of(noise, exif=exif))))
    flat = ImageInputs(9, 5, 1, DIGITS)  # a mistaken side would show
    off = flat.to_tensor([file_of(noise, exif=exif)]) - flat.to_tensor([file_of(upright)])
    assert np.abs(off).max() < 1.01 / 255


def test_what_is_transparent_is_seen_over_white():
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.putpixel((3, 2), (0, 0, 0, 255))
    tensor = GREY.to_tensor([file_of(picture)])[0, :, :, 0]
    assert tensor[2, 3] == 0
    assert tensor.sum() == 63
    picture = Image.new("RGBA", (8, 8), (0, 100, 200, 128))  # half of it is
    expected = [255 * 127 / 255, (100 * 128 + 255 * 127) / 255, (200 * 128 + 255 * 127) / 255]
    tensor = COLOUR.to_tensor([file_of(picture)])[0] * 255
    assert np.abs(tensor - expected).max() <= 1
    grey = np.dot([0.299, 0.587, 0.114], expected)
    assert np.abs(GREY.to_tensor([file_of(picture)]) * 255 - grey).max() <= 1.5


def test_another_size_is_stretched_alike_from_pixels_and_from_a_file():
    large = np.random.default_rng(0).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    from_pixels = COLOUR.to_tensor(large[None])
    assert from_pixels.shape == (1, 8, 8, 3)
    assert np.array_equal(COLOUR.to_tensor([file_of(large)]), from_pixels)


def test_the_size_comes_from_the_training_pictures():
    arrays = np.zeros((3, 28, 20, 1), np.uint8)
    assert ImageInputs.fit(arrays, DIGITS) == ImageInputs(28, 20, 1, DIGITS)
    assert ImageInputs.fit(arrays, DIGITS, size=14).height == 14
    grey, colour = file_of(Image.new("L", (30, 40))), file_of(Image.new("RGB", (30, 40)))
    files = np.array([grey, grey], object)
    assert ImageInputs.fit(files, DIGITS).channels == 1
    mixed = ImageInputs.fit(np.array([grey, colour], object), DIGITS)
    assert (mixed.height, mixed.width, mixed.channels) == (64, 64, 3)
    assert mixed.to_tensor(files).shape == (2, 64, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = file_of(noise, kind)
    for share in (0.0, 0.01, 0.3, 0.9):
        refused("not_an_image", COLOUR.to_tensor, [file[: int(len(file) * share)]])


BITMAP = file_of(Image.new("L", (9, 9)), "BMP")


@pytest.mark.parametrize("sent", [b"", b"GIF89a", bytes(100), BITMAP, "text", None, 3, [1, 2]])
def test_what_is_not_a_picture_is_refused(sent):
    refused("not_an_image", GREY.to_tensor, [sent])


def test_a_picture_with_too_many_pixels_is_refused_by_its_header():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    start = file_of(Image.new("RGB", (8, 8)))
    bomb = start[:16] + header + start[29:]  # the checksum is wrong, too: no matter
    with pytest.raises(InputError):
        COLOUR.to_tensor([bomb])
    for side in (4001, 10_000, 14_000):  # from 9,460 on Pillow warns, from 13,400 on it raises
        file = file_of(Image.new("1", (side, side)))
        assert "16,000,000" in refused("image_too_large", GREY.to_tensor, [file])


def test_a_webp_may_have_as_many_pixels_as_a_screen():
    """Its decoder takes four times as much memory for each."""
    screen, larger = (
        file_of(Image.new("RGB", size), "WEBP", quality=0, method=0)
        for size in ((3840, 2161), (4000, 2100))
    )
    assert GREY.to_tensor([screen]).shape == (1, 8, 8, 1)
    assert "8,300,000" in refused("image_too_large", GREY.to_tensor, [larger])


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1)])
def test_a_line_of_pixels_is_refused(size):
    message = refused("image_too_large", GREY.to_tensor, [file_of(Image.new("1", size))])
    assert "65,535 on a side" in message


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch):
    decoding, together = [], Barrier(4)

    def alone(picture, mode, size):
        decoding.append(picture)
        time.sleep(0.02)
        assert decoding == [picture]
        decoding.remove(picture)
        return Image.new(mode, size)

    def beside_others(picture, mode, size):
        together.wait(60)
        return Image.new(mode, size)

    for side, prepared in ((708, alone), (28, beside_others)):
        monkeypatch.setattr(images, "_prepared", prepared)
        files = [[file_of(Image.new("1", (side, side)))]] * 4
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(GREY.to_tensor, files))


def test_an_error_keeps_no_pixels():
    """The request log keeps it for half a second, and others with it."""
    file = file_of(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8))
    with pytest.raises(InputError) as caught:
        GREY.to_tensor([file[:-300]])
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    held = [frame.f_locals.values() for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any(isinstance(value, Image.Image) for values in held for value in values)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    file = file_of(frames[0], kind, save_all=True, append_images=frames[1:])
    assert "3 frames" in refused("animated_image", COLOUR.to_tensor, [file])


_FILES = [
    file_of(np.random.default_rng(1).integers(0, 256, (12, 9, 3), dtype=np.uint8), kind)
    for kind in ("PNG", "JPEG", "WEBP")
]


@settings(deadline=None)
@given(st.data())
def test_broken_pictures_raise_nothing_but_input_error(data):
    file = bytearray(data.draw(st.sampled_from(_FILES)))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        assert COLOUR.to_tensor([bytes(file)]).shape == (1, 8, 8, 3)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_input_error(sent):
    with pytest.raises(InputError):
        GREY.to_tensor([sent])
