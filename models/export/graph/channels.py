"""Where the channels stand: Keras keeps them last, ONNX's convolutions want them first.

What such a layer gives is noted under both names, so that the next one reads its channels where it
wants them, and no transposition is left between the two.
"""

from collections.abc import Callable

import numpy as np

from models.errors import NotTranslated


def check_last(layer) -> None:
    """Raise NotTranslated for a layer that was told to keep its channels first."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NotTranslated(f"{layer.name} has its channels first.")


def first(graph, x, rank: int) -> str:
    """Return `x` with its channels first."""
    if graph.name(x) in graph.channels_first:
        return graph.channels_first[graph.name(x)][0]
    return graph.add("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])


def last(graph, channels_first: str, rank: int) -> str:
    """Return what has its channels first with them last, and note both."""
    name = graph.add("Transpose", channels_first, perm=[0, *range(2, rank), 1])
    graph.channels_first[name] = channels_first, rank
    return name


def pointwise(graph, write: Callable[..., str], x, *others: np.ndarray) -> str:
    """Write what acts on each value alone, with the channels first where they come so: right after
    a convolution ONNX Runtime makes them one.

    write: called with `x` and `others`, returns a name. others: one number a channel.
    """
    if graph.name(x) not in graph.channels_first:
        return write(x, *others)
    name, rank = graph.channels_first[graph.name(x)]
    others = [one.reshape(-1, *[1] * (rank - 2)) for one in others]
    return last(graph, write(name, *others), rank)
