"""What an evaluation makes of the times that it measured."""

import numpy as np
import pytest

from pipelines.promotion import evaluation


def test_a_model_takes_what_its_median_turn_took():
    turns = np.array([[2.0, 1.0], [4.0, 2.0], [3.0, 1.5]])
    assert evaluation.paired_medians(turns) == [3.0, 1.5]
    assert evaluation.paired_medians(turns[:, :1]) == [3.0]


@pytest.mark.parametrize("slow", range(12))
def test_equal_models_stay_equal_however_the_pace_of_the_machine_changes(slow):
    """The change falls within a turn: the champion of that turn meets the other pace already."""
    pace = np.ones(22)
    pace[2 * slow + 1 :] = 2.0
    ours, theirs = evaluation.paired_medians(pace.reshape(11, 2))
    assert ours == theirs
