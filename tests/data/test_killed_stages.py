"""Killed anywhere, the next run mends it: no orphan publishes, no half-written file stays."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from checkouts import MINE, Checkout, reviews, write_reviews
from project import until

pytestmark = pytest.mark.slow


@pytest.fixture
def mine(checkout) -> Checkout:
    checkout.declare("mine", **MINE)
    write_reviews(checkout.folder / MINE["path"], reviews())
    return checkout


def begin(checkout: Checkout, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        command, cwd=checkout.folder, env=checkout.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def stopped(process: subprocess.Popen, module: str, place: Path) -> psutil.Process:
    """The process of a stage below `process`, stopped while it fills a temporary folder in `place`.

    It runs a hundredth of a second at a time from its first imports on: the folder may be there for
    less time than this process waits for its turn.
    """
    stage = until(lambda: running(process, module), "a stage")
    until(lambda: advanced(stage, place), "a folder that it fills")
    return stage


def running(process: subprocess.Popen, module: str) -> psutil.Process | None:
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if module in child.cmdline() and child.exe() == os.path.realpath(sys.executable):
                child.suspend()
                return child
    return None


def advanced(stage: psutil.Process, place: Path) -> bool:
    """Let a stopped stage go on for a moment; whether it fills its folder now."""
    stage.resume()
    time.sleep(0.01)
    stage.suspend()
    return any(place.glob(".mine.*"))


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


DVC = ("dvc", "repro", "prepare@mine")
OURS = (sys.executable, "-c", "from data import versions; versions.reproduce('mine')")


def kill_while(checkout: Checkout, module: str, place: Path, *command: str) -> None:
    """Begin a command, kill it while a stage fills `place`, and wait for the end of all below."""
    process = begin(checkout, *command)
    stage = stopped(process, module, place)
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage.resume()
    until(lambda: all(ended(one.pid) for one in below), "the end of all")


def test_a_stage_ends_with_its_parent_and_the_next_run_mends(mine):
    """Killed at each stage in turn, the command goes on where the one before it was killed."""
    for module, stage, command in (
        ("data.ingest", "raw", DVC),
        ("data.validate", "reports", DVC),
        ("data.prepare", "prepared", OURS),  # what it leaves may be a zombie, which DVC waits for
    ):
        place = mine.folder / "data" / stage
        kill_while(mine, module, place, *command)
        assert not (place / "mine").exists()
    assert mine.versions("reproduce('mine')") == "None"
    assert mine.versions("outdated(['mine'])") == "[]"
    assert not list((mine.folder / "data").glob("*/.mine.*"))


def test_a_stage_whose_parent_ended_before_it_asked_for_it_writes_nothing(mine):
    process = begin(mine, *DVC)
    stage = until(lambda: running(process, "data.ingest"), "a stage")  # in its first imports
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage.resume()
    until(lambda: ended(stage.pid), "its end")
    assert not (mine.folder / "data" / "raw" / "mine").exists()


def test_a_killed_stage_is_a_failure_and_leaves_nothing(mine):
    process = begin(mine, *DVC)
    stopped(process, "data.validate", mine.folder / "data" / "reports").kill()
    assert process.wait() != 0
    assert not (mine.folder / "data" / "reports" / "mine").exists()
    assert not (mine.folder / "data" / "prepared").exists()


def test_a_lock_cut_off_by_a_kill_is_restored_with_all_versions(made):
    """At a few places, within and between its lines; 1.0: at the border of its last stage."""
    lock, state = made.folder / "dvc.lock", made.folder / ".dvc" / "tmp"
    whole = lock.read_text()
    lock.write_text(whole + whole.partition("stages:\n")[2].replace("@mine", "@other"))
    made.versions("outdated(['mine'])")  # a call that keeps a copy
    both = lock.read_text()
    for cut in (0.2, 0.5, 0.9, 1.0):
        (state / "dvc.lock.writing").touch()
        (state / "rwlock").write_text('{"write": {"/da')
        lock.write_text(both[: int(len(whole) * cut)])
        named = made.versions("dataset_hash('mine')")
        assert re.fullmatch(r"[0-9a-f]{32}\.dir", named)
        assert made.versions("reproduce('mine')") == "None"
        assert made.versions("dataset_hash('other')") == "None"  # of another folder
        assert "prepare@other" in lock.read_text()
    lock.write_text(whole)


def test_a_lock_cut_off_without_a_copy_is_git_s(made):
    made.commit()
    lock = made.folder / "dvc.lock"
    whole = lock.read_text()
    (made.folder / ".dvc" / "tmp" / "dvc.lock.kept").unlink()
    lock.write_text(whole[: len(whole) // 2])
    assert made.versions("outdated(['mine'])") == "[]"
    assert lock.read_text() == whole


def test_two_runs_at_once_wait_for_each_other(mine):
    both = [begin(mine, *OURS), begin(mine, *OURS)]
    assert [process.wait() for process in both] == [0, 0]
    assert mine.versions("outdated(['mine'])") == "[]"


def test_the_gate_lets_no_packet_leave(made):
    spy = (
        "import json, runpy, sys\n"
        "def spy(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        "        open('packets', 'a').write(json.dumps([event, repr(arguments)]) + chr(10))\n"
        "sys.addaudithook(spy)\n"
        "sys.argv = ['data.validate', 'mine']\n"
        "runpy.run_module('data.validate', run_name='__main__')\n"
    )
    made.env |= {"GX_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    assert made.run(sys.executable, "-c", spy).returncode == 0
    packets = made.folder / "packets"
    assert not packets.exists(), [json.loads(line) for line in packets.read_text().splitlines()]


@pytest.mark.parametrize("name", ["digits", "rotten_tomatoes", "glucose"])
def test_another_checkout_makes_the_same_bytes(checkout, name):
    import yaml
    from checkouts import ROOT

    assert checkout.versions(f"reproduce('{name}')") == "None"
    here = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    there = yaml.safe_load((checkout.folder / "dvc.lock").read_text())["stages"]
    for stage in ("ingest", "validate", "prepare"):
        assert there[f"{stage}@{name}"]["outs"] == here[f"{stage}@{name}"]["outs"]
