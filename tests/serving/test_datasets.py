"""Several datasets a task in one service: each has a path, a model under /v2, and a series."""

import asyncio
import re
import weakref
from collections.abc import Iterator

import httpx
import jsonschema_rs
import orjson
import pytest
import tiny
from starlette.applications import Starlette

from serving.app import Limits, application
from serving.champions.slots import Champions
from serving.http.clients import Clients
from serving.request_log.writer import RequestLog

PICTURE = {"content": tiny.picture(), "headers": {"Content-Type": "image/png"}}
PIXELS = {"name": "image", "shape": [1, 8, 8, 1], "datatype": "UINT8", "data": [0] * 64}


class Service:
    """The application over the pointers of a home, without a server."""

    def __init__(self, home, *names: str, required=(), limit: int = 8):
        self.folders = [home / "published", home / "beside"]
        self.champions = Champions(names or ("image", "forecast"), required)
        self.champions.refresh(self.folders)
        self.log = RequestLog(home / "requests", 1, inputs=False)
        self.log.start()
        limits = Limits(("espalier.test",), (), Clients(home / "tokens.json"), (), limit)
        self.app = application(Starlette(), self.champions, self.log, limits, ("a", "b", "c"))

    def ask(self, method: str, path: str, **sent) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            url = "http://espalier.test"
            async with httpx.AsyncClient(transport=transport, base_url=url) as client:
                return await client.request(method, path, **sent)

        return asyncio.run(ask())

    def classify(self, path: str) -> tuple:
        """The dataset and the version that answered a picture, or status and code."""
        answer = self.ask("POST", path, **PICTURE)
        if answer.is_success:
            model = answer.json()["model"]
            return model["name"].removeprefix("espalier-image-"), model["version"]
        return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def home(tmp_path):
    """Digits, of which there is no pointer by their own name, and fashion."""
    tiny.declare(tmp_path, image=["digits", "fashion"], forecast=["load"])
    tiny.publish(tmp_path, "image", dataset="digits")
    tiny.publish(tmp_path, "image-fashion", seed=1)
    return tmp_path


@pytest.fixture
def service(home) -> Iterator[Service]:
    running = Service(home)
    yield running
    running.log.stop()


def test_each_dataset_has_a_path_and_the_plain_one_is_the_first(service):
    for path, dataset in (("", "digits"), ("/digits", "digits"), ("/fashion/", "fashion")):
        assert service.classify(f"/v1/image{path}") == (dataset, "1")
    models = service.ask("GET", "/v1/models").json()
    assert [one["dataset"] for one in models["models"]] == ["digits", "fashion"]
    waiting = {"task": "forecast", "dataset": "load", "reason": "none has been published"}
    assert models["missing"] == [waiting]
    ready = service.ask("GET", "/readyz").json()
    assert (list(ready["models"]), ready["missing"]) == (["image", "image-fashion"], [waiting])
    history = {"json": {"history": tiny.history()}}
    for path in ("/v1/forecast", "/v1/forecast/load"):
        assert service.ask("POST", path, **history).status_code == 503
    service.log.stop()
    lines = (line for file in service.log.folder.iterdir() for line in file.read_bytes().split())
    logged = [(one["route"], one["task"], one["model"]) for one in map(orjson.loads, lines)]
    assert ("/v1/image/fashion", "image", "espalier-image-fashion") in logged


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/image/fashon", "'fashon' of image (did you mean 'fashion'?); there is digits, fashi"),
        ("/v1/image/load", "There is no dataset 'load' of image; there is digits, fashion."),
        ("/v1/sentiment/imdb", "There is nothing at this path"),
        ("/v1/image/fashion/x", "There is nothing at this path"),
        ("/v2/models/image-load/infer", "'image-load'; there is image, forecast, image-fashion."),
    ],
)
def test_an_unknown_dataset_is_told_what_there_is(service, path, message):
    answer = service.ask("POST", path, **PICTURE)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert message in (error if path.startswith("/v2") else error["message"])


def test_each_dataset_is_a_model_of_the_protocol(service):
    for name, dataset in (
        ("image", "digits"),
        ("image-digits", "digits"),
        ("image-fashion", "fashion"),
        ("espalier-image-fashion", "fashion"),
    ):
        answer = service.ask("POST", f"/v2/models/{name}/infer", json={"inputs": [PIXELS]}).json()
        assert answer["model_name"] == name
        assert answer["parameters"]["name"] == f"espalier-image-{dataset}"
        described = service.ask("GET", f"/v2/models/{name}/versions/1").json()
        assert described["parameters"]["name"] == f"espalier-image-{dataset}"
    assert service.ask("GET", "/v2/models/forecast-load/ready").status_code == 503


def test_what_is_served_changes_while_the_service_runs(service, home):
    """Another dataset, another order, and one fewer; what did not change stays as it is loaded."""
    fashion = weakref.ref(service.champions.slots["image-fashion"].model)
    tiny.declare(home, image=["digits", "fashion", "letters"])
    service.champions.refresh(service.folders)
    assert service.classify("/v1/image/letters") == (503, "no_model")
    assert service.champions.slots["image-fashion"].model is fashion()
    tiny.publish(home, "image-letters", "7")
    service.champions.refresh(service.folders)
    assert service.classify("/v1/image/letters") == ("letters", "7")
    # As `pipelines.release.publish` does it: the pointers move, then the others follow.
    published = home / "published"
    (published / "image.json").rename(published / "image-digits.json")
    (published / "image-letters.json").rename(published / "image.json")
    tiny.declare(home, image=["letters", "digits"])
    service.champions.refresh(service.folders)
    assert service.classify("/v1/image") == ("letters", "7")
    assert service.classify("/v1/image/digits") == ("digits", "1")
    assert service.classify("/v1/image/fashion") == (404, "unknown_dataset")
    (published / "served.json").unlink()  # which nobody does: what it said before holds
    service.champions.refresh(service.folders)
    assert service.classify("/v1/image/digits") == ("digits", "1")


def test_the_first_is_awaited_while_another_still_answers_in_its_place(home):
    """Between an edit of `serve:` and the run that follows it."""
    tiny.declare(home, image=["letters", "digits"])
    service = Service(home)
    assert service.classify("/v1/image") == service.classify("/v1/image/digits") == ("digits", "1")
    assert service.classify("/v1/image/letters") == (503, "no_model")
    [waiting] = [one for one in service.champions.missing() if one.startswith("image")]
    assert waiting == "image-letters"


@pytest.mark.parametrize(
    ("required", "ready"), [("image", True), ("image-fashion", True), ("image-letters", False)]
)
def test_a_dataset_may_be_required(home, required, ready):
    service = Service(home, "image", required=[required])
    answer = service.ask("GET", "/readyz")
    assert answer.is_success is ready
    if not ready:
        assert "image-letters: none has been published" in answer.json()["error"]["message"]


def test_the_models_of_datasets_are_admitted_like_the_others(home):
    service = Service(home, limit=0)
    for path in ("/v1/image", "/v1/image/fashion", "/v2/models/image-fashion/infer"):
        assert service.ask("POST", path, **PICTURE).status_code == 429
    assert service.ask("GET", "/v2/models/image-fashion/ready").status_code == 200


def test_each_dataset_is_described(service):
    document = service.ask("GET", "/docs.json").json()
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', orjson.dumps(document).decode()))
    assert references <= document["components"]["schemas"].keys()
    paths = document["paths"]
    assert {"/v1/image", "/v1/image/fashion", "/v2/models/image-fashion/infer"} <= paths.keys()
    assert paths["/v1/image/fashion"]["post"]["operationId"] == "image-fashion"
    content = paths["/v1/image/fashion"]["post"]["responses"]["200"]["content"]
    reference = content["application/json"]["schema"]["$ref"]
    answer = service.ask("POST", "/v1/image/fashion", **PICTURE).json()
    jsonschema_rs.Draft202012Validator(document | {"$ref": reference}).validate(answer)
    example = paths["/v2/models/image-fashion/infer"]["post"]["requestBody"]["content"]
    body = example["application/json"]["example"]
    assert service.ask("POST", "/v2/models/image-fashion/infer", json=body).is_success
