"""Fits that run side by side do not meet in MLflow's store."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from recorded import DIGITS, fit

from pipelines.experiments import tracking


@pytest.mark.usefixtures("home")
def test_fits_at_once_name_the_same_data():
    """MLflow adds a dataset after it has looked for it: the second of two fits failed."""
    together = threading.Barrier(4)

    def record(seed: int, parent: str) -> str:
        together.wait()
        with tracking.child(fit(seed=seed), parent) as run_id:
            return run_id

    with tracking.parent(DIGITS, "quick", "retrain") as parent, ThreadPoolExecutor(4) as fits:
        run_ids = list(fits.map(record, range(4), [parent] * 4))
    client = tracking.connect()
    for run_id in [parent, *run_ids]:
        [given] = client.get_run(run_id).inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == (DIGITS.name, DIGITS.hash)
