"""A PostgreSQL server of our own on loopback, from Debian's package, for the time of a block."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project import free_port, until

MISSING = "no PostgreSQL on this machine: apt-get install postgresql"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version that is installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda p: int(p.parent.name), default=None)


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty server, without a database's name."""
    import psycopg2

    # It refuses to run as root, and its user may not enter the folders of pytest.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if _is_root() else {}
    folder, port = Path(tempfile.mkdtemp(prefix="espalier-postgres-")), free_port()
    if user:
        shutil.chown(folder, "postgres", "postgres")
    cluster, log = folder / "cluster", folder / "log"
    places = {"cwd": folder, "stdin": subprocess.DEVNULL, **user}
    asked = ["-D", str(cluster), "-U", "espalier", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([programs() / "initdb", *asked], check=True, stdout=subprocess.DEVNULL, **places)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": 100,
    }
    told = [f"--{name}={value}" for name, value in settings.items()]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [programs() / "postgres", "-D", cluster, *told], stdout=out, stderr=out, **places
        )

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            psycopg2.connect(f"postgresql://espalier@127.0.0.1:{port}/postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    try:
        until(answers, "a PostgreSQL server")
        yield f"postgresql+psycopg2://espalier@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nobody needs the cluster again
        server.wait()
        shutil.rmtree(folder)


def empty_database(server: str) -> str:
    """The URL of a new, empty database of the server."""
    import psycopg2

    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = psycopg2.connect(f"{server.replace('+psycopg2', '')}/postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{server}/{name}"


def _is_root() -> bool:
    return os.getuid() == 0
