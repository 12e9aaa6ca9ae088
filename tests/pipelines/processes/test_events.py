"""An event that no server takes changes nothing, and takes no time."""

import os
import subprocess
import sys
import time
from contextlib import closing
from socket import create_server

import pytest

from pipelines.runtime import environment

PROGRAM = """
import sys
from pipelines.processes import events
sent = events.emit("promotion", "image", "digits", "cnn v1 promoted", "http://page", "1")
print(sent, "prefect" in sys.modules)
"""


def emitted(**more: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(environment.ROOT)} | more,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()


def test_without_a_server_prefect_is_not_even_imported(home):
    os.environ.pop("PREFECT_API_URL", None)
    assert emitted() == ("False False", "")


@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_does_not_answer_is_told_in_seconds(home, listens):
    """One that is away, and one that takes the connection and says nothing."""
    with closing(create_server(("127.0.0.1", 0))) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        if not listens:
            listener.close()
        start = time.monotonic()
        out, err = emitted(PREFECT_API_URL=url)
    assert out == "False False"
    assert "espalier.promotion was not sent: the Prefect server" in " ".join(err.split())
    assert time.monotonic() - start < 10
