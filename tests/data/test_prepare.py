"""At which shape a model sees own pictures: the declared one, one that all have, or a default."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from data.prepare import common_shape

EXIF = Image.Exif()
EXIF[0x0112] = 6  # lies on its side


def file_of(size: tuple[int, int], mode: str = "RGB", kind: str = "PNG", **options) -> bytes:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("files", "shape"),
    [
        ([file_of((20, 28), "L")] * 2, [28, 20, 1]),
        ([file_of((20, 28), "L"), file_of((20, 28))], [28, 20, 3]),
        ([file_of((20, 28), "L"), file_of((28, 20), "L")], [64, 64, 1]),
        ([file_of((20, 28)), file_of((28, 20), exif=EXIF)], [28, 20, 3]),
        ([file_of((20, 28), kind="JPEG", exif=b"Exif\0\0broken")], [28, 20, 3]),
        ([file_of((128, 4))], [4, 128, 3]),
        ([file_of((129, 4))], [64, 64, 3]),
        ([file_of((4, 4)), file_of((129, 4))], [64, 64, 3]),
    ],
)
def test_pictures_keep_the_size_that_all_have_if_it_is_small(files, shape):
    assert common_shape(np.array([*files, None], object)[:-1]) == shape


@pytest.fixture
def pets(checkout):
    """A checkout with 60 colour pictures of two classes, 20 wide and 28 high."""
    draw = np.random.default_rng(0)
    for row in range(60):
        path = checkout.folder / "pets" / ("cat" if row % 2 else "dog") / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (28, 20, 3), dtype=np.uint8)).save(path)
    return checkout


def test_the_shape_of_an_entry_goes_over_that_of_the_pictures(pets):
    for more, shape in (({}, [28, 20, 3]), ({"shape": [12, 14, 1]}, [12, 14, 1])):
        pets.declare("pets", task="image", kind="folder", path="pets", **more)
        assert pets.versions("reproduce('pets')") == "None"
        facts = json.loads((pets.folder / "data/prepared/pets/dataset.json").read_text())
        assert facts["shape"] == shape


def test_arrays_have_no_other_shape_than_their_own(checkout):
    assert checkout.versions("reproduce('digits')") == "None"
    facts = json.loads((checkout.folder / "data/prepared/digits/dataset.json").read_text())
    assert "shape" not in facts
