"""An ONNX file is looked through before it is opened, however deep a thing is hidden."""

from contextlib import suppress

import onnx
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from serving.inference.graph_check import GraphError, check_graph


def external(name: str = "w") -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def model(nodes=(), tensors=(), **more) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [], [], list(tensors))
    return helper.make_model(graph, **more)


def in_a_branch(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """The tensor as a constant in a branch of an If in a branch of an If."""
    nodes = [helper.make_node("Constant", [], ["c"], value=tensor)]
    for _ in range(2):
        branch = helper.make_graph(nodes, "branch", [], [])
        nodes = [helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)]
    return model(nodes)


def sparse(tensor: onnx.TensorProto) -> onnx.ModelProto:
    hidden = model()
    hidden.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return hidden


def located(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The mark alone, without the entries that say where."""
    tensor.ClearField("external_data")
    return tensor


def function() -> onnx.ModelProto:
    made = model()
    made.functions.append(
        helper.make_function("own", "F", [], [], [], [helper.make_opsetid("", 17)])
    )
    return made


@pytest.mark.parametrize("task", ["image", "sentiment", "forecast"])
def test_an_ordinary_graph_passes(task):
    check_graph(tiny.graph_of(task).SerializeToString())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (model(tensors=[external()]), "another file"),
        (model(tensors=[located(external())]), "another file"),
        (in_a_branch(external()), "another file"),
        (sparse(external()), "another file"),
        (model([helper.make_node("Run", [], [], domain="com.custom")]), "operator domain"),
        (model(opset_imports=[helper.make_opsetid("com.microsoft", 1)]), "operator domain"),
        (function(), "functions of its own"),
    ],
)
def test_what_may_not_be_served(bad, says):
    with pytest.raises(GraphError, match=says):
        check_graph(bad.SerializeToString())


def test_a_graph_nested_without_end():
    nodes = []
    for _ in range(25):
        branch = helper.make_graph(nodes, "b", [], [])
        nodes = [helper.make_node("If", ["x"], ["y"], then_branch=branch)]
    with pytest.raises(GraphError, match="levels deep"):
        check_graph(model(nodes).SerializeToString())


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=st.binary(max_size=60), start=st.integers(0, 400))
def test_bytes_that_are_no_graph_end_in_an_error_of_ours(data, start):
    content = bytearray(tiny.graph_of("forecast").SerializeToString())
    content[start : start + len(data)] = data
    for broken in (bytes(content), data, bytes(content[:start])):
        with suppress(GraphError):
            check_graph(broken)
