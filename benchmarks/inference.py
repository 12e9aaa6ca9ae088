"""What it costs to answer one request: the exported graph against the Keras model it came from.

    make bench        (python -m benchmarks.inference, after `make run`)

For each published champion, one golden request at a time through ONNX Runtime (one thread), through
`model(x)` and through `model.predict(x)`, in one process, the three taking turns in blocks. The
ratios are of medians; absolute times are those of the machine and its load.
"""

import statistics
import time

import keras
import numpy as np
from rich.table import Table

from models import artifact, export
from pipelines import console, environment, publish, settings

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
        folder = publish.folder() / pointer["artifact"]
        manifest = artifact.check(folder, pointer["manifest_sha256"])
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
    run = export.runner(folder / "model.onnx")
    ways = (run, lambda x: model(x, training=False), lambda x: model.predict(x, verbose=0))
    requests = [
        inputs.to_tensor([artifact.payload(case["request"])[0]])
        for case in artifact.read_golden(folder)
    ]
    seconds = [[], [], []]
    for block in range(BLOCKS + 1):
        for way, times in zip(ways, seconds, strict=True):
            took = [_timed(way, request) for request in requests]
            times += took if block else []  # the first block warms up
    return [statistics.median(times) for times in seconds]


def _timed(way, request: np.ndarray) -> float:
    start = time.perf_counter()
    np.asarray(way(request))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
