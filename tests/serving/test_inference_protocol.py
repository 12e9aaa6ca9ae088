"""The Open Inference Protocol as a public client speaks it, and as nobody should."""

import io
import json
import re
import struct
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import tiny
import tritonclient.http as triton
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.door import is_under

JSON = {"Content-Type": "application/json"}
FAMILIAR = ["familiar", "familiarity"]
OUTPUTS = {
    "image": ["probabilities", "label", *FAMILIAR],
    "sentiment": ["probabilities", "label", "score", *FAMILIAR],
    "forecast": ["forecast", "lower", "upper", *FAMILIAR],
}
fuzz = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def pixels(count: int = 1) -> np.ndarray:
    """The pictures of `tiny.picture(seed=0)`, of 1, …, before they were encoded."""
    pictures = [Image.open(io.BytesIO(tiny.picture(seed=seed))) for seed in range(count)]
    return np.stack([np.asarray(picture)[..., None] for picture in pictures])


def texts(*values: str | bytes) -> np.ndarray:
    return np.array(values, np.object_)


ARRAYS = {
    "image": ("image", pixels(3)),
    "sentiment": ("text", texts("A good, GREAT film.", "schön 😀 bad", "dull " * 50)),
    "forecast": ("history", np.array([tiny.history(), tiny.history(30)[6:]])),
}


@pytest.fixture(scope="module")
def public(server):
    """The public client, as its documentation has it."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def ask(public, task: str, array: np.ndarray, datatype: str = "", binary: bool = True, **options):
    """Ask a task's model through the public client."""
    datatype = datatype or triton.np_to_triton_dtype(array.dtype) or "BYTES"
    given = triton.InferInput(ARRAYS[task][0], list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return public.infer(options.pop("name", task), [given], **options)


def in_json(*names: str) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, binary_data=False) for name in names]


class TestAPublicClient:
    def test_the_server_is_there(self, public):
        assert public.is_server_live()
        assert public.is_server_ready()
        described = public.get_server_metadata()
        assert described["name"] == "espalier"
        assert "binary_tensor_data" in described["extensions"]

    @pytest.mark.parametrize("task", list(ARRAYS))
    def test_a_model_is_there_under_each_of_its_names(self, public, task):
        for name in (task, f"espalier-{task}-tiny"):
            assert public.is_model_ready(name)
            assert public.is_model_ready(name, "1")
            assert not public.is_model_ready(name, "2")
            described = public.get_model_metadata(name, "1")
            assert described == public.get_model_metadata(name)
            assert (described["name"], described["versions"]) == (name, ["1"])
        assert not public.is_model_ready("espalier")

    @pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
    @pytest.mark.parametrize("task", list(ARRAYS))
    def test_what_metadata_describes_is_taken_and_given(self, public, task, binary):
        described = public.get_model_metadata(task)
        (taken,) = described["inputs"]
        name, array = ARRAYS[task]
        assert taken["name"] == name
        assert all(
            size in (-1, have) for size, have in zip(taken["shape"], array.shape, strict=True)
        )
        outputs = None if binary else in_json(*OUTPUTS[task])
        answer = ask(public, task, array, taken["datatype"], binary, outputs=outputs)
        assert [output["name"] for output in described["outputs"]] == OUTPUTS[task]
        for output in described["outputs"]:
            given = answer.get_output(output["name"])
            assert ("data" in given) is not binary
            assert given["datatype"] == output["datatype"]
            assert len(given["shape"]) == len(output["shape"])
            assert given["shape"][0] == len(array)
            assert answer.as_numpy(output["name"]).shape == tuple(given["shape"])

    @pytest.mark.parametrize("task", list(ARRAYS))
    def test_json_and_binary_say_the_same(self, public, task):
        raw = ask(public, task, ARRAYS[task][1])
        text = ask(public, task, ARRAYS[task][1], binary=False, outputs=in_json(*OUTPUTS[task]))
        for name in OUTPUTS[task]:
            one, other = raw.as_numpy(name), text.as_numpy(name)
            if name == "label":
                one = np.vectorize(bytes.decode, otypes=[object])(one)
            np.testing.assert_array_equal(one, other)

    def test_a_version_may_be_named(self, public):
        answer = ask(public, "image", pixels(), model_version="1").get_response()
        assert (answer["model_name"], answer["model_version"]) == ("image", "1")
        with pytest.raises(triton.InferenceServerException, match="version 1 serves") as refusal:
            ask(public, "image", pixels(), model_version="2")
        assert refusal.value.status() == "404"

    def test_the_registered_name_is_a_name(self, public):
        answer = ask(public, "image", pixels(), name="espalier-image-tiny").get_response()
        assert answer["model_name"] == "espalier-image-tiny"

    def test_the_id_of_a_request_comes_back(self, public):
        assert ask(public, "image", pixels(), request_id="42").get_response()["id"] == "42"
        assert "id" not in ask(public, "image", pixels()).get_response()

    def test_an_answer_names_its_model(self, public, client):
        (model, *_) = client.get("/v1/models").json()["models"]
        said = ask(public, "image", pixels()).get_response()["parameters"]
        assert said == {name: model[name] for name in ("name", "version", "fingerprint")}

    def test_outputs_that_are_wanted_come_in_their_order_and_form(self, public):
        wanted = [
            triton.InferRequestedOutput("label", binary_data=True),
            triton.InferRequestedOutput("probabilities", binary_data=False),
        ]
        answer = ask(public, "image", pixels(2), outputs=wanted)
        label, probabilities = answer.get_response()["outputs"]
        assert (label["name"], "data" in label) == ("label", False)
        assert (probabilities["name"], "data" in probabilities) == ("probabilities", True)
        best = answer.as_numpy("probabilities").argmax(axis=1)
        assert answer.as_numpy("label").tolist() == [b"%d" % digit for digit in best]

    def test_it_hears_what_is_wrong(self, public):
        with pytest.raises(triton.InferenceServerException, match="There is no model 'imag'"):
            ask(public, "image", pixels(), name="imag")


class TestTheSameAnswers:
    """What is asked here is answered as under /v1."""

    def test_of_pictures(self, public, client):
        answer = ask(public, "image", pixels(3))
        encoded = ask(public, "image", texts(*(tiny.picture(seed=seed) for seed in range(3))))
        for row in range(3):
            body, png = tiny.picture(seed=row), {"Content-Type": "image/png"}
            expected = client.post("/v1/image", content=body, headers=png).json()
            for one in (answer, encoded):
                assert one.as_numpy("label")[row].decode() == expected["label"]
                assert one.as_numpy("familiar")[row] == expected["familiar"]
                shares = list(expected["probabilities"].values())
                assert one.as_numpy("probabilities")[row] == pytest.approx(shares, abs=1e-6)

    @pytest.mark.parametrize("binary", [True, False])
    def test_of_pixels_as_fp32(self, public, binary):
        expected = ask(public, "image", pixels(2)).as_numpy("probabilities")
        given = ask(public, "image", pixels(2).astype(np.float32), binary=binary)
        np.testing.assert_array_equal(given.as_numpy("probabilities"), expected)

    def test_of_nested_and_of_flat_data(self, client):
        sent = {"name": "image", "shape": [2, 8, 8, 1], "datatype": "UINT8"}
        answers = [
            client.post("/v2/models/image/infer", json={"inputs": [sent | {"data": data}]}).json()
            for data in (pixels(2).tolist(), pixels(2).ravel().tolist())
        ]
        assert answers[0]["outputs"] == answers[1]["outputs"]

    def test_of_texts(self, public, client):
        sent = [text.strip() for text in ARRAYS["sentiment"][1]]
        expected = client.post("/v1/sentiment", json={"texts": sent}).json()["results"]
        for array in (texts(*sent), texts(*(text.encode() for text in sent))[:, None]):
            answer = ask(public, "sentiment", array)
            scores = [one["score"] for one in expected]
            assert answer.as_numpy("score") == pytest.approx(scores, abs=1e-6)
            assert [one["familiar"] for one in expected] == answer.as_numpy("familiar").tolist()

    def test_of_a_series_with_options(self, public, client):
        sent = {"history": tiny.history(30), "horizon": 2, "level": 0.5}
        expected = client.post("/v1/forecast", json=sent).json()
        options = {"horizon": 2, "level": 0.5}
        answer = ask(public, "forecast", np.array([tiny.history(30)]), parameters=options)
        for name in ("forecast", "lower", "upper"):
            assert answer.as_numpy(name)[0].tolist() == expected[name]
        assert answer.get_response()["parameters"]["level"] == 0.5
        narrow = ask(public, "forecast", np.array([tiny.history(30)], np.float32))
        assert narrow.as_numpy("forecast")[0, :2] == pytest.approx(expected["forecast"], abs=1e-5)


def tensor(task: str, **changes) -> dict:
    """A request's one input, in JSON."""
    name, array = ARRAYS[task]
    datatype = {"image": "UINT8", "sentiment": "BYTES", "forecast": "FP64"}[task]
    data = array.ravel().tolist()
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data} | changes


def check(response: httpx.Response, status: int) -> str:
    """Assert the protocol's error form and return the message."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    message = response.json()["error"]
    assert re.search(r"[.?]$", message)
    for internal in ("Traceback", "/work", "site-packages", "numpy", "serving.", "onnx"):
        assert internal not in message
    assert response.headers["X-Request-Id"]
    return message


def refused(client, task: str, status: int = 422, request: dict | None = None, **changes) -> str:
    """Send a request with changes in its input or in itself, and return what is said of it."""
    sent = {"inputs": [tensor(task, **changes)]} | (request or {})
    content = json.dumps(sent)  # which may hold what is no JSON: NaN, Infinity
    return check(client.post(f"/v2/models/{task}/infer", content=content, headers=JSON), status)


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"name": "input"}, "called \"image\", not 'input'"),
            ({"name": None}, "null"),
            ({"datatype": "FP16"}, "UINT8 or FP32 or BYTES, not 'FP16'"),
            ({"datatype": ["UINT8"]}, "not a list"),
            ({"shape": [3, 64]}, "[n, 8, 8, 1], not [3, 64]"),
            ({"shape": [0, 8, 8, 1]}, "[0, 8, 8, 1]"),
            ({"shape": [-1, 8, 8, 1]}, "[-1, 8, 8, 1]"),
            ({"shape": [True, 8, 8, 1]}, "[true, 8, 8, 1]"),
            ({"shape": [3.0, 8, 8, 1]}, "[3.0, 8, 8, 1]"),
            ({"shape": [10**19, 8, 8, 1]}, "[256, 8, 8, 1] at most"),
            ({"shape": [257, 8, 8, 1]}, "[256, 8, 8, 1] at most, not [257, 8, 8, 1]"),
            ({"shape": [9], "datatype": "BYTES"}, "[8] at most"),
            ({"shape": [1] * 1000}, "not one of 1000 dimensions"),
            ({"shape": "3"}, "not '3'"),
            ({"shape": None}, "null"),
            ({"shape": [2, 8, 8, 1]}, "192 elements"),
            ({"data": None}, "a list of 192"),
            ({"data": []}, "0 elements"),
            ({"data": 192}, "a list of 192"),
            ({"data": {"0": 1}}, "a list of 192"),
            ({"data": [[0] * 64] * 3}, "lists in lists"),
            ({"data": [[0] * 64] * 2 + [0]}, "lists in lists"),
            ({"data": [[]]}, "lists in lists"),
            ({"data": ["1"] * 192}, "numbers and nothing else"),
            ({"data": [None] * 192}, "numbers and nothing else"),
            ({"data": [0] * 191 + [[0]]}, "numbers and nothing else"),
            ({"data": [0] * 191 + [256]}, "0 to 255, not 256.0"),
            ({"data": [0] * 191 + [-1]}, "not -1.0"),
            ({"data": [0] * 191 + [0.5]}, "not 0.5"),
            ({"data": [0] * 191 + [1e300], "datatype": "FP32"}, "not 1e+300"),
            ({"data": [0] * 191 + [10**30]}, "not 1e+30"),
            ({"parameters": {"binary_data_size": 192}}, "0 bytes of binary data"),
            ({"parameters": {"binary_data_size": "192"}}, "a whole number"),
            ({"parameters": {"binary_data_size": True}}, "a whole number"),
            ({"parameters": []}, "must be an object"),
        ],
    )
    def test_with_pixels(self, client, changes, says):
        assert says in refused(client, "image", **changes)

    @pytest.mark.parametrize("picture", ["iVBORw0KGgo=", 5, None])
    def test_with_a_picture_in_json(self, client, picture):
        message = refused(client, "image", shape=[1], datatype="BYTES", data=[picture])
        assert "binary data only" in message

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"datatype": "FP32"}, "BYTES"),
            ({"shape": [1, 3]}, "[n]"),
            ({"shape": [257], "data": ["good"] * 257}, "[256] at most"),
            ({"data": ["good", "good", ""]}, "Text 3 is empty"),
            ({"data": ["good", None, "good"]}, "Text 2"),
            ({"data": ["good", 5, "good"]}, "Text 2"),
            ({"data": [["good"], "good", "good"]}, "Text 1"),
            ({"data": ["x" * 200_001, "good", "good"]}, "200,001 characters"),
        ],
    )
    def test_with_texts(self, client, changes, says):
        assert says in refused(client, "sentiment", **changes)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"shape": [1, 23], "data": [5.0] * 23}, "23 values"),
            ({"shape": [1, 10_001], "data": [5.0] * 10_001}, "[256, 10000] at most"),
            ({"shape": [2, 24], "data": [5.0] * 47 + [1e300]}, "value 24 is 1e+300"),
            ({"shape": [48], "data": [5.0] * 48}, "[n, n]"),
            ({"datatype": "INT32"}, "FP64 or FP32"),
        ],
    )
    def test_with_series(self, client, changes, says):
        assert says in refused(client, "forecast", **changes)

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("datatype", [np.float32, np.float64])
    def test_with_numbers_that_are_none(self, public, datatype, number):
        for task in ("image", "forecast"):
            if (task, datatype) == ("image", np.float64):
                continue
            array = ARRAYS[task][1].astype(datatype)
            array[-1, -1] = number
            with pytest.raises(triton.InferenceServerException, match=r"nan|inf") as refusal:
                ask(public, task, array)
            assert refusal.value.status() == "422"

    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            ({"inputs": []}, '"inputs" must be a list of one object'),
            ({"inputs": None}, '"inputs" must be'),
            ({"inputs": {}}, '"inputs" must be a list'),
            ({"inputs": [5]}, '"inputs" must be'),
            ({"inputs": [tensor("image")] * 2}, '"inputs" must be'),
            ({"id": 42}, '"id" must be a string, not 42'),
            ({"parameters": 5}, '"parameters" must be an object'),
            ({"parameters": {"binary_data_output": 1}}, "true or false"),
            ({"outputs": "label"}, '"outputs" must be a list'),
            ({"outputs": ["label"]}, "There is no output null"),
            ({"outputs": [{"name": "probability"}]}, 'did you mean "probabilities"?'),
            ({"outputs": [{"name": "label"}] * 2}, "asked for twice"),
            ({"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, "true or false"),
        ],
    )
    def test_with_a_request(self, client, request_, says):
        assert says in refused(client, "image", request=request_)

    @pytest.mark.parametrize(
        ("options", "says"),
        [({"horizon": 7}, "1 to 6"), ({"horizon": 2.0}, "2.0"), ({"level": "0.5"}, "'0.5'")],
    )
    def test_with_options(self, client, options, says):
        assert says in refused(client, "forecast", request={"parameters": options})

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[]", 422),
            (b"[" * 100_000, 400),
            (b'{"inputs":' * 100_000, 400),
            (b'{"inputs": [{"data": ' + b"[" * 40 + b"]" * 40 + b"}]}", 400),
            (b'{"inputs": [{"data": [' + b"[]," * 300_000 + b"[]]}]}", 400),
            (b'{"id": "' + b"[" * 1000 + b'"}', 422),
            (b'{"id": "\\ud800"}', 400),
            (b'{"inputs": [{"data": [NaN]}]}', 400),
        ],
    )
    def test_with_json(self, client, body, status):
        check(client.post("/v2/models/image/infer", content=body, headers=JSON), status)

    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("/v2/models/imag", "There is no model 'imag'; there is image, sentiment, forecast."),
            ("/v2/models/imag/infer", "There is no model 'imag'"),
            ("/v2/models/-/ready", "There is no model '-'"),
            ("/v2/models/image/versions/7", "no version '7' here; version 1 serves"),
            ("/v2/models/image/versions/7/ready", "no version '7'"),
            ("/v2/models/espalier-image-tiny/versions/7/ready", "no version '7'"),
            ("/v2/models/image/stats", "/docs.json"),
            ("/v2/models/image/versions/1/2/ready", "/docs.json"),
            ("/v2/models", "/docs.json"),
            ("/v2/", "/docs.json"),
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

    def test_with_the_type_of_a_body(self, client):
        infer = "/v2/models/image/infer"
        for name in ("text/plain", "application/x-pickle", "image/png", ""):
            check(client.post(infer, content=b"{}", headers={"Content-Type": name}), 415)
        compressed = JSON | {"Content-Encoding": "gzip"}
        check(client.post(infer, content=b"{}", headers=compressed), 415)

    def test_with_the_size_of_a_body(self, client):
        for task, limit in (("image", 16), ("forecast", 4)):
            body, path = b" " * ((limit << 20) + 1), f"/v2/models/{task}/infer"
            binary = {"Inference-Header-Content-Length": "2"}
            assert f"{limit} MiB" in check(client.post(path, content=body, headers=binary), 413)
        body = b" " * ((4 << 20) + 1)
        check(client.post("/v2/models/image/infer", content=body, headers=JSON), 413)
        whole = {"Inference-Header-Content-Length": str(len(body))}
        check(client.post("/v2/models/image/infer", content=body, headers=whole), 413)


def in_binary(task: str, raw: bytes, length: str | None = None, **changes) -> dict:
    """What to send of a request whose tensor is raw bytes."""
    given = tensor(task, parameters={"binary_data_size": len(raw)}, **changes)
    del given["data"]
    text = json.dumps({"inputs": [given]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)) if length is None else length}
    return {"content": text + raw, "headers": headers}


def elements(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


class TestBinaryData:
    def post(self, client, task: str, raw: bytes, **changes) -> httpx.Response:
        return client.post(f"/v2/models/{task}/infer", **in_binary(task, raw, **changes))

    @pytest.mark.parametrize("length", ["", "-1", "1e2", "0x10", "99999", "9" * 500, "²"])
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
        for size in (191, 193, -1, 2**62, None):
            given = tensor("image", parameters={"binary_data_size": size})
            del given["data"]
            text = json.dumps({"inputs": [given]}).encode()
            headers = {"Inference-Header-Content-Length": str(len(text))}
            sent = {"content": text + bytes(192), "headers": headers}
            assert "192 bytes" in check(client.post("/v2/models/image/infer", **sent), 422)

    def test_with_data_twice(self, client):
        given = tensor("image", parameters={"binary_data_size": 192})
        text = json.dumps({"inputs": [given]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(text))}
        response = client.post("/v2/models/image/infer", content=text + bytes(192), headers=headers)
        assert "one of them" in check(response, 422)

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


def test_names_that_a_stranger_invents_make_no_series(client):
    for number in range(20):
        client.get(f"/v2/models/stranger{number}")
        client.get(f"/v2/models/image/versions/{number + 1000}/ready")
        client.get(f"/v2/stranger{number}")
    client.get("/v2/models/espalier-image-tiny/versions/1")
    metrics = client.get("/metrics").text
    assert "stranger" not in metrics
    assert "versions" not in metrics
    assert "espalier-image-tiny" not in metrics
    for endpoint in ("/v2/models/-", "/v2/models/image/ready", "/v2/models/image"):
        assert f'endpoint="{endpoint}"' in metrics


def test_a_model_that_is_not_there_yet(fresh_server, tmp_path):
    tiny.publish(tmp_path, "sentiment")
    server = fresh_server(tmp_path, ESPALIER_TASKS="sentiment,forecast")
    server.wait(server.alive)
    client = server.client
    assert client.get("/v2/health/live").json() == {"live": True}
    assert "forecast" in check(client.get("/v2/health/ready"), 503)
    assert client.get("/v2/models/sentiment/ready").json() == {"name": "sentiment", "ready": True}
    for path in ("/v2/models/forecast", "/v2/models/forecast/ready"):
        check(client.get(path), 503)
    response = client.post("/v2/models/forecast/infer", json={})
    check(response, 503)
    assert response.headers["Retry-After"] == "1"
    check(client.get("/v2/models/image"), 404)
    assert "/v2/models/forecast/infer" in client.get("/docs.json").json()["paths"]
    tiny.publish(tmp_path, "forecast", "7")
    server.wait(lambda: client.get("/v2/health/ready").status_code == 200)
    assert client.get("/v2/models/forecast").json()["versions"] == ["7"]
    assert client.get("/v2/models/forecast/versions/7/ready").status_code == 200
