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
def cluster() -> Iterator[Path]:
    """A folder with what a server keeps, for the time of the block; nothing runs on it yet."""
    folder = Path(tempfile.mkdtemp(prefix="espalier-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    made = [programs() / "initdb", "-D", "cluster", "-U", "espalier", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*made, "--no-sync"], check=True, stdout=subprocess.DEVNULL, **_popen(folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """The URL of a server on a cluster, without a database's name; its end is that of a crash."""
    told = [f"--{name}={value}" for name, value in (SETTINGS | {"port": port}).items()]
    with (folder / "log").open("ab") as log:
        command = [programs() / "postgres", "-D", "cluster", *told]
        server = subprocess.Popen(command, stdout=log, **_popen(folder))

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


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty server, without a database's name."""
    with cluster() as folder, served(folder, free_port()) as url:
        yield url


def _popen(folder: Path) -> dict:
    """How a process begins that works in the folder: PostgreSQL refuses to run as root."""
    popen = {"cwd": folder, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    if os.getuid() == 0:
        popen |= {"user": "postgres", "group": "postgres", "extra_groups": []}
    return popen


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
