"""The last screen of `run`."""

import pytest
from recorded import HASH

from pipelines.commands import run
from pipelines.promotion.retraining import Outcome


@pytest.mark.parametrize(("dataset", "told"), [("digits", True), ("mnist_5k", False)])
def test_a_dataset_that_is_not_served_is_told(home, capsys, dataset, told):
    run.show({"image": Outcome(dataset, dataset_hash=HASH, reason="it was refused")})
    served = "Served  mnist_5k, not digits: `serve:` in params.yaml names one a task"
    assert (served in capsys.readouterr().out) is told
