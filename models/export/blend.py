"""Several fitted models as one: a graph that holds theirs and gives the mean of what they say.

Of classes that is the mean of the calibrated probabilities, at the temperature that suits it; of
series the mean of the forecasts in standard scores. Source: Hansen and Salamon, Neural Network
Ensembles, IEEE Transactions on Pattern Analysis and Machine Intelligence, 1990.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.artifact import artifact
from models.errors import ExportMismatch, ModelError
from models.examples import Inputs, Split, examples
from models.export import convert, package
from models.familiarity.familiarity import Run
from models.training.fit import sharpness

if TYPE_CHECKING:
    import onnx

ENDS = ("start", "stop")
SMALLEST = 1e-15  # a probability below it is taken for it where its logarithm is


@dataclass(frozen=True)
class Blended:
    """A blend, as `models.training.fit.Fitted` is one model.

    graph: ONNX. columns: of the tensor, those that each member reads; None where it reads all.
    factor: of the logarithm of the mean; None where the mean is the answer.
    """

    graph: bytes
    inputs: Inputs
    members: Sequence[Path]
    columns: Sequence[slice | None]
    factor: float | None

    @property
    def run(self) -> Run:
        """The blend, from a tensor (row, …) to outputs (row, …)."""
        return convert.running(self.graph)


def blend(members: Sequence[Path], splits: Mapping[str, Split], facts: Mapping) -> Blended:
    """Return the blend of some models, calibrated on what it says of validation.

    Args:
        members: the folders of their artifacts, checked.
        splits: validation, as prepared.
        facts: the dataset's.

    Raises:
        ModelError: no tensor holds what all of them read.
        ExportMismatch: their graphs are of different versions of ONNX.
    """
    inputs, columns = _beside([artifact.read_inputs(folder) for folder in members])
    graphs = [(folder / "model.onnx").read_bytes() for folder in members]
    made = Blended(_joined(graphs, columns, None), inputs, members, columns, None)
    validation, run = examples(inputs, splits["validation"], facts.get("stride", 1)), made.run
    outputs = run(validation.tensor)
    if inputs.kind == "series":
        inputs = inputs.calibrated(outputs, validation.windows)
        return replace(made, inputs=inputs.followed(run, splits["validation"], facts["stride"]))
    factor = sharpness(outputs, validation.target)
    return replace(made, graph=_joined(graphs, columns, factor), factor=factor)


def write(
    folder: Path,
    blended: Blended,
    splits: Mapping[str, Split],
    facts: Mapping,
    identity: Mapping,
    guard: Path | None = None,
) -> str:
    """Fill an empty folder with the artifact and return the sha256 of its manifest.

    Args:
        folder: the folder.
        blended: the blend.
        splits: validation and test; up to 512 rows of each prove the graph equal to the mean.
        facts: the dataset's.
        identity: as `models.export.package.write` takes it.
        guard: likewise.

    Raises:
        ExportMismatch: the graph answers otherwise.
    """
    (folder / "model.onnx").write_bytes(blended.graph)
    convert.check_graph(folder / "model.onnx")
    for name in ("validation", "test"):
        few = package.proving(blended.inputs, splits[name], facts)
        convert.check_parity(mean(blended, few), blended.run(few))
    return package.complete(folder, blended.inputs, splits["test"], facts, identity, guard)


def mean(blended: Blended, tensor: np.ndarray) -> np.ndarray:
    """Return what the members' own graphs say of a tensor, averaged as the blend's graph does."""
    said = [
        convert.runner(folder / "model.onnx")(tensor if part is None else tensor[:, part])
        for folder, part in zip(blended.members, blended.columns, strict=True)
    ]
    outputs = np.mean(said, axis=0)
    if blended.factor is None:
        return outputs
    powers = np.maximum(outputs, SMALLEST).astype(float) ** blended.factor
    return powers / powers.sum(axis=1, keepdims=True)


def _beside(each: Sequence[Any]) -> tuple[Inputs, list[slice | None]]:
    """Return inputs that make a tensor for all models, and which of its columns each one reads."""
    plain = [_uncalibrated(inputs) for inputs in each]
    digests = [artifact.digest_of(inputs) for inputs in plain]
    if len(set(digests)) == 1:
        return plain[0], [None] * len(plain)
    if plain[0].kind != "text":
        raise ModelError("These models cannot be blended: they read other sizes, or other scales.")
    parts = list(dict(zip(digests, plain, strict=True)).items())
    ends = np.cumsum([0, *(part.sizes()["length"] for _, part in parts)]).tolist()
    places = {digest: slice(*ends) for (digest, _), ends in zip(parts, pairwise(ends), strict=True)}
    beside = type(plain[0]).beside([part for _, part in parts])
    return beside, [places[digest] for digest in digests]


def _uncalibrated(inputs: Any) -> Any:
    """Return inputs without what validation says of one model."""
    if inputs.kind == "series":
        none = np.zeros((0, 0), np.float32)
        return replace(inputs, radii=none, following=none)
    return replace(inputs, weights=())


def _joined(
    graphs: Sequence[bytes], columns: Sequence[slice | None], factor: float | None
) -> bytes:
    """Return one graph, "input" → "output", of those of the members."""
    import onnx

    models = [
        onnx.compose.add_prefix(onnx.load_model_from_string(graph), f"member_{number}_")
        for number, graph in enumerate(graphs)
    ]
    opsets = {(one.domain, one.version) for model in models for one in model.opset_import}
    if len({domain for domain, _ in opsets}) < len(opsets):
        raise ExportMismatch(f"The graphs are of different versions of ONNX: {sorted(opsets)}.")
    nodes = [node for one in zip(models, columns, strict=True) for node in _member(*one)]
    said = [model.graph.output[0].name for model in models]
    nodes.append(onnx.helper.make_node("Mean", said, ["output" if factor is None else "mean"]))
    nodes += () if factor is None else _sharpened(factor)
    first = models[0].graph
    first.input[0].name, first.output[0].name = "input", "output"
    if (width := max((part.stop for part in columns if part), default=None)) is not None:
        first.input[0].type.tensor_type.shape.dim[1].dim_value = width
    weights = [weight for model in models for weight in model.graph.initializer]
    graph = onnx.helper.make_graph(nodes, "blend", first.input, first.output, weights)
    return onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid(*one) for one in sorted(opsets)],
        ir_version=max(model.ir_version for model in models),
        producer_name="espalier",
    ).SerializeToString()


def _member(model: "onnx.ModelProto", columns: slice | None) -> list["onnx.NodeProto"]:
    """Return the nodes of a member, which reads these columns of the one input."""
    from onnx.helper import make_node

    name = model.graph.input[0].name
    if columns is None:
        return [make_node("Identity", ["input"], [name]), *model.graph.node]
    ends = [_constant(f"{name}_{end}", np.array([getattr(columns, end)])) for end in ENDS]
    axis = _constant(f"{name}_axis", np.array([1]))
    taken = make_node("Slice", ["input", *(node.output[0] for node in (*ends, axis))], [name])
    return [*ends, axis, taken, *model.graph.node]


def _sharpened(factor: float) -> list["onnx.NodeProto"]:
    """Return the nodes that give the mean another temperature."""
    from onnx.helper import make_node

    return [
        _constant("smallest", np.float32(SMALLEST)),
        _constant("factor", np.float32(factor)),
        make_node("Max", ["mean", "smallest"], ["positive"]),
        make_node("Log", ["positive"], ["logits"]),
        make_node("Mul", ["logits", "factor"], ["sharpened"]),
        make_node("Softmax", ["sharpened"], ["output"], axis=-1),
    ]


def _constant(name: str, value: Any) -> "onnx.NodeProto":
    from onnx import helper, numpy_helper

    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value)))
