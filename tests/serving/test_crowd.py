"""As many requests begin in one turn of the event loop as may; a turn later there is room again."""

import asyncio

import httpx
import orjson
import pytest
import tiny

from serving.crowd import MOST, MOST_IN_A_CROWD, UNCOUNTED, Crowd, turn_away
from serving.door import PATH, REQUEST_ID


def taken_in(*crowds: int) -> list[int]:
    """How many were taken in of so many that came in each turn, one turn after another."""

    async def come() -> list[int]:
        crowd, taken = Crowd(), []
        for count in crowds:
            taken.append(sum(not crowd.is_full() for _ in range(count)))
            await asyncio.sleep(0)
        return taken

    return asyncio.run(come())


def test_as_many_as_may_come_at_once_do():
    assert taken_in(MOST, MOST, 2) == [MOST, MOST, 2]


def test_whoever_comes_after_them_is_turned_away_until_the_next_turn():
    assert taken_in(MOST + 1, 1) == [MOST, 1]


def test_in_a_crowd_there_is_less_room():
    """What is turned away takes time too, in which those wait who were not."""
    crowd = 5 * MOST
    assert taken_in(crowd, crowd, crowd, 2, MOST) == [
        MOST,
        MOST_IN_A_CROWD,
        MOST_IN_A_CROWD,
        2,
        MOST,
    ]


def test_after_one_that_came_alone_some_are_not_counted():
    assert taken_in(1, UNCOUNTED, MOST + 5) == [1, UNCOUNTED, MOST]
    assert taken_in(1, UNCOUNTED + MOST + 5) == [1, UNCOUNTED + MOST]


@pytest.mark.parametrize("path", ["/v1/image", "/v2/models/image/infer"])
def test_who_is_turned_away_is_told_so_in_the_form_of_every_error(path):
    sent = []

    async def send(message) -> None:
        sent.append(message)

    asyncio.run(turn_away({PATH: path, REQUEST_ID: "abc"}, None, send))
    start, body = sent
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (429, b"1")
    assert headers[b"content-length"] == b"%d" % len(body["body"])
    told = orjson.loads(body["body"])
    if path.startswith("/v1"):
        assert told.keys() == {"error", "request_id"}
        assert told["request_id"] == "abc"
        assert told["error"]["code"] == "busy"
        told = told["error"]
    else:
        assert told.keys() == {"error"}
        told = {"message": told["error"]}
    assert "try again" in told["message"]


def test_as_many_clients_as_may_come_at_once_are_answered(server):
    assert set(statuses(server, MOST)) == {200}


def statuses(server, count: int) -> list[int]:
    """What each of so many clients that ask at the same time is answered."""

    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=server.client.base_url, timeout=30) as client:
            sent = {"json": {"history": tiny.history()}}
            posts = (client.post("/v1/forecast", **sent) for _ in range(count))
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    return asyncio.run(ask())
