"""How Keras' recurrent layers are written in ONNX: each one, both ways of a Bidirectional too, as a
single RNN, GRU or LSTM node, which ONNX Runtime runs ten times faster than a loop over time.

ONNX reads (step, sequence, feature) and gives every state as (step, direction, sequence, unit) and
the last as (direction, sequence, unit).
"""

import numpy as np

from models.errors import NotTranslated
from models.export.graph import steps
from models.export.graph.activations import OPERATORS, name_of

# The ONNX operator, and Keras' gates in the order of ONNX: LSTM i, f, c, o → i, o, f, c.
KINDS = {"SimpleRNN": ("RNN", [0]), "GRU": ("GRU", [0, 1, 2]), "LSTM": ("LSTM", [0, 3, 1, 2])}
# What ONNX knows inside a recurrent operator.
INSIDE = ("elu", "hard_sigmoid", "leaky_relu", "relu", "sigmoid", "softplus", "softsign", "tanh")
MERGES = {"sum": "ReduceSum", "ave": "ReduceMean", "mul": "ReduceProd"}


def recurrent(graph, layer, x, initial_state=None):
    """SimpleRNN, GRU, LSTM; initial_state: one tensor (sequence, unit), or a list of them."""
    every, *last = _node(graph, [layer], x, initial_state)
    last = [graph.add("Squeeze", one, [0]) for one in last]
    if not layer.return_sequences:
        output = last[0]
    else:
        output = graph.add("Squeeze", every, [1])
        if layer.go_backwards:  # Keras gives the states in the order in which they were made
            output = graph.add("Slice", output, [-1], [np.iinfo(np.int64).min], [0], [-1])
        output = steps.second(graph, output)
    return [output, *last] if layer.return_state else output


def bidirectional(graph, layer, x, initial_state=None):
    """One node that reads both ways; Keras, like ONNX, puts both in the order of time.

    initial_state: those of the way there, then those of the way back.
    """
    there, back = layer.forward_layer, layer.backward_layer
    if type(there) is not type(back) or there.units != back.units:
        raise NotTranslated(f"{layer.name} has another layer for each direction.")
    if there.go_backwards or not back.go_backwards:
        raise NotTranslated(f"{layer.name} reads forward second.")
    every, *last = _node(graph, [there, back], x, initial_state)
    if layer.return_sequences:
        output = _both(graph, layer, graph.add("Transpose", every, perm=[0, 2, 1, 3]))
        output = steps.second(graph, output)
    else:
        output = _both(graph, layer, graph.add("Transpose", last[0], perm=[1, 0, 2]))
    if not layer.return_state:
        return output
    return [output, *(graph.add("Gather", one, np.int64(way)) for way in (0, 1) for one in last)]


def _both(graph, layer, output: str) -> str:
    """Merge what the two directions give, (…, direction, unit)."""
    if layer.merge_mode == "concat":
        kept = [0] * (1 + layer.return_sequences)
        return graph.add("Reshape", output, [*kept, 2 * layer.forward_layer.units])
    if layer.merge_mode not in MERGES:
        raise NotTranslated(f"{layer.name} gives its directions apart.")
    return graph.add(MERGES[layer.merge_mode], output, [-2], keepdims=0)


def _node(graph, layers, x, initial_state) -> list[str]:
    """Add the node of one layer, or of two that read there and back."""
    for layer in layers:
        if layer.stateful or type(layer).__name__ not in KINDS:
            raise NotTranslated(f"{layer.name} is a {type(layer).__name__}, or stateful.")
    kind, gates = KINDS[type(layers[0]).__name__]
    weights = [
        np.stack(directions)
        for directions in zip(*(_weights(layer.cell, gates) for layer in layers), strict=True)
    ]
    backwards = "reverse" if layers[0].go_backwards else "forward"
    options = {"linear_before_reset": int(layers[0].reset_after)} if kind == "GRU" else {}
    return graph.add(
        kind,
        steps.first(graph, x),
        *weights,
        None,  # all sequences are of one length
        *_initial(graph, layers, initial_state),
        outputs=3 if kind == "LSTM" else 2,
        hidden_size=layers[0].units,
        direction="bidirectional" if len(layers) == 2 else backwards,
        **options,
        **_activations(kind, layers),
    )


def _initial(graph, layers, states) -> list[str]:
    """Return the states to start from, each kind of all directions in one."""
    if states is None:
        return []
    states = states if isinstance(states, list | tuple) else [states]
    states = [graph.add("Unsqueeze", state, [0]) for state in states]
    if len(layers) == 1:
        return states
    kinds = len(states) // 2
    return [graph.add("Concat", *states[kind::kinds], axis=0) for kind in range(kinds)]


def _weights(cell, gates: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what ONNX calls W (gate x unit, feature), R (gate x unit, unit) and B, the biases of
    the input and after them those of the state."""
    kernel, recurrent_kernel = cell.kernel.numpy(), cell.recurrent_kernel.numpy()
    biases = np.zeros((2, kernel.shape[1]), kernel.dtype)
    if cell.use_bias:
        given = np.atleast_2d(cell.bias.numpy())
        biases[: len(given)] = given  # a second row: GRU with reset_after
    kernel, recurrent_kernel, biases = (
        np.concatenate([np.split(one, len(gates), axis=1)[gate] for gate in gates], axis=1)
        for one in (kernel, recurrent_kernel, biases)
    )
    return kernel.T, recurrent_kernel.T, biases.ravel()


def _activations(kind: str, layers) -> dict:
    """Return the functions of the gates, the new state and, in an LSTM, the output."""
    functions = []
    for cell in (layer.cell for layer in layers):
        gate = [] if kind == "RNN" else [cell.recurrent_activation]
        functions += gate + [cell.activation] * (2 if kind == "LSTM" else 1)
    found = [_inside(function) for function in functions]
    parameters = {
        f"activation_{name}": [settings[name] for _, settings in found if name in settings]
        for name in ("alpha", "beta")
    }
    named = {"activations": [operator for operator, _ in found]}
    return named | {name: values for name, values in parameters.items() if values}


def _inside(function) -> tuple[str, dict]:
    name = name_of(function)
    if name == "linear":
        return "Affine", {"alpha": 1.0, "beta": 0.0}
    if name not in INSIDE:
        raise NotTranslated(f"ONNX has no {name} inside a recurrent layer.")
    return OPERATORS[name]


LAYERS = {
    "Bidirectional": bidirectional,
    "GRU": recurrent,
    "LSTM": recurrent,
    "SimpleRNN": recurrent,
}
