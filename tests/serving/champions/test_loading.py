"""A pointer is followed only to what it may lead to, and each refusal says at which step it was."""

import json
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
import tiny

from models.artifact import artifact
from models.inputs.errors import InputError
from serving.champions.loading import Refused, check_speed, load
from serving.champions.slots import Champions
from serving.inference.loaded_model import open_graph


def publish_with(home, task="image", **written):
    """Publish an artifact some of whose content is given: golden, graph or guard."""
    folder = home / "published" / "artifacts" / "new"
    folder.mkdir(parents=True)
    digest = tiny.write(folder, task, 0, **written)
    folder.rename(folder.with_name(digest))
    tiny.point(home, task, "1", digest)


def repoint(home, **changes):
    path = home / "published" / "image.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("task", ["image", "sentiment", "forecast"])
def test_a_good_one_loads(tmp_path, task):
    tiny.publish(tmp_path, task)
    model = load(tmp_path / "published" / f"{task}.json", task)
    assert model.identity["name"] == f"espalier-{task}-tiny"
    assert model.seconds > 0
    sent, options = artifact.payload(tiny.REQUESTS[task][1])
    expected = artifact.read_golden(tiny.publish(tmp_path, task))[1]["answer"]
    answer = model.predict([sent], **options)[0]
    assert artifact.agree(model.inputs, expected, answer)
    assert answer["familiar"] is expected["familiar"]


@pytest.mark.parametrize(
    "changes",
    [
        {"artifact": "../elsewhere"},
        {"artifact": "/etc"},
        {"artifact": 5},
        {"name": None},
        {"version": "x" * (1 << 17)},
    ],
)
def test_a_pointer_that_leads_nowhere_good(tmp_path, changes):
    tiny.publish(tmp_path, "image")
    repoint(tmp_path, **changes)
    with pytest.raises(Refused, match="pointer cannot be read"):
        load(tmp_path / "published" / "image.json", "image")


def test_a_manifest_that_was_not_the_published_one(tmp_path):
    tiny.publish(tmp_path, "image")
    repoint(tmp_path, manifest_sha256="0" * 64)
    with pytest.raises(Refused, match="files are not those"):
        load(tmp_path / "published" / "image.json", "image")


def test_a_file_that_is_no_graph(tmp_path):
    golden = artifact.read_golden(tiny.publish(tmp_path / "good", "image"))
    publish_with(tmp_path, graph=b"no graph", golden=golden)
    with pytest.raises(Refused, match="its graph"):
        load(tmp_path / "published" / "image.json", "image")


@pytest.mark.parametrize(
    ("guard", "reason"),
    [
        (b"no graph", "its graph"),
        (tiny.guard_of("image", output=np.nan).SerializeToString(), "gave .* with nan"),
        (tiny.guard_of("image", output=3).SerializeToString(), "Golden request 1"),
        (tiny.graph_of("image").SerializeToString(), "Golden request 1"),
    ],
    ids=["bytes", "nan", "other errors", "another graph"],
)
def test_a_guard_that_says_nothing_of_worth(tmp_path, guard, reason):
    golden = artifact.read_golden(tiny.publish(tmp_path / "good", "image"))
    publish_with(tmp_path, guard=guard, golden=golden)
    with pytest.raises(Refused, match=reason):
        load(tmp_path / "published" / "image.json", "image")


def test_a_guard_without_its_graph(tmp_path):
    publish_with(tmp_path, guarded=False)
    folder = next((tmp_path / "published" / "artifacts").iterdir())
    artifact.write_familiarity(folder, tiny.familiarity_of("image"))
    (folder / "manifest.json").unlink()
    digest = artifact.write_manifest(folder, {"task": "image"})
    tiny.point(tmp_path, "image", "1", folder.rename(folder.with_name(digest)).name)
    with pytest.raises(Refused, match=r"familiarity\.onnx"):
        load(tmp_path / "published" / "image.json", "image")


def test_an_artifact_without_a_guard_answers_all_the_same(tmp_path):
    publish_with(tmp_path, guarded=False)
    model = load(tmp_path / "published" / "image.json", "image")
    assert set(model.predict([tiny.picture()])[0]) == {"label", "probabilities"}


def test_an_artifact_that_proves_nothing(tmp_path):
    publish_with(tmp_path, golden=[])
    with pytest.raises(Refused, match="no golden requests"):
        load(tmp_path / "published" / "image.json", "image")


def test_an_artifact_of_another_task(tmp_path):
    tiny.publish(tmp_path, "sentiment")
    pointer = tmp_path / "published" / "sentiment.json"
    pointer.rename(pointer.with_name("image.json"))
    with pytest.raises(Refused, match="for sentiment, not for image"):
        load(pointer.with_name("image.json"), "image")


def test_answers_that_are_not_finite_are_no_answers(tmp_path):
    """A model that is finite on its golden requests may still not be on a client's."""
    tiny.publish(tmp_path, "forecast")
    good = load(tmp_path / "published" / "forecast.json", "forecast")
    graph = tiny.graph_of("forecast", output=np.nan).SerializeToString()
    with pytest.raises(InputError, match="no finite answer"):
        replace(good, run=open_graph(graph)).predict([tiny.history()])


def test_files_that_change_while_they_are_loaded_are_never_used(tmp_path):
    """Somebody writes one artifact's graph and another's in turns: the second is never served."""
    folder = tiny.publish(tmp_path, "image")
    pointer, graph = tmp_path / "published" / "image.json", folder / "model.onnx"
    expected = load(pointer, "image").predict([tiny.picture()])
    ours, other = graph.read_bytes(), tiny.graph_of("image", 0, output=1.0).SerializeToString()
    assert len(ours) == len(other)
    done, outcomes, reasons = threading.Event(), [], set()

    def exchange():
        while not done.is_set():
            for content in (other, ours):
                (tmp_path / "new").write_bytes(content)
                (tmp_path / "new").replace(graph)

    exchanging = threading.Thread(target=exchange)
    exchanging.start()
    for _ in range(60):
        try:
            outcomes.append(load(pointer, "image").predict([tiny.picture()]) == expected)
        except Refused as refusal:
            reasons.add(refusal.reason)
    done.set()
    exchanging.join()
    assert all(outcomes)
    assert reasons == {"its files are not those that were published"}


@pytest.mark.parametrize(
    ("seconds", "before", "refused"),
    [
        (0.051, None, True),
        (0.049, None, False),
        (0.006, 0.0001, True),
        (0.004, 0.0001, False),
        (0.030, 0.002, False),
        (0.045, 0.002, True),
    ],
)
def test_too_slow_is_over_50_ms_or_20_times_the_one_before(tmp_path, seconds, before, refused):
    tiny.publish(tmp_path, "image")
    model = load(tmp_path / "published" / "image.json", "image")
    old = None if before is None else replace(model, seconds=before)
    if refused:
        with pytest.raises(ValueError, match="A request takes"):
            check_speed(replace(model, seconds=seconds), old)
    else:
        check_speed(replace(model, seconds=seconds), old)


class TestFallback:
    """What a home remembers of the models that served from it."""

    def serving(self, home) -> str | None:
        """The version that a service that starts now would serve."""
        champions = Champions(["image"])
        champions.refresh([home / "published", home / "none"])
        model = champions.slots["image"].model
        return model and model.version

    @pytest.fixture
    def home(self, tmp_path):
        for number in ("1", "2"):
            tiny.publish(tmp_path, "image", number, seed=int(number))
            assert self.serving(tmp_path) == number
        return tmp_path

    def test_the_latest_serves_where_the_pointer_is_no_good(self, home):
        (home / "published" / "image.json").write_text("{")
        assert self.serving(home) == "2"

    def test_the_one_before_serves_where_the_latest_is_damaged(self, home):
        folder = json.loads((home / "published" / "image.json").read_text())["artifact"]
        (home / "published" / folder / "model.onnx").write_bytes(b"damaged")
        assert self.serving(home) == "1"

    def test_a_good_pointer_wins(self, home):
        tiny.publish(home, "image", "3", seed=3)
        assert self.serving(home) == "3"

    def test_none_serves_where_none_is_published(self, home):
        (home / "published" / "image.json").unlink()
        assert self.serving(home) is None

    def test_a_home_that_cannot_be_written_serves_all_the_same(self, home, caplog):
        (home / "published" / "image.last-good.json").unlink()
        (home / "published" / "image.last-good.json").mkdir()
        tiny.publish(home, "image", "3", seed=3)
        assert self.serving(home) == "3"
        assert "cannot be written" in caplog.text


class TestFolders:
    """What is published wins over what the service came with, and never gives way to it."""

    @pytest.fixture
    def folders(self, tmp_path):
        tiny.publish(tmp_path / "beside", "image", "packaged")
        return [tmp_path / "home" / "published", tmp_path / "beside" / "published"]

    def version(self, champions, folders) -> str:
        champions.refresh(folders)
        return champions.slots["image"].model.version

    def test_what_is_beside_the_code_serves_where_nothing_is_published(self, folders):
        assert self.version(Champions(["image"]), folders) == "packaged"

    def test_what_is_published_wins(self, folders, tmp_path):
        tiny.publish(tmp_path / "home", "image", "newer", seed=1)
        assert self.version(Champions(["image"]), folders) == "newer"

    def test_what_is_published_later_wins_and_stays(self, folders, tmp_path):
        champions = Champions(["image"])
        assert self.version(champions, folders) == "packaged"
        tiny.publish(tmp_path / "home", "image", "newer", seed=1)
        assert self.version(champions, folders) == "newer"
        (folders[0] / "image.json").unlink()
        assert self.version(champions, folders) == "newer"

    def test_the_old_one_is_freed(self, folders, tmp_path):
        champions = Champions(["image"])
        champions.refresh(folders)
        old = weakref.ref(champions.slots["image"].model)
        tiny.publish(tmp_path / "home", "image", "newer", seed=1)
        assert self.version(champions, folders) == "newer"
        assert old() is None

    def test_a_bad_one_at_the_start_leaves_the_packaged_one_and_is_seen(self, folders, tmp_path):
        tiny.publish(tmp_path / "home", "image", "bad", seed=1)
        repoint(tmp_path / "home", manifest_sha256="0" * 64)
        champions = Champions(["image"])
        assert self.version(champions, folders) == "packaged"
        assert champions.slots["image"].refused == "its files are not those that were published"
