"""What an evaluation makes of measured times, and of the decisions before it."""

import entries
import numpy as np
import pytest
from recorded import HASH

from pipelines.gate import spending
from pipelines.promotion import evaluation, ledger


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


def test_decisions_beside_a_champion_count_by_the_part_of_the_rows_that_they_share(home):
    """Also those of other versions of the data; older entries say only which version it was."""
    model, other = "espalier-image-digits", "fedcba9876543210.dir"
    split = [f"row {number}" for number in range(100)]
    compared = {"name": "champion", "passed": False, "evidence": "", "p": 0.5}

    def decide(checks: list[dict], test_rows=None, **changes) -> None:
        evidence = {"rules": {}, "checks": checks, "test_rows": test_rows}
        entries.append(model, "refusal", evidence=evidence, **changes)

    decide([], spending.sketch(split))  # no champion was there
    decide([compared], spending.sketch(split[:50]), dataset_hash=other)
    decide([compared], spending.sketch(split))
    decide([compared])
    decide([compared], dataset_hash=other)
    counted = evaluation.decisions_by(spending.sketch(split), ledger.entries(model), HASH)
    assert counted == 2.5
