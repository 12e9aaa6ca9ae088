"""Whatever a body holds, the service answers as its description says, and goes on answering.

Mutated bodies were valid once. Each depends on its number alone: `body_of(number)` is the one that
a failure names. Hostile ones are made to bring a service down; `python -m benchmarks.refusals`
prints how fast each is refused.
"""

import json
import random
import socket
import struct
import zlib
from collections import Counter
from typing import NamedTuple

import pytest
import tiny
from asking import elements
from described import Description

from benchmarks.hostile import requests
from benchmarks.refusals import SLOW_UPLOADS, caught, refused, slow_uploads
from benchmarks.served import workers_of

BODIES = 50_000
LEAST_A_SECOND = 200  # of the worker's computing
# A hostile body takes less than 0.1 s where nothing else runs; others wait for what is computed.
COMPUTED_SECONDS, SECONDS = 0.5, 5
MEGABYTES = 50
ODD = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -1e308, 1e-320, -0.0, 0.5, "", "\0",
    "\ud800", "a" * 5000, "[" * 500, "http://127.0.0.1:9/x", "UINT8", "BYTES", [], {}, [[]], [{}],
    [None], [1, [2]], {"": {}}, [0] * 500, [[0] * 8] * 8, {"binary_data_size": 10**9},
]  # fmt: skip
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Sent(NamedTuple):
    """One request; `raw` are the bytes that follow a JSON body, as /v2 takes them."""

    path: str
    media_type: str
    body: bytes
    raw: bytes | None = None


# --- what is valid ------------------------------------------------------------------------------


def _tensor(path: str, name: str, datatype: str, shape: list[int], data, **more) -> Sent:
    tensor = {"name": name, "datatype": datatype, "shape": shape}
    if not isinstance(data, bytes):
        body = {"inputs": [tensor | {"data": data}]} | more
        return Sent(path, "application/json", json.dumps(body).encode())
    tensor["parameters"] = {"binary_data_size": len(data)}
    body = {"inputs": [tensor]} | more
    return Sent(path, "application/octet-stream", json.dumps(body).encode(), data)


def _form(picture: bytes) -> bytes:
    return (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + picture + b"\r\n--b--\r\n"
    )


def _originals() -> list[Sent]:
    image, text, series = (f"/v2/models/{task}/infer" for task in tiny.REQUESTS)
    version = "/v2/models/forecast/versions/1/infer"
    pixels = [pixel * 3 for pixel in range(64)]
    rows = [[[pixel] for pixel in pixels[row : row + 8]] for row in range(0, 64, 8)]
    pictures = [
        (f"image/{kind.lower()}", tiny.picture(kind, size, mode))
        for kind in ("PNG", "JPEG", "WEBP")
        for size, mode in ((8, "RGB"), (20, "RGB"))
    ]
    pictures += [("image/png", tiny.picture("PNG", 12, mode)) for mode in ("L", "RGBA")]
    history = tiny.history(24)
    doubles = struct.pack("<24d", *history)
    binary = {"parameters": {"binary_data_output": True}}
    wanted = {"outputs": [{"name": "label", "parameters": {"binary_data": True}}], "id": "x"}
    return [
        *(Sent("/v1/image", media_type, picture) for media_type, picture in pictures),
        Sent("/v1/image", "multipart/form-data; boundary=b", _form(tiny.picture())),
        *(
            Sent(f"/v1/{task}", "application/json", json.dumps(body, ensure_ascii=odd).encode())
            for odd in (True, False)
            for task, body in (
                ("sentiment", {"text": 'A good \\" <br /> caf\u00e9, \U0001f600 great!'}),
                ("sentiment", {"texts": ["good", "bad and dull", "\u202efine"]}),
                ("forecast", {"history": history, "horizon": 2, "level": 0.5}),
                ("forecast", {"history": tiny.history(60)}),
            )
        ),
        _tensor(image, "image", "UINT8", [1, 8, 8, 1], pixels),
        _tensor(image, "image", "FP32", [1, 8, 8, 1], [rows], **wanted),
        _tensor(image, "image", "UINT8", [2, 8, 8, 1], bytes(pixels * 2), **binary),
        _tensor(image, "image", "BYTES", [2], elements(pictures[0][1], pictures[2][1])),
        _tensor(text, "text", "BYTES", [2], ["good", "bad"], **wanted),
        _tensor(text, "text", "BYTES", [2, 1], elements(b"good", "caf\u00e9".encode()), **binary),
        _tensor(series, "history", "FP64", [1, 24], history, parameters={"horizon": 3}),
        _tensor(series, "history", "FP64", [2, 24], [history, history]),
        _tensor(series, "history", "FP64", [1, 24], doubles, **binary),
        _tensor(version, "history", "FP32", [1, 24], struct.pack("<24f", *history)),
        _tensor(version, "history", "FP64", [1, 24], history),
    ]


ORIGINALS = _originals()


# --- what becomes of it -------------------------------------------------------------------------


def _change_bytes(rng: random.Random, content: bytes) -> bytes:
    """Overwrite, cut out, insert or repeat bytes, or go on with those of another body."""
    body = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randrange(len(body) + 1)
        stop = start + rng.choice([0, 1, 1, 2, 8, 100, 100_000])
        other = rng.choice(ORIGINALS).body
        parts = [b"", rng.randbytes(1), rng.randbytes(8), b"\0" * 300, b"[" * 300, b'"', b"\\"]
        parts += [body[start : start + 60] * rng.randint(1, 20), other[rng.randrange(len(other)) :]]
        body[start:stop] = rng.choice(parts)
    return bytes(body)


def _within_chunk(rng: random.Random, body: bytearray) -> None:
    """Change what one chunk of a PNG holds, and make its checksum right again."""
    places, start = [], len(SIGNATURE)
    while start + 12 <= len(body):
        size = int.from_bytes(body[start : start + 4])
        places.append((start + 4, start + 8 + size))
        start += 12 + size
    start, stop = rng.choice(places)
    for _ in range(rng.randint(1, 3)):
        body[rng.randrange(start, stop)] = rng.randrange(256)
    body[stop : stop + 4] = struct.pack(">I", zlib.crc32(body[start:stop]))


def _within_json(rng: random.Random, body: bytes) -> bytes:
    """Put something odd in one place of a JSON value, or take something out."""
    whole = json.loads(body)
    holder, keys = whole, list(whole)
    while True:
        key = rng.choice(keys)
        inner = holder[key]
        deeper = inner and isinstance(inner, dict | list) and rng.random() < 0.7
        if not deeper:
            break
        holder, keys = inner, list(inner) if isinstance(inner, dict) else range(len(inner))
    way = rng.randrange(4)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[rng.choice([key + "x", key.upper(), "", "__class__"])] = holder.pop(key)
    elif way == 2 and isinstance(holder, list):
        holder += [inner] * rng.choice([1, 3, 300])
    else:
        holder[key] = rng.choice(ODD)
    return json.dumps(whole).encode()


def body_of(number: int) -> tuple[Sent, dict[str, str]]:
    """The request of this number, and its headers."""
    rng = random.Random(number)
    path, media_type, body, raw = rng.choice(ORIGINALS)
    headers = {"Content-Type": media_type}
    part = rng.randrange(4) if raw else 0
    if raw and part == 1:
        raw = _change_bytes(rng, raw)
    elif body.startswith(b"{") and rng.random() < 0.5:
        body = _within_json(rng, body)
    elif body.startswith(SIGNATURE) and rng.random() < 0.5:
        _within_chunk(rng, changed := bytearray(body))
        body = bytes(changed)
    else:
        body = _change_bytes(rng, body)
    if raw is not None:
        length = rng.choice([0, len(body) + 1, 10**30, "x"]) if part == 2 else len(body)
        headers["Inference-Header-Content-Length"] = str(length)
        body += raw
    return Sent(path, media_type, body), headers


# --- what must come back ------------------------------------------------------------------------


def statuses_of(client, numbers: range) -> Counter:
    """Send mutated bodies, check each answer, and count the answers by path and status."""
    description, statuses = Description(client), Counter()
    for number in numbers:
        sent, headers = body_of(number)
        answer = client.post(sent.path, content=sent.body, headers=headers)
        try:
            assert answer.status_code < 500
            described = sent.path.replace("/versions/1/", "/versions/{version}/")
            description.check(described, answer)
        except Exception as error:
            message = f"body_of({number}): {answer.status_code} {answer.content!r}"
            raise AssertionError(message) from error
        statuses[sent.path, answer.status_code] += 1
    return statuses


class TestMutated:
    def test_what_is_mutated_was_valid(self, client):
        for sent in ORIGINALS:
            headers = {"Content-Type": sent.media_type}
            if sent.raw is not None:
                headers["Inference-Header-Content-Length"] = str(len(sent.body))
            answer = client.post(sent.path, content=sent.body + (sent.raw or b""), headers=headers)
            assert answer.status_code == 200, answer.text

    def test_some(self, client):
        assert len(statuses_of(client, range(BODIES, BODIES + 1500))) > 12

    @pytest.mark.slow
    def test_no_body_is_answered_otherwise_than_described(self, own_server):
        before = own_server.processes()
        (worker,) = workers_of(own_server.process.pid)
        began = sum(worker.cpu_times()[:2])
        statuses = statuses_of(own_server.client, range(BODIES))
        a_second = BODIES / (sum(worker.cpu_times()[:2]) - began)
        print(f"{a_second:.0f} bodies a second: {sorted(statuses.items())}")
        assert own_server.processes() == before
        assert own_server.ready()
        for path in {sent.path for sent in ORIGINALS}:  # neither too mild nor too wild
            assert statuses[path, 200] > 50
            assert statuses[path, 422] + statuses[path, 400] > 100
        assert a_second > LEAST_A_SECOND


@pytest.mark.slow
class TestHostile:
    def test_each_is_refused_at_once_and_keeps_no_memory(self, own_server):
        (worker,), before = workers_of(own_server.process.pid), own_server.processes()
        with socket.create_server(("127.0.0.1", 0)) as trap:
            hostile = list(requests(f"127.0.0.1:{trap.getsockname()[1]}"))
            refused(hostile[0], own_server.port)  # what is loaded once is not counted
            most = worker.memory_info().rss + (MEGABYTES << 20)
            for one in hostile:
                computed = sum(worker.cpu_times()[:2])
                seconds, status, answer = refused(one, own_server.port)
                assert 400 <= status < 500, (one.what, one.path, answer)
                computed = sum(worker.cpu_times()[:2]) - computed
                assert computed < COMPUTED_SECONDS, (one.what, one.path)
                assert seconds < SECONDS, (one.what, one.path)
                # An answer is on its way before its body is freed.
                own_server.wait(lambda: worker.memory_info().rss < most, seconds=5)
            assert caught(trap) == 0
        assert own_server.processes() == before
        assert own_server.ready()
        peers = {one.laddr.port for one in worker.net_connections("inet")}
        assert peers == {own_server.port}  # the worker has connected to nobody

    def test_slow_uploads_hold_up_nobody(self, own_server):
        (worker,) = workers_of(own_server.process.pid)
        memory = worker.memory_info().rss
        given_up, answered, share = slow_uploads(own_server.port)
        assert given_up == SLOW_UPLOADS
        assert answered > 1000
        assert share >= 0.99
        assert worker.memory_info().rss - memory < MEGABYTES << 20
