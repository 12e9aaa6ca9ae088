"""Wrong requests under /v1: each is answered with its status, its code and one sentence."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
import zlib

import pytest
import tiny
from encoded import file_of
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request

from serving.http import bodies
from serving.http.bodies import Uploads
from serving.http.errors import Problem

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="a"%s\r\n\r\ntext'
CSS = "/static_content/swagger-ui.css"
PICKLES = ["application/vnd.bentoml+pickle", "application/python-pickle", "application/x-pickle"]


def check(response, status: int, code: str) -> str:
    """Assert the error form and return the message."""
    assert response.status_code == status, response.text
    answer = response.json()
    assert set(answer) == {"error", "request_id"}
    assert set(answer["error"]) == {"code", "message"}
    assert answer["error"]["code"] == code, answer
    assert answer["request_id"] == response.headers["X-Request-Id"]
    message = answer["error"]["message"]
    assert message.endswith((".", "?"))
    for internal in ("Traceback", "/work", "site-packages", "models.", "serving.", "onnx"):
        assert internal not in message
    return message


GREY = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
# The same picture, with a header of 50,000 x 50,000 pixels.
_HEADER = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
BOMB = tiny.picture()[:12] + _HEADER + struct.pack(">I", zlib.crc32(_HEADER)) + tiny.picture()[33:]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"no picture", 400, "not_an_image"),
        (tiny.picture()[:40], 400, "not_an_image"),
        (tiny.picture("JPEG", 64)[:300], 400, "not_an_image"),
        (file_of(GREY[0], "GIF"), 400, "not_an_image"),
        (BOMB, 422, "image_too_large"),
        (file_of(GREY[0], "WEBP", save_all=True, append_images=GREY[1:]), 422, "animated_image"),
        (b"http://127.0.0.1/picture.png", 400, "not_an_image"),
    ],
)
def test_a_picture_that_is_not_one(client, body, status, code):
    check(client.post("/v1/image", content=body, headers=PNG), status, code)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (PART % b"" + b"\r\n--b\r\n\r\nno name\r\n--b--\r\n", 400, "not_a_form"),
        (PART.replace(b"text", b"x" * 5000) % b"" + b"\r\n--b--\r\n", 400, "not_a_form"),
        ((PART % b"" + b"\r\n") * 17 + b"--b--\r\n", 400, "not_a_form"),
        (PART % b'; filename="a.png"', 422, "not_one_file"),
        (PART % b"" + b"\r\n--b--\r\n", 422, "not_one_file"),
        (PART % b'; filename="a.png"' + b"\r\n--b--\r\n", 400, "not_an_image"),
    ],
)
def test_a_form_without_a_picture(client, content, status, code):
    check(client.post("/v1/image", content=content, headers=FORM), status, code)


def test_a_malformed_form_is_not_logged(server, client):
    """A stranger could fill the disk, since the parser logs a line for each."""
    check(client.post("/v1/image", content=b"no form", headers=FORM), 400, "not_a_form")
    assert "boundary" not in server.log.read_text()


def test_a_form_with_two_pictures(client):
    files = [("file", ("a.png", tiny.picture())), ("file", ("b.png", tiny.picture()))]
    message = check(client.post("/v1/image", files=files), 422, "not_one_file")
    assert "2 files" in message


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", "; boundary=c", "; boundary=b; charset=undefined"]
)
def test_a_form_with_a_type_that_does_not_fit(client, parameters):
    headers = {"Content-Type": f"multipart/form-data{parameters}"}
    content = PART % b'; filename="a.png"' + b"\r\n--b--\r\n"
    check(client.post("/v1/image", content=content, headers=headers), 400, "not_a_form")


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", "", *PICKLES])
@pytest.mark.parametrize("path", ["/v1/image", "/v1/sentiment", "/v1/forecast"])
def test_a_type_that_is_not_on_the_list(client, path, media_type):
    response = client.post(path, content=b"x", headers={"Content-Type": media_type})
    message = check(response, 415, "unsupported_media_type")
    assert ("image/png" if path == "/v1/image" else "application/json") in message
    headers = (PNG if path == "/v1/image" else JSON) | {"Content-Encoding": "br"}
    response = client.post(path, content=b"x", headers=headers)
    assert "gzip or deflate" in check(response, 415, "unsupported_encoding")
    assert response.headers["Accept-Encoding"] == "gzip, deflate"


ENCODED = {"gzip": gzip.compress, "GZip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_compressed_body_is_answered_as_the_body_is(client, encoding):
    text, picture = json.dumps({"text": "good " * 500}).encode(), tiny.picture("PNG", 600, "RGB")
    for path, body, headers in (("/v1/sentiment", text, JSON), ("/v1/image", picture, PNG)):
        plain = client.post(path, content=body, headers=headers)
        compressed = ENCODED[encoding](body)
        coded = headers | {"Content-Encoding": encoding}
        answer = client.post(path, content=compressed, headers=coded)
        assert answer.status_code == 200, answer.text
        assert answer.json()["probabilities"] == plain.json()["probabilities"]
        # In parts of an awkward size, without a length.
        parts = (compressed[at : at + 101] for at in range(0, len(compressed), 101))
        assert (
            client.post(path, content=parts, headers=coded).json()["label"]
            == (plain.json()["label"])
        )


# The time in gzip's header would name a test differently in each process that collects it.
GZIPPED = gzip.compress(b'{"text": "good"}', mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"text": "good"}',
        GZIPPED[:-4],
        GZIPPED + b"more",
        zlib.compress(b'{"text": "good"}'),
    ],
    ids=["empty", "plain", "cut", "more after it", "zlib"],
)
def test_a_body_that_is_not_what_its_encoding_says(client, body):
    headers = JSON | {"Content-Encoding": "gzip"}
    check(client.post("/v1/sentiment", content=body, headers=headers), 400, "invalid_encoding")


class Watched(Uploads):
    """Bodies that come in, and the most that they held together."""

    most = 0

    def add(self, upload, part):
        super().add(upload, part)
        self.most = max(self.most, self.held_bytes)


def read(parts: list[bytes], encoding: str) -> tuple[str, int]:
    """The code with which a JSON body in parts is refused, and how many bytes were held of it."""
    app = Starlette()
    app.state.uploads = Watched()
    headers = [(b"content-type", b"application/json"), (b"content-encoding", encoding.encode())]
    messages = iter([{"type": "http.request", "body": part, "more_body": True} for part in parts])

    async def receive():
        return next(messages)

    request = Request({"type": "http", "headers": headers, "app": app}, receive)
    with pytest.raises(Problem) as refused:
        asyncio.run(bodies.read_json(request))
    return refused.value.code, app.state.uploads.most


def test_a_body_is_bounded_after_decompression(client):
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < 70_000
    code, held = read([bomb], "gzip")
    assert (code, held <= bodies.MAX_JSON_BYTES + bodies.TURN_BYTES) == ("body_too_large", True)
    coded = JSON | {"Content-Encoding": "gzip"}
    answer = client.post("/v1/sentiment", content=bomb, headers=coded)
    assert "4 MiB" in check(answer, 413, "body_too_large")
    exact = gzip.compress(b" " * bodies.MAX_JSON_BYTES)
    check(client.post("/v1/sentiment", content=exact, headers=coded), 400, "not_json")


def test_what_was_sent_is_bounded_where_it_decompresses_to_nothing():
    head = zlib.compressobj(wbits=31).flush(zlib.Z_FULL_FLUSH)
    parts = [head[-5:] * 13_000] * 65  # empty blocks, 64 KB of them each
    assert read([head, *parts], "gzip") == ("body_too_large", 0)


def test_few_bytes_that_become_many_push_out_nothing_that_was_sent():
    async def upload(uploads: Uploads, size: int, decompressor=None) -> str:
        coming = uploads.begin(decompressor)
        with contextlib.suppress(asyncio.CancelledError):
            uploads.add(coming, b"0" * size)
            await asyncio.sleep(0.05)
        return coming.problem.code if coming.problem else "kept"

    async def all_of_them() -> list[str]:
        uploads = Uploads()
        bombs = [upload(uploads, 15 << 20, zlib.decompressobj()) for _ in range(4)]
        return await asyncio.gather(upload(uploads, 100_000), *bombs)

    assert asyncio.run(all_of_them()) == ["kept", "busy", "kept", "kept", "kept"]


@pytest.mark.parametrize("path", ["/v1/sentiment", "/v1/forecast"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"{", 400, "not_json"),
        (b'{"text": NaN}', 400, "not_json"),
        (b'{"text": "\\ud83d"}', 422, "unpaired_surrogate"),
        (b'{"\\udc00": 1}', 422, "unpaired_surrogate"),
        (b'{"text": 1e400}', 422, "number_too_large"),
        (b'{"text": %s}' % (b"9" * 5000), 422, "number_too_large"),
        (b'{"text": "\\ud83d", 1e400}', 400, "not_json"),
        (b'{"text": "\xff"}', 400, "not_json"),
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"text": ' * 100_000, 400, "too_many_values"),
        (b'{"": ' * 4_000, 400, "too_deep"),
        (b'"' + b'\\"' * 200_000 + b"[" * 50, 400, "not_json"),
        (b"[]", 422, "not_an_object"),
        (b"{}", 422, "missing_field"),
    ],
)
def test_a_body_that_is_not_our_json(client, path, body, status, code):
    check(client.post(path, content=body, headers=JSON), status, code)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"text":"\xff"}', "not UTF-8 at byte 9."),
        (b'{"text":"\xc3\xa9 \xed\xa0\x80"}', "not UTF-8 at byte 12."),
        (b'\xef\xbb\xbf{"text": "good"}', "byte order mark (BOM)"),
        ('{"text":"é", 1}'.encode(), "a mistake at character 13."),
    ],
)
def test_where_a_body_is_mistaken_is_said(client, body, says):
    assert says in check(client.post("/v1/sentiment", content=body, headers=JSON), 400, "not_json")


@pytest.mark.parametrize(
    ("task", "sent", "code", "says"),
    [
        ("sentiment", {"txt": "good"}, "unknown_field", "did you mean 'text'?"),
        ("sentiment", {"quite": 1}, "unknown_field", '"text" or "texts"'),
        ("sentiment", {"text": "good", "texts": ["good"]}, "too_many_fields", "both were sent"),
        ("sentiment", {"text": ""}, "empty_text", "empty"),
        ("sentiment", {"text": None}, "not_a_text", "null"),
        ("sentiment", {"text": "x" * 200_001}, "text_too_long", "200,001 characters"),
        ("sentiment", {"texts": []}, "invalid_texts", "at least 1, not 0"),
        ("sentiment", {"texts": ["good"] * 257}, "invalid_texts", "at most 256, not 257"),
        ("sentiment", {"texts": "good"}, "invalid_texts", "not 'good'"),
        ("sentiment", {"texts": ["good", ""]}, "empty_text", "Text 2"),
        ("forecast", {"histroy": []}, "unknown_field", "did you mean 'history'?"),
        ("forecast", {"history": [5.0] * 23}, "history_too_short", "23 values"),
        ("forecast", {"history": "5"}, "not_a_series", "'5'"),
        ("forecast", {"history": [5.0] * 23 + [None]}, "invalid_value", "value 24 is null"),
        ("forecast", {"history": [5.0] * 23 + [True]}, "invalid_value", "value 24 is true"),
        ("forecast", {"horizon": 2.5}, "invalid_horizon", "2.5"),
        ("forecast", {"horizon": "2"}, "invalid_horizon", "'2'"),
        ("forecast", {"level": 1}, "invalid_level", "0.999"),
    ],
)
def test_a_field_against_a_rule(client, task, sent, code, says):
    valid = {"history": tiny.history()} if task == "forecast" else {}
    assert says in check(client.post(f"/v1/{task}", json=valid | sent), 422, code)


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/images", "/v1/image//", "/livez/", "/nothing", "/v1/%ff"]
)
def test_a_path_that_is_not_there(client, path):
    assert "/docs.json" in check(client.post(path, json={}), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/image"), ("POST", "/v1/models")])
def test_a_method_that_is_not_allowed(client, method, path):
    response = client.request(method, path)
    check(response, 405, "method_not_allowed")
    assert response.headers["Allow"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/docs", "/docs.json", "/livez", "/metrics", CSS])
def test_what_is_only_read_is_not_changed(client, method, path):
    check(client.request(method, path), 405, "method_not_allowed")
    assert client.head(path).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /v1/sentiment HTTP/1.1\r\nContent-Type: text/plain\r\n", 415),
        ("POST /v2/models/image/infer HTTP/1.1\r\nContent-Type: text/plain\r\n", 415),
        ("POST /nothing HTTP/1.1\r\n", 404),
        ("POST /v1/models HTTP/1.1\r\n", 405),
    ],
)
def test_an_error_before_the_body_was_asked_for_is_the_last_answer(server, head, status):
    """Otherwise the next request would be taken for the body, and never answered."""
    expecting = f"{head}Host: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(expecting.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # until the server closes
    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize(("path", "limit"), [("/v1/image", 16 << 20), ("/v1/forecast", 4 << 20)])
def test_a_body_over_the_limit(client, path, limit):
    headers = PNG if path == "/v1/image" else JSON
    declared = client.post(path, content=b" " * (limit + 1), headers=headers)
    assert f"{limit >> 20} MiB" in check(declared, 413, "body_too_large")
    chunks = (b" " * (1 << 16) for _ in range((limit >> 16) + 1))
    check(client.post(path, content=chunks, headers=headers), 413, "body_too_large")


def test_a_body_in_two_halves_is_waited_for_while_others_are_answered(server, client):
    body = json.dumps({"text": "good"}).encode()
    head = "POST /v1/sentiment HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        for _ in range(50):  # others are answered meanwhile
            assert client.post("/v1/sentiment", json={"text": "good"}).status_code == 200
        connection.sendall(body[5:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_body_that_never_ends_is_given_up(server):
    head = b"POST /v1/image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    head += b"Content-Length: 9\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head + b"half")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))  # until the server closes
    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_too_slow"


def test_uploads_that_never_end_keep_nobody_out(server, client):
    """Eighteen pictures of which the last bytes never come are more than may be held at once."""
    head = b"POST /v1/image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    head += b"Content-Length: 16000000\r\n\r\n"
    address, photograph = ("127.0.0.1", server.port), tiny.picture("PNG", 400, "RGB")
    with contextlib.ExitStack() as opened:
        uploads = [opened.enter_context(socket.create_connection(address)) for _ in range(18)]
        for upload in uploads:
            with contextlib.suppress(ConnectionError):  # refused while it still sends
                upload.sendall(head + b"0" * 15_900_000)
            assert client.post("/v1/image", content=photograph, headers=PNG).status_code == 200
            assert client.post("/v1/sentiment", json={"text": "good"}).status_code == 200
        assert b"429 Too Many Requests" in uploads[0].recv(1000)  # the oldest gave way
