"""The folder that a trained model travels in, and the check that it is what was written.

    model.onnx  [model.keras]  inputs.json  [inputs.npz]  golden.json  manifest.json
    [familiarity.onnx  familiarity.json]  [seen.npz]  [MLmodel]

A blend of several models is a graph alone: the Keras models are in the artifacts of its members.

The guard of the dataset has two files (`models.familiarity`); the answers of an artifact that comes
without say nothing of what is familiar. MLmodel is for MLflow, seen.npz for the gate; whoever wrote
the folder adds them.

`manifest.json` holds the sha256 of every other file; its own sha256 is kept elsewhere (in the
published pointer, and as a tag of the registered version), so that nobody who can write to the
folder can forge it. `check` comes before anything in the folder is parsed.

This module imports the standard library, numpy, `models.inputs` and `models.familiarity` only: the
service loads it.
"""

import base64
import hashlib
import json
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.familiarity import familiarity
from models.familiarity.familiarity import Familiarity
from models.inputs.errors import InputError
from models.inputs.kinds import Inputs, from_spec

FORMAT = 1
MANIFEST = "manifest.json"
REQUIRED = frozenset({"model.onnx", "inputs.json", "golden.json"})
GUARD = ("familiarity.onnx", "familiarity.json")
FILES = REQUIRED | {"model.keras", "inputs.npz", *GUARD, "seen.npz", "MLmodel"}
SERVED = FILES - {"model.keras", "seen.npz"}  # which are there to train on, and to judge by
# MLflow's clients leave this in a folder from which they load a registered model; nobody reads it.
LEFT_BY_MLFLOW = "registered_model_meta"
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30


class ArtifactError(ValueError):
    """The folder is not the artifact that was asked for; the message names the file and why."""


def write_manifest(folder: Path, identity: Mapping) -> str:
    """Write `manifest.json` over the files that lie in `folder` and return its sha256 (hex).

    Args:
        identity: task, dataset, dataset_hash, arch, fingerprint, parameters, seed, the guard's
            fingerprint where there is one, and `inputs`, what `digest_of` says of those that the
            model was fitted with.
    """
    files = {
        name: {"sha256": _sha256(folder / name), "bytes": _size(folder / name, MAX_FILE_BYTES)}
        for name in sorted(_names(folder) - {MANIFEST})
    }
    manifest = dict(identity) | {"format": FORMAT, "files": files}
    _check_names(folder, manifest)
    (folder / MANIFEST).write_bytes(to_json(manifest))
    return _sha256(folder / MANIFEST)


def manifest_digest(folder: Path) -> str:
    """Return the sha256 (hex) of the manifest as it lies there, for whoever trusts the folder."""
    return _sha256(folder / MANIFEST)


def check(folder: Path, manifest_sha256: str) -> dict:
    """Return the manifest of `folder` once every byte of the folder is proven to be as written.

    Args:
        manifest_sha256: the digest (hex) kept outside the folder.

    Raises:
        ArtifactError: a digest or size that differs, a missing or additional file, a link, or a
            size over the cap (before the file is read).
    """
    return read(folder, manifest_sha256, ())[0]


def read(
    folder: Path, manifest_sha256: str, names: Collection[str]
) -> tuple[dict, dict[str, bytes]]:
    """`check` a folder; returns its manifest and the bytes that were hashed of the files named.

    Files that are named and are no part of this artifact are left out.
    """
    folder = Path(folder)
    manifest, contents = _read_manifest(folder, manifest_sha256), {}
    _check_names(folder, manifest)
    for name, entry in manifest["files"].items():
        size = _size(folder / name, MAX_FILE_BYTES)
        if size != entry["bytes"]:
            raise ArtifactError(f"{folder / name} has {size} bytes, not {entry['bytes']}.")
        if name in names:
            with (folder / name).open("rb") as file:
                contents[name] = file.read(size + 1)
            received = hashlib.sha256(contents[name]).hexdigest()
        else:
            received = _sha256(folder / name)
        _check_digest(folder / name, entry["sha256"], received)
    return manifest, contents


def write_inputs(folder: Path, inputs: Inputs) -> None:
    """Write `inputs.json`, and `inputs.npz` where the inputs hold arrays."""
    fields, arrays = inputs.spec()
    (folder / "inputs.json").write_bytes(to_json(fields))
    if arrays:
        np.savez(folder / "inputs.npz", **dict[str, Any](arrays))


def read_inputs(folder: Path) -> Any:
    """Read what `write_inputs` wrote. `check` the folder first."""
    folder = Path(folder)
    fields = json.loads((folder / "inputs.json").read_bytes())
    if not (folder / "inputs.npz").exists():
        return from_spec(fields, {})
    with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
        return from_spec(fields, dict(arrays))


def digest_of(inputs: Inputs) -> str:
    """Return the sha256 (hex) of all that the inputs hold."""
    fields, arrays = inputs.spec()
    digest = hashlib.sha256(to_json(fields))
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def check_inputs(manifest: Mapping, inputs: Inputs) -> None:
    """Raise ArtifactError unless the inputs are those that the manifest's model was fitted with.

    Files of two artifacts may have been put together and signed: the golden answers show that in
    most cases, and not where two rare words were exchanged.
    """
    if "inputs" in manifest:  # not in every older one
        _check_digest("What inputs.json and inputs.npz say", manifest["inputs"], digest_of(inputs))


def write_familiarity(folder: Path, guard: Familiarity) -> None:
    """Write `familiarity.json`, what the guard's graph beside it is used with."""
    (folder / "familiarity.json").write_bytes(to_json(guard.spec()))


def read_familiarity(folder: Path) -> Familiarity | None:
    """Read what `write_familiarity` wrote; None where there is no guard. `check` it first."""
    path = Path(folder) / "familiarity.json"
    return Familiarity.from_spec(json.loads(path.read_bytes())) if path.exists() else None


def read_golden(folder: Path) -> list[dict]:
    """Read the golden requests: `[{"request": …, "answer": …}]`. `check` the folder first."""
    return json.loads((Path(folder) / "golden.json").read_bytes())


def payload(request: Mapping) -> tuple[bytes | str | list, dict]:
    """Split a golden request into what `to_tensor` takes one of and what `to_answers` may be told.

    >>> payload({"history": [5.1, 5.2], "horizon": 3})
    ([5.1, 5.2], {'horizon': 3})
    """
    if "image" in request:
        return base64.b64decode(request["image"], validate=True), {}
    if "text" in request:
        return request["text"], {}
    options = {name: value for name, value in request.items() if name != "history"}
    return request["history"], options


def replay(inputs: Inputs, answers: Callable[..., list[dict]], golden: list[dict]) -> list[str]:
    """Answer every golden request and return one sentence for each that came out differently.

    Args:
        answers: the model with its inputs, from raw inputs and options to an answer each.
    """
    complaints = []
    for number, entry in enumerate(golden, start=1):
        row, options = payload(entry["request"])
        try:
            [answer] = answers([row], **options)
        except InputError as error:
            complaints.append(f"Golden request {number} was refused: {error}")
            continue
        if not agree(inputs, entry["answer"], answer):
            complaints.append(f"Golden request {number}: {entry['answer']}, now {answer}")
    return complaints


def agree(inputs: Inputs, expected: Mapping, answer: Mapping) -> bool:
    """Say whether two answers are equal: what the model says, and how familiar the input is."""
    return inputs.agrees(expected, answer) and familiarity.agree(expected, answer)


def to_json(content: Any) -> bytes:
    """Serialise alike on every machine: sorted keys, ASCII, one line at the end."""
    return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def _read_manifest(folder: Path, expected: str) -> dict:
    path = folder / MANIFEST
    _size(path, MAX_MANIFEST_BYTES)
    content = path.read_bytes()
    _check_digest(path, expected, hashlib.sha256(content).hexdigest())
    manifest = json.loads(content)
    if manifest["format"] != FORMAT:
        raise ArtifactError(f"{path} has format {manifest['format']}; this code reads {FORMAT}.")
    return manifest


def _check_names(folder: Path, manifest: Mapping) -> None:
    """The names are a fixed set, so that none can lead out of the folder."""
    listed, present = set(manifest["files"]), _names(folder) - {MANIFEST}
    for complaint, names in {
        "lists files that are no part of an artifact": listed - FILES,
        "misses files": REQUIRED - listed,
        "lists files that are not in the folder": listed - present,
        "does not list files that are in the folder": present - listed,
    }.items():
        if names:
            raise ArtifactError(f"The manifest of {folder} {complaint}: {sorted(names)}.")


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()} - {LEFT_BY_MLFLOW}
    except OSError as error:
        raise ArtifactError(f"There is no artifact folder {folder}: {error.strerror}.") from error


def _size(path: Path, cap: int) -> int:
    """Return the size of a regular file; refuse links, folders and whatever is over the cap."""
    try:
        status = path.lstat()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError(f"{path} is not a regular file.")
    if status.st_size > cap:
        raise ArtifactError(f"{path} has {status.st_size} bytes; at most {cap} are allowed.")
    return status.st_size


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_digest(path: Path | str, expected: str, received: str) -> None:
    if received != expected:
        raise ArtifactError(f"{path} has sha256 {received}, not {expected}.")
