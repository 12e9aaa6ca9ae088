"""How far a graph may be from Keras: 1e-4, or that share of a row's largest output beyond 1."""

import numpy as np
import pytest
from every_architecture import SIZES

from models import architectures
from models.errors import ExportMismatch
from models.export import convert
from models.inputs.answers import TOLERANCE
from models.training.fit import predict


@pytest.mark.parametrize(
    ("expected", "difference", "equal"),
    [
        (0.9, 0.9e-4, True),
        (0.9, 1.2e-4, False),
        (-30.0, 1.5e-4, True),
        (30.0, 3.3e-3, False),
        (0.9, np.nan, False),
        (np.inf, 0.0, False),
    ],
)
def test_a_difference_is_judged_by_the_largest_output_of_its_row(expected, difference, equal):
    row = np.array([[expected, 0.1], [5000.0, 0.1]])
    other = row + np.array([[0.0, difference], [0.0, 0.0]])
    if equal:
        convert.check_parity(row, other)
    else:
        with np.errstate(invalid="ignore"), pytest.raises(ExportMismatch, match="differs from"):
            convert.check_parity(row, other)


def test_a_network_of_ours_is_exported_for_series_of_every_scale(tmp_path):
    model = architectures.module("forecast", "cnn").build(**SIZES["forecast"])
    convert.to_onnx(model, tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    [tensor] = model.inputs
    histories = 3000 * rng.normal(size=(256, *tensor.shape[1:])).astype(np.float32)
    expected = predict(model, histories)
    outputs = convert.runner(tmp_path / "model.onnx")(histories)
    assert np.abs(expected - outputs).max() > TOLERANCE  # which was all that was allowed
    convert.check_parity(expected, outputs)
