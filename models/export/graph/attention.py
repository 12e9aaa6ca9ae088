"""How Keras' MultiHeadAttention is written in ONNX: a few matrix products.

Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017.
"""

import math
from typing import Any

import numpy as np

from models.errors import NotTranslated
from models.export.graph.nodes import Graph, Tensor

FORBIDDEN = np.float32(-1e9)  # instead of the score of what must not be seen; its weight is 0
# What the zoo leaves as it is; with another value another graph would be needed.
USUAL = {"use_bias": True, "use_gate": False, "output_shape": None, "sliding_window": None}


def attention(
    graph: Graph, layer: Any, query: Tensor, value: Tensor, attention_mask: Any = None, **more: Any
) -> str:
    """Write attention of each step to the steps that the mask shows.

    Args:
        graph: to write to.
        layer: MultiHeadAttention.
        query: (row, step read, feature).
        value: (row, step, feature); the keys, too.
        attention_mask: bool (row, step read, step), true where a step may be seen.
        more: further arguments of the call; none is known.
    """
    settings = layer.get_config()
    odd = [name for name, usual in USUAL.items() if settings[name] != usual]
    odd += [name for name, argument in more.items() if argument not in (None, False)]
    if odd or len(query.shape) != 3:
        raise NotTranslated(f"{layer.name} is used with {odd}, or attends over several axes.")
    # By path: "<layer>/<query, key, value or attention_output>/<kernel or bias>".
    weights = {tuple(one.path.split("/")[-2:]): one.numpy() for one in layer.weights}

    def heads(x: Tensor, part: str, order: list[int], scale: float = 1.0) -> str:
        """Return a projection, (row, step, head, feature), with its axes in another order."""
        kernel, bias = weights[part, "kernel"], weights[part, "bias"]
        flat = kernel.reshape(len(kernel), -1) * np.float32(scale)
        y = graph.add("Add", graph.add("MatMul", x, flat), bias.ravel() * np.float32(scale))
        return graph.add("Transpose", graph.add("Reshape", y, [0, 0, *bias.shape]), perm=order)

    queries = heads(query, "query", [0, 2, 1, 3], 1 / math.sqrt(settings["key_dim"]))
    scores = graph.add("MatMul", queries, heads(value, "key", [0, 2, 3, 1]))
    shares = _shares(graph, scores, attention_mask, settings["dropout"])
    seen = graph.add("MatMul", shares, heads(value, "value", [0, 2, 1, 3]))
    kernel = weights["attention_output", "kernel"]  # (head, feature, feature given)
    width = kernel.shape[0] * kernel.shape[1]
    joined = graph.add("Reshape", graph.add("Transpose", seen, perm=[0, 2, 1, 3]), [0, 0, width])
    y = graph.add("MatMul", joined, kernel.reshape(width, -1))
    return graph.add("Add", y, weights["attention_output", "bias"])


def _shares(graph: Graph, scores: str, mask: Tensor | None, dropout: float) -> str:
    """Return how much of each step is taken, (row, head, step read, step)."""
    if mask is None:
        return graph.add("Softmax", scores, axis=-1)
    if mask.dtype != "bool" or len(mask.shape) != 3:
        raise NotTranslated("A mask of attention must be bool, (row, step read, step).")
    allowed = graph.add("Unsqueeze", mask, [1])
    shares = graph.add("Softmax", graph.add("Where", allowed, scores, FORBIDDEN), axis=-1)
    # Keras takes another way with dropout: where nothing may be seen, nothing is taken.
    return graph.add("Where", allowed, shares, np.float32(0)) if dropout else shares


LAYERS = {"MultiHeadAttention": attention}
