"""The last screen of `run`."""

import re

import mlflow
import pytest
from recorded import DIGITS, HASH, classified, finished, fit

from models.evaluation.metrics import ACCURACY
from pipelines.commands import run
from pipelines.experiments import tracking
from pipelines.experiments.scores import log_scores
from pipelines.promotion.retraining import Outcome

LABELS = list("0123456789")


@pytest.mark.parametrize(("dataset", "told"), [("digits", True), ("mnist_5k", False)])
def test_a_dataset_that_is_not_served_is_told(home, capsys, dataset, told):
    run.show({"image": Outcome(dataset, dataset_hash=HASH, reason="it was refused")})
    served = "Served  mnist_5k, not digits: `serve:` in params.yaml may name several: image: [mnist"
    assert (served in capsys.readouterr().out) is told


@pytest.mark.parametrize(
    ("rival", "verb"), [(0.99, "is better than"), (0.9, "cannot be told from")]
)
def test_a_rival_is_said_to_be_better_only_beyond_chance(home, tmp_path, capsys, rival, verb):
    finished(fit("cnn"), tmp_path / "cnn", rows=classified(0.88, LABELS, 0))
    with tracking.active(DIGITS, "forest", {"espalier.kind": tracking.RIVAL}, None):
        log_scores(ACCURACY, classified(rival, LABELS, 1))
        mlflow.log_metric("fit_seconds", 1.0)
    run.show({"image": Outcome("digits", dataset_hash=HASH, trained=1)})
    printed = capsys.readouterr().out
    assert re.search(rf"forest \(0\.\d+\) {verb} cnn", printed)
    assert "beside cnn: ▲ better, ▼ worse, = cannot tell" in printed
