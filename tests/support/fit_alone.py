"""Fit all architectures of a task and its guard once, where there is `models/` and JAX alone.

    python fit_alone.py TASK OUT

`test_jax_alone` runs this in a folder and an environment of its own. For each architecture
OUT/<task>/<arch> gets the model, its inputs, what else `Fitted` holds, and what the model makes of
256 test rows; the guard's folder likewise, with its familiarity.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import small_data

from models import architectures
from models.artifact import artifact
from models.examples import examples
from models.training import fit as train
from models.training import guard

ROWS = 256
SMALL = {
    "image": {"epochs": 1},
    "sentiment": {"epochs": 1, "words": 100, "length": 20},
    "forecast": {"epochs": 1},
}
SPLITS = {
    "image": small_data.digits,
    "sentiment": small_data.reviews,
    "forecast": small_data.waves,
}
ABSENT = ("tensorflow", "onnx", "onnxruntime", "tf2onnx", "mlflow")


def main(task: str, out: Path) -> None:
    import keras

    found = [name for name in ABSENT if importlib.util.find_spec(name)]
    if found or keras.backend.backend() != "jax":
        sys.exit(f"Not alone: {found} beside Keras on {keras.backend.backend()}.")
    splits = SPLITS[task]()
    for arch in architectures.names(task):
        fit(task, arch, splits, out / task / arch)
    fit_guard(task, splits, out / task / architectures.GUARD)


def fit(task: str, arch: str, splits: dict, folder: Path) -> None:
    facts = small_data.FACTS[task]
    parameters = architectures.resolve(task, arch, SMALL[task], facts)
    fitted = train.train(task, arch, parameters, splits, facts, seed=0)
    folder.mkdir(parents=True)
    fitted.model.save(folder / "model.keras")
    artifact.write_inputs(folder, fitted.inputs)
    kept = ("history", "seconds", "parameter_count", "best_epoch", "sharpness")
    rest = {name: getattr(fitted, name) for name in kept}
    rest["parameters"] = parameters
    (folder / "fitted.json").write_bytes(artifact.to_json(rest))
    _keep_outputs(folder, fitted.model, fitted.inputs, splits["test"])


def fit_guard(task: str, splits: dict, folder: Path) -> None:
    rows = len(next(iter(splits["train"].values())))
    facts = small_data.FACTS[task] | {"rows": {"train": rows}}
    parameters = architectures.guard_parameters(task, facts) | {"epochs": 1}
    fitted = guard.fit(task, parameters, splits, facts)
    folder.mkdir(parents=True)
    fitted.model.save(folder / "model.keras")
    artifact.write_familiarity(folder, fitted.familiarity)
    _keep_outputs(folder, fitted.model, fitted.familiarity.inputs, splits["test"])


def _keep_outputs(folder: Path, model, inputs, split: dict) -> None:
    few = examples(inputs, split).tensor[:ROWS]
    np.save(folder / "outputs.npy", train.predict(model, few))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
