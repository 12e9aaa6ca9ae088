"""Which model is in a slot: retries, fallbacks, and folders in their order."""

import errno
import json
import resource
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import tiny

from serving.champions.loading import TRANSIENT, Refused, load
from serving.champions.slots import RETRY_SECONDS, Champions
from serving.http.errors import Problem
from serving.http.metrics import counter


@contextmanager
def no_descriptors() -> Iterator[None]:
    """A block in which this process can open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def refusals() -> float:
    [metric] = counter("espalier_model_refusals", "task").labels("image").collect()
    return metric.samples[0].value


@pytest.fixture
def champions() -> Champions:
    refusals()  # imports what counts: there are descriptors yet
    return Champions(["image"])


@pytest.fixture
def folders(tmp_path):
    return [tmp_path / "published"]


def becomes(champions, version, folders) -> None:
    """Look as often as the thread does until this version serves."""
    deadline = time.monotonic() + 60
    while not (model := champions.slots["image"].model) or model.pointer.version != version:
        assert time.monotonic() < deadline
        champions.refresh(folders)
        time.sleep(0.05)
    assert champions.slots["image"].refused is None


def test_a_new_one_is_tried_again_and_the_old_one_serves(champions, folders, tmp_path):
    tiny.publish(tmp_path, "image", "1")
    champions.refresh(folders)
    tiny.publish(tmp_path, "image", "2", seed=2)
    with no_descriptors():
        champions.refresh(folders)
    assert champions.slots["image"].model.pointer.version == "1"
    assert champions.slots["image"].refused == TRANSIENT
    becomes(champions, "2", folders)


@pytest.fixture
def tried(monkeypatch) -> list[float]:
    """When a model was loaded, or was to be."""
    times = []
    monkeypatch.setattr(
        "serving.champions.slots.load", lambda *one: times.append(time.monotonic()) or load(*one)
    )
    return times


@pytest.mark.slow
def test_it_is_tried_again_and_again_and_told_once(champions, folders, tmp_path, tried, caplog):
    before, deadline = refusals(), time.monotonic() + 60
    tiny.publish(tmp_path, "image", "1")
    with no_descriptors():
        while len(tried) < 3 and time.monotonic() < deadline:
            champions.refresh(folders)
            time.sleep(0.05)
    first, second, third = tried
    assert second - first >= RETRY_SECONDS
    assert third - second >= 2 * RETRY_SECONDS
    assert caplog.text.count("Refused image") == 1
    assert refusals() == before + 1


def test_a_model_and_its_refusal_change_at_once(champions, folders, tmp_path, monkeypatch):
    """Whoever sees the new model never sees that it is refused, whatever is still written."""
    tiny.publish(tmp_path, "image", "1")
    with no_descriptors():
        champions.refresh(folders)
    seen = []
    monkeypatch.setattr(
        "serving.champions.fallback.remember", lambda *_: seen.append(champions.slots["image"])
    )
    becomes(champions, "1", folders)
    assert [(slot.model.pointer.version, slot.refused) for slot in seen] == [("1", None)]


def test_what_the_model_is_at_fault_for_is_tried_once(champions, folders, tmp_path, tried):
    tiny.publish(tmp_path, "image", spoil=lambda folder: (folder / "model.onnx").unlink())
    champions.refresh(folders)
    time.sleep(RETRY_SECONDS)
    champions.refresh(folders)
    assert len(tried) == 1
    assert champions.slots["image"].refused == "its files are not those that were published"


def test_a_pointer_that_changes_is_read_at_once(champions, folders, tmp_path):
    tiny.publish(tmp_path, "image", "1")
    with no_descriptors():
        champions.refresh(folders)
    tiny.publish(tmp_path, "image", "2", seed=2)
    champions.refresh(folders)
    assert champions.slots["image"].model.pointer.version == "2"


def test_an_artifact_that_cannot_be_reached_for_now(champions, folders, tmp_path):
    """The check of artifacts wraps what the system said: here that links lead in a circle."""
    folder = tiny.publish(tmp_path, "image", "1")
    folder.rename(folder.with_name("aside"))
    folder.symlink_to(folder)
    champions.refresh(folders)
    assert champions.slots["image"].refused == TRANSIENT
    folder.unlink()
    folder.with_name("aside").rename(folder)
    becomes(champions, "1", folders)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (OSError(errno.EIO, "Input/output error"), True),
        (MemoryError(), True),
        (FileNotFoundError(errno.ENOENT, "No such file"), False),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), False),
        (OSError("image file is truncated"), False),
        (ValueError("no graph"), False),
    ],
)
def test_a_refusal_is_transient_where_the_system_failed(error, transient):
    wrapped = ValueError("It cannot be read.")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        refusal = Refused("it is bad", raised)
        assert refusal.transient is transient
        assert refusal.reason == (TRANSIENT if transient else "it is bad")


class TestFallback:
    """What a home remembers of the models that served from it."""

    def serving(self, home) -> str | None:
        """The version that a service that starts now would serve."""
        champions = Champions(["image"])
        champions.refresh([home / "published", home / "none"])
        model = champions.slots["image"].model
        return model and model.pointer.version

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
        return champions.slots["image"].model.pointer.version

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
        tiny.publish(
            tmp_path / "home", "image", "bad", 1, lambda folder: (folder / "model.onnx").unlink()
        )
        champions = Champions(["image"])
        assert self.version(champions, folders) == "packaged"
        assert champions.slots["image"].refused == "its files are not those that were published"


class TestReadiness:
    """Which empty slots keep a service from being asked."""

    @pytest.mark.parametrize(
        ("required", "published", "ready"),
        [
            ((), (), False),
            ((), ("image",), True),
            (("image", "sentiment"), ("image",), False),
            (("image",), ("sentiment",), False),
            (("image", "sentiment"), ("image", "sentiment"), True),
        ],
    )
    def test_those_that_are_required_and_one_at_least(self, tmp_path, required, published, ready):
        for task in published:
            tiny.publish(tmp_path, task)
        champions = Champions(["image", "sentiment"], required)
        champions.refresh([tmp_path / "published"])
        assert self.ready(champions) == ready
        assert champions.missing().keys() == {"image", "sentiment"} - set(published)

    def test_a_first_champion_that_was_refused_is_no_champion_to_come(self, tmp_path):
        tiny.publish(tmp_path, "sentiment")
        tiny.publish(tmp_path, "image", spoil=lambda folder: (folder / "model.onnx").unlink())
        champions = Champions(["image", "sentiment"])
        champions.refresh([tmp_path / "published"])
        assert not self.ready(champions)

    def ready(self, champions) -> bool:
        try:
            champions.require_ready()
        except Problem:
            return False
        return True


def asked(champions) -> str | None:
    """The version that is tried beside the champion; raises AssertionError where it is out."""
    pair = champions.challenger(champions.slots["image"].model)
    assert pair is None or pair.out is None
    return pair and pair.model.pointer.version


def test_a_challenger_is_tried_beside_the_champion_that_it_challenges(champions, folders, tmp_path):
    tiny.publish(tmp_path, "image", "1")
    folder = tiny.challenge(tmp_path, "image", "5")
    champions.refresh(folders)
    assert asked(champions) == "5"  # an older pointer names no champion
    more = {"name": "espalier-image-tiny", "champion": "1"}
    tiny.point(tmp_path, "image.challenger", "5", folder.name, **more)
    champions.refresh(folders)
    assert asked(champions) == "5"
    tiny.publish(tmp_path, "image", "2", seed=2)
    champions.refresh(folders)
    assert asked(champions) is None


def test_one_that_was_taken_out_stays_out_until_its_trial_ends(champions, folders, tmp_path):
    tiny.publish(tmp_path, "image", "1")
    tiny.challenge(tmp_path, "image", "5")
    champions.refresh(folders)
    champions.challenger(champions.slots["image"].model).take_out("it failed")
    for write in (
        lambda: tiny.challenge(tmp_path, "image", "5", share=10),
        lambda: tiny.publish(tmp_path, "image", "1"),
    ):
        before = champions.slots["image"]
        write()
        champions.refresh(folders)
        assert champions.slots["image"] != before
        assert champions.challenger(champions.slots["image"].model).out == "it failed"
    tiny.challenge(tmp_path, "image", "6")
    champions.refresh(folders)
    assert asked(champions) == "6"
    tiny.withdraw(tmp_path, "image")
    champions.refresh(folders)
    tiny.challenge(tmp_path, "image", "5")
    champions.refresh(folders)
    assert asked(champions) == "5"


@pytest.mark.parametrize("share", [0, 50])
def test_one_that_answers_in_another_form_is_asked_nothing(champions, folders, tmp_path, share):
    tiny.publish(tmp_path, "image", "1")
    tiny.challenge(tmp_path, "image", "5", share, guarded=False)
    champions.refresh(folders)
    pair = champions.challenger(champions.slots["image"].model)
    assert pair.out == "its inputs or outputs are not those of the champion"
    assert not pair.shadows
    assert not any(pair.answers(str(key)) for key in range(100))


@pytest.mark.parametrize("share", [-5, 101, 10**30])
def test_no_share_is_beyond_a_percentage(champions, folders, tmp_path, share):
    tiny.publish(tmp_path, "image", "1")
    tiny.challenge(tmp_path, "image", "5", share)
    champions.refresh(folders)
    assert champions.challenger(champions.slots["image"].model) is None
