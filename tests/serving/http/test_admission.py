"""Admission control: so many requests are in flight at a time, and more are told so at once."""

import asyncio

import httpx
import tiny

from serving import settings
from serving.http.admission import Admission, InFlight
from serving.http.bodies import Uploads
from serving.http.canonical_path import PATH
from serving.http.request_id import REQUEST_ID

PATHS = {"/v1/image"}


class Client:
    """Requests to an application that answers once `gate` is open."""

    def __init__(self, limit: int):
        self.gate = asyncio.Event()
        self.uploads = Uploads()
        self.admission = Admission(self._app, PATHS, limit, InFlight(self.uploads))

    async def _app(self, scope, receive, send) -> None:
        if scope["uploads"]:
            upload = self.uploads.begin()
            await self.gate.wait()
            self.uploads.end(upload)
        await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def post(self, path: str = "/v1/image", uploads: bool = False) -> tuple[int, dict]:
        messages = []

        async def send(message) -> None:
            messages.append(message)

        async def receive() -> None:
            raise AssertionError("The body of a request that is not admitted was read.")

        scope = {"type": "http", "path": path, PATH: path, REQUEST_ID: "id", "headers": []}
        await self.admission(scope | {"uploads": uploads}, receive, send)
        return messages[0]["status"], dict(messages[0]["headers"])


def run(scenario, limit: int = 2) -> None:
    async def with_client() -> None:
        async with asyncio.timeout(10):
            await scenario(Client(limit))

    asyncio.run(with_client())


def test_as_many_as_the_limit_are_admitted_and_then_others():
    async def scenario(client: Client) -> None:
        admitted = [asyncio.create_task(client.post()) for _ in range(2)]
        await asyncio.sleep(0)
        status, headers = await client.post()
        assert (status, headers[b"retry-after"]) == (429, b"1")
        client.gate.set()
        assert [(await task)[0] for task in admitted] == [200, 200]
        assert (await client.post())[0] == 200

    run(scenario)


def test_probes_metrics_and_the_page_are_always_admitted():
    async def scenario(client: Client) -> None:
        asyncio.create_task(client.post())  # noqa: RUF006
        others = [asyncio.create_task(client.post(path)) for path in ("/livez", "/metrics", "/")]
        await asyncio.sleep(0)
        assert (await client.post())[0] == 429
        client.gate.set()
        assert [(await task)[0] for task in others] == [200] * 3

    run(scenario, limit=1)


def test_a_request_that_fails_or_is_given_up_frees_its_place():
    async def scenario(client: Client) -> None:
        for _ in range(3):
            task = asyncio.create_task(client.post())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        client.gate.set()
        assert (await client.post())[0] == 200

    run(scenario, limit=1)


def test_slow_uploads_keep_nobody_out():
    async def scenario(client: Client) -> None:
        slow = [asyncio.create_task(client.post(uploads=True)) for _ in range(50)]
        await asyncio.sleep(0)
        admitted = asyncio.create_task(client.post())
        await asyncio.sleep(0)
        assert (await client.post())[0] == 429
        client.gate.set()
        assert {(await task)[0] for task in (*slow, admitted)} == {200}

    run(scenario, limit=1)


def test_each_of_so_many_clients_is_answered(server):
    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=server.client.base_url, timeout=30) as client:
            body = {"json": {"history": tiny.history()}}
            posts = (client.post("/v1/forecast", **body) for _ in range(settings.max_requests()))
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert set(asyncio.run(ask())) == {200}
