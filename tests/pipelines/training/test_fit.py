"""A fit that is on record since it was planned is not done again, unless that was asked for."""

from contextlib import ExitStack

import pytest
from damage import changed_bytes
from recorded import finished, fit

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
