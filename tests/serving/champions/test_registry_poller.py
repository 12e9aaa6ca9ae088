"""A registry that lies, redirects or never ends changes nothing that serves."""

import hashlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import keys_of
import pytest
import tiny
from lying_registry import Liar
from project import until

from models.artifact.signature import read_trusted
from serving.champions.registry_client import Registry, RegistryError
from serving.champions.registry_poller import DamagedVersion, RegistryPoller

MODEL = "espalier-image-tiny"


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[], Liar]]:
    """A function that starts such a server with an artifact that may serve."""
    folder, running = tmp_path / "artifact", []
    folder.mkdir()
    digest = tiny.write(folder, "image", 0)

    def one() -> Liar:
        running.append(Liar(folder, digest))
        threading.Thread(target=running[-1].serve_forever, args=(0.01,), daemon=True).start()
        return running[-1]

    yield one
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(start) -> Liar:
    return start()


@pytest.fixture
def poller(server, tmp_path) -> RegistryPoller:
    return RegistryPoller(Registry(server.url), "image", MODEL, tmp_path / "followed")


def change_manifest(server: Liar, change: Callable[[dict], None]) -> None:
    """Let the server have another manifest, and a tag that vouches for it."""
    manifest = json.loads(server.files["manifest.json"])
    change(manifest)
    server.files["manifest.json"] = json.dumps(manifest).encode()
    digest = hashlib.sha256(server.files["manifest.json"]).hexdigest()
    server.tags["espalier.manifest_sha256"] = digest


def test_the_champion_is_put_where_the_slots_watch(poller, server):
    poller.poll()
    pointer = json.loads(poller.pointer.read_text())
    assert (pointer["name"], pointer["version"]) == (MODEL, "1")
    assert pointer["metrics"] == {"test_accuracy": 0.9}
    placed = poller.pointer.parent / pointer["artifact"]
    assert {path.name: path.read_bytes() for path in placed.iterdir()} == server.files


def test_a_challenger_is_there_while_it_is_on_trial(server, tmp_path):
    home = tmp_path / "followed"
    registry, alias = Registry(server.url), "challenger"
    poller = RegistryPoller(registry, "image.challenger", MODEL, home, alias=alias)
    poller.poll()  # who last tried to be champion, and is not on trial
    assert not poller.pointer.exists()
    server.tags["espalier.trial"] = "10"
    poller.poll()
    assert poller.pointer == home / "image.challenger.json"
    pointer = json.loads(poller.pointer.read_text())
    assert (pointer["version"], pointer["share"]) == ("1", 10)
    assert (pointer["champion"], pointer["until"]) == (None, None)  # of a trial of before
    server.tags["espalier.trial_terms"] = '{"champion": "7", "until": "2026-12-01T14:00:00+00:00"}'
    poller.poll()
    pointer = json.loads(poller.pointer.read_text())
    assert (pointer["champion"], pointer["until"]) == ("7", "2026-12-01T14:00:00Z")
    assert (home / pointer["artifact"] / "model.onnx").read_bytes() == server.files["model.onnx"]
    champion = RegistryPoller(registry, "image", MODEL, home)
    champion.poll()  # it was promoted by hand: its tag says nothing of a champion
    assert json.loads(champion.pointer.read_text())["share"] is None
    del server.tags["espalier.trial"]
    poller.poll()
    assert not poller.pointer.exists()
    server.tags["espalier.trial"] = "0"
    poller.poll()
    assert json.loads(poller.pointer.read_text())["share"] == 0
    server.no_champion = 404
    poller.poll()
    assert not poller.pointer.exists()


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        ("2", {"espalier.state": "pending"}),
        ("2", {"espalier.manifest_sha256": "ab" * 32}),
        ("1", {"espalier.state": "refused"}),
        ("2", {"espalier.trial": "ten"}),
        ("1", {"espalier.trial": "-5"}),
        ("1", {"espalier.trial": "101"}),
        ("1", {"espalier.trial": "9" * 30}),
        ("1", {"espalier.trial_terms": "until Christmas"}),
        ("1", {"espalier.trial_terms": '{"until": "2026-12-01T14:00:00"}'}),  # of which zone?
    ],
)
def test_a_challenger_is_withdrawn_where_its_successor_is_refused(server, tmp_path, version, tags):
    server.tags["espalier.trial"] = "10"
    home, registry = tmp_path / "followed", Registry(server.url)
    poller = RegistryPoller(registry, "image.challenger", MODEL, home, alias="challenger")
    poller.poll()
    server.elsewhere = server.url
    with pytest.raises(RegistryError):
        poller.poll()
    assert poller.pointer.exists()  # nobody has said that its trial has ended
    server.elsewhere, server.version, server.tags = None, version, server.tags | tags
    with pytest.raises(DamagedVersion):
        poller.poll()
    assert not poller.pointer.exists()


def test_a_challenger_is_withdrawn_while_its_successor_cannot_be_had(server, tmp_path):
    server.tags["espalier.trial"] = "10"
    home, registry = tmp_path / "followed", Registry(server.url)
    poller = RegistryPoller(registry, "image.challenger", MODEL, home, alias="challenger")
    poller.poll()
    server.version = "2"
    server.files |= {"model.onnx": 500}
    shutil.rmtree(poller.artifacts)
    with pytest.raises(RegistryError):
        poller.poll()
    assert not poller.pointer.exists()


@pytest.mark.parametrize("status", [400, 404])  # without the alias, without the model
def test_a_first_champion_is_awaited_at_the_usual_pace(poller, server, status, monkeypatch, caplog):
    caplog.set_level("INFO", "bentoml.espalier")
    monkeypatch.setattr("serving.champions.registry_poller.POLL_SECONDS", 0.05)
    server.no_champion = status
    poller.start()
    until(lambda: len(server.asked) > 3, "four requests")
    assert caplog.text.count("names no champion") == 1
    assert "cannot be followed" not in caplog.text
    server.no_champion = 0
    until(poller.pointer.exists, "a pointer")
    poller.stop()


@pytest.mark.parametrize("run", [404, {}])
def test_scores_are_waited_for_unless_the_run_is_gone(poller, server, run):
    server.run = 503
    with pytest.raises(RegistryError, match="503"):
        poller.poll()
    server.run = run
    poller.poll()
    assert json.loads(poller.pointer.read_text())["metrics"] == {}


def test_what_stands_already_is_left_as_it_is(poller, server, tmp_path):
    poller.poll()
    before = poller.pointer.stat()
    poller.poll()
    RegistryPoller(Registry(server.url), "image", MODEL, tmp_path / "followed").poll()
    after = poller.pointer.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_artifact_that_was_damaged_here_is_fetched_again(poller, server, tmp_path):
    poller.poll()
    before = poller.pointer.stat()
    model = next(poller.artifacts.glob("*/model.onnx"))
    model.write_bytes(b"")
    RegistryPoller(Registry(server.url), "image", MODEL, tmp_path / "followed").poll()
    assert model.read_bytes() == server.files["model.onnx"]
    assert poller.pointer.stat().st_mtime_ns > before.st_mtime_ns  # so that it is read again


def test_no_more_is_kept_than_what_may_serve_again(poller, server):
    poller.poll()
    digests = [server.tags["espalier.manifest_sha256"]]
    for seed in (1, 2):
        change_manifest(server, lambda manifest, seed=seed: manifest.update(seed=seed))
        digests.append(server.tags["espalier.manifest_sha256"])
        poller.poll()
    folders = {path.name for path in poller.artifacts.iterdir() if path.is_dir()}
    assert folders == set(digests[1:])


def lead_out(manifest: dict) -> None:
    manifest["files"]["../../../outside"] = manifest["files"]["model.keras"]


def test_no_name_leads_out_of_the_folder(poller, server, tmp_path):
    change_manifest(server, lead_out)
    server.files["../../../outside"] = server.files["model.keras"]
    before = set(tmp_path.iterdir())
    with pytest.raises(DamagedVersion, match="strange files"):
        poller.poll()
    assert set(tmp_path.iterdir()) == before | {tmp_path / "followed"}
    assert not poller.pointer.exists()


@pytest.mark.parametrize("digest", ["", "../../outside", "A" * 64])
def test_no_digest_leads_out_of_the_folder(poller, server, digest):
    server.tags["espalier.manifest_sha256"] = digest
    with pytest.raises(DamagedVersion, match="sha256"):
        poller.poll()
    assert {path.name for path in poller.artifacts.iterdir()} == {".lock"}


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"files": []}', b'{"files": {"model.onnx": 5}}', b"[" * 10_000],
)
def test_a_registered_manifest_of_another_form_is_damaged(poller, server, content):
    server.files["manifest.json"] = content
    server.tags["espalier.manifest_sha256"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(DamagedVersion, match="version 1"):
        poller.poll()
    before = len(server.asked)
    poller.poll()
    assert len(server.asked) == before + 1  # for the alias


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_a_file_is_read_to_its_size_and_no_further(poller, server, file):
    server.files[file] += bytes(2 << 20)
    with pytest.raises(DamagedVersion, match="answers more than"):
        poller.poll()
    assert {path.name for path in poller.artifacts.iterdir()} == {".lock"}
    assert not poller.pointer.exists()


def test_a_server_that_fails_makes_no_version_damaged(poller, server):
    for status in (502, 429, 401):
        server.files["model.onnx"] = status
        with pytest.raises(RegistryError, match=str(status)):
            poller.poll()
    server.files["model.onnx"] = 404
    with pytest.raises(DamagedVersion, match="version 1"):
        poller.poll()


def test_a_version_that_is_not_ready_is_refused(poller, server):
    server.tags["espalier.state"] = "refused"
    with pytest.raises(DamagedVersion, match="refused"):
        poller.poll()


def test_nobody_is_followed_elsewhere(server, start):
    server.elsewhere = start().url
    with pytest.raises(RegistryError, match="302"):
        Registry(server.url).version(MODEL, "champion")
    assert len(server.asked) == 1


def test_two_do_not_poll_at_once(server, tmp_path):
    both = [Registry(server.url), "image", MODEL, tmp_path / "followed"]
    one, other = RegistryPoller(*both), RegistryPoller(*both)
    held, released = threading.Event(), threading.Event()

    class Waiting(Registry):
        def version(self, name, alias):
            held.set()
            released.wait(10)
            return super().version(name, alias)

    one.registry = Waiting(server.url)
    polling = threading.Thread(target=one.poll)
    polling.start()
    held.wait(10)
    other.poll()
    assert server.asked == []
    released.set()
    polling.join()
    assert one.pointer.exists()


@pytest.fixture
def slow(monkeypatch) -> Iterator[Callable[[bytes, bytes], str]]:
    """A function that starts a server which begins like this and goes on like that, a piece each
    tenth of a second for three seconds; returns where it is. An answer may take half a second."""
    monkeypatch.setattr("serving.champions.registry_client.IDLE_SECONDS", 0.3)
    monkeypatch.setattr("serving.champions.registry_client.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("serving.champions.registry_client.FILE_SECONDS", 0.5)
    stopped, threads, listening = threading.Event(), [], []

    def say(listener: socket.socket, first: bytes, more: bytes) -> None:
        with listener.accept()[0] as client, suppress(OSError):
            client.sendall(first)
            for _ in range(30):
                stopped.wait(0.1)
                client.sendall(more)

    def start(first: bytes, more: bytes) -> str:
        listening.append(socket.create_server(("127.0.0.1", 0)))
        threads.append(threading.Thread(target=say, args=(listening[-1], first, more)))
        threads[-1].start()
        return "127.0.0.1:{1}".format(*listening[-1].getsockname())

    yield start
    stopped.set()
    for thread, listener in zip(threads, listening, strict=True):
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("scheme", "first", "more"),
    [
        ("http", b"", b"H"),
        ("http", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        ("https", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", b"\x00"),
    ],
    ids=["status", "header", "body", "handshake"],
)
def test_a_request_ends_in_time_whatever_trickles_in(slow, scheme, first, more):
    registry = Registry(f"{scheme}://{slow(first, more)}")
    begun, threads = time.monotonic(), threading.active_count()
    with pytest.raises(RegistryError, match=r"takes longer than|ConnectTimeout"):
        registry.version(MODEL, "champion")
    assert time.monotonic() - begun < 2.8  # it trickles for three seconds
    assert threading.active_count() <= threads


def authorization(server: Liar, uri: str) -> str | None:
    Registry(uri).version(MODEL, "champion")
    return server.asked[-1]


def test_it_says_who_it_is_as_mlflow_does(server, monkeypatch):
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    assert authorization(server, server.url) is None
    named = server.url.replace("//", "//me:p%40ss@")
    assert authorization(server, named) == "Basic bWU6cEBzcw=="
    assert "p%40ss" not in Registry(named).url
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    assert authorization(server, server.url) == "Bearer secret"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pass")
    assert authorization(server, server.url) == "Basic bWU6cGFzcw=="


@pytest.mark.parametrize(
    "proxy",
    [
        {"http_proxy": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"no_proxy": "localhost,::1/128"},
        {"SSL_CERT_FILE": "/nowhere.pem"},
    ],
    ids=lambda proxy: next(iter(proxy)),
)
def test_loopback_is_never_asked_through_a_proxy(server, monkeypatch, proxy):
    for name, value in proxy.items():
        monkeypatch.setenv(name, value)
    assert Registry(server.url).version(MODEL, "champion").number == "1"
    assert Registry("https://127.0.0.1:9").url == "https://127.0.0.1:9"


def test_another_host_is_asked_through_the_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert Registry("http://mlflow.invalid").version(MODEL, "champion").number == "1"


def test_what_nobody_who_is_trusted_signed_is_not_even_downloaded(server, tmp_path):
    private, public = keys_of.pair(tmp_path, "own")
    poller = RegistryPoller(
        Registry(server.url), "image", MODEL, tmp_path / "followed", read_trusted(public)
    )
    with pytest.raises(DamagedVersion, match="version 1: It is not signed"):
        poller.poll()
    assert len(server.asked) == 1  # for the alias
    assert not poller.pointer.exists()
    server.tags["espalier.signature"] = keys_of.sign(tmp_path / "artifact", private)
    poller.poll()
    assert json.loads(poller.pointer.read_text())["signature"] == server.tags["espalier.signature"]
