"""Your own pictures: what a folder, a ZIP and arrays give, what is left out, what is refused."""

import gzip
import io
import os
import zipfile

import numpy as np
import pytest

from data.errors import DataError
from data.sources import arrays, folder, paths

PETS = ["cat/1.png", "cat/deep/2.JPG", "dog/1.webp"]


def place(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def read(root, **entry):
    dataset = folder.rows("pets", {"path": str(root)} | entry)
    files = {split: columns["file"].tolist() for split, columns in dataset.splits.items()}
    return files, dataset.facts["labels"], dataset.facts["notes"]


def test_a_folder_of_pictures_gives_bytes_labels_and_names(tmp_path):
    place(tmp_path, PETS)
    rows = folder.rows("pets", {"path": str(tmp_path)})
    assert rows.facts == {"labels": ["cat", "dog"], "notes": []}
    assert rows.splits["rows"]["label"].tolist() == ["cat", "cat", "dog"]
    assert rows.splits["rows"]["file"].tolist() == PETS
    assert rows.splits["rows"]["image"][0] == b"cat/1.png"


def test_what_systems_leave_is_left_out_and_counted(tmp_path):
    left = [".DS_Store", "cat/.ipynb_checkpoints/1.png", "dog/@eaDir/1.png/THUMB.jpg"]
    left += ["__MACOSX/cat/._1.png", "lost+found/x", "cat/Thumbs.db", "dog/deep/desktop.ini"]
    place(tmp_path, [*PETS, *left, "loose.png", "README.txt"])
    files, labels, notes = read(tmp_path)
    assert (files["rows"], labels) == (PETS, ["cat", "dog"])
    hidden, loose = notes
    assert hidden.startswith("7 hidden or system files were left out")
    assert loose == "left out beside the class folders: 1 picture and 1 other file"


@pytest.mark.parametrize(
    ("names", "taken", "note"),
    [
        (("train", "val", "test"), {"train": 4, "test": 2}, "test is the official test split"),
        (("Training", "Testing"), {"train": 2, "test": 2}, "Testing is the official test split"),
        (("train", "valid"), {"rows": 4}, "train and valid are read together, to be divided anew"),
        (("train_set",), {"rows": 2}, None),
    ],
)
def test_folders_of_splits_are_splits_and_no_classes(tmp_path, names, taken, note):
    place(tmp_path / "all", [f"{name}/{pet}/1.png" for name in names for pet in ("cat", "dog")])
    files, labels, notes = read(tmp_path)
    assert {split: len(rows) for split, rows in files.items()} == taken
    assert labels == ["cat", "dog"]
    assert notes[:1] == ([note] if note else [])


def test_a_class_may_be_called_train(tmp_path):
    place(tmp_path, ["car/1.png", "train/1.png"])
    assert read(tmp_path)[1] == ["car", "train"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no folders: expected one of pictures for each class"),
        (["cat/\x1b[31m.txt"], r"'.*cat/\\x1b\[31m\.txt' is not a picture"),
        (["cat/notes.txt"], r"notes\.txt is not a picture: allowed are \.jpeg"),
        (["cat/1.png", "dog/.hidden.png"], "dog holds no pictures: put some in, or remove it"),
        (["train/cat/1.png", "test/dog/1.png"], "test and train differ by the classes"),
        (["train/1.png", "test/1.png"], r"\['test', 'train'\], which are splits and no classes"),
        (["train/a/1.png", "test/a/1.png", "x/1.png"], r"and beside them \['x'\]: move those away"),
        (["val/a/1.png", "test/a/1.png"], "expected one called train"),
        ([f"{pet}/{part}/1.png" for pet in "ab" for part in ("train", "test")], "in its classes"),
        (
            [f"{part}/{part}/{pet}/1.png" for pet in "ab" for part in ("seg_train", "seg_test")]
            + ["seg_pred/seg_pred/1.png"],
            r"holds \['seg_test', 'seg_train'\], each with the folders \['a', 'b'\]: if these are",
        ),
        *(
            ([f"{part}/{pet}/1.png" for pet in "ab" for part in parts], "call those train, val and")
            for parts in (
                ("train2017", "val2017"),
                ("train", "holdout"),
                ("Training", "Validierung"),
                ("fold1", "fold2", "fold3"),
            )
        ),
    ],
)
def test_a_folder_that_is_none_of_pictures_is_told(tmp_path, names, message):
    place(tmp_path, names)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: (root / "emu").symlink_to(root / "cat"), "emu is a link to a folder, and a"),
        (
            lambda root: (root / "cat/2.png").symlink_to("gone"),
            "is a link to gone, which is missing",
        ),
        (lambda root: (root / os.fsdecode(b"gr\xfcn")).mkdir(), r"not UTF-8, b'gr\\xfcn'"),
        (lambda root: os.mkfifo(root / "cat/3.png"), "3.png is neither a file nor a folder"),
    ],
)
def test_what_dvc_cannot_see_or_record_is_told_by_name(tmp_path, make, message):
    place(tmp_path, PETS)
    (tmp_path / "cat/linked.png").symlink_to(tmp_path / "cat/1.png")  # DVC reads it as a file
    paths.check(tmp_path)
    make(tmp_path)
    for look in (paths.check, read):
        with pytest.raises(DataError, match=message):
            look(tmp_path)


def test_folders_in_classes_are_parts_of_them_where_they_differ_or_lie_beside_pictures(tmp_path):
    place(tmp_path / "one", ["cat/old/1.png", "cat/new/1.png", "dog/old/1.png"])
    place(tmp_path / "two", [f"{pet}/{name}" for pet in "ab" for name in ("x/1.png", "y/1.png")])
    place(tmp_path / "two", ["a/1.png"])
    assert (read(tmp_path / "one")[1], read(tmp_path / "two")[1]) == (["cat", "dog"], ["a", "b"])


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "load.csv")
    with pytest.raises(DataError, match=r"load\.csv is neither a file nor a folder: write what it"):
        paths.local(tmp_path / "load.csv")


@pytest.mark.parametrize("path", ["s3://bucket/pets", "none/there"])
def test_a_path_that_is_none_here_is_told(path):
    with pytest.raises(DataError, match=r"expected a file or folder|there is no file or folder"):
        paths.local(path)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    place(tmp_path / "pets", PETS)
    assert read("~/pets")[1] == ["cat", "dog"]


def test_equal_names_are_one_class_whichever_way_they_are_composed(tmp_path):
    place(tmp_path, ["cafe\u0301/1.png", "caf\u00e9/2.png", "dog/1.png"])
    files, labels, _ = read(tmp_path, labels=["cafe\u0301", "dog"])
    assert labels == ["caf\u00e9", "dog"]
    assert len(files["rows"]) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pets/cat/1.png", None),
        ("./pets//cat/1.png", None),
        ("../cat/1.png", r"holds '\.\./cat/1\.png', expected names below it"),
        ("/cat/1.png", "expected names below it"),
        ("cat\\..\\1.png", "expected names below it"),
    ],
)
def test_a_zip_is_read_like_its_folder_and_never_leads_out(tmp_path, name, message):
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("__MACOSX/pets/._cat", b"")
        archive.writestr("pets/dog/1.png", b"woof")
        archive.writestr(name, b"meow")
    if message:
        with pytest.raises(DataError, match=message):
            read(tmp_path / "pets.zip")
        return
    rows = folder.rows("pets", {"path": str(tmp_path / "pets.zip")}).splits["rows"]
    assert rows["image"].tolist() == [b"meow", b"woof"]
    (tmp_path / "pets.zip").write_bytes((tmp_path / "pets.zip").read_bytes()[:40])
    with pytest.raises(DataError, match="neither a folder nor a whole ZIP"):
        read(tmp_path / "pets.zip")


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST_UNPACKED", 3)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("cat/1.png", b"meow")
    with pytest.raises(DataError, match="unpacks to 4 bytes, at most 3"):
        read(tmp_path / "pets.zip")


PIXELS = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
NUMBERS = np.array([2, 10, 2, 7], np.uint8)
IN_SPLITS = {"x_train": PIXELS, "y_train": NUMBERS, "x_test": PIXELS, "y_test": NUMBERS}


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return head + values.tobytes()


def of_later_zip():
    """An .npz that says that only a later version of ZIP can unpack it."""
    file = io.BytesIO()
    np.savez(file, x=PIXELS, y=NUMBERS)
    content = bytearray(file.getvalue())
    content[content.index(b"PK\1\2") + 6] = 99
    return bytes(content)


@pytest.mark.parametrize("form", ["npz", "npz with splits", "idx", "idx with splits"])
def test_arrays_are_pictures_and_labels(tmp_path, form):
    splits = {"train": "train", "test": "t10k"} if "splits" in form else {"rows": "my"}
    path = tmp_path / "own.npz" if "npz" in form else tmp_path
    if form == "npz":
        np.savez(path, x=PIXELS, y=NUMBERS[:, None])
    elif "npz" in form:
        np.savez(path, **IN_SPLITS)
    else:
        for name in splits.values():
            (path / f"{name}-images-idx3-ubyte").write_bytes(idx(PIXELS))
            (path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(NUMBERS)))
    dataset = arrays.rows("own", {"path": str(path)})
    assert dataset.facts["labels"] == ["2", "7", "10"]
    assert set(dataset.splits) == set(splits)
    for columns in dataset.splits.values():
        np.testing.assert_array_equal(columns["image"], PIXELS[..., None])
        assert columns["label"].tolist() == ["2", "10", "2", "7"]


def test_val_of_an_npz_is_of_its_rows_and_other_arrays_are_named(tmp_path):
    held = IN_SPLITS | {"x_val": PIXELS, "y_val": NUMBERS + 1, "y_names": NUMBERS, "x_pool": PIXELS}
    np.savez(tmp_path / "own.npz", **held)
    dataset = arrays.rows("own", {"path": str(tmp_path / "own.npz")})
    assert {split: len(rows["label"]) for split, rows in dataset.splits.items()} == {
        "train": 8,
        "test": 4,
    }
    assert dataset.splits["train"]["image"].shape == (8, 5, 6, 1)
    assert dataset.facts["labels"] == ["2", "3", "7", "8", "10", "11"]
    assert dataset.facts["notes"] == [
        "train and val are read together, to be divided anew",
        "arrays that are not used: 'x_pool', 'y_names'",
    ]


def test_a_missing_label_of_an_npz_is_missing_and_a_declared_one_is_none(tmp_path):
    np.savez(tmp_path / "own.npz", x=PIXELS, y=np.array(["a", "", "nan", "none"]))
    entry = {"path": str(tmp_path / "own.npz")}
    dataset = arrays.rows("own", entry)
    assert dataset.splits["rows"]["label"].tolist() == ["a", None, None, None]
    assert dataset.facts["labels"] == ["a"]
    declared = arrays.rows("own", entry | {"labels": ["a", "none"]})
    assert declared.splits["rows"]["label"].tolist() == ["a", None, None, "none"]


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"x": PIXELS / 255, "y": NUMBERS}, "are float64 .* expected uint8 of 0 to 255"),
        ({"x": PIXELS, "y": np.eye(4)}, "labels of .* are float64 .* each of the 4 pictures"),
        ({"x": PIXELS, "y": NUMBERS[:3]}, "each of the 4 pictures"),
        ({"x": PIXELS, "y": np.array(3)}, r"are int64 \(\), expected one number or name for each"),
        ({"x": PIXELS[:0], "y": NUMBERS[:0]}, r"rows holds no pictures, \(0, 5, 6, 1\)"),
        (IN_SPLITS | {"x_val": PIXELS[:0], "y_val": NUMBERS[:0]}, "val holds no pictures"),
        (IN_SPLITS | {"x_val": PIXELS[:, 1:], "y_val": NUMBERS}, r"of val \(4, 6, 1\): make them"),
        ({"images": PIXELS}, r"holds \['images'\], expected x and y, or x_train"),
        ({"x": np.array([{}]), "y": NUMBERS}, "not a whole .npz of plain arrays"),
        (b"nothing", "not a whole .npz of plain arrays"),
        (of_later_zip(), "not a whole .npz of plain arrays"),
    ],
)
def test_arrays_of_another_form_are_told(tmp_path, held, message):
    path = tmp_path / "own.npz"
    path.write_bytes(held) if isinstance(held, bytes) else np.savez(path, **held)
    with pytest.raises(DataError, match=message):
        arrays.rows("own", {"path": str(path)})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["my-images-idx3-ubyte"], "my-labels-idx1-ubyte.* is missing: pictures and labels"),
        (["a-images", "a-labels", "b-images", "b-labels"], "several pairs of IDX files"),
        (["readme"], r"holds \[\], expected a pair of IDX files"),
        (["a-labels", "a-images-cut"], "is not a whole IDX file of uint8 with 3 axes|is missing"),
    ],
)
def test_a_folder_without_a_pair_of_idx_files_is_told(tmp_path, names, message):
    for name in names:
        values = PIXELS if "images" in name else NUMBERS
        (tmp_path / name).write_bytes(idx(values)[: -1 if "cut" in name else None])
    with pytest.raises(DataError, match=message):
        arrays.rows("own", {"path": str(tmp_path)})
