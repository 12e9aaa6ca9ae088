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

import psycopg2
from project import until

from pipelines.processes.service import free_port

MISSING = "no PostgreSQL on this machine: apt-get install postgresql"
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version that is installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda p: int(p.parent.name), default=None)


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty server, without a database's name."""
    folder = Path(tempfile.mkdtemp(prefix="espalier-postgres-"))
    popen = {"cwd": folder, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    if os.getuid() == 0:  # it refuses to run as root
        popen |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    made = [programs() / "initdb", "-D", "cluster", "-U", "espalier", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*made, "--no-sync"], check=True, stdout=subprocess.DEVNULL, **popen)
    port = free_port()
    told = [f"--{name}={value}" for name, value in (SETTINGS | {"port": port}).items()]
    with (folder / "log").open("wb") as log:
        command = [programs() / "postgres", "-D", "cluster", *told]
        server = subprocess.Popen(command, stdout=log, **popen)

    def answers() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
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


def empty_database(server: str, template: str = "template1") -> str:
    """The URL of a new database of the server, empty or a copy of another, which nobody uses."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = psycopg2.connect(f"{server.replace('+psycopg2', '')}/postgres")
    connection.autocommit = True  # a database is not made within a transaction
    connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    connection.close()
    return f"{server}/{name}"


def copy_of(database: str) -> str:
    """The URL of a copy of the database."""
    return empty_database(*database.rsplit("/", 1))
