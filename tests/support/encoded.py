"""The file of a picture, as bytes."""

import io

import numpy as np
from PIL import Image


def file_of(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
