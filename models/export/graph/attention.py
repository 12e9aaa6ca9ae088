"""How Keras' MultiHeadAttention is written in ONNX: a few matrix products, of self- and
cross-attention alike (Vaswani et al., Attention Is All You Need, NeurIPS 2017)."""

import math

import numpy as np

from models.errors import NotTranslated

FORBIDDEN = np.float32(-1e9)  # instead of the score of what must not be seen; its weight is 0


def attention(
    graph, layer, query, value, key=None, attention_mask=None, use_causal_mask=False, **more
):
    """query: (row, step read, feature); value, key: (row, step, feature).

    attention_mask: (row, step read, step), true where one may be seen.
    """
    _check(layer, query, more)
    steps_read, steps = query.shape[1], value.shape[1]
    allowed = _allowed(graph, attention_mask)
    if use_causal_mask:
        causal = np.tri(steps_read, steps, dtype=bool)
        allowed = causal if allowed is None else graph.add("And", allowed, causal)
    scale = 1 / math.sqrt(layer._key_dim)
    heads = _heads(graph, layer, query, layer._query_dense, [0, 2, 1, 3], scale)
    keys = _heads(graph, layer, value if key is None else key, layer._key_dense, [0, 2, 3, 1])
    weights = _weights(graph, layer, graph.add("MatMul", heads, keys), allowed)
    values = _heads(graph, layer, value, layer._value_dense, [0, 2, 1, 3])
    seen = graph.add("Transpose", graph.add("MatMul", weights, values), perm=[0, 2, 1, 3])
    kernel = layer._output_dense.kernel.numpy()  # (head, feature, feature given)
    joined = graph.add("Reshape", seen, [0, 0, kernel.shape[0] * kernel.shape[1]])
    y = graph.add("MatMul", joined, kernel.reshape(-1, kernel.shape[-1]))
    return graph.add("Add", y, layer._output_dense.bias.numpy()) if layer._use_bias else y


def _check(layer, query, more: dict) -> None:
    """Raise NotTranslated for a way of attending that is not known here."""
    masks = [more.get(name) for name in ("query_mask", "value_mask", "key_mask")]
    if any(one is not None for one in masks) or more.get("return_attention_scores"):
        raise NotTranslated(f"{layer.name} reads a mask of its inputs, or gives its scores.")
    if layer._use_gate or layer._sliding_window is not None or len(query.shape) != 3:
        raise NotTranslated(f"{layer.name} has a gate or a window, or attends over several axes.")
    if layer._output_dense.kernel.ndim != 3:
        raise NotTranslated(f"{layer.name} gives several axes.")


def _allowed(graph, mask) -> str | None:
    """Return the mask as booleans (row, 1, step read, step)."""
    import onnx

    if mask is None:
        return None
    if len(mask.shape) != 3:
        raise NotTranslated("A mask of attention must be (row, step read, step).")
    if getattr(mask, "dtype", None) != "bool":
        mask = graph.add("Cast", mask, to=onnx.TensorProto.BOOL)
    return graph.add("Unsqueeze", mask, [1])


def _heads(graph, layer, x, dense, order: list[int], scale: float = 1.0) -> str:
    """Return a projection of `x`, (row, step, head, feature), with its axes in another order."""
    kernel = dense.kernel.numpy()  # (feature read, head, feature)
    y = graph.add("MatMul", x, kernel.reshape(len(kernel), -1) * np.float32(scale))
    if layer._use_bias:
        y = graph.add("Add", y, dense.bias.numpy().ravel() * np.float32(scale))
    return graph.add("Transpose", graph.add("Reshape", y, [0, 0, *kernel.shape[1:]]), perm=order)


def _weights(graph, layer, scores: str, allowed) -> str:
    """Return how much of each step is taken, (row, head, step read, step)."""
    if allowed is None:
        return graph.add("Softmax", scores, axis=-1)
    weights = graph.add("Softmax", graph.add("Where", allowed, scores, FORBIDDEN), axis=-1)
    if layer._dropout:  # Keras takes another way then: where nothing may be seen, nothing is
        return graph.add("Where", allowed, weights, np.float32(0))
    return weights


LAYERS = {"MultiHeadAttention": attention}
