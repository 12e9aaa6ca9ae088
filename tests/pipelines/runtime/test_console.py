"""What a person sees, in a process of its own: `divert` moves the process' own output."""

import contextlib
import os
import pty
import re
import subprocess
import sys

import pytest

from pipelines.runtime import console, environment

SHOW = """
import os, sys, subprocess
from pathlib import Path
from pipelines.runtime import console
console.divert(Path(sys.argv[1]), answers_only=sys.argv[2] == "json")
print("library chatter")
os.write(2, b"native chatter\\n")
subprocess.run(["echo", "child chatter"])
with console.stage("fit") as say:
    say("came out [as written]")
with console.epochs("bar", 3) as show:
    for epoch in (1, 2, 3):
        show(epoch, {"val_loss": 1 / epoch})
if sys.argv[2] == "json":
    console.answer('{"a": 1}')
"""


def _command(tmp_path, mode: str) -> list[str]:
    return [sys.executable, "-c", SHOW, str(tmp_path / "log"), mode]


def shown(tmp_path, mode: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        _command(tmp_path, mode), cwd=environment.ROOT, capture_output=True, text=True
    )


def test_without_a_terminal_there_are_plain_lines_and_the_chatter_is_in_the_log(tmp_path):
    done = shown(tmp_path, "plain")
    assert re.fullmatch(r"  fit +\d+\.\d s  came out \[as written\]\n", done.stdout), done.stdout
    assert done.stderr == ""
    log = (tmp_path / "log").read_text()
    assert {"library chatter", "native chatter", "child chatter"} <= set(log.splitlines())


def test_json_has_standard_output_to_itself(tmp_path):
    done = shown(tmp_path, "json")
    assert done.stdout == '{"a": 1}\n'
    assert "came out" in done.stderr


def test_on_a_terminal_a_bar_moves_and_the_line_stays(tmp_path):
    leader, follower = pty.openpty()
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
    terminal = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    command = _command(tmp_path, "plain")
    seen = b""
    with subprocess.Popen(command, cwd=environment.ROOT, env=terminal, **ends):
        os.close(follower)
        with contextlib.suppress(OSError):  # Linux' end of a terminal
            while chunk := os.read(leader, 4096):
                seen += chunk
    os.close(leader)
    text = seen.decode()
    assert "epoch 3/3 val_loss 0.3333" in text
    assert "came out [as written]" in text
    assert "chatter" not in text


def test_a_line_names_the_part_of_the_run_that_it_belongs_to(capsys):
    with console.part("image"):
        console.show(console.Line("cnn", "5 epochs", 1.2))
    console.line("cnn", "5 epochs", 1.2)
    assert capsys.readouterr().out.splitlines() == [
        "  image     cnn             1.2 s  5 epochs",
        "  cnn             1.2 s  5 epochs",
    ]


@pytest.mark.parametrize("seconds", [None, 0.04, 61.25])
def test_a_line_fits_into_eighty_columns(capsys, seconds):
    console.line("perceptron", "x" * 50, seconds)
    assert len(capsys.readouterr().out.rstrip("\n")) <= 80


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.81234, ".4f", "0.8123"),
        (sys.float_info.max, ".4f", "∞"),
        (-sys.float_info.max, "+.2f", "−∞"),
        (12345.678, ".3f", "12345.678"),
    ],
)
def test_a_score_without_end_takes_one_sign(value, form, shown):
    assert console.figure(value, form) == shown
