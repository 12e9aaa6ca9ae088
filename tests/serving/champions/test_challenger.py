"""A challenger on trial beside the champion of a real service: a shadow, then a canary."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import tiny
import tritonclient.http as triton
from logged import logged_records

from serving.inference import pointer

SHARE = 30


@pytest.fixture
def server(own_server) -> Iterator:
    """The module's service, in which nobody is on trial before and after the test."""
    yield own_server
    for task in tiny.REQUESTS:
        (own_server.home / "published" / f"{task}.challenger.json").unlink(missing_ok=True)
    own_server.wait(lambda: not on_trial(own_server))


def on_trial(server) -> list[dict]:
    return server.client.get("/v1/models").json()["on_trial"]


def challenge(server, task: str, version: str, share: int = 0, **written) -> None:
    """Put a challenger on trial, and wait for the service to know it."""
    tiny.challenge(server.home, task, version, share, **written)
    server.wait(lambda: [one["version"] for one in on_trial(server)] == [version])


def taken_out(server) -> float:
    page = server.client.get("/metrics").text
    found = re.search(r"^espalier_challenger_taken_out_total (.*)$", page, re.M)
    return float(found[1]) if found else 0.0


def ask(server, picture: bytes, **headers: str) -> httpx.Response:
    headers |= {"Content-Type": "image/png"}
    return server.client.post("/v1/image", content=picture, headers=headers)


def records(server, count: int, asked: str = "", **wanted) -> list[dict]:
    """The records with these fields, once there are those of so many requests; asked: how their
    ids begin."""

    def those() -> list[dict]:
        every = logged_records(server.home / "requests")
        return [
            one
            for one in every
            if one["request_id"].startswith(asked) and one.items() >= wanted.items()
        ]

    server.wait(lambda: len({one["request_id"] for one in those()}) >= count)
    return those()


@pytest.mark.parametrize("task", tiny.REQUESTS)
def test_a_shadow_is_asked_what_the_champion_was_and_the_log_holds_both(server, task):
    challenge(server, task, "5")
    body = tiny.REQUESTS[task][0] if task != "image" else None
    for number in range(3):
        headers = {"X-Request-ID": f"{task}-{number}"}
        if task == "image":
            answer = ask(server, tiny.picture(), **headers).json()
        else:
            answer = server.client.post(f"/v1/{task}", json=body, headers=headers).json()
        assert answer["model"]["version"] == "1"
        # One that waits behind others may be dropped.
        held = records(server, number + 1, f"{task}-", task=task)
    assert len(held) == 3
    for one in held:
        assert (one["version"], one["status"]) == ("1", 200)
        challenger = one["challenger"]
        assert (challenger["version"], challenger["status"]) == ("5", 200)
        assert challenger["fingerprint"] != one["fingerprint"]
        # Its own time: the challenger is asked after the answer.
        assert one["latency_ms"] < 1000


def test_a_canary_answers_its_share_and_keeps_to_sessions(server):
    challenge(server, "image", "3", SHARE)
    picture = tiny.picture()
    answered = Counter(ask(server, picture).json()["model"]["version"] for _ in range(400))
    assert answered.keys() == {"1", "3"}
    assert 400 * SHARE / 100 * 0.6 < answered["3"] < 400 * SHARE / 100 * 1.4
    sessions = {
        name: {
            ask(server, picture, **{"X-Session": name}).json()["model"]["version"] for _ in range(5)
        }
        for name in map(str, range(30))
    }
    assert all(len(versions) == 1 for versions in sessions.values())
    assert {"1", "3"} == set.union(*sessions.values())
    # Whoever names the champion's version is answered by it.
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        tensor = triton.InferInput("image", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([picture], object))
        named = [client.infer("image", [tensor], "1", headers={"X-Session": s}) for s in sessions]
        free = [client.infer("image", [tensor], headers={"X-Session": s}) for s in sessions]
    assert {one.get_response()["model_version"] for one in named} == {"1"}
    of_sessions = [next(iter(versions)) for versions in sessions.values()]
    assert [one.get_response()["model_version"] for one in free] == of_sessions
    logged = records(server, answered["3"], version="3", status=200)
    assert all(one["model"] == "espalier-image-tiny" for one in logged)


@pytest.mark.parametrize("share", [0, 50])
def test_one_that_fails_is_taken_out_and_its_request_is_answered_by_the_champion(server, share):
    before = taken_out(server)
    challenge(server, "image", "4", share, graph=tiny.failing_graph())
    white, statuses, versions = tiny.white(), [], []
    for number in range(40):
        answer = ask(server, white, **{"X-Request-ID": f"white-{share}-{number}"})
        statuses.append(answer.status_code)
        versions.append(answer.json()["model"]["version"])
    assert set(statuses) == {200}
    assert set(versions) == {"1"}
    server.wait(lambda: "out" in on_trial(server)[0])
    assert "failed where the champion answers" in on_trial(server)[0]["out"]
    held = records(server, 40, f"white-{share}-")
    failed = [one["challenger"] for one in held if "challenger" in one]
    # With one failure: it was asked no more.
    assert [(one["version"], one["status"]) for one in failed] == [("4", 500)]
    assert taken_out(server) == before + 1


@pytest.mark.parametrize("share", [0, 50])
def test_one_that_takes_ten_times_as_long_is_taken_out_within_200_requests(server, share):
    challenge(server, "image", "6", share, graph=tiny.slow_graph())
    picture = tiny.picture()
    for number in range(200):
        headers = {"X-Request-ID": f"slow-{share}-{number}"}
        assert ask(server, picture, **headers).status_code == 200
        time.sleep(0.005)  # at most 200 a second: the thread that times them rests in between
    server.wait(lambda: "out" in on_trial(server)[0], seconds=5)
    assert "times as long as the champion" in on_trial(server)[0]["out"]
    held = records(server, 200, f"slow-{share}-")
    assert {one["status"] for one in held} == {200}
    slow = [one for one in held if one.get("challenger", {}).get("error") == "too_slow"]
    assert [one["challenger"]["version"] for one in slow] == ["6"]
    # The requests after that are the champion's alone.
    [last] = [one for one in held if one["request_id"] == f"slow-{share}-199"]
    assert "challenger" not in last
    assert last["version"] == "1"


@pytest.mark.parametrize("share", [0, 50])
def test_after_its_limit_of_time_it_is_asked_no_more_though_nobody_ends_it(server, share):
    def ask_eight(name: str) -> set[tuple[str, bool]]:
        """Who answers, and whether the challenger is asked too."""
        ids = [f"{name}-{share}-{number}" for number in range(8)]
        for one in ids:
            ask(server, tiny.picture(), **{"X-Request-ID": one})
        held = [record for one in ids for record in records(server, 1, request_id=one)]
        return {(one["version"], "challenger" in one) for one in held}

    challenge(server, "image", "7", share)
    assert "out" not in on_trial(server)[0]
    assert ask_eight("during") != {("1", False)}
    file = server.home / "published" / "image.challenger.json"
    until = datetime.now(UTC) + timedelta(seconds=1)
    pointer.read(file).model_copy(update={"until": until}).write(file)
    server.wait(lambda: "out" in on_trial(server)[0])
    assert "limit of time" in on_trial(server)[0]["out"]
    assert datetime.now(UTC) >= until
    assert ask_eight("after") == {("1", False)}


def test_nobody_is_tried_beside_another_model_or_beside_itself(server):
    tiny.challenge(server.home, "sentiment", "1", seed=0)
    tiny.challenge(server.home, "image", "9", seed=9)
    file = server.home / "published" / "image.challenger.json"
    file.write_text(file.read_text().replace("espalier-image-tiny", "espalier-image-other"))
    tiny.challenge(server.home, "forecast", "9", seed=9)
    server.wait(lambda: on_trial(server))
    assert [one["task"] for one in on_trial(server)] == ["forecast"]


def test_no_request_fails_while_trials_begin_and_end(server):
    done, statuses, versions = threading.Event(), [], set()

    def asking() -> None:
        with httpx.Client(base_url=server.client.base_url) as client:
            while not done.is_set():
                response = client.post("/v1/sentiment", json={"text": "good"})
                statuses.append(response.status_code)
                versions.add(response.json()["model"]["version"])

    clients = [threading.Thread(target=asking) for _ in range(3)]
    for client in clients:
        client.start()
    for number, share in enumerate((0, 50, 0, 50), 5):
        challenge(server, "sentiment", str(number), share)
        tiny.withdraw(server.home, "sentiment")
        server.wait(lambda: not on_trial(server))
    done.set()
    for client in clients:
        client.join()
    assert set(statuses) == {200}
    assert versions <= {"1", "6", "8"}
