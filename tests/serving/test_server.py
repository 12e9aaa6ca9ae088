"""A worker's server lets a crowd in within a few turns of its loop, and sees everybody off."""

import asyncio
import io
import socket
import struct

import uvloop
from PIL import Image
from running import ending, no_content, running

from serving.http.server import FEW

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
CROWD = 16 * FEW


def test_a_crowd_is_let_in_within_a_few_turns():
    """uvloop by itself lets one in a turn: CROWD of them."""

    async def come() -> int:
        async with running(no_content) as (server, address):
            clients = [socket.create_connection(address) for _ in range(CROWD)]
            turns = 0
            while len(server.server_state.connections) < CROWD:
                await asyncio.sleep(0)
                turns += 1
            for client in clients:
                client.close()
            return turns

    assert uvloop.run(come()) < CROWD / 4


def test_who_asks_once_more_while_it_ends_is_answered_and_told_that_it_was_the_last():
    async def end() -> list[bytes]:
        async with running(no_content) as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST)
            answers = [await reader.readuntil(b"\r\n\r\n")]
            await ending(server)
            writer.write(REQUEST)
            answers.append(await reader.read())  # up to the connection's end
            writer.close()
            return answers

    before, last = uvloop.run(end())
    assert b"connection: close" not in before
    assert last.startswith(b"HTTP/1.1 204")
    assert b"connection: close" in last


def test_nobody_new_is_let_in_while_it_ends():
    async def come_late() -> int:
        async with running(no_content) as (server, address):
            with socket.create_connection(address):
                await ending(server)
                with socket.socket() as late:
                    return late.connect_ex(address)

    assert uvloop.run(come_late()) != 0


def with_broken_exif(tag: int) -> bytes:
    """A JPEG of which Pillow says, naming `tag`, that one of its tags is larger than the file."""
    entry = struct.pack("<HHHII", 1, tag, 2, 1000, 5000)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + bytes(4)
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_what_clients_send_does_not_fill_the_log(server):
    before = server.log.read_text()
    for path in ("/livez", "/readyz", "/nothing", "/v1/models"):
        server.client.get(path, headers={"baggage": "=,;%%,a=b;c", "tracestate": "=,;%%"})
    for tag in (270, 271):
        picture = {"content": with_broken_exif(tag), "headers": {"Content-Type": "image/jpeg"}}
        assert server.client.post("/v1/image", **picture).status_code == 200
    assert server.log.read_text() == before
