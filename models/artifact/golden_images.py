"""Golden requests of a model for pictures: other sizes, colours, depths and turns."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from models.artifact.golden import CANDIDATES, UNCERTAIN, by_certainty
from models.familiarity.familiarity import Run
from models.inputs.images import ImageInputs, decode_picture
from models.inputs.kinds import Split

SMALL_FILES = 40  # of the candidates: a picture of megabytes would travel with every model
ORIENTATION, TURNED = 0x0112, 6  # an EXIF tag; by a quarter


def requests(inputs: ImageInputs, run: Run, split: Split) -> list[dict]:
    """Return `{"image": base64}` requests made from a test split.

    Args:
        inputs: fitted inputs.
        run: the model.
        split: image, uint8 (picture, height, width, channels) or files.
    """
    rows = split["image"][:CANDIDATES]
    sizes = [len(png(image)) for image in rows]
    small = rows[np.argsort(sizes, kind="stable")[:SMALL_FILES]]
    chosen = [small[0], *by_certainty(inputs, run, small)[:UNCERTAIN]]
    files = [png(image) for image in chosen] + [png(one) for one in _changed(inputs, chosen)]
    files.append(png(_opened(inputs, chosen[0]), exif=_turned()))
    return [{"image": base64.b64encode(file).decode("ascii")} for file in files]


def _changed(inputs: ImageInputs, chosen: list) -> list[Image.Image]:
    """Return the chosen pictures side by side and small, in false colours, transparent, and with
    16 bits a pixel."""
    pictures = [_opened(inputs, image) for image in (chosen * 4)[:4]]
    width, height = inputs.width, inputs.height
    beside = Image.new(pictures[0].mode, (2 * width + 1, 2 * height))
    for number, picture in enumerate(pictures):
        beside.paste(picture, (number % 2 * width, number // 2 * height))
    less = pictures[1].resize((width // 2 + 1, height // 2 + 1))
    grey = [picture.convert("L") for picture in pictures]
    deep = np.asarray(grey[2], np.uint16) * 257
    return [
        beside,
        less,
        Image.merge("RGB", grey[:3]),
        pictures[3].convert("RGBA").rotate(10),
        Image.fromarray(deep),
    ]


def _opened(inputs: ImageInputs, image: np.ndarray | bytes) -> Image.Image:
    size = inputs.width, inputs.height
    return decode_picture(png(image), "L" if inputs.channels == 1 else "RGB", size)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    return exif


def png(image: np.ndarray | bytes | Image.Image, **options: Any) -> bytes:
    """Return the picture as a file: one that is a file already as it is."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()
