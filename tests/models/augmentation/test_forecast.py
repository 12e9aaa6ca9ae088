"""What each augmentation does to histories."""

import numpy as np
import pytest
from augmented import histories, varied

from models import options


def _varied(values: np.ndarray, **switched: float) -> np.ndarray:
    return varied("forecast", values, **switched)


def test_jitter_is_the_standard_deviation_of_what_is_added():
    given = histories(2000)
    assert np.std(_varied(given, jitter=0.2) - given) == pytest.approx(0.2, rel=0.05)


def test_a_share_of_the_values_is_dropped_and_lies_on_the_line_between_neighbours():
    given = histories(500)
    varied = _varied(given, drop=0.25)
    dropped = varied != given
    assert dropped[:, 1:-1].mean() == pytest.approx(0.25, abs=0.02)
    for values, filled, out in zip(given, varied, dropped, strict=True):
        (kept,) = np.nonzero(~out)
        line = np.interp(np.arange(30), kept, values[kept])
        assert filled == pytest.approx(line, abs=1e-5)


@pytest.mark.parametrize("name", ["drop", "warp"])
def test_the_oldest_and_the_newest_value_stay(name):
    given = histories()
    varied = _varied(given, **{name: options.RANGES[name][1]})
    assert varied[:, [0, -1]] == pytest.approx(given[:, [0, -1]], abs=1e-5)


@pytest.mark.parametrize("name", ["drop", "warp"])
def test_a_straight_line_loses_nothing_to_drop_and_runs_one_way_under_warp(name):
    given = np.arange(30, dtype=np.float32)[None].repeat(64, axis=0)
    varied = _varied(given, **{name: options.RANGES[name][1]})
    assert (np.diff(varied, axis=1) > 0).all()
    if name == "drop":
        assert varied == pytest.approx(given, abs=1e-4)
    else:  # the middle moved by up to 0.3 of the length, the ends hardly
        assert 7 < np.abs(varied - given)[:, 10:20].max() < 9
        assert np.abs(varied - given)[:, [1, -2]].max() < 0.2


@pytest.mark.parametrize("name", options.AUGMENTATION["forecast"])
def test_histories_of_one_and_of_two_values_pass(name):
    for length in (1, 2):
        assert _varied(histories()[:, :length], **{name: 0.3}).shape == (64, length)
