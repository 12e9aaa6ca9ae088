import os
import shutil
import subprocess
import sys
import time

import pytest
from holding import HOLDER, holding
from sqlalchemy import text

from pipelines.locks import lock, state


@pytest.fixture
def holder(database):
    with holding("image") as process:
        yield process


def is_free(wait_seconds: float = 0) -> bool:
    try:
        with lock.hold("image", wait_seconds):
            return True
    except lock.LockHeldError:
        return False


def test_a_second_holder_is_refused_at_once_and_told_who_holds_it(holder):
    begun = time.monotonic()
    named = rf"'image' is being run by process {holder.pid} on {os.uname().nodename}.* since \d"
    with pytest.raises(lock.LockHeldError, match=named), lock.hold("image"):
        pass
    assert time.monotonic() - begun < 2


def test_another_tasks_lock_is_free(holder):
    with lock.hold("sentiment"):
        pass


@pytest.mark.parametrize("end", [lambda holder: holder.stdin.close(), subprocess.Popen.kill])
def test_waiting_takes_over_when_the_holder_ends_or_is_killed(holder, end):
    end(holder)
    assert is_free(wait_seconds=30)


def test_what_a_holder_started_does_not_hold_on(database):
    """A child process inherits nothing that would keep the lock after its parent's end."""
    begun = f"{HOLDER.strip()}\n".replace(
        "print(", "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, "
    )
    process = subprocess.Popen(
        [sys.executable, "-c", begun, "image"], stdin=-1, stdout=-1, text=True
    )
    with process:
        child = int(process.stdout.readline().split()[0])
        process.kill()
    try:
        assert is_free(wait_seconds=5)
    finally:
        os.kill(child, 9)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_a_containers_holder_holds(database):
    with holding("image", "unshare", "--pid", "--fork", "--kill-child"):
        assert not is_free()


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_session_that_the_server_ended_is_no_error_of_its_holder(database):
    with lock.hold("image"):
        with state.transaction() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            connection.execute(text(ended))
        assert is_free(wait_seconds=5)


def test_processes_that_start_at_once_take_turns(database, tmp_path):
    """On a database that none of them has seen: the tables are made once, no number is lost."""
    count = tmp_path / "count"
    count.write_text("0")
    turns = """
import pathlib, sys
from pipelines.locks import lock, state
count = pathlib.Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
state.connect()
for _ in range(5):
    with lock.hold("image", 60):
        count.write_text(str(int(count.read_text()) + 1))
"""
    command = [sys.executable, "-c", turns, str(count)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(6)]
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


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no url", "sqlite://"])
def test_another_kind_of_database_is_refused(home, monkeypatch, url):
    monkeypatch.setenv(state.VARIABLE, url)
    with pytest.raises(state.DatabaseError, match=r"postgresql\+psycopg2"), lock.hold("image"):
        pass
