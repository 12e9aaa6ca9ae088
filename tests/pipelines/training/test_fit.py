"""A fit that is on record since it was planned is not done again, unless that was asked for; what
it shows to everybody, its golden requests, are rows of the source, and no client's."""

from contextlib import ExitStack

import numpy as np
import pytest
from damage import changed_bytes
from recorded import finished, fit
from small_data import FORECAST, IMAGE, digits, waves

from data.stored import Dataset
from pipelines.experiments import leaderboard_rows, verification
from pipelines.locks import lock
from pipelines.training import fit as fitting


def done(planned, again: bool = False) -> fitting.Result | None:
    with ExitStack() as held:
        result = fitting.done_already(planned, held, again)
        with pytest.raises(lock.LockHeldError):
            held.enter_context(lock.hold(lock.of_fit(planned.fingerprint), 0))
    return result


def test_what_another_process_did_meanwhile_is_not_done_again(home, tmp_path):
    """Of one that was killed before it wrote its row too, as before its answer was heard."""
    planned = fit()
    assert done(planned) is None
    record = finished(planned, tmp_path / "artifact")
    leaderboard_rows.remove([record.run_id])
    assert done(planned).record == record
    assert done(planned, again=True) is None
    for _ in changed_bytes(verification.artifact_folder(record.run_id), 1):
        assert done(planned) is None


def marked(splits: dict, facts: dict, since: dict[str, int]) -> Dataset:
    """The splits whose rows from a number on were requests."""
    for name, columns in splits.items():
        rows = len(next(iter(columns.values())))
        columns["collected"] = np.arange(rows) >= since.get(name, rows)
    return Dataset(facts, splits)


def test_without_requests_the_test_rows_are_shown():
    dataset = Dataset(IMAGE, digits())
    assert fitting.of_source(dataset) is dataset.splits["test"]


def test_no_request_is_shown_as_an_example():
    dataset = marked(digits(), IMAGE, {"test": 40, "train": 10})
    shown = fitting.of_source(dataset)
    assert {len(column) for column in shown.values()} == {40}
    np.testing.assert_array_equal(shown["image"], dataset.splits["test"]["image"][:40])


def test_of_a_series_the_newest_windows_are_shown_that_the_source_has():
    dataset = marked(waves(), FORECAST, {"test": 0})
    shown = fitting.of_source(dataset)
    np.testing.assert_array_equal(shown["value"], dataset.splits["validation"]["value"])
    dataset = marked(waves(), FORECAST, {})
    np.testing.assert_array_equal(
        fitting.of_source(dataset)["value"], dataset.splits["test"]["value"]
    )
