import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from project import until
from sqlalchemy import text

from pipelines.locks import lock, state
from pipelines.promotion import ledger

# Holds the lease and does what it is told, a line at a time. Its terms are short, for a test.
HOLDER = """
import sys
from pipelines import lease, ledger
lease.TTL_SECONDS, lease.RENEW_SECONDS = map(float, sys.argv[1:])
with lease.hold("image") as held:
    print("held", held.token, flush=True)
    for line in sys.stdin:
        try:
            entry = ledger.append(held, "model", "promotion", from_version=None, to_version="late",
                run_id=None, fingerprint=None, dataset_hash=None, evidence=[], reason=None)
            print(entry.position, flush=True)
        except lease.LeaseLostError as lost:
            print(lost, flush=True)
"""


@contextmanager
def holding(seconds: float = 30, renewed: float = 0.2):
    """Another process that holds the image lease until its standard input closes.

    seconds: of a term. renewed: after so many.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(seconds), str(renewed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline().split()[0] == "held"
            yield process
        finally:
            process.kill()


@pytest.fixture
def holder(database):
    with holding() as process:
        yield process


def told(process: subprocess.Popen) -> str:
    """What the holder says to being asked for an entry in the ledger."""
    process.stdin.write("append\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def change(columns: str) -> None:
    """Change the lease's row, as if it had been taken elsewhere, or by another."""
    with state.transaction() as connection:
        connection.execute(text(f"UPDATE leases SET {columns} WHERE name = 'image'"))


def expires() -> float:
    with state.transaction() as connection:
        return connection.execute(text("SELECT expires FROM leases")).scalar_one()


def free(wait_seconds: float = 0) -> bool:
    try:
        with lock.hold("image", wait_seconds):
            return True
    except lock.LeaseHeldError:
        return False


def test_a_second_holder_is_refused_and_told_who_holds_it(holder):
    with pytest.raises(lock.LeaseHeldError, match=f"process {holder.pid} "), lock.hold("image"):
        pass


def test_another_tasks_lease_is_free(holder):
    with lock.hold("sentiment"):
        pass


def test_waiting_takes_over_when_the_holder_ends(holder):
    holder.stdin.close()
    assert free(wait_seconds=30)


def test_a_killed_holder_is_taken_over_at_once(holder):
    holder.kill()  # and not waited for: a zombie is as dead
    assert free(wait_seconds=5)


def test_a_pid_that_another_process_was_given_holds_nothing(holder):
    change("born = born - 100")
    assert free()


def test_another_machines_holder_is_known_to_be_dead_only_when_its_time_is_over(database):
    with holding(seconds=2) as holder:
        holder.kill()
        holder.wait()
        # An hour more, that its time is not over before it is asked about.
        change("machine = 'another', host = 'node-7', expires = expires + 3600")
        with (
            pytest.raises(lock.LeaseHeldError, match=f"{holder.pid} on node-7"),
            lock.hold("image"),
        ):
            pass
        change("expires = expires - 3600")
        assert free(wait_seconds=10)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_a_containers_holder_is_not_looked_for_among_our_processes(database):
    command = "from pipelines import lease\nwith lease.hold('image'): print('held'); input()"
    inside = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-uc", command]
    process = subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "held\n"
        assert not free()
        process.stdin.close()


def test_a_living_holder_keeps_its_lease_beyond_its_time(database):
    with holding(renewed=0.1) as holder:
        began = expires()
        until(lambda: expires() > began + 1, "a later end")
        assert not free()
        assert told(holder) == "1"


def test_a_late_entry_of_a_holder_that_was_asleep_is_refused(database):
    with holding(seconds=1) as holder:
        before = expires()
        until(lambda: expires() != before, "a renewal")  # so that it is not stopped within one
        os.kill(holder.pid, signal.SIGSTOP)
        with lock.hold("image", wait_seconds=10) as ours:
            os.kill(holder.pid, signal.SIGCONT)
            assert "another took over" in told(holder)
            lock.current(ours)
        assert ledger.entries("model") == []


def test_a_lease_is_lost_with_its_block(database):
    with lock.hold("image") as ours:
        lock.current(ours)
    with pytest.raises(lock.LeaseLostError):
        lock.current(ours)


def test_a_lease_is_good_in_threads_and_in_forked_children(database):
    with lock.hold("image") as ours:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lock.current, [ours] * 8)) == [None] * 8
        forked = f"""
import os
from pipelines import lease, state
state.connect()
if os.fork() == 0:
    lease.current(lease.Lease({ours.name!r}, {ours.token}))
    print("current", flush=True)
    os._exit(0)
os.wait()
lease.current(lease.Lease({ours.name!r}, {ours.token}))
"""
        done = subprocess.run([sys.executable, "-c", forked], capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("current\n", 0), done.stderr


def test_processes_that_start_at_once_take_turns(database, tmp_path):
    """On a database that none of them has seen: the tables are made once, no number is lost."""
    count = tmp_path / "count"
    count.write_text("0")
    turns = """
import pathlib, sys
import sqlalchemy
from pipelines import lease
count = pathlib.Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    with lease.hold("image", 60) as held:
        number = int(count.read_text())
        count.write_text(str(number + 1))
        assert held.token == number + 1
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", turns, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in processes] == [""] * 6
    assert count.read_text() == "30"


def test_a_database_that_is_away_is_named_without_its_password(home, monkeypatch):
    monkeypatch.setenv(state.VARIABLE, "postgresql+psycopg2://me:secret@127.0.0.1:9/none")
    with pytest.raises(state.DatabaseError, match=r"127\.0\.0\.1") as error, lock.hold("image"):
        pass
    assert "secret" not in str(error.value)


def test_a_ledger_that_cannot_be_read_is_told_in_a_sentence(home):
    state.connect()
    (home / "espalier.db").unlink()
    (home / "espalier.db").mkdir()
    with pytest.raises(state.DatabaseError, match=r"espalier\.db"):
        ledger.models()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no url"])
def test_another_kind_of_database_is_refused(home, monkeypatch, url):
    monkeypatch.setenv(state.VARIABLE, url)
    with pytest.raises(state.DatabaseError, match=r"postgresql\+psycopg2"), lock.hold("image"):
        pass
