"""At SIGTERM a service finishes the requests that it holds, and waits for nobody for long."""

import json
import signal
import socket
import threading
import time

import pytest
import tiny

from serving.http.shutdown import GRACE_SECONDS

pytestmark = pytest.mark.slow

LONG = json.dumps({"texts": ["good great fine bad " * 2000] * 16}).encode()  # takes some seconds
HEAD = b"POST /v1/sentiment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture
def running(fresh_server, tmp_path):
    tiny.publish(tmp_path, "sentiment")
    server = fresh_server(tmp_path, ESPALIER_TASKS="sentiment")
    server.wait(server.ready)
    return server


def test_a_request_in_flight_is_answered(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG[:-1])
        time.sleep(0.2)
        running.process.send_signal(signal.SIGTERM)
        threading.Timer(1, connection.sendall, (LONG[-1:],)).start()
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    running.process.wait(GRACE_SECONDS)


def test_a_client_who_takes_no_answer_is_waited_for_seconds_and_not_a_day(running):
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", running.port))
        large = b"GET /static_content/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        deaf.sendall(large * 8)
        time.sleep(1)
        running.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        running.process.wait(3 * GRACE_SECONDS)
    assert time.monotonic() - began > GRACE_SECONDS / 2
