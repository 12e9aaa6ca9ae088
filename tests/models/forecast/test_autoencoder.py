"""The error of a history is that of its shape, whatever its level and scale."""

import numpy as np
import pytest

from models.export import convert
from models.forecast.autoencoder import FLAT, LEAST_SPREAD, build
from models.training.fit import predict

HISTORY = 48


@pytest.fixture(scope="module")
def model():
    return build(HISTORY, 4)


def errors(model, histories) -> np.ndarray:
    return predict(model, np.asarray(histories, np.float32))[:, 0]


def test_level_and_scale_are_the_histories_own(model):
    shapes = np.random.default_rng(0).normal(size=(30, HISTORY))
    expected = errors(model, shapes)
    for level, scale in ((0, 0.1), (100, 1), (-3, 50)):
        assert errors(model, level + scale * shapes) == pytest.approx(expected, rel=1e-3)


def test_a_flat_history_has_a_large_error_and_divides_by_nothing(model, tmp_path):
    wave = np.sin(np.arange(HISTORY))
    levels = np.array([[0.0], [1.0], [-1e4]])
    flat = levels + np.zeros(HISTORY)
    assert errors(model, flat) == pytest.approx(FLAT, abs=1e-3)
    assert errors(model, [LEAST_SPREAD / 100 * wave]) > 0.9 * FLAT
    convert.to_onnx(model, tmp_path / "model.onnx")
    graph = convert.runner(tmp_path / "model.onnx")
    assert graph(flat.astype(np.float32))[:, 0] == pytest.approx(FLAT, abs=1e-3)
