"""Your own pictures: a folder of class-named folders of JPEG, PNG or WebP files."""

from pathlib import Path

import numpy as np

from data.errors import DataError
from data.stored import Dataset

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def rows(name: str, entry: dict) -> Dataset:
    """`image`: the bytes of each file as they are; `label`: its folder; `file`: its path.

    Raises DataError when the folder is missing, holds no class folders, or a class folder holds a
    file that is not named like a picture. Whether it is one, the gate will see.
    """
    root = Path(entry["path"])
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: `path:` of {name} in params.yaml names it")
    classes = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    classes = [label for label in classes if not label.startswith(".")]
    if not classes:
        raise DataError(f"{root} holds no folders: expected one folder of pictures for each class")
    files = [file for label in classes for file in _pictures(root / label)]
    columns = {
        "image": np.array([file.read_bytes() for file in files], dtype=object),
        "label": np.array([file.relative_to(root).parts[0] for file in files], dtype=object),
        "file": np.array([file.relative_to(root).as_posix() for file in files], dtype=object),
    }
    labels = [str(label) for label in entry.get("labels", classes)]
    return Dataset({"labels": labels, "notes": []}, {"rows": columns})


def _pictures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if not path.name.startswith(".")]
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{path} is not a picture: allowed are {', '.join(sorted(SUFFIXES))}")
    return files
