"""As many requests begin in one turn of the event loop as may; the others are told so at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import tiny
import uvloop
from running import ending, no_content, running

from serving.http import connections
from serving.http.crowd import MOST, MOST_IN_A_CROWD, Crowd
from serving.http.request_id import Door

BODY = b'{"text":"good"}'
HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc\r\n%b"
WITH_BODY = b"Content-Length: 15\r\n\r\n" + BODY


def taken_in(*turns: int) -> list[int]:
    """How many were taken in of so many that came in each turn."""

    async def come() -> list[int]:
        crowd, taken = Crowd(), []
        for turn in turns:
            taken.append(sum(crowd.take_in() for _ in range(turn)))
            await asyncio.sleep(0)
            assert crowd.taken_in == taken[-1]
        return taken

    return asyncio.run(come())


def test_as_many_as_may_come_at_once_do():
    assert taken_in(MOST, MOST, 2) == [MOST, MOST, 2]


def test_whoever_comes_after_them_is_turned_away_until_the_next_turn():
    assert taken_in(MOST + 1, 1) == [MOST, 1]


def test_in_a_crowd_there_is_less_room_and_afterwards_more_in_every_turn():
    """What is turned away takes time too, in which those wait who were not."""
    few = MOST_IN_A_CROWD
    assert taken_in(5 * MOST, 5 * MOST, 2, 2, MOST, 1) == [MOST, few, 2, 2, few + 2, 1]
    calm = [1] * MOST
    assert taken_in(5 * MOST, *calm, MOST) == [MOST, *calm, MOST]


class Full(Crowd):
    def take_in(self) -> bool:
        return False


@asynccontextmanager
async def full() -> AsyncIterator:
    """A server whose app would answer 204, were there room; its streams."""

    paths = {"/v1/sentiment", "/v2/models/sentiment/infer"}
    door = Door(no_content, paths, lambda path: None, None, Full())
    async with running(door) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        yield server, reader, writer
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], dict]:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.lower().split(": ") for line in lines)
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head.split()[1]), headers, json.loads(content or "{}")


@pytest.mark.parametrize("path", [b"/v1/sentiment", b"/v2/models/sentiment/infer"])
def test_who_is_turned_away_is_told_so_in_the_form_of_every_error_and_may_stay(path):
    async def ask() -> None:
        async with full() as (_, reader, writer):
            for _ in range(2):
                writer.write(HEAD % (path, WITH_BODY))
                status, headers, told = await answer(reader)
                assert (status, headers["retry-after"]) == (429, "1")
                assert headers["x-request-id"] == "abc"
                assert "connection" not in headers
                if path.startswith(b"/v1"):
                    assert told["request_id"] == "abc"
                    assert told["error"]["code"] == "busy"
                    assert "try again" in told["error"]["message"]
                else:
                    assert told.keys() == {"error"}
                    assert "try again" in told["error"]
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 204

    uvloop.run(ask())


@pytest.mark.parametrize(
    "head", [b"Connection: close\r\n" + WITH_BODY, b"Expect: 100-continue\r\n" + WITH_BODY[:22]]
)
def test_who_would_leave_or_has_not_sent_the_body_is_told_that_it_was_the_last(head):
    async def ask() -> None:
        async with full() as (_, reader, writer):
            writer.write(HEAD % (b"/v1/sentiment", head))
            status, headers, _ = await answer(reader)
            assert (status, headers["connection"]) == (429, "close")
            assert await reader.read() == b""

    uvloop.run(ask())


def test_who_is_turned_away_while_the_service_ends_is_told_that_it_was_the_last():
    async def ask() -> None:
        async with full() as (server, reader, writer):
            await ending(server)
            writer.write(HEAD % (b"/v1/sentiment", WITH_BODY))
            status, headers, _ = await answer(reader)
            assert (status, headers["connection"]) == (429, "close")

    uvloop.run(ask())


def test_as_many_are_turned_away_at_once_as_may_come_ahead():
    """Each takes some microseconds, and one read may hold thousands."""

    async def ask() -> list[int]:
        async with full() as (_, reader, writer):
            writer.write(HEAD % (b"/v1/sentiment", WITH_BODY) * 1000)
            statuses = []
            while not reader.at_eof():
                try:
                    statuses.append((await answer(reader))[0])
                except asyncio.IncompleteReadError:
                    break
            return statuses

    assert uvloop.run(ask()) == [429] * (connections.MAX_AHEAD + 1)


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
