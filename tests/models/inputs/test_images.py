"""From a raw picture to a tensor: what is accepted, and that nothing but InputError escapes."""

import contextlib
import io
import struct
import time
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from encoded import file_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin
from raw_inputs import COLOUR, DIGITS, GREY, refused
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from models.inputs import images
from models.inputs.errors import InputError
from models.inputs.images import ImageInputs


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


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


XMP = '<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/>'


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def text_of(key: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, text)
    return info


def raw_profile(content: bytes) -> PngImagePlugin.PngInfo:
    return text_of("Raw profile type exif", f"\nexif\n{len(content):8}\n{content.hex()}\n")


def at_the_end(png: bytes, name: bytes, content: bytes) -> bytes:
    """Return the PNG with one chunk more, after its pixels."""
    return png[:-12] + chunk(name, content) + png[-12:]


# How a file of each kind says which way is up; the picture itself is without a loss.
TURNED = {
    "PNG": lambda one, way: file_of(one, exif=exif_of(way)),
    "PNG, after the pixels": lambda one, way: at_the_end(file_of(one), b"eXIf", exif_of(way)[6:]),
    "PNG, raw profile": lambda one, way: file_of(one, pnginfo=raw_profile(exif_of(way))),
    "PNG, XMP": lambda one, way: file_of(
        one, pnginfo=text_of("XML:com.adobe.xmp", XMP.format(way))
    ),
    "PNG, XMP after the pixels": lambda one, way: at_the_end(
        file_of(one), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.format(way).encode()
    ),
    "WebP": lambda one, way: file_of(one, "WEBP", lossless=True, exif=exif_of(way)),
    "WebP, XMP": lambda one, way: file_of(one, "WEBP", lossless=True, xmp=XMP.format(way).encode()),
    "JPEG": lambda one, way: file_of(one, "JPEG", exif=exif_of(way)),
    "JPEG, XMP": lambda one, way: file_of(one, "JPEG", xmp=XMP.format(way).encode()),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", TURNED)
def test_a_picture_is_turned_when_it_is_small_already(kind, orientation):
    noise = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    file = TURNED[kind](noise, orientation)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    if orientation > 1:
        assert not np.array_equal(np.asarray(upright.convert("L")), noise)
    flat = ImageInputs(9, 5, 1, DIGITS)  # a mistaken side would show
    off = flat.to_tensor([file]) - flat.to_tensor([file_of(upright)])
    assert np.abs(off).max() < 1.51 / 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_whose_exif_is_broken_is_read_as_it_lies(kind, pixels):
    options = {"lossless": True} if kind == "WEBP" else {}
    expected = GREY.to_tensor([file_of(pixels, kind, **options)])
    broken = file_of(pixels, kind, exif=b"Exif\0\0nothing of the kind", **options)
    assert np.array_equal(GREY.to_tensor([broken]), expected)
    profile = text_of("Raw profile type exif", "\nexif\n 4\nno hexadecimals\n")
    broken = file_of(pixels, pnginfo=profile)
    assert np.array_equal(GREY.to_tensor([broken]), GREY.to_tensor([file_of(pixels)]))


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


def png_of(depth: int, colour: int, row: bytes, width: int, transparent: bytes) -> bytes:
    """One row of pixels of any depth, with the shade that is transparent."""
    header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    parts = {b"IHDR": header, b"tRNS": transparent, b"IDAT": zlib.compress(b"\0" + row)}
    chunks = b"".join(chunk(*part) for part in parts.items())
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "seen"),
    [
        (1, b"\x40", 0, [255, 255]),
        (1, b"\x40", 1, [0, 255]),
        (2, b"\x60", 1, [255, 170]),
        (4, b"\x5a", 5, [255, 170]),
        (8, b"\x05\x0a", 5, [255, 10]),
        (16, b"\x05\x07\x05\x08", 0x0507, [255, 5]),
        (16, b"\x00\x00\x01\x00", 0, [255, 1]),
    ],
)
def test_a_transparent_shade_of_grey_is_white_at_every_depth(depth, row, transparent, seen):
    file = png_of(depth, 0, row, 2, struct.pack(">H", transparent))
    for channels in (1, 3):
        tensor = ImageInputs(1, 2, channels, DIGITS).to_tensor([file]) * 255
        assert np.array_equal(
            tensor.round()[0, 0], np.array([[shade] * channels for shade in seen])
        )


@pytest.mark.parametrize(("depth", "form"), [(8, ">6B"), (16, ">6H")])
def test_a_transparent_colour_is_white_at_every_depth(depth, form):
    colours = np.array([5, 6, 7, 8, 9, 10]) << (depth - 8)
    transparent = struct.pack(">3H", *colours[:3])
    file = png_of(depth, 2, struct.pack(form, *colours), 2, transparent)
    tensor = ImageInputs(1, 2, 3, DIGITS).to_tensor([file]) * 255
    assert tensor.round()[0, 0].tolist() == [[255, 255, 255], [8, 9, 10]]


def test_another_size_is_stretched_alike_from_pixels_and_from_a_file():
    large = np.random.default_rng(0).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    from_pixels = COLOUR.to_tensor(large[None])
    assert from_pixels.shape == (1, 8, 8, 3)
    assert np.array_equal(COLOUR.to_tensor([file_of(large)]), from_pixels)


def test_the_size_comes_from_the_training_pictures_or_the_facts_unless_a_parameter_says_it():
    arrays, files = np.zeros((3, 28, 20, 1), np.uint8), np.array([b"", b""], object)
    facts, shape = {"labels": DIGITS}, {"shape": [28, 20, 3]}

    def fitted(images, facts, size=None):
        return ImageInputs.fit_split({"image": images}, facts, {"size": size})

    assert fitted(arrays, facts) == ImageInputs(28, 20, 1, DIGITS)
    assert fitted(arrays, facts, 14) == ImageInputs(14, 14, 1, DIGITS)
    assert fitted(files, facts | shape) == ImageInputs(28, 20, 3, DIGITS)
    assert fitted(files, facts | shape, 14) == ImageInputs(14, 14, 3, DIGITS)


@pytest.fixture(scope="module")
def digits():
    """A classifier of 8 x 8 digits, and other digits, uint8 (picture, 8, 8), with their labels."""
    data = load_digits()
    pixels = (data.images * 15.9).astype(np.uint8)
    tensor = GREY.to_tensor(pixels[:1000, ..., None]).reshape(1000, -1)
    model = LogisticRegression(max_iter=500).fit(tensor, data.target[:1000])
    return model, pixels[1000:1500], data.target[1000:1500]


@pytest.mark.parametrize("side", [60, 61, 75, 120, 240, 500])
def test_a_jpeg_is_recognised_as_well_as_a_png(digits, side):
    model, pixels, labels = digits
    large = [Image.fromarray(one).resize((side, side)) for one in pixels]
    tensors = {
        kind: GREY.to_tensor([file_of(one, kind, **options) for one in large])
        for kind, options in {"PNG": {"compress_level": 1}, "JPEG": {"quality": 90}}.items()
    }
    right = {
        kind: model.score(tensor.reshape(len(labels), -1), labels)
        for kind, tensor in tensors.items()
    }
    assert right["JPEG"] >= right["PNG"] - 0.01
    assert np.abs(tensors["JPEG"] - tensors["PNG"]).mean() < 1 / 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_picture_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = file_of(noise, kind)
    for share in (0.0, 0.01, 0.3, 0.9):
        refused("not_an_image", COLOUR.to_tensor, [file[: int(len(file) * share)]])


def noise_of(width: int, height: int) -> Image.Image:
    shades = np.random.default_rng(0).normal(128, 60, (height, width)).clip(0, 255)
    return Image.fromarray(shades.astype(np.uint8))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("side", [75, 240, 1003])
def test_a_jpeg_without_its_middle_is_refused(side, options):
    noise = noise_of(side, side)
    for picture, inputs in ((noise, GREY), (noise.convert("RGB"), COLOUR)):
        file = file_of(picture, "JPEG", **options)
        inputs.to_tensor([file])
        middle = len(file) // 2
        refused("not_an_image", inputs.to_tensor, [file[:middle] + file[middle + 200 :]])


def test_a_jpeg_that_a_browser_shows_whole_is_answered():
    noise = noise_of(300, 200).convert("RGB")
    usual = file_of(noise, "JPEG")
    expected = COLOUR.to_tensor([usual])
    two = {"save_all": True, "append_images": [noise.transpose(Image.Transpose.ROTATE_180)]}
    for file in (
        usual + b"what a camera appends",
        file_of(noise, "MPO", **two),
        file_of(noise, "JPEG", keep_rgb=True),
        file_of(noise.convert("CMYK"), "JPEG"),
    ):
        np.testing.assert_allclose(COLOUR.to_tensor([file]), expected, atol=8 / 255)


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

    def alone(picture, mode, size, end):
        decoding.append(picture)
        time.sleep(0.02)
        assert decoding == [picture]
        decoding.remove(picture)
        return Image.new(mode, size)

    def beside_others(picture, mode, size, end):
        together.wait(60)
        return Image.new(mode, size)

    for side, prepared in ((708, alone), (28, beside_others)):
        monkeypatch.setattr(images, "_shrunk", prepared)
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
