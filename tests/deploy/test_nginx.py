"""The configuration of nginx that ships, in front of two services on loopback."""

import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import tiny
from server_process import Server

from pipelines.processes.service import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
HEALTHY, RATE, CLIENTS = "127.0.0.100", 200, 8
RESTARTS = int(os.environ.get("ESPALIER_TEST_RESTARTS", "1"))  # of each service
HEAD_SECONDS = 15  # as the configuration has them
IDLE = 2000
BODY = {"json": {"history": tiny.history()}}
UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname, UNVERIFIED.verify_mode = False, ssl.CERT_NONE


class Proxy:
    """A running nginx, and the two services behind it."""

    def __init__(self, folder: Path, home: Path):
        self.folder, self.home = folder, home
        self.port, plain = free_port(), free_port()
        self.services = [self.service(number, free_port()) for number in (1, 2)]
        names = "/O=test/CN=127.0.0.1"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", names]
        make += ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
        subprocess.run(make, check=True, capture_output=True)
        own = {
            "pid /run/nginx.pid;": f"pid {folder}/pid;",
            "listen 80 ": f"listen 127.0.0.1:{plain} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "server espalier-1:3000 ": f"server 127.0.0.1:{self.services[0].port} ",
            "server espalier-2:3000 ": f"server 127.0.0.1:{self.services[1].port} ",
            "/etc/nginx/tls/fullchain.pem": str(folder / "fullchain.pem"),
            "/etc/nginx/tls/privkey.pem": str(folder / "privkey.pem"),
            # Only requests of one test carry a token: few of them are enough to be too many.
            "zone=tokens:10m rate=500r/s": "zone=tokens:10m rate=1r/m",
            "zone=tokens burst=500 ": "zone=tokens burst=4 ",
            "http {": f"http {{\nclient_body_temp_path {folder}/body; proxy_temp_path {folder}/p;",
        }
        text = CONFIGURATION.read_text()
        for shipped, value in own.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, value)
        (folder / "nginx.conf").write_text("user root;\n" + text if os.geteuid() == 0 else text)
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
        with (folder / "nginx.log").open("wb") as log:
            self.process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=log)
        self.url = f"https://127.0.0.1:{self.port}"
        for service in self.services:
            service.wait(service.ready)

    def service(self, number: int, port: int) -> Server:
        folder = self.folder / f"service-{number}"
        folder.mkdir(exist_ok=True)
        return Server(folder, self.home, port)

    def restart(self, number: int) -> None:
        """End a service and start it again, as soon as it has ended."""
        self.services[number].stop()
        self.services[number] = self.service(number + 1, self.services[number].port)
        self.services[number].wait(self.services[number].ready)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        for service in self.services:
            service.stop()

    def connect(self, address: str) -> socket.socket:
        """A TLS connection from an address of its own."""
        plain = socket.create_connection(("127.0.0.1", self.port), 10, source_address=(address, 0))
        return UNVERIFIED.wrap_socket(plain)

    def client(self, address: str) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=UNVERIFIED, local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory) -> Iterator[Proxy]:
    home = tmp_path_factory.mktemp("home")
    tiny.publish(home, "forecast")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESPALIER_TASKS", "forecast")
        running = Proxy(tmp_path_factory.mktemp("proxy"), home)
        yield running
        running.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def load(proxy: Proxy, rate: float, clients: int) -> Iterator[Counter]:
    """Requests of healthy clients for the time of the block; counts their statuses."""
    statuses, done = Counter(), threading.Event()

    def ask(number: int) -> None:
        due = time.monotonic() + number / rate
        with proxy.client(HEALTHY) as client:
            while not done.is_set():
                due = max(due + clients / rate, time.monotonic() - 1)
                time.sleep(max(0, due - time.monotonic()))
                try:
                    statuses[client.post("/v1/forecast", **BODY).status_code] += 1
                except httpx.TransportError as error:
                    statuses[repr(error)] += 1

    with ThreadPoolExecutor(clients) as threads:
        asking = [threads.submit(ask, number) for number in range(clients)]
        try:
            yield statuses
        finally:
            done.set()
    for one in asking:
        one.result()


def test_services_that_are_restarted_in_turn_fail_no_request(proxy):
    with load(proxy, RATE, CLIENTS) as statuses:
        began = time.monotonic()
        for number in range(2 * RESTARTS):
            proxy.restart(number % 2)
        seconds = time.monotonic() - began
    print(f"{statuses} in {seconds:.0f} s")
    assert set(statuses) == {200}
    assert statuses[200] > 0.5 * RATE * seconds  # the clients did ask


def test_hostile_clients_keep_a_healthy_one_from_nothing(proxy):
    """Each kind has an address of its own."""
    with ExitStack() as opened, load(proxy, 50, 2) as statuses:
        slow = [opened.enter_context(proxy.connect("127.0.0.2")) for _ in range(60)]
        for connection in slow:
            connection.sendall(b"POST /v1/forecast HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        bodies = [opened.enter_context(proxy.connect("127.0.0.3")) for _ in range(60)]
        for connection in bodies:
            head = b"POST /v1/forecast HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
            connection.sendall(head)
        for number in range(IDLE):  # they do not even begin TLS
            source = (f"127.0.0.{4 + number % 2}", 0)
            opened.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 10, source))
        began = time.monotonic()
        while time.monotonic() < began + HEAD_SECONDS + 3:
            for connection in slow:
                with suppress(OSError):  # it was cut off
                    connection.sendall(b"X-Slow: a\r\n")
            for connection in bodies:
                with suppress(OSError):
                    connection.sendall(b" ")
            assert status_of(proxy, "127.0.0.6", oversized()) in (400, 431, None)
            assert {200, 429} >= set(pipelined(proxy, "127.0.0.7", 1000))
            time.sleep(0.5)
        assert all(is_closed(connection) for connection in slow)
    print(statuses)
    assert statuses[200] >= 0.99 * sum(statuses.values()) > 0.99 * 500
    assert all(service.ready() for service in proxy.services)


def oversized() -> bytes:
    return b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * (1 << 16) + b"\r\n\r\n"


def received(proxy: Proxy, address: str, sent: bytes) -> bytes:
    """All that is answered before the connection is closed, or idle for a moment."""
    answer = b""
    with proxy.connect(address) as connection, suppress(OSError):
        connection.settimeout(0.5)
        connection.sendall(sent)
        while part := connection.recv(1 << 16):
            answer += part
    return answer


def status_of(proxy: Proxy, address: str, sent: bytes) -> int | None:
    answer = received(proxy, address, sent)
    return int(answer[9:12]) if answer else None


def pipelined(proxy: Proxy, address: str, count: int) -> Counter:
    """The statuses of so many requests that are sent at once."""
    answer = received(proxy, address, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * count)
    return Counter(int(one[:3]) for one in answer.split(b"HTTP/1.1 ")[1:])


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        while part := connection.recv(1 << 12):
            assert b" 408 " in part or b" 400 " in part
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_a_client_that_asks_too_often_is_told_when_to_come_again(proxy):
    with proxy.client("127.0.0.8") as client:

        def ask(_: int) -> httpx.Response:
            return client.get("/livez")

        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(ask, range(2500)))
    rejected = [answer for answer in answers if answer.status_code == 429]
    if rejected:  # where the machine is fast enough to pass the limit
        assert rejected[0].headers["Retry-After"] == "1"
        assert rejected[0].json()["error"]["code"] == "busy"
    assert {answer.status_code for answer in answers} <= {200, 429}


def test_a_token_is_limited_wherever_it_comes_from(proxy):
    def ask(address: str, token: str) -> int:
        with proxy.client(address) as client:
            return client.get("/livez", headers={"Authorization": token}).status_code

    written = ["Bearer shop", "bearer shop", "BEARER   shop", "Bearer\tshop"] * 2
    statuses = [ask(f"127.0.0.{10 + number}", token) for number, token in enumerate(written)]
    assert statuses == [200] * 5 + [429] * 3
    assert ask("127.0.0.17", "Bearer another") == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/livez", {"headers": {"Host": "evil.example"}}, 400, "unknown_host"),
        ("POST", "/v1/forecast", {"content": b" " * (18 << 20)}, 413, "body_too_large"),
    ],
)
def test_errors_have_one_form(proxy, method, path, options, status, code):
    with proxy.client(HEALTHY) as client:
        response = client.request(method, path, **options)
        assert client.get("/metrics").status_code == 404  # they are for scrapers inside
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["request_id"]
