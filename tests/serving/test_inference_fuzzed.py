"""Whatever is sent to the Open Inference Protocol, an answer or the protocol's error comes back."""

import json
from urllib.parse import quote

import httpx
from asking import ARRAYS, JSON, check, elements, in_binary, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.canonical_path import is_under

fuzz = settings(max_examples=100, deadline=None, derandomize=True, database=None)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 8, 24, 64, 257, -1, 2**63, 1.0, None]), max_size=5)
DATATYPES = st.sampled_from(["UINT8", "FP32", "FP64", "BYTES", "BOOL", "INT32", "bytes"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["image", "text", "history"]) | JSON_VALUES,
        "shape": SHAPES | JSON_VALUES,
        "datatype": DATATYPES | JSON_VALUES,
        "data": st.lists(st.floats() | st.integers() | st.text(max_size=4)) | JSON_VALUES,
        "parameters": st.dictionaries(st.just("binary_data_size"), JSON_VALUES) | JSON_VALUES,
    },
)
MEMBERS = st.dictionaries(st.sampled_from(["id", "parameters", "outputs", "inputs"]), JSON_VALUES)
TASKS = st.sampled_from(list(ARRAYS))


def check_any(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    if response.status_code != 200:
        check(response, response.status_code)


class TestAnything:
    """Whatever is sent, what comes back is an answer or the protocol's error."""

    @fuzz
    @given(task=TASKS, changes=CHANGES, request=MEMBERS)
    def test_any_request(self, client, task, changes, request):
        content = json.dumps({"inputs": [tensor(task, **changes)]} | request)
        check_any(client.post(f"/v2/models/{task}/infer", content=content, headers=JSON))

    @fuzz
    @given(
        task=TASKS,
        raw=st.binary(max_size=400),
        length=st.none() | st.integers(-5, 600).map(str) | st.text("0123456789", max_size=30),
        changes=CHANGES,
    )
    def test_any_header_and_shape_of_binary_data(self, client, task, raw, length, changes):
        changes.pop("data", None)
        changes.setdefault("parameters", {"binary_data_size": len(raw)})
        given = tensor(task, **changes)
        del given["data"]
        text = json.dumps({"inputs": [given]}).encode()
        headers = {"Inference-Header-Content-Length": length or str(len(text))}
        check_any(client.post(f"/v2/models/{task}/infer", content=text + raw, headers=headers))

    @fuzz
    @given(
        method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "PATCH"]),
        parts=st.lists(
            st.sampled_from(["models", "image", "versions", "1", "infer", "ready", "..", "-"])
            | st.text(max_size=8),
            max_size=6,
        ),
    )
    def test_any_path(self, client, method, parts):
        path = "/".join(["/v2", *(quote(part, safe="") for part in parts)])
        response = client.request(method, path)
        assert response.status_code < 500
        # The client itself has followed "..".
        if method != "HEAD" and is_under("/v2", response.request.url.path):
            check_any(response)

    @fuzz
    @given(data=st.data(), task=TASKS)
    def test_a_good_body_with_a_few_bytes_changed(self, client, data, task):
        array = ARRAYS[task][1]
        raw = elements(*(text.encode() for text in array)) if task == "sentiment" else b""
        sent = in_binary(task, raw or array.tobytes())
        body = bytearray(sent["content"])
        for _ in range(data.draw(st.integers(1, 5))):
            start = data.draw(st.integers(0, len(body)))
            stop = start + data.draw(st.sampled_from([0, 1, 1, 4, 100]))
            body[start:stop] = data.draw(st.binary(max_size=4))
        sent["content"] = bytes(body)
        check_any(client.post(f"/v2/models/{task}/infer", **sent))
