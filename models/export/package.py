"""Write the artifact of a trained model: only what was proven to answer like the model itself."""

import importlib
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from models.artifact import artifact, golden
from models.examples import Inputs, Split, examples
from models.export import convert
from models.familiarity.familiarity import Run
from models.inputs.kinds import CLASSES
from models.training.fit import Fitted, predict

PARITY_ROWS = 512


def write(
    folder: Path,
    fitted: Fitted,
    splits: Mapping[str, Split],
    facts: Mapping,
    identity: Mapping,
    guard: Path | None = None,
) -> str:
    """Fill an empty folder with the artifact and return the sha256 of its manifest.

    Args:
        splits: validation and test; up to 512 rows of each prove the ONNX graph equal to Keras.
        identity: task, dataset, dataset_hash, arch, fingerprint, parameters, seed.
        guard: the folder that `models.export.guard.write` filled for the dataset.

    Raises:
        ExportMismatch: the graph answers otherwise; then there is no manifest, and the folder is no
            artifact.
    """
    folder = Path(folder)
    fitted.model.save(folder / "model.keras")
    convert.to_onnx(fitted.model, folder / "model.onnx")
    run = convert.runner(folder / "model.onnx")
    for name in ("validation", "test"):
        check_parity(fitted, run, splits[name], facts)
    return complete(folder, fitted.inputs, splits["test"], facts, identity, guard)


def complete(
    folder: Path,
    inputs: Inputs,
    test: Split,
    facts: Mapping,
    identity: Mapping,
    guard: Path | None,
) -> str:
    """Write what an artifact holds beside its graph, and return the sha256 of its manifest.

    Args:
        folder: with the graph, which is proven.
        inputs: fitted inputs.
        test: the test split, of which golden requests are made.
    """
    run = convert.runner(folder / "model.onnx")
    artifact.write_inputs(folder, inputs)
    judge = None if guard is None else _guarded(folder, guard)
    module, _, _ = CLASSES[facts["task"]]
    maker = importlib.import_module(f"models.artifact.golden_{module}")
    entries = golden.entries(inputs, run, maker.requests(inputs, run, test), judge)
    (folder / "golden.json").write_bytes(artifact.to_json(entries))
    known_by = {"inputs": artifact.digest_of(inputs)}
    return artifact.write_manifest(folder, dict(identity) | known_by)


def _guarded(folder: Path, guard: Path) -> Callable[..., list[dict]]:
    """Copy the guard into the artifact, and return what it says of an input."""
    for name in artifact.GUARD:
        shutil.copyfile(guard / name, folder / name)
    run = convert.runner(folder / "familiarity.onnx")
    familiarity = artifact.read_familiarity(folder)
    assert familiarity is not None, "the guard's files were just copied"
    return partial(familiarity.judge, run)


def check_parity(fitted: Fitted, run: Run, split: Split, facts: Mapping) -> None:
    """Raise ExportMismatch unless `run` answers up to 512 rows of the split as the model does."""
    few = proving(fitted.inputs, split, facts)
    expected, outputs = predict(fitted.model, few), run(few)
    convert.check_parity(expected, outputs)
    if fitted.inputs.kind != "series":
        convert.check_classes(expected, outputs)


def proving(inputs: Inputs, split: Split, facts: Mapping) -> np.ndarray:
    """Return the tensor of up to 512 rows of a split, spread over it."""
    if inputs.kind != "series":  # whose windows are cut from unbroken rows
        split = {name: golden.spread(column, PARITY_ROWS) for name, column in split.items()}
    return golden.spread(examples(inputs, split, facts.get("stride", 1)).tensor, PARITY_ROWS)
