"""What it costs to answer one request: the exported graph against the Keras model it came from.

    make bench        (python -m benchmarks.inference, after `make run`)

For each published champion, one golden request at a time through ONNX Runtime (one thread), through
`model(x)` and through `model.predict(x)`, in one process, the three taking turns in blocks. The
ratios are of medians; absolute times are those of the machine and its load.
"""

from functools import partial

import keras
import numpy as np
from rich.table import Table

from benchmarks import turns
from models.artifact import artifact
from models.export import convert
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

BLOCKS = 6


def main() -> None:
    environment.apply()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    names = ("champion", "ONNX ms", "model(x) ms", "predict ms", "model(x) ratio", "predict ratio")
    for name in names:
        table.add_column(name, justify="left" if name == "champion" else "right")
    for task in settings.TASKS:
        pointer = publish.read(task)
        if pointer is None:
            raise SystemExit(f"{task} has no champion yet: make run")
        folder = publish.folder() / pointer.artifact
        manifest = artifact.check(folder, pointer.manifest_sha256)
        onnx, called, predicted = _medians(folder)
        table.add_row(
            f"{task} {manifest['arch']}",
            *(f"{1000 * seconds:.3f}" for seconds in (onnx, called, predicted)),
            f"{called / onnx:.0f}",
            f"{predicted / onnx:.0f}",
        )
    console.out().print(table)


def _medians(folder) -> list[float]:
    """Median seconds of one request through ONNX Runtime, model(x) and model.predict(x)."""
    inputs = artifact.read_inputs(folder)
    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    run = convert.runner(folder / "model.onnx")
    ways = (run, lambda x: model(x, training=False), lambda x: model.predict(x, verbose=0))
    requests = [
        inputs.to_tensor([artifact.payload(case["request"])[0]])
        for case in artifact.read_golden(folder)
    ]
    calls = ([partial(_answered, way, request) for request in requests] for way in ways)
    return turns.medians(*calls, blocks=BLOCKS)


def _answered(way, request: np.ndarray) -> np.ndarray:
    return np.asarray(way(request))  # what a backend put off is done by now


if __name__ == "__main__":
    main()
