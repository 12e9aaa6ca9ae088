"""Wrong inference requests: each is refused with a message that names the cause."""

import json

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from asking import ARRAYS, JSON, ask, check, elements, in_binary, tensor


def refused(client, task: str, status: int = 422, request: dict | None = None, **changes) -> str:
    """Send a request with changes in its input or in itself, and return the error message."""
    sent = {"inputs": [tensor(task, **changes)]} | (request or {})
    content = json.dumps(sent)  # which may hold what is no JSON: NaN, Infinity
    return check(client.post(f"/v2/models/{task}/infer", content=content, headers=JSON), status)


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("task", "changes", "says"),
        [
            ("image", {"name": "input"}, "called \"image\", not 'input'"),
            ("image", {"datatype": "FP16"}, "UINT8 or FP32 or BYTES, not 'FP16'"),
            ("image", {"shape": [3, 64]}, "[n, 8, 8, 1], not [3, 64]"),
            ("image", {"shape": [0, 8, 8, 1]}, '"inputs.0.shape.0" must be greater than 0, not 0'),
            ("image", {"shape": [True, 8, 8, 1]}, "a whole number, not true"),
            ("image", {"shape": [257, 8, 8, 1]}, "[256, 8, 8, 1] at most, not [257, 8, 8, 1]"),
            ("image", {"shape": [9], "datatype": "BYTES"}, "[8] at most"),
            ("image", {"shape": [1] * 1000}, "a length of at most 8, not "),
            ("image", {"shape": [2, 8, 8, 1]}, "192 elements"),
            ("image", {"data": None}, "a list of 192"),
            ("image", {"data": [[0] * 64] * 3}, "lists in lists"),
            ("image", {"data": ["1"] * 192}, "numbers and nothing else"),
            ("image", {"data": [True] * 192}, "numbers and nothing else"),
            ("image", {"data": [0] * 191 + [False]}, "numbers and nothing else"),
            ("image", {"data": [0] * 191 + [256]}, "0 to 255, not 256.0"),
            ("image", {"data": [0] * 191 + [0.5]}, "not 0.5"),
            ("image", {"parameters": {"binary_data_size": 192}}, "0 bytes of binary data"),
            ("image", {"parameters": {"binary_data_size": True}}, "a whole number"),
            ("image", {"shape": [1], "datatype": "BYTES", "data": ["iVBO"]}, "binary data only"),
            ("sentiment", {"data": ["good", None, "good"]}, "Text 2"),
            ("forecast", {"shape": [1, 23], "data": [5.0] * 23}, "23 values"),
            ("forecast", {"shape": [1, 10_001], "data": [5.0] * 10_001}, "[256, 10000] at most"),
            ("forecast", {"shape": [2, 24], "data": [True] * 48}, "numbers and nothing else"),
        ],
    )
    def test_with_a_tensor(self, client, task, changes, says):
        assert says in refused(client, task, **changes)

    @pytest.mark.parametrize(
        ("task", "datatype"),
        [("image", np.float32), ("forecast", np.float32), ("forecast", np.float64)],
    )
    def test_with_numbers_that_are_none(self, public, task, datatype):
        for number in (np.nan, np.inf, -np.inf):
            array = ARRAYS[task][1].astype(datatype)
            array[-1, -1] = number
            with pytest.raises(triton.InferenceServerException, match=r"nan|inf") as refusal:
                ask(public, task, array)
            assert refusal.value.status() == "422"

    @pytest.mark.parametrize(
        ("task", "request_", "says"),
        [
            ("image", {"inputs": []}, '"inputs" must have a length of at least 1, not 0'),
            ("image", {"inputs": [5]}, '"inputs.0" must be an object, not 5'),
            (
                "image",
                {"inputs": [tensor("image")] * 2},
                '"inputs" must have a length of at most 1, not 2',
            ),
            ("image", {"id": 42}, '"id" must be a string, not 42'),
            ("image", {"parameters": {"binary_data_output": 1}}, "true or false"),
            ("image", {"outputs": ["label"]}, '"outputs.0" must be an object, not '),
            ("image", {"outputs": [{}]}, '"outputs.0.name" is needed'),
            ("image", {"outputs": [{"name": "probability"}]}, "did you mean 'probabilities'?"),
            ("image", {"outputs": [{"name": "label"}] * 65}, "at most 64"),
            (
                "image",
                {"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]},
                "true or false",
            ),
            ("forecast", {"parameters": {"horizon": 7}}, "1 to 6"),
        ],
    )
    def test_with_a_request(self, client, task, request_, says):
        assert says in refused(client, task, request=request_)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 422),
            (b"[" * 100_000, 400),
            (b'{"inputs":' * 100_000, 400),
            (b'{"inputs": [{"data": [' + b"[]," * 300_000 + b"[]]}]}", 400),
            (b'{"id": "\\ud83d"}', 422),
            (b'{"inputs": [1e400]}', 422),
            (b'{"inputs": [{"data": [NaN]}]}', 400),
        ],
    )
    def test_with_json(self, client, body, status):
        check(client.post("/v2/models/image/infer", content=body, headers=JSON), status)

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("/v2/models/imag", "There is no model 'imag'; there is image, sentiment, forecast."),
            ("/v2/models/image/versions/7/ready", "no version '7'"),
            ("/v2/models/espalier-image-tiny/versions/7/ready", "no version '7'"),
            ("/v2/models/image/stats", "/docs.json"),
            ("/v2/models", "/docs.json"),
        ],
    )
    def test_with_a_path(self, client, path, says):
        assert says in check(client.get(path), 404)

    def test_with_a_method(self, client):
        for method, path in (("GET", "/v2/models/image/infer"), ("POST", "/v2")):
            response = client.request(method, path)
            assert response.headers["Allow"] in check(response, 405)
        check(client.post("/v2/models/imag/infer", json={}), 404)
        check(client.delete("/v2/models/image/versions/1"), 405)

    @pytest.mark.parametrize("name", ["text/plain", "application/x-pickle", "image/png", ""])
    def test_with_the_type_of_a_body(self, client, name):
        sent = {"content": b"{}", "headers": {"Content-Type": name}}
        check(client.post("/v2/models/image/infer", **sent), 415)

    def test_with_the_size_of_a_body(self, client):
        for task, limit in (("image", 16), ("forecast", 4)):
            body, path = b" " * ((limit << 20) + 1), f"/v2/models/{task}/infer"
            binary = {"Inference-Header-Content-Length": "2"}
            assert f"{limit} MiB" in check(client.post(path, content=body, headers=binary), 413)
        body = b" " * ((4 << 20) + 1)
        check(client.post("/v2/models/image/infer", content=body, headers=JSON), 413)
        whole = {"Inference-Header-Content-Length": str(len(body))}
        check(client.post("/v2/models/image/infer", content=body, headers=whole), 413)


class TestBinaryData:
    def post(self, client, task: str, raw: bytes, **changes) -> httpx.Response:
        return client.post(f"/v2/models/{task}/infer", **in_binary(task, raw, **changes))

    @pytest.mark.parametrize("length", ["", "-1", "1e2", "99999", "9" * 500, "²"])
    def test_with_a_length_that_is_none(self, client, length):
        sent = in_binary("image", bytes(192))
        sent["headers"] = [(b"Inference-Header-Content-Length", length.encode("latin-1"))]
        message = check(client.post("/v2/models/image/infer", **sent), 400)
        assert "Inference-Header-Content-Length" in message

    @pytest.mark.parametrize("raw", [b"", bytes(191), bytes(193)])
    def test_with_too_many_bytes_or_too_few(self, client, raw):
        message = check(self.post(client, "image", raw), 422)
        assert "takes 192 bytes" in message or '"data"' in message

    def test_with_a_size_that_is_another(self, client):
        """Or with the data in JSON as well."""
        for size, says in ((191, "192 bytes"), (2**62, "192 bytes"), (192, "one of them")):
            given = tensor("image", parameters={"binary_data_size": size})
            text = json.dumps({"inputs": [given]}).encode()
            headers = {"Inference-Header-Content-Length": str(len(text))}
            sent = {"content": text + bytes(192), "headers": headers}
            assert says in check(client.post("/v2/models/image/infer", **sent), 422)

    @pytest.mark.parametrize(
        "raw",
        [
            b"\1",
            elements(b"good", b"good"),
            elements(b"good", b"good", b"good") + b"\0",
            elements(b"good", b"good") + b"\xff\xff\xff\xff",
            elements(b"good", b"good") + b"\5\0\0\0good",
        ],
    )
    def test_with_elements_that_do_not_fit(self, client, raw):
        assert "3 elements" in check(self.post(client, "sentiment", raw), 422)

    def test_with_a_text_that_is_not_utf8(self, client):
        raw = elements(b"good", b"\xff\xfe", b"good")
        assert "UTF-8" in check(self.post(client, "sentiment", raw), 422)

    def test_with_a_picture_that_is_none(self, client):
        response = self.post(client, "image", elements(b"none"), datatype="BYTES", shape=[1])
        assert "not a complete" in check(response, 400)
