"""Who trusts a key serves what its private half signed, and keeps that whatever is published."""

from pathlib import Path

import keys_of
import pytest
import tiny

from models.artifact.signature import read_trusted
from serving.champions.loading import Refused, load
from serving.champions.slots import Champions


@pytest.fixture
def own(tmp_path) -> tuple[Path, Path]:
    return keys_of.pair(tmp_path, "own")


def publish(home: Path, version: str, private: Path | None) -> Path:
    """Publish another model, signed by this key; returns its artifact."""
    folder = tiny.publish(home, "image", version, seed=int(version))
    if private is not None:
        tiny.point(home, "image", version, folder.name, signature=keys_of.sign(folder, private))
    return folder


def test_what_was_changed_after_it_was_signed_is_refused(tmp_path, own):
    pointer, trusted = tmp_path / "published" / "image.json", read_trusted(own[1])
    folder = publish(tmp_path, "1", own[0])
    assert load(pointer, "image", trusted=trusted).pointer.version == "1"
    made = keys_of.sign(folder, own[0])
    other = tiny.publish(tmp_path, "image", "2", seed=2)
    tiny.point(tmp_path, "image", "2", other.name, signature=made)
    with pytest.raises(Refused, match=r"nobody who is trusted.*another artifact"):
        load(pointer, "image", trusted=trusted)
    (folder / "golden.json").write_bytes((other / "golden.json").read_bytes())
    tiny.point(tmp_path, "image", "1", folder.name, signature=made)
    with pytest.raises(Refused, match="files are not those"):
        load(pointer, "image", trusted=trusted)


@pytest.mark.parametrize("foreign", [True, False], ids=["foreign", "unsigned"])
def test_the_old_one_serves_on_and_after_a_new_start(tmp_path, own, foreign):
    folders, trusted = [tmp_path / "published"], read_trusted(own[1])
    champions = Champions(["image"], trusted=trusted)
    publish(tmp_path, "1", own[0])
    champions.refresh(folders)
    publish(tmp_path, "2", keys_of.pair(tmp_path, "foreign")[0] if foreign else None)
    for serving in (champions, Champions(["image"], trusted=trusted)):
        serving.refresh(folders)
        assert serving.slots["image"].model.pointer.version == "1"
        assert serving.slots["image"].refused == "nobody who is trusted here signed it"
    publish(tmp_path, "3", own[0])
    champions.refresh(folders)
    assert champions.slots["image"].model.pointer.version == "3"
    assert champions.slots["image"].refused is None


@pytest.mark.slow
def test_a_service_with_a_key_refuses_an_unsigned_champion(fresh_server, tmp_path, own):
    publish(tmp_path, "1", own[0])
    server = fresh_server(tmp_path, ESPALIER_TRUST=str(own[1]), ESPALIER_TASKS="image")
    server.wait(server.ready)
    publish(tmp_path, "2", None)
    server.wait(lambda: server.refuses("image") is not None)
    assert server.refuses("image") == "nobody who is trusted here signed it"
    assert server.serves("image", "1")
