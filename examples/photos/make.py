"""Cut scikit-learn's two photographs into tiles, a folder each: examples/photos/data."""

from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

SIDE = 32  # pixels

here = Path(__file__).parent / "data"
for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
    folder, photo = here / name, Image.fromarray(pixels)
    folder.mkdir(parents=True, exist_ok=True)
    for top in range(0, photo.height - SIDE + 1, SIDE):
        for left in range(0, photo.width - SIDE + 1, SIDE):
            tile = photo.crop((left, top, left + SIDE, top + SIDE))
            tile.save(folder / f"{top:03}_{left:03}.png")
