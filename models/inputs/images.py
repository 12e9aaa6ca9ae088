"""From an encoded picture to a tensor, and from a tensor to the class of a picture."""

import io
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from models.inputs.answers import class_answer, same_classes
from models.inputs.errors import InputError, shown

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 16_000_000  # a telephone's photograph has 12 million; decodes in about 0.15 s
# Pillow takes 16 bytes for each pixel of a WebP, and 4 for one of a PNG, or 8 for one of the most
# unusual JPEG: this is a screen of 3840 x 2160.
MAX_WEBP_PIXELS = 8_300_000
MAX_SIDE = 65_535  # a JPEG has no more; a line or a column of pixels takes several times as much
LARGE_PIXELS = 500_000  # of larger ones no two are decoded at once: each takes up to 133 MB
BAND_PIXELS = 1 << 18  # of a large one: made grey and narrow at once, so that no copy of all is
# How much larger than the model's size libjpeg decodes at least: the filter blurs what has less.
# At 1, 0.89 of digits of 75 x 75 pixels were recognised, at 3 0.96, as of PNG files.
DRAFT = 3


@dataclass(frozen=True)
class ImageInputs:
    """Pictures of any size to float32 (picture, height, width, channels) in 0..1, and back.

    A picture is turned as its EXIF or XMP says, laid over white where it is transparent, made grey
    when the model has one channel, and stretched to the model's size: each step only when needed.
    """

    kind = "image"

    height: int
    width: int
    channels: int
    labels: tuple[str, ...]
    weights: tuple[float, ...] = ()  # of each class, where the likeliest is not the answer

    @classmethod
    def fit(
        cls,
        images: np.ndarray,
        labels: Sequence[str],
        size: int | None = None,
        shape: Sequence[int] | None = None,
    ) -> "ImageInputs":
        """Take the size of the pictures that a model reads.

        Args:
            images: uint8 (picture, height, width, channels), or an object array of encoded
                pictures.
            labels: the classes, in order.
            size: pixels a side, over all else.
            shape: height, width and channels of encoded pictures.
        """
        height, width, channels = shape or images.shape[1:]
        return cls(size or height, size or width, channels, tuple(labels))

    @classmethod
    def fit_split(
        cls, split: Mapping[str, np.ndarray], facts: Mapping, parameters: Mapping
    ) -> "ImageInputs":
        """Return inputs for a training split and the parameters of an architecture."""
        return cls.fit(split["image"], facts["labels"], parameters["size"], facts.get("shape"))

    def sizes(self) -> dict[str, int]:
        """The arguments of a builder in `models/image/` that the data decides."""
        return {
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "classes": len(self.labels),
        }

    def to_tensor(self, images: np.ndarray | Sequence[bytes]) -> np.ndarray:
        """Return float32 (picture, height, width, channels) in 0..1.

        Args:
            images: uint8 (picture, height, width, channels), or JPEG, PNG or WebP files as bytes.

        Raises:
            InputError: not_an_image, image_too_large, animated_image.
        """
        pixels = images
        if not _is_pixels(images, (self.height, self.width)):
            pixels = np.stack([self._pixels(image) for image in images])
        return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)

    def to_answers(self, outputs: np.ndarray) -> list[dict]:
        """Turn probabilities (picture, class) into `{"label", "probabilities"}`, one a picture."""
        return [class_answer(self.labels, row, self.weights) for row in outputs.tolist()]

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal as docs/architecture.md defines it."""
        return same_classes(expected, answer, self.weights)

    def spec(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The JSON fields and the arrays from which `from_spec` makes an equal object."""
        weights = {"weights": list(self.weights)} if self.weights else {}
        return self.sizes() | {"kind": self.kind, "labels": list(self.labels)} | weights, {}

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: Mapping[str, np.ndarray]) -> "ImageInputs":
        labels, weights = (tuple(fields.get(name, ())) for name in ("labels", "weights"))
        return cls(fields["height"], fields["width"], fields["channels"], labels, weights)

    def _pixels(self, image: np.ndarray | bytes) -> np.ndarray:
        mode, size = ("L" if self.channels == 1 else "RGB"), (self.width, self.height)
        if isinstance(image, np.ndarray):
            picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        else:
            picture = decode_picture(image, mode, size)
        return np.asarray(picture).reshape(self.height, self.width, self.channels)


def decode_picture(data: bytes, mode: str, size: tuple[int, int]) -> Image.Image:
    """Decode one picture to `mode` ("L" or "RGB") and `size` (width, height).

    Raises InputError: not_an_image, image_too_large, animated_image.
    """
    try:
        return _decoded(data, mode, size)
    except InputError as error:
        refusal = InputError(error.code, error.message)
    # Without what led to it: the request log keeps errors for a while, and must not keep pixels.
    raise refusal


def _decoded(data: bytes, mode: str, size: tuple[int, int]) -> Image.Image:
    with _opened(data) as picture, _turn_of(picture):
        turn = _orientation(picture)
        lying = size[::-1] if turn >= 5 else size
        if picture.format in ("JPEG", "MPO"):
            upright = _from_jpeg(data, picture.size, mode, lying)
        else:
            upright = _shrunk(picture, mode, lying, picture.size)
        return upright.transpose(_TURNS[turn]) if turn in _TURNS else upright


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Open one picture, refuse it by its header alone, and turn what goes wrong into InputError."""
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError("not_an_image", f"A picture is a file's bytes, not {shown(data)}.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_header(picture)
            if picture.format == "PNG" and "transparency" in picture.info:
                picture.info["transparency"] = _transparent(picture, depth=data[24])
            yield picture
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("too many pixels", f"{MAX_PIXELS:,}") from error
    except Exception as error:  # Pillow's decoders raise a dozen types on bytes that are broken
        message = f"These {len(data)} bytes are not a complete JPEG, PNG or WebP picture."
        raise InputError("not_an_image", message) from error


def _check_header(picture: Image.Image) -> None:
    received = f"{picture.width} x {picture.height} pixels"
    most = MAX_WEBP_PIXELS if picture.format == "WEBP" else MAX_PIXELS
    if picture.width * picture.height > most:
        raise _too_large(received, f"{most:,}")
    if max(picture.size) > MAX_SIDE:
        raise _too_large(received, f"{MAX_SIDE:,} on a side")
    # A telephone's JPEG may carry a second picture (MPO): its first is the photograph.
    frames = getattr(picture, "n_frames", 1) if picture.format in ("PNG", "WEBP") else 1
    if frames > 1:
        raise InputError("animated_image", f"The picture has {frames} frames; one is allowed.")


_LARGE = threading.Lock()


def _turn_of(picture: Image.Image) -> AbstractContextManager:
    """Return what is held while the picture is decoded: large ones wait for each other."""
    return _LARGE if picture.width * picture.height > LARGE_PIXELS else nullcontext()


# What makes upright a picture of each EXIF orientation: the first is upright as it is.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _from_jpeg(data: bytes, full: tuple[int, int], mode: str, size: tuple[int, int]) -> Image.Image:
    """Decode a JPEG of `full` (width, height) pixels; damage inside of it raises ValueError.

    libjpeg warns of bytes that are missing in the middle, and fills in grey; Pillow does not pass
    the warning on.
    """
    import simplejpeg

    least = [DRAFT * side for side in size]
    pixels = simplejpeg.decode_jpeg(
        data,
        "GRAY" if mode == "L" else "RGB",
        min_width=least[0],
        min_height=least[1],
        min_factor=2,  # libjpeg is slower at five to seven eighths than at the whole size
    )
    # A large one is decoded at a fraction of its size: a tenth of the work. Where that is no whole
    # number, libjpeg rounds up, and the picture ends inside its last column and row.
    sizes = {eighths: [side * eighths / 8 for side in full] for eighths in (1, 2, 3, 4, 8)}
    received = [pixels.shape[1], pixels.shape[0]]
    end = next(e for e in sizes.values() if [math.ceil(side) for side in e] == received)
    picture = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    return _shrunk(picture, mode, size, (end[0], end[1]))


def _orientation(picture: Image.Image) -> int:
    """Return what EXIF or XMP says; 1 where they say nothing that is an orientation."""
    if picture.format == "PNG":  # in which they may stand after the pixels
        picture.load()
    try:
        turn = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # as many types as Pillow's decoders raise; the pixels are whole all the same
        return 1
    return turn if turn in _TURNS else 1


def _shrunk(
    picture: Image.Image, mode: str, size: tuple[int, int], end: tuple[float, float]
) -> Image.Image:
    """Return the part up to `end` in `mode` and `size`; a large one is narrowed band by band.

    Pillow narrows first and shortens then, too: the pixels are the same.
    """
    right, bottom = end
    picture.load()
    rows = max(BAND_PIXELS // picture.width, 1)
    if rows >= picture.height:
        return _resized(_flat(picture, mode), size, (right, bottom))
    narrow = Image.new(mode, (size[0], picture.height))
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        narrow.paste(
            _resized(_flat(band, mode), (size[0], band.height), (right, band.height)), (0, top)
        )
    return _resized(narrow, size, (size[0], bottom))


def _resized(picture: Image.Image, size: tuple[int, int], end: tuple[float, float]) -> Image.Image:
    return picture.resize(size, Image.Resampling.BILINEAR, (0, 0, *end))


def _flat(picture: Image.Image, mode: str) -> Image.Image:
    """Return the picture in `mode`, over white where it is transparent."""
    if picture.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip, not scale
        deep = np.asarray(picture)
        grey = (deep >> 8).astype(np.uint8)
        grey[deep == picture.info.get("transparency")] = 255
        picture = Image.fromarray(grey)
    if picture.has_transparency_data:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        picture = Image.new(mode, layer.size, "white")
        picture.paste(layer, mask=layer)
    return picture if picture.mode == mode else picture.convert(mode)


def _transparent(picture: Image.Image, depth: int) -> Any:
    """Return the transparent shade of a PNG with `depth` bits on the scale of Pillow's pixels."""
    shade = picture.info["transparency"]
    if picture.mode == "L" and depth in (2, 4):
        return shade * (255 // (2**depth - 1))
    if picture.mode == "RGB" and depth == 16:
        return tuple(value >> 8 for value in shade)
    return shade


def _too_large(received: str, allowed: str) -> InputError:
    message = f"The picture has {received}; at most {allowed} are allowed."
    return InputError("image_too_large", message)


def _is_pixels(images: Any, size: tuple[int, int]) -> bool:
    is_array = isinstance(images, np.ndarray) and images.dtype == np.uint8
    return is_array and images.shape[1:3] == size
