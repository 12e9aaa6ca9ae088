"""Which pointer stands under which name, as `serve:` names one dataset or several."""

import json

import pytest
from recorded import finished, fit

from pipelines.experiments import registry
from pipelines.release import bento, publish
from pipelines.release.publish import Pointer
from pipelines.runtime import settings
from serving.champions import served


@pytest.fixture
def serve(home, monkeypatch):
    """A function that changes `serve:` of images, as an edit of params.yaml does."""

    def change(*datasets: str) -> None:
        others = {"sentiment": ["imdb"], "forecast": ["glucose"]}
        monkeypatch.setattr(settings, "served", lambda: {"image": [*datasets]} | others)

    publish.folder().mkdir()
    return change


def point(endpoint: str, dataset: str, version: str = "1") -> None:
    pointer = Pointer(f"espalier-image-{dataset}", version, "artifacts/0", "0")
    (publish.folder() / f"{endpoint}.json").write_text(pointer.to_json())


def standing() -> dict[str, str]:
    """Each pointer's name → the dataset and version that it names."""
    names = (path.stem for path in publish.folder().glob("*.json") if path.name != served.FILE)
    pointers = {name: publish.read(name) for name in names}
    return {n: f"{one.endpoint.partition('-')[2]}/{one.version}" for n, one in pointers.items()}


@pytest.mark.parametrize(
    ("datasets", "stand"),
    [
        (["a", "b"], {"image": "a/1", "image-b": "b/1"}),
        (["b", "a"], {"image": "b/1", "image-a": "a/1"}),
        (["b"], {"image": "b/1"}),
        (["a"], {"image": "a/1"}),
        # Until the first champion of c the plain path keeps its own.
        (["c", "b", "a"], {"image": "a/1", "image-b": "b/1"}),
        (["c"], {"image": "a/1"}),
    ],
)
def test_pointers_follow_what_serve_names(serve, datasets, stand):
    point("image", "a")
    point("image-b", "b")
    serve(*datasets)
    for _ in range(2):
        publish.declare()
        assert standing() == stand
    assert served.read(publish.folder())["image"] == datasets
    assert bento.published("image").keys() == stand.keys()


def test_the_champion_before_keeps_its_own_path_when_another_takes_the_plain_one(serve, tmp_path):
    """The last dataset that `serve:` names first, and never had a champion before."""
    point("image", "a")
    serve("digits", "a")
    publish.declare()
    version = registry.register("image", "digits", finished(fit(), tmp_path / "artifact"))
    publish.publish("image", version)
    assert standing() == {"image": "digits/1", "image-a": "a/1"}


def test_a_fallback_is_no_pointer_of_a_dataset(serve):
    """What a service notes beside the pointers stays."""
    serve("a", "b")
    for name in ("image.last-good.json", "image-b.last-good.json", "image-b.lock"):
        (publish.folder() / name).write_text("{}")
    before = set(publish.folder().iterdir())
    publish.declare()
    assert set(publish.folder().iterdir()) == before | {publish.folder() / served.FILE}


def test_a_bento_says_which_datasets_it_carries(serve, tmp_path):
    serve("digits", "b", "c")
    version = registry.register("image", "digits", finished(fit(), tmp_path / "artifact"))
    for endpoint in ("image", "image-b"):
        publish.publish(endpoint, version)
    pointer = json.loads((publish.folder() / "image-b.json").read_text())
    pointer["name"] = "espalier-image-b"
    (publish.folder() / "image-b.json").write_text(json.dumps(pointer))
    bento.fill(tmp_path / "context", bento.published())
    carried = tmp_path / "context" / bento.CHAMPIONS
    assert served.read(carried) == {"image": ["digits", "b"]}
    assert publish.read_file(carried / "image-b.json").endpoint == "image-b"


def test_a_bento_without_the_first_datasets_champion_leaves_it_the_plain_path(serve, tmp_path):
    (publish.folder() / "artifacts/0").mkdir(parents=True)
    (publish.folder() / "artifacts/0/manifest.json").touch()
    point("image-b", "b")
    serve("a", "b", "c")
    bento.fill(tmp_path / "context", bento.published())
    assert served.read(tmp_path / "context" / bento.CHAMPIONS) == {"image": ["a", "b"]}
