"""Runs in MLflow: fits side by side do not meet in its store, and a failed one names its cause."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from recorded import DIGITS, fit

from pipelines.experiments import leaderboard_rows, tracking


@pytest.mark.usefixtures("home")
def test_fits_at_once_name_the_same_data():
    """MLflow adds a dataset after it has looked for it: the second of two fits failed."""
    together = threading.Barrier(4)

    def record(seed: int, parent: str) -> str:
        together.wait()
        with tracking.child(fit(seed=seed), parent) as run:
            return run.run_id

    with tracking.parent(DIGITS, "quick", "retrain") as parent, ThreadPoolExecutor(4) as fits:
        run_ids = list(fits.map(record, range(4), [parent] * 4))
    client = tracking.connect()
    for run_id in [parent, *run_ids]:
        [given] = client.get_run(run_id).inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == (DIGITS.name, DIGITS.hash)


@pytest.mark.usefixtures("home")
def test_a_failed_run_raises_its_cause_though_its_row_cannot_be_written(monkeypatch):
    def refuse(rows):
        raise OSError("the state database is away")

    monkeypatch.setattr(leaderboard_rows, "write", refuse)
    with (
        pytest.raises(ValueError, match="the cause"),
        tracking.active(DIGITS, "forest", {"espalier.kind": tracking.RIVAL}, None),
    ):
        raise ValueError("the cause")
