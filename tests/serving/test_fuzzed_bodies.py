"""No body, whatever is in it, is answered with a 500 or in another form than ours."""

import json

import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

fuzz = settings(max_examples=150, deadline=None, derandomize=True, database=None)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from([10**30, 1e308, -0.0, "\x00", "<br />", "😀" * 50, "\u202e", "a" * 3000]),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=60,
)
NAMES = st.sampled_from(["text", "texts", "history", "horizon", "level", "txt", ""])
HISTORIES = st.lists(st.floats() | st.integers(), min_size=20, max_size=40)
REQUESTS = st.dictionaries(NAMES, JSON_VALUES | HISTORIES, max_size=4)
PICTURES = [tiny.picture(kind, 12, mode) for kind, mode in (("PNG", "RGBA"), ("JPEG", "RGB"))]
PICTURES.append(tiny.picture("WEBP", 12, "RGB"))
TYPES = ["image/png", "image/jpeg", "image/webp"]
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + tiny.picture() + b"\r\n--b--\r\n"
)


@st.composite
def mutated(draw, originals: list[bytes]) -> bytes:
    """A valid body with a few bytes overwritten, inserted, or cut away."""
    body = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(body)))
        stop = start + draw(st.sampled_from([0, 0, 1, 1, 4, 1000]))
        body[start:stop] = draw(st.binary(max_size=4))
    return bytes(body)


def check(response) -> None:
    assert response.status_code < 500, response.text
    answer = response.json()
    assert answer["request_id"] == response.headers["X-Request-Id"]
    if response.status_code != 200:
        assert set(answer) == {"error", "request_id"}
        assert set(answer["error"]) == {"code", "message"}


def send(client, path: str, body: bytes, media_type: str = "application/json") -> None:
    check(client.post(path, content=body, headers={"Content-Type": media_type}))


@fuzz
@given(path=st.sampled_from(["/v1/sentiment", "/v1/forecast"]), request=REQUESTS)
def test_any_json(client, path, request):
    send(client, path, json.dumps(request).encode())


@fuzz
@given(
    path=st.sampled_from(["/v1/sentiment", "/v1/forecast"]),
    body=mutated(
        [
            json.dumps({"text": 'good \\" <br /> \u00e9'}).encode(),
            json.dumps({"texts": ["good", "bad"]}, ensure_ascii=False).encode(),
            json.dumps({"history": tiny.history(), "horizon": 2, "level": 0.5}).encode(),
        ]
    ),
)
def test_broken_json(client, path, body):
    send(client, path, body)


@fuzz
@given(media_type=st.sampled_from(TYPES), body=mutated(PICTURES))
def test_broken_pictures(client, media_type, body):
    send(client, "/v1/image", body, media_type)


@fuzz
@given(
    body=mutated([FORM]),
    boundary=st.sampled_from(["b", '"b"', "c", "", "b" * 300, "b; charset=no-such"]),
)
def test_broken_forms(client, body, boundary):
    send(client, "/v1/image", body, f"multipart/form-data; boundary={boundary}")
