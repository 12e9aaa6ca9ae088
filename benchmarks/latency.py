"""What one request costs beside the least it could: its bare recurrent nodes, the plain export.

    python -m benchmarks.latency        (a part of make bench-train)

Every recurrent architecture, at its own defaults and as the profiles `full` (the textbook) and
`best` set it, beside a graph of nothing but its fused nodes, with the same weights on what they
read in the same request; `cnn` beside `model.export(format="onnx")`. One request at a time, ONNX
Runtime on one thread, the two taking turns in blocks in one process; medians. The weights are
untrained, which costs the same.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from rich.table import Table

from benchmarks import turns
from models import architectures
from models.export import convert
from models.export.graph import translate
from pipelines.runtime import console, environment, settings

if TYPE_CHECKING:
    import keras

BLOCKS, REQUESTS = 20, 150
FUSED = ("RNN", "GRU", "LSTM")
PROFILES = {"defaults": None, "textbook": "full", "best": "best"}
# What the inputs of the served datasets give a builder, beside the parameters.
SIZES = {
    "image": {"height": 28, "width": 28, "channels": 1, "classes": 10},
    "sentiment": {"classes": 2},
    "forecast": {"history": 72, "horizon": 12},
}


class Pair(NamedTuple):
    """Two ways to compute, each called without arguments."""

    architecture: str
    setting: str
    size: str
    ours: Callable[[], object]
    least: Callable[[], object]


def main() -> None:
    environment.apply()
    console.out().print(table(pairs()))


def table(rows: Iterator[Pair]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("architecture", "setting", "size"):
        table.add_column(name)
    for name in ("request ms", "least ms", "ratio"):
        table.add_column(name, justify="right")
    for pair in rows:
        ways = ([way] * REQUESTS for way in (pair.ours, pair.least))
        ours, least = (1000 * seconds for seconds in turns.medians(*ways, blocks=BLOCKS))
        figures = f"{ours:.4f}", f"{least:.4f}", f"{ours / least:.2f}"
        table.add_row(pair.architecture, pair.setting, pair.size, *figures)
    return table


def pairs() -> Iterator[Pair]:
    """Yield each recurrent architecture and `cnn` for pictures, at each size that is its own."""
    for task in architectures.TASKS:
        for arch in architectures.names(task):
            built = set()
            for setting, profile in PROFILES.items():
                arguments = _arguments(task, arch, profile)
                if str(arguments) not in built:
                    built.add(str(arguments))
                    yield from _paired(task, arch, setting, arguments)


def _arguments(task: str, arch: str, profile: str | None) -> dict:
    """What the architecture's `build` is called with under a profile."""
    dataset = settings.dataset_of(task, None)
    changes = settings.overrides(profile, task, arch, dataset) if profile else {}
    parameters = architectures.resolve(task, arch, changes, {"name": dataset})
    names = architectures.build_defaults(architectures.module(task, arch))
    if task == "sentiment":
        names = [*names, "words", "length"]
    return SIZES[task] | {name: parameters[name] for name in names}


def _paired(task: str, arch: str, setting: str, arguments: Mapping) -> Iterator[Pair]:
    model = architectures.module(task, arch).build(**arguments)
    graph = translate.build(model)
    nodes = [node for node in graph.graph.node if node.op_type in FUSED]
    request = {"input": _request(task, arguments)}
    if nodes:
        bare, reads = _bare(graph, nodes, request)
        least = _call(bare.SerializeToString(), reads)
        size = " + ".join(_size(node, reads) for node in nodes)
    elif (task, arch) == ("image", "cnn"):
        least, size = _call(_plain(model, request), request), "plain export"
    else:
        return
    yield Pair(f"{task} {arch}", setting, size, _call(graph.SerializeToString(), request), least)


def _request(task: str, arguments: Mapping) -> np.ndarray:
    random = np.random.default_rng(0)
    if task == "image":
        return random.random((1, 28, 28, 1), np.float32)
    if task == "sentiment":
        ids = random.integers(1, arguments["words"], (1, arguments["length"]))
        return ids.astype(np.int32)
    return random.normal(size=(1, arguments["history"])).astype(np.float32)


def _bare(graph, nodes: list, request: Mapping) -> tuple[onnx.ModelProto, dict]:
    """Return the nodes alone, each reading inputs of its own, and what the request gives those."""
    weights = {one.name: one for one in graph.graph.initializer}
    needed = {name for node in nodes for name in node.input if name}
    inner = sorted(needed - weights.keys())
    whole = onnx.ModelProto()
    whole.CopyFrom(graph)
    whole.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
    values = convert.session(whole.SerializeToString()).run(inner, request)
    read = {name for node in graph.graph.node for name in node.input}
    given = [name for node in nodes for name in node.output if name in read]
    bare = onnx.helper.make_graph(
        nodes,
        "bare",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
            for name, value in zip(inner, values, strict=True)
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in given],
        [weights[name] for name in sorted(needed & weights.keys())],
    )
    proto = onnx.helper.make_model(
        bare, opset_imports=graph.opset_import, ir_version=graph.ir_version
    )
    return proto, dict(zip(inner, values, strict=True))


def _size(node, reads: Mapping) -> str:
    """What a node is: LSTM 100 x 32 → 64 units."""
    steps, _, width = reads[node.input[0]].shape
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    ways = "2 x " if attributes["direction"] == b"bidirectional" else ""
    return f"{node.op_type} {steps} x {width} → {ways}{attributes['hidden_size']}"


def _plain(model: "keras.Model", request: Mapping) -> bytes:
    model(*request.values())  # Keras exports no model that was never called
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plain.onnx"
        model.export(path, format="onnx", verbose=False)
        return path.read_bytes()


def _call(graph: bytes, feeds: Mapping) -> Callable[[], object]:
    session = convert.session(graph)
    names = [one.name for one in session.get_outputs()]
    feeds = dict(zip([one.name for one in session.get_inputs()], feeds.values(), strict=True))
    return lambda: session.run(names, feeds)


if __name__ == "__main__":
    main()
