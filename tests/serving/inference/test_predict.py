"""Who computes a request, where, and what the log is told, in an application of this process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
import tiny
from logged import logged_records
from starlette.applications import Starlette

from serving.app import Limits, application
from serving.champions.slots import Champions
from serving.http.clients import Clients
from serving.inference.executor import SHORT_SECONDS
from serving.inference.trial import Challenger
from serving.request_log.writer import RequestLog

PNG = {"Content-Type": "image/png"}


def post(app: Starlette, path: str, **sent) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post(path, **sent)

    return asyncio.run(asked())


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[int], Starlette]]:
    """A function that starts an application with so many megabytes of a log."""
    tiny.publish(tmp_path, "image")
    tiny.publish(tmp_path, "forecast")
    champions, logs = Champions(["image", "forecast"]), list[RequestLog]()

    def one(megabytes: int) -> Starlette:
        champions.refresh([tmp_path / "published"])
        logs.append(log := RequestLog(tmp_path / "requests", megabytes, False))
        log.start()
        limits = Limits(("testserver",), (), Clients(tmp_path / "tokens.json"), (), 64)
        return application(Starlette(), champions, log, limits, ("a", "b", "c"))

    yield one
    for log in logs:
        log.stop()


def test_no_shadow_is_asked_for_a_log_that_is_off(start, tmp_path):
    tiny.challenge(tmp_path, "image", "2")
    for megabytes, asked in ((0, 0), (1, 1)):
        app = start(megabytes)
        champions = app.state.champions
        assert post(app, "/v1/image", content=tiny.picture(), headers=PNG).status_code == 200
        app.state.log.stop()
        one = champions.challenger(champions.slots["image"].model)
        app.state.trials._waiting.put(None)  # after what waits
        if thread := app.state.trials._thread:
            thread.join()
        assert one.asked == asked


def test_a_slow_canary_computes_beside_the_event_loop(start, monkeypatch):
    app, threads = start(0), []
    champions = app.state.champions
    champion = champions.slots["image"].model

    def run(tensor):
        threads.append(threading.current_thread().name)
        return champion.run(tensor)

    pointer = champion.pointer.model_copy(update={"version": "2", "share": 100})
    slow = replace(champion, pointer=pointer, run=run, seconds=2 * SHORT_SECONDS)
    monkeypatch.setattr(champions, "_challengers", {champion: Challenger(slow, champion)})
    answer = post(app, "/v1/image", content=tiny.picture(), headers=PNG).json()
    app.state.trials.stop()
    assert answer["model"]["version"] == "2"
    assert threads[0].startswith("work")


def test_a_forecast_without_times_is_not_logged_as_answered(start, tmp_path):
    app = start(1)
    body = {"history": tiny.history(), "time": "9999-12-31T20:00:00"}
    for horizon, status in ((2, 200), (6, 422)):
        answer = post(app, "/v1/forecast", json=body | {"horizon": horizon})
        assert answer.status_code == status
    assert post(app, "/v1/forecast", json=body).status_code == 422
    long = {"history": tiny.history(), "horizon": 7}
    assert post(app, "/v1/forecast", json=long).status_code == 422  # refused by the model
    app.state.log.stop()
    assert [one["status"] for one in logged_records(tmp_path / "requests")] == [200, 422]


@pytest.mark.parametrize("count", [1, 3])
def test_a_shadow_is_given_what_the_champion_has_read(start, tmp_path, monkeypatch, count):
    tiny.challenge(tmp_path, "image", "2")
    app, shadowed = start(1), []
    monkeypatch.setattr(app.state.trials, "shadow", lambda *given: shadowed.append(given))
    pictures = [tiny.picture(seed=seed) for seed in range(count)]

    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            posts = (client.post("/v1/image", content=one, headers=PNG) for one in pictures)
            return await asyncio.gather(*posts)

    responses = asyncio.run(asked())
    assert len(shadowed) == count
    for (challenger, one), response in zip(shadowed, responses, strict=True):
        answer = response.json()
        assert one.answers[0].items() <= answer.items()
        assert set(one.answers[0]) == {"label", "probabilities", "familiar", "familiarity"}
        unreadable = replace(one, inputs=[b"no picture"])  # nothing of it is decoded
        assert challenger.predict(challenger.champion, unreadable) == one.answers
        own = challenger.model.predict(one.inputs)
        assert challenger.predict(challenger.model, unreadable) == own != one.answers
