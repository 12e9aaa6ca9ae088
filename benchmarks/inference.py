"""What it costs to answer one request: the exported graph against the Keras model it came from.

    make bench        (python -m benchmarks.inference, after `make run`)

For each published champion, one golden request at a time through ONNX Runtime (one thread), through
`model(x)` and through `model.predict(x)`, in one process, the three taking turns in blocks. The
ratios are of medians; absolute times are those of the machine and its load.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np
from rich.table import Table

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
    return medians(*calls, blocks=BLOCKS)


def _answered(way, request: np.ndarray) -> np.ndarray:
    return np.asarray(way(request))  # what a backend put off is done by now


def medians(*ways: Sequence[Callable[[], object]], blocks: int) -> list[float]:
    """Return the median seconds of one call of each way; in a block each of its calls is made once.

    A block more than `blocks` is timed: the first warms up.
    """
    seconds = [[] for _ in ways]
    for block in range(blocks + 1):
        for calls, times in zip(ways, seconds, strict=True):
            took = [_timed(call) for call in calls]
            times += took if block else []
    return [statistics.median(times) for times in seconds]


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
