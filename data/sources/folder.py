"""Your own pictures: a folder of class-named folders of JPEG, PNG or WebP files."""

from pathlib import Path

import numpy as np

from data.errors import DataError
from data.stored import Dataset

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


def rows(name: str, entry: dict) -> Dataset:
    """`image`: the bytes of each file as they are; `label`: its folder; `file`: its path.

    Raises DataError when the folder is missing, holds no class folders, or a class folder holds a
    file that is not named like a picture. Whether it is one, the gate will see.
    """
    root = Path(entry["path"])
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: `path:` of {name} in params.yaml names it")
    classes = sorted(path.name for path in root.glob("[!.]*/"))
    if not classes:
        raise DataError(f"{root} holds no folders: expected one folder of pictures for each class")
    files = [path for label in classes for path in sorted((root / label).rglob("[!.]*"))]
    files = [path for path in files if path.is_file()]
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{path} is not a picture: allowed are {', '.join(SUFFIXES)}")
    names = [path.relative_to(root) for path in files]
    columns = {
        "image": np.array([path.read_bytes() for path in files], dtype=object),
        "label": np.array([path.parts[0] for path in names], dtype=object),
        "file": np.array([path.as_posix() for path in names], dtype=object),
    }
    labels = [str(label) for label in entry.get("labels", classes)]
    return Dataset({"labels": labels, "notes": []}, {"rows": columns})
