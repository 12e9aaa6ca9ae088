"""A cluster on one machine, as plain processes: make cluster

What deploy/cluster.yaml starts in containers, on Debian as root: PostgreSQL, an S3 server for
development, an MLflow and a Prefect server and a Dask scheduler on this machine's side of a bridge,
and three hosts behind it, each a network namespace with a name, a home and a clone of this checkout
at a path of its own. `host-a` and `host-b` retrain, `host-c` serves what the registry says.
Nothing is shared but the servers. Ctrl-C ends all of it, and nothing is kept.

docs/cluster.md says how the same parts are set up for good.
"""

import argparse
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg2

from pipelines.processes import child_process

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
START_SECONDS = 180
POSTGRES = Path("/usr/lib/postgresql")  # where Debian has its versions
PORTS = {"postgres": 5432, "s3": 9000, "mlflow": 5000, "prefect": 4200, "dask": 8786}
DATABASES, BUCKETS = ("espalier", "mlflow", "prefect"), ("dvc", "mlflow")
# Where each host has its checkout: nothing may lean on a path.
PATHS = {"host-a": "espalier", "host-b": "work/models/checkout", "host-c": "service"}
FOLLOWED = "espalier-image-mnist_5k,espalier-sentiment-imdb,espalier-forecast-glucose"


class Cluster:
    """The servers' addresses, and the hosts.

    Args:
        folder: an empty one, for all that the cluster writes; others can enter it.
        follow: the registered models that host-c serves, comma separated.
        repository: of which each host has a clone.
    """

    def __init__(self, folder: Path, follow: str = FOLLOWED, repository: Path = ROOT):
        self.folder, self.follow, self.repository = folder, follow, repository
        self.number = _free_number()
        self.address = f"10.213.{self.number}.1"
        self.password = secrets.token_hex(8)

    def url(self, server: str) -> str:
        return f"http://{self.address}:{PORTS[server]}"

    def database(self, name: str, driver: str) -> str:
        server = f"espalier:{self.password}@{self.address}:{PORTS['postgres']}"
        return f"postgresql+{driver}://{server}/{name}"

    def checkout(self, host: str) -> Path:
        return self.folder / host / PATHS[host]

    def variables(self, host: str) -> dict[str, str]:
        """All that a host must know; docs/cluster.md has the same list."""
        variables = {
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "PREFECT_API_URL": f"{self.url('prefect')}/api",
            "ESPALIER_DATABASE_URL": self.database("espalier", "psycopg2"),
            "ESPALIER_CLUSTER": f"tls://{self.address}:{PORTS['dask']}",
            "DASK_CONFIG": str(self.folder / "tls" / "dask.yaml"),
            "ESPALIER_HOME": str(self.folder / host / "home" / "state"),
        }
        if host == "host-c":
            variables = {name: variables[name] for name in ("MLFLOW_TRACKING_URI", "ESPALIER_HOME")}
            variables |= {"ESPALIER_FOLLOW": self.follow}
        return variables | self.s3()

    def s3(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url("s3"),
            "AWS_ACCESS_KEY_ID": "espalier",
            "AWS_SECRET_ACCESS_KEY": self.password,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def on(self, host: str, *command: str) -> list[str]:
        """The command line that runs a command on a host, in its checkout, with its variables."""
        place = self.checkout(host)
        variables = self.variables(host) | {
            "HOME": str(self.folder / host / "home"),
            "LANG": "C.UTF-8",
            "PATH": f"{TOOLS}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(place),  # one environment of packages, and the code of this checkout
        }
        named = [f"{name}={value}" for name, value in variables.items()]
        script = 'hostname "$1"; cd "$2"; shift 2; exec "$@"'
        begin = ["ip", "netns", "exec", self.namespace(host), "unshare", "--uts"]
        return [*begin, "env", "-i", *named, "sh", "-c", script, "sh", host, str(place), *command]

    def namespace(self, host: str) -> str:
        return f"espalier-{self.number}-{host}"


@contextmanager
def started(cluster: Cluster) -> Iterator[None]:
    """Start all parts, and end them with the block."""
    with ExitStack() as stack:
        stack.enter_context(network(cluster))
        _make_certificate(cluster)
        for host in PATHS:
            _make_host(cluster, host)
        for name, server in _servers(cluster).items():
            stack.enter_context(server)
            print(f"{name:<10} {cluster.address}:{PORTS[name]}", flush=True)
        _prefect(cluster, "work-pool", "create", "cpu", "--type", "process")
        _prefect(cluster, "deploy", "--all")
        for host in ("host-a", "host-b"):
            fits = cluster.on(host, "espalier", "worker")
            stack.enter_context(process(cluster, f"{host}-fits", fits))
            flows = ("prefect", "worker", "start", "--pool", "cpu", "--limit", "1")
            stack.enter_context(process(cluster, f"{host}-flows", cluster.on(host, *flows)))
            print(f"{host:<10} {cluster.checkout(host)}", flush=True)
        service = ("bentoml", "serve", "serving.service:Espalier", "--host", "127.0.0.1")
        stack.enter_context(process(cluster, "host-c", cluster.on("host-c", *service)))
        print(f"{'host-c':<10} 127.0.0.1:3000 within {cluster.namespace('host-c')}", flush=True)
        yield


@contextmanager
def network(cluster: Cluster) -> Iterator[None]:
    """A bridge with the servers' address, and each host's namespace on it."""
    bridge = f"esp{cluster.number}"
    try:
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "address", "add", f"{cluster.address}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        for number, host in enumerate(PATHS, start=2):
            name, here, there = cluster.namespace(host), f"{bridge}-{number}", f"{bridge}p{number}"
            within = ["ip", "-n", name]
            _run("ip", "netns", "add", name)
            _run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
            _run("ip", "link", "set", here, "master", bridge, "up")
            _run("ip", "link", "set", there, "netns", name)
            address = cluster.address.rpartition(".")[0] + f".{number}/24"
            _run(*within, "address", "add", address, "dev", there)
            for interface in (there, "lo"):
                _run(*within, "link", "set", interface, "up")
        yield
    finally:
        _remove_network(cluster, bridge)


def _free_number() -> int:
    """Of a network that no other cluster has, nor one that was killed."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    taken = {int(number) for number in re.findall(r"^espalier-(\d+)-", names, re.MULTILINE)}
    return next(number for number in range(1, 255) if number not in taken)


def _remove_network(cluster: Cluster, bridge: str) -> None:
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
    for name in map(cluster.namespace, PATHS):
        if name in names:
            _run("ip", "netns", "delete", name)
    if Path("/sys/class/net", bridge).exists():
        _run("ip", "link", "delete", bridge)


def _servers(cluster: Cluster) -> dict:
    """Name → a block in which the server runs, each waited for, in the order of their needs."""
    host, port = ("--host", cluster.address), "--port"
    tool = [sys.executable, "-m"]
    s3 = [*tool, "moto.server", "-H", cluster.address, "-p", str(PORTS["s3"])]
    mlflow = [*tool, "mlflow", "server", *host, port, str(PORTS["mlflow"]), "--workers", "2"]
    mlflow += ["--backend-store-uri", cluster.database("mlflow", "psycopg2")]
    mlflow += ["--artifacts-destination", "s3://mlflow"]
    mlflow += ["--allowed-hosts", f"{cluster.address}:{PORTS['mlflow']}"]
    prefect = [*tool, "prefect", "server", "start", *host, port, str(PORTS["prefect"])]
    dask = [*tool, "dask", "scheduler", *host, "--protocol", "tls", port, str(PORTS["dask"])]
    variables = cluster.s3() | {
        "PREFECT_API_DATABASE_CONNECTION_URL": cluster.database("prefect", "asyncpg"),
        "PREFECT_HOME": str(cluster.folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DASK_CONFIG": str(cluster.folder / "tls" / "dask.yaml"),
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
    }

    def server(name: str, command: list[str], ready: Callable[[], bool]) -> object:
        return process(cluster, name, command, ready, env=os.environ | variables)

    return {
        "postgres": postgresql(cluster),
        "s3": server("s3", s3, lambda: _buckets(cluster)),
        "mlflow": server("mlflow", mlflow, lambda: _answers(f"{cluster.url('mlflow')}/health")),
        "prefect": server(
            "prefect", prefect, lambda: _answers(f"{cluster.url('prefect')}/api/health")
        ),
        "dask": server("dask", [*dask, "--no-dashboard"], lambda: True),
    }


@contextmanager
def postgresql(cluster: Cluster) -> Iterator[None]:
    """A PostgreSQL server with a database for each who needs one."""
    found = [path.parent for path in POSTGRES.glob("*/bin/initdb")]
    programs = max(found, key=lambda path: int(path.parent.name))
    data = cluster.folder / "postgres"
    data.mkdir()
    (data / "password").write_text(cluster.password)
    for path in (data, data / "password"):
        shutil.chown(path, "postgres", "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    make = [*as_postgres, f"{programs}/initdb", "-D", "data", "-U", "espalier", "--no-sync"]
    _run(*make, "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8", cwd=data)
    with (data / "data" / "pg_hba.conf").open("a") as file:
        file.write(f"host all espalier {cluster.address}/24 scram-sha-256\n")
    command = [*as_postgres, f"{programs}/postgres", "-D", "data", "-p", str(PORTS["postgres"])]
    command += ["-c", f"listen_addresses={cluster.address}", "-c", "unix_socket_directories="]
    with process(cluster, "postgres", command, lambda: _connects(cluster), cwd=data):
        connection = psycopg2.connect(_dsn(cluster))
        connection.autocommit = True  # a database is not made within a transaction
        for name in DATABASES:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        yield


@contextmanager
def process(
    cluster: Cluster,
    name: str,
    command: list[str],
    ready: Callable[[], bool] = lambda: True,
    **popen: Mapping,
) -> Iterator[subprocess.Popen]:
    """A process that ends with the block, or with this one; waited for until it is ready."""
    log = cluster.folder / "logs" / f"{name}.log"
    with child_process.started(command, log, **popen) as running:

        def answers() -> bool:
            if running.poll() is not None:
                raise SystemExit(f"{name} has ended: {log.read_text()[-2000:]}")
            return ready()

        _until(answers, name)
        yield running


def _make_certificate(cluster: Cluster) -> None:
    """The certificate and the settings of Dask's two sides, as docs/cluster.md has them."""
    folder = cluster.folder / "tls"
    folder.mkdir()
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    [make] = [line[2:] for line in page.splitlines() if line.startswith("$ openssl req")]
    subprocess.run(make.split(), cwd=folder, check=True, capture_output=True)
    settings = page.partition("```yaml\ndistributed:\n")[2].partition("```")[0]
    text = f"distributed:\n{settings}".replace("/etc/espalier", str(folder))
    (folder / "dask.yaml").write_text(text, encoding="utf-8")


def _make_host(cluster: Cluster, host: str) -> None:
    """A home, and a clone of what is committed here."""
    place = cluster.checkout(host)
    (cluster.folder / host / "home").mkdir(parents=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    _run("git", "clone", "--quiet", str(cluster.repository), str(place))
    _run("dvc", "remote", "modify", "--local", "local", "url", "s3://dvc", cwd=place)


def _prefect(cluster: Cluster, *arguments: str) -> None:
    _run(*cluster.on("host-a", "prefect", "--no-prompt", *arguments))


def _buckets(cluster: Cluster) -> bool:
    """Whether the S3 server answers; makes the buckets then."""
    if not _answers(cluster.url("s3")):
        return False
    import boto3

    credentials = cluster.s3()
    client = boto3.client(
        "s3",
        endpoint_url=credentials["AWS_ENDPOINT_URL"],
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        region_name=credentials["AWS_DEFAULT_REGION"],
    )
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket)
    return True


def _answers(url: str) -> bool:
    import httpx

    with suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False, timeout=5).is_success
    return False


def _dsn(cluster: Cluster) -> str:
    return cluster.database("postgres", "").replace("+:", ":")


def _connects(cluster: Cluster) -> bool:
    with suppress(psycopg2.OperationalError):
        psycopg2.connect(_dsn(cluster)).close()
        return True
    return False


def _until(ready: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} did not answer within {START_SECONDS} s")
        time.sleep(0.2)


def _run(*command: str, **popen: Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **popen)


def missing() -> str:
    """What this machine lacks for a cluster; empty where it lacks nothing."""
    if os.geteuid():
        return "root, for its network namespaces"
    programs = ("git", "ip", "openssl", "setpriv", "unshare")
    if not all(map(shutil.which, programs)) or not list(POSTGRES.glob("*/bin/initdb")):
        return "apt-get install git iproute2 openssl postgresql"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "the right to make network namespaces"
    return ""


def main() -> None:
    """Run a cluster until Ctrl-C."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("--follow", default=FOLLOWED, help="registered models that host-c serves")
    if problem := missing():
        raise SystemExit(f"a cluster on one machine needs {problem}")
    with tempfile.TemporaryDirectory(prefix="espalier-cluster-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL is another user
        cluster = Cluster(Path(folder), asked.parse_args().follow)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), started(cluster):
            retrain = cluster.on("host-a", "prefect", "deployment", "run", "retrain/image")
            (cluster.folder / "retrain").write_text(f"exec {shlex.join(retrain)}\n")
            print(f"Prefect's page: {cluster.url('prefect')}; logs in {folder}/logs")
            print(f"A retraining: sh {folder}/retrain. Ctrl-C ends all of it.", flush=True)
            signal.pause()


if __name__ == "__main__":
    main()
