"""No packet leaves: the whole command in a network of its own whose only way out is counted."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import begun, outcomes, small, until

ALLOWED = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip") is not None

READY = """
import urllib.error, urllib.request
try: print(urllib.request.urlopen("http://127.0.0.1:3000/readyz").status)
except urllib.error.URLError as error: print(error)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ALLOWED, reason="a network namespace takes Linux, root and iproute2"),
]


@pytest.fixture
def space() -> Iterator[str]:
    """A network namespace with loopback, and a way out that leads to nobody."""
    name = f"espalier-{os.getpid()}"
    resolver = Path("/etc/netns") / name / "resolv.conf"  # `ip netns exec` lays it over /etc
    resolver.parent.mkdir(parents=True)
    resolver.write_text("nameserver 192.0.2.53\noptions timeout:1 attempts:1\n")
    ip("netns", "add", name)
    try:
        # Otherwise the kernel itself would look for neighbours.
        inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        inside(name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        inside(name, "ip", "link", "set", "lo", "up")
        inside(name, "ip", "link", "add", "out", "type", "veth", "peer", "name", "sink")
        for end in ("out", "sink"):
            inside(name, "ip", "link", "set", end, "up", "arp", "off")
        inside(name, "ip", "address", "add", "192.0.2.1/24", "dev", "out")
        inside(name, "ip", "route", "add", "default", "dev", "out")
        yield name
    finally:
        ip("netns", "delete", name)
        shutil.rmtree(resolver.parent)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def inside(space: str, *command: str) -> str:
    """What the command prints in the namespace."""
    command = ["ip", "netns", "exec", space, *command]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sent(space: str) -> int:
    """How many packets have gone into the device that leads out."""
    return int(inside(space, "cat", "/sys/class/net/out/statistics/tx_packets"))


@pytest.mark.parametrize(
    "way",
    [
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 9))",
        "import contextlib, socket\n"
        "with contextlib.suppress(OSError): socket.getaddrinfo('example.org', 443)",
    ],
    ids=["a datagram", "a name looked up"],
)
def test_what_leaves_is_counted(space, way):
    before = sent(space)
    inside(space, sys.executable, "-c", way)
    assert sent(space) > before


def test_neither_a_run_nor_a_service_sends_anything(space, tmp_path):
    project = small(tmp_path / "project")
    before, prefix = sent(space), ("ip", "netns", "exec", space)
    outcomes(project, "--task", "image", prefix=prefix, PREFECT_API_URL="")
    assert sent(space) == before

    # As somebody would serve the Bento who has no Espalier, with nothing in the environment.
    bentoml = str(Path(sys.executable).parent / "bentoml")
    serve = (*prefix, bentoml, "serve", "espalier:latest", "--port", "3000")
    home, log = str(project / ".espalier" / "bentoml"), tmp_path / "log"
    with begun(tmp_path, *serve, log=log, BENTOML_HOME=home, ESPALIER_TASKS="image") as (
        process,
        alive,
    ):
        until(lambda: inside(space, sys.executable, "-c", READY) == "200\n", "a ready service")
        process.terminate()  # what it has to tell it would tell now
        until(lambda: not alive(), "the end of the service")
    assert sent(space) == before
