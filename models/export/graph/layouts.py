"""In which order the axes stand: Keras keeps channels last and rows first; ONNX's convolutions read
channels first, its recurrent operators steps first.

What a layer gives in ONNX's order is noted under both names, so that the next layer reads it where
it wants it. The name that nothing reads is left out of the graph later.
"""

from collections.abc import Callable

import numpy as np

from models.export.graph.nodes import Graph, Value


def channels_first(graph: Graph, x: Value, rank: int) -> str:
    """Return `x`, (row, place …, channel), with its channels before the places."""
    name = graph.name(x)
    if name in graph.channels_first:
        return graph.channels_first[name][0]
    return graph.add("Transpose", name, perm=[0, rank - 1, *range(1, rank - 1)])


def channels_last(graph: Graph, first: str, rank: int) -> str:
    """Return what has its channels first with them last, and note both."""
    name = graph.add("Transpose", first, perm=[0, *range(2, rank), 1])
    graph.channels_first[name] = first, rank
    return name


def pointwise(graph: Graph, write: Callable[..., str], x: Value, *others: np.ndarray) -> Value:
    """Write what acts on each value alone, right after a convolution with channels first: there
    ONNX Runtime makes the two one.

    Args:
        graph: to write to.
        write: called with `x` and `others`, returns a name.
        x: what is read.
        others: one number a channel each.
    """
    if graph.name(x) not in graph.channels_first:
        return write(x, *others)
    first, rank = graph.channels_first[graph.name(x)]
    shaped = [one.reshape(-1, *[1] * (rank - 2)) for one in others]
    return channels_last(graph, write(first, *shaped), rank)


def steps_first(graph: Graph, x: Value) -> str:
    """Return `x`, (row, step, feature), with its steps first; of a look-up the ids are turned."""
    name = graph.name(x)
    if name in graph.steps_first:
        return graph.steps_first[name]
    if name in graph.lookups:
        table, ids = graph.lookups[name]
        return graph.add("Gather", table, graph.add("Transpose", ids, perm=[1, 0]))
    return graph.add("Transpose", name, perm=[1, 0, 2])


def steps_second(graph: Graph, first: str) -> str:
    """Return what has its steps first with its rows first, and note both."""
    name = graph.add("Transpose", first, perm=[1, 0, 2])
    graph.steps_first[name] = first
    return name
