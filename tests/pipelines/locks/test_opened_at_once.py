"""Processes that open a new state database at the same moment: none of them is refused."""

from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import text

PROCESSES, ROUNDS = 6, 60


def _open_each(folder: Path, together, errors) -> None:
    """Open one new database a round, at the moment at which the others do."""
    import os

    from pipelines.locks import state

    for turn in range(ROUNDS):
        os.environ[state.VARIABLE] = f"sqlite:///{folder / f'{turn}.db'}"
        together.wait(60)
        try:
            for _ in range(3):
                with state.transaction() as connection:
                    connection.execute(text("SELECT count(*) FROM ledger"))
        except Exception as error:  # the test shows it, whatever it is
            errors.put(f"round {turn}: {error}")


def test_a_new_database_opens_for_all_that_come_at_once(tmp_path):
    # Threads of one process would share the engine: only processes race for the file.
    processes = get_context("spawn")
    together, errors = processes.Barrier(PROCESSES), processes.SimpleQueue()
    workers = [
        processes.Process(target=_open_each, args=(tmp_path, together, errors))
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    assert errors.empty(), errors.get()
