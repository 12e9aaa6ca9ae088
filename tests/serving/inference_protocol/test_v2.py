"""The Open Inference Protocol as a public client speaks it."""

import numpy as np
import pytest
import tiny
import tritonclient.http as triton
from asking import ARRAYS, ask, pixels, tensor, texts

FAMILIAR = ["familiar", "familiarity"]
OUTPUTS = {
    "image": ["probabilities", "label", *FAMILIAR],
    "sentiment": ["probabilities", "label", "score", *FAMILIAR],
    "forecast": ["forecast", "lower", "upper", *FAMILIAR],
}


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

    @pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
    @pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
    def test_a_compressed_request_says_the_same(self, public, algorithm, binary):
        for task, (_, array) in ARRAYS.items():
            plain = ask(public, task, array, binary=binary)
            compressed = ask(
                public, task, array, binary=binary, request_compression_algorithm=algorithm
            )
            for name in OUTPUTS[task]:
                assert np.array_equal(compressed.as_numpy(name), plain.as_numpy(name))

    def test_a_version_may_be_named(self, public):
        """And the model by the name that it is registered under; an id comes back."""
        names = {"name": "espalier-image-tiny", "model_version": "1", "request_id": "42"}
        answer = ask(public, "image", pixels(), **names).get_response()
        assert (answer["model_name"], answer["model_version"]) == ("espalier-image-tiny", "1")
        assert answer["id"] == "42"
        with pytest.raises(triton.InferenceServerException, match="version 1 serves") as refusal:
            ask(public, "image", pixels(), model_version="2")
        assert refusal.value.status() == "404"

    def test_an_answer_names_its_model(self, public, client):
        (model, *_) = client.get("/v1/models").json()["models"]
        identity = ask(public, "image", pixels()).get_response()["parameters"]
        assert identity == {name: model[name] for name in ("name", "version", "fingerprint")}

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

    def test_an_output_requested_twice_comes_once(self, client):
        outputs = [{"name": "label"}, {"name": "label"}]
        sent = {"inputs": [tensor("image")], "outputs": outputs}
        answer = client.post("/v2/models/image/infer", json=sent).json()
        assert [output["name"] for output in answer["outputs"]] == ["label"]


class TestTheSameAnswers:
    """An input gets the same answer here as under /v1."""

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


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v2", "/v2/models/image/versions/1/ready", "/v2/models/nothing"]
)
def test_a_slash_at_the_end_changes_nothing(client, path):
    plain, slashed = client.get(path), client.get(f"{path}/")
    assert slashed.status_code == plain.status_code
    changing = {"request_id": None}
    assert slashed.json() | changing == plain.json() | changing
