"""Write the files of a dataset's guard: only what was proven to err like the model itself."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.artifact import artifact
from models.errors import ExportMismatch
from models.examples import Split, examples
from models.export import convert
from models.familiarity.familiarity import SLACK
from models.training.fit import predict
from models.training.guard import FittedGuard

PARITY_ROWS = 512


def write(folder: Path, fitted: FittedGuard, split: Split, facts: Mapping) -> float:
    """Write the guard's files, and return the share of the split that looks familiar.

    Args:
        folder: where the files that travel with each champion go, and the Keras model beside them.
        fitted: the guard.
        split: the test split; up to 512 of its rows prove the ONNX graph equal to Keras.
        facts: the dataset's.

    Raises:
        ExportMismatch: the graph errs otherwise than the model.
    """
    fitted.model.save(folder / "autoencoder.keras")
    convert.to_onnx(fitted.model, folder / "familiarity.onnx")
    artifact.write_familiarity(folder, fitted.familiarity)
    tensor = examples(fitted.familiarity.inputs, split, facts.get("stride", 1)).tensor
    errors = convert.runner(folder / "familiarity.onnx")(tensor)
    check_parity(predict(fitted.model, tensor[:PARITY_ROWS]), errors[:PARITY_ROWS])
    return float(np.mean([one["familiar"] for one in fitted.familiarity.to_answers(errors)]))


def check_parity(expected: np.ndarray, errors: np.ndarray) -> None:
    """Raise ExportMismatch unless each error is equal, but for a share of it or of a usual one.

    Args:
        expected: what Keras computes, (row, 1).
        errors: what the graph computes, (row, 1).
    """
    if not np.allclose(errors, expected, rtol=SLACK, atol=SLACK * np.median(expected)):
        difference = np.abs(errors - expected).max()
        raise ExportMismatch(
            f"The guard's ONNX graph differs from Keras by {difference:.2e} where a usual error is "
            f"{np.median(expected):.2e}; {SLACK} of it is allowed."
        )
