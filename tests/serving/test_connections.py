"""What a connection may hold, whatever comes over it, and that the next request is not harmed."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable

import pytest

from benchmarks.served import workers_of
from serving.http import connections

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/sentiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"text":"good"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def said(server, sent: bytes, more: bytes = b"") -> bytes:
    """All that is answered until the server closes, or has nothing more to say."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        try:
            connection.sendall(sent)
            answer = connection.recv(1 << 16)
            connection.sendall(more)
            connection.settimeout(0.3)
            while part := connection.recv(1 << 16):
                answer += part
        except (ConnectionError, TimeoutError):
            pass
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(one[:3]) for one in answer.split(b"HTTP/1.1 ")[1:]]


def heard_out(connection: socket.socket) -> list[int]:
    """The statuses of all that is answered to a client which says no more."""
    connection.shutdown(socket.SHUT_WR)
    return statuses(b"".join(iter(lambda: connection.recv(1 << 16), b"")))


def error(answer: bytes) -> dict:
    """What the last answer says is wrong."""
    return json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\n" + CHUNKED,
        CHUNKED + b"Content-Length: 5\r\n",
        b"Content-Length: 15\r\nContent-Length: 5\r\n",
        b"Content-Length: 15, 15\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: +15\r\n",
        b"Content-Length: " + b"9" * 30 + b"\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: 15\r\nX: a\r\n folded\r\n",
        b"Content-Length: 15\r\nX: a\rY: b\r\n",
        b"Content-Length: 15\r\nX: a\0b\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(server, head):
    """Otherwise what a proxy takes for a body is a request here."""
    answer = said(server, POST + head + b"\r\n" + BODY + GET)
    assert statuses(answer) == [400]
    assert error(answer)["code"] == "bad_request"
    assert b"\r\ndate: " in answer


def test_what_cannot_be_read_is_not_logged(server):
    """A stranger could fill the disk with it."""
    assert statuses(said(server, b"no request\r\n\r\n")) == [400]
    assert "Invalid" not in server.log.read_text()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200_000,
        POST + CHUNKED + b"\r\nf;" + b"a" * 200_000,
        POST + CHUNKED + b"\r\nf\r\n" + BODY + b"\r\n0\r\n" + b"X: a\r\n" * 200_000,
        GET.removesuffix(b"\r\n") + CHUNKED + b"\r\n0\r\n" + b"X: a\r\n" * 200_000,
    ],
    ids=["path", "header", "headers", "chunk", "trailers", "trailers unread"],
)
def test_what_never_ends_is_cut_off(server, sent):
    assert statuses(said(server, sent))[-1:] in ([431], [400])


def test_more_headers_than_anybody_needs_are_refused(server):
    answer = said(server, POST + b"Content-Length: 15\r\n" + b"X: a\r\n" * 200 + b"\r\n" + BODY)
    assert statuses(answer) == [431]
    assert "more than 128 headers" in error(answer)["message"]


def test_a_few_requests_may_come_at_once_and_not_a_thousand(server):
    assert statuses(said(server, GET * 10)) == [200] * 10
    answer = said(server, GET * 1000)
    assert statuses(answer) == [200] * (connections.MAX_AHEAD + 1) + [429]
    assert error(answer)["code"] == "too_many_ahead"


@pytest.mark.parametrize("wrong", [b"no request\r\n\r\n", POST + CHUNKED + b"\r\nno chunk\r\n"])
def test_what_cannot_be_read_is_told_after_the_answers_to_what_came_before(server, wrong):
    asked = POST + b"Content-Length: 15\r\n\r\n" + BODY
    answer = said(server, asked + GET + asked + wrong + GET)
    assert statuses(answer) == [200, 200, 200, 400]
    assert error(answer)["code"] == "bad_request"


LONG = json.dumps({"text": "good " * 15_000}).encode()  # is answered by a thread
HALF = POST + b"Content-Length: 15\r\n\r\n" + BODY[:5]


@pytest.mark.parametrize(
    ("body", "more", "answered"),
    [
        (BODY, b"", [200]),
        (LONG, b"", [200]),
        (LONG, GET, [200, 200]),
        (LONG, HALF, [200]),
        (LONG, GET + HALF, [200, 200]),
        (LONG, b"no request\r\n\r\n", [200, 400]),
        (LONG, POST + CHUNKED + b"\r\nno chunk\r\n", [200, 400]),
    ],
)
def test_who_has_said_everything_may_hang_up_and_listen(server, body, more, answered):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(GET + POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + more)
        assert heard_out(connection) == [200, *answered]


def test_who_leaves_before_the_answer_is_not_logged(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG + HALF)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert statuses(said(server, GET)) == [200]
    assert "Traceback" not in server.log.read_text()


def test_who_hangs_up_half_way_gets_no_answer(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(HALF)
        assert heard_out(connection) == []


def test_a_body_in_chunks_of_a_byte_is_read(server):
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY + b" " * 100_000)
    assert statuses(said(server, POST + CHUNKED + b"\r\n" + chunks + b"0\r\n\r\n")) == [200]


def test_a_trailer_is_no_header(server):
    trailer = b"0\r\nX-Request-ID: mine\r\n\r\n"
    answer = said(server, POST + CHUNKED + b"\r\nf\r\n" + BODY + b"\r\n" + trailer)
    assert statuses(answer) == [200]
    assert b"mine" not in answer


OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_nothing_is_upgraded(server, offer):
    asked = b"GET /v1/image HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n"
    assert statuses(said(server, asked, GET)) == [405, 200]
    assert statuses(said(server, asked * 3 + GET)) == [405, 405, 405, 200]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 15\r\n\r\n" + BODY,
        CHUNKED + b"\r\n5\r\n" + BODY[:5] + b"\r\na\r\n" + BODY[5:] + b"\r\n0\r\n\r\n",
    ],
    ids=["whole", "chunked"],
)
def test_who_offers_another_protocol_is_answered_in_this_one(server, offer, rest):
    """Java's and curl's clients offer HTTP/2 with a request and send its body at once."""
    asked = POST + offer + rest
    assert statuses(said(server, asked * 3 + GET)) == [200] * 4
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for start in range(0, len(asked), 7):
            connection.sendall(asked[start : start + 7])
            time.sleep(0.005)  # else it comes in one piece
        assert heard_out(connection) == [200]


@pytest.mark.parametrize("target", [b"x:80", b"/", b"*", b"http://x/"])
def test_no_tunnel_is_made(server, target):
    assert statuses(said(server, b"CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)) == [400]


def test_a_body_is_asked_for_only_if_it_may_come(server):
    expecting = POST + b"Expect: 100-continue\r\nContent-Length: "
    assert statuses(said(server, expecting + b"15\r\n\r\n", BODY)) == [100, 200]
    assert statuses(said(server, expecting + b"99999999\r\n\r\n")) == [413]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("//v1/image", 404),
        ("/v1/image/", 404),
        ("/v1/image%00", 404),
        ("/v1/../v1/models", 404),
        ("/v1/%2e%2e/readyz", 404),
        ("/static/..%2f..%2fservice.py", 404),
        ("/static_content/../../../etc/passwd", 404),
        ("/v2/models/%00/infer", 404),
        ("*", 404),
        ("http://elsewhere/livez", 200),  # what a proxy is asked; it is answered here
        ("http://elsewhere", 400),
        ("elsewhere:80", 400),
    ],
)
def test_a_target_leads_nowhere_else(server, target, status):
    answer = said(server, GET.replace(b"/livez", target.encode()))
    assert statuses(answer) == [status]


def opened(server, *options: tuple) -> socket.socket:
    connection = socket.socket()
    for option in options:
        connection.setsockopt(*option)
    connection.connect(("127.0.0.1", server.port))
    return connection


def trickled(connection: socket.socket, byte: bytes) -> bool:
    """Send another byte; says whether the server still takes it."""
    try:
        connection.sendall(byte)
        connection.setblocking(False)
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.setblocking(True)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


@pytest.mark.slow
def test_whoever_neither_asks_nor_reads_is_cut_off(server):
    """One says nothing, one sends its head by the byte, one after a request, one never reads."""
    (worker,) = workers_of(server.process.pid)
    silent, head, after = opened(server), opened(server), opened(server)
    deaf = [opened(server, SMALL_BUFFER) for _ in range(5)]
    after.sendall(GET)
    assert after.recv(1 << 16).startswith(b"HTTP/1.1 200")
    large = b"GET /static_content/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    for connection in deaf:
        connection.sendall(large * 8)
    ports = {one.getsockname()[1] for one in (silent, head, after, *deaf)}
    head.sendall(b"GET / HTTP/1.1\r\nX: ")

    def gone() -> bool:
        trickled(head, b"a")
        trickled(after, b"\n")
        return not ports & {one.raddr.port for one in worker.net_connections("inet") if one.raddr}

    assert not gone()
    assert within(connections.PATIENCE_SECONDS + 2 * connections.LOOK_SECONDS + 5, gone)
    for connection in (silent, head, after, *deaf):
        connection.close()


def test_memory_is_not_held_by_those_who_do_not_read(server):
    """A million requests ahead of answers that nobody takes once held hundreds of megabytes."""
    (worker,) = workers_of(server.process.pid)
    before = worker.memory_info().rss
    deaf = [opened(server, SMALL_BUFFER) for _ in range(5)]
    for connection in deaf:
        connection.settimeout(0.5)
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(GET.replace(b"/livez", b"/docs.json") * 20_000)
    assert worker.memory_info().rss - before < 30 << 20
    for connection in deaf:
        connection.close()
