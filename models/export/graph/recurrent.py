"""How Keras' recurrent layers are written in ONNX: each one, both ways of a Bidirectional too, as a
single RNN, GRU or LSTM node, which ONNX Runtime runs ten times faster than a loop over time.

ONNX reads (step, row, feature) and gives every state as (step, direction, row, unit) and the last
as (direction, row, unit).
"""

from typing import Any

import keras
import numpy as np

from models.errors import NotTranslated
from models.export.graph.nodes import Graph, Tensor

# By the name of Keras' layer: the ONNX operator, and Keras' gates in the order of ONNX.
KINDS = {"SimpleRNN": ("RNN", [0]), "GRU": ("GRU", [0, 1, 2]), "LSTM": ("LSTM", [0, 3, 1, 2])}
# What the zoo leaves as it is, where a layer has it.
USUAL = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "use_bias": True,
    "return_state": False,
    "stateful": False,
    "reset_after": True,
}


def recurrent(kind: str, graph: Graph, layer: Any, x: Tensor, initial_state: Any = None) -> str:
    """Write a layer that reads forward.

    Args:
        kind: of KINDS.
        graph: to write to.
        layer: of that kind.
        x: (row, step, feature).
        initial_state: (row, unit); zeros without one.
    """
    _check(layer, backwards=False)
    if initial_state is not None and kind == "LSTM":
        raise NotTranslated(f"{layer.name} starts from given states.")
    states = [] if initial_state is None else [graph.add("Unsqueeze", initial_state, [0])]
    every, last = _node(graph, kind, [layer], x, states)
    if layer.return_sequences:
        return graph.add("Transpose", graph.add("Squeeze", every, [1]), perm=[1, 0, 2])
    return graph.add("Squeeze", last, [0])


def bidirectional(graph: Graph, layer: Any, x: Tensor) -> str:
    """Write an LSTM that reads both ways; Keras, like ONNX, puts both in the order of time.

    Args:
        graph: to write to.
        layer: Bidirectional.
        x: (row, step, feature).
    """
    ways = layer.forward_layer, layer.backward_layer
    if (
        not all(isinstance(way, keras.layers.LSTM) for way in ways)
        or ways[0].units != ways[1].units
    ):
        raise NotTranslated(f"{layer.name} reads otherwise than by two equal LSTM layers.")
    if not ways[0].return_sequences or layer.merge_mode != "concat":
        raise NotTranslated(f"{layer.name} gives its last state, or merges by {layer.merge_mode}.")
    for way, backwards in zip(ways, (False, True), strict=True):
        _check(way, backwards)
    every, _ = _node(graph, "LSTM", list(ways), x, [])
    both = graph.add("Transpose", every, perm=[2, 0, 1, 3])
    return graph.add("Reshape", both, [0, 0, 2 * ways[0].units])


def _check(layer: Any, backwards: bool) -> None:
    settings = layer.get_config()
    odd = [name for name, usual in USUAL.items() if settings.get(name, usual) != usual]
    if odd or settings["go_backwards"] != backwards:
        raise NotTranslated(f"{layer.name} has another {odd or 'direction'} than is known here.")


def _node(graph: Graph, kind: str, layers: list, x: Tensor, states: list[str]) -> list[str]:
    """Add the node of one layer, or of two that read there and back; returns every state and the
    last."""
    operator, gates = KINDS[kind]
    each = [_weights(layer.cell, gates) for layer in layers]
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    names = graph.add(
        operator,
        graph.add("Transpose", x, perm=[1, 0, 2]),
        *(np.stack(directions) for directions in zip(*each, strict=True)),
        None,  # all sequences are of one length
        *states,
        outputs=3 if kind == "LSTM" else 2,
        hidden_size=layers[0].units,
        direction="bidirectional" if len(layers) == 2 else "forward",
        **options,
    )
    return list(names[:2])


def _weights(cell: Any, gates: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what ONNX calls W (gate x unit, feature), R (gate x unit, unit) and B, the biases of
    the input and after them those of the state."""
    kernel, recurrent_kernel = cell.kernel.numpy(), cell.recurrent_kernel.numpy()
    biases = np.zeros((2, kernel.shape[1]), kernel.dtype)
    given = np.atleast_2d(cell.bias.numpy())
    biases[: len(given)] = given  # a second row: GRU with reset_after
    ordered = [
        np.concatenate([np.split(one, len(gates), axis=1)[gate] for gate in gates], axis=1)
        for one in (kernel, recurrent_kernel, biases)
    ]
    return ordered[0].T, ordered[1].T, ordered[2].ravel()
