"""Long work is bounded: a place is taken until the work has ended, whoever still waits for it."""

import asyncio
import threading

import pytest

from serving.http.errors import Problem
from serving.inference.executor import MAX_SECONDS, MAX_WAITING, SHORT_SECONDS, Executor

LONG = 10 * SHORT_SECONDS


@pytest.mark.parametrize(("seconds", "here"), [(0, True), (LONG, False)])
def test_short_work_is_done_in_the_event_loop_and_long_work_elsewhere(seconds, here):
    thread = asyncio.run(Executor().run(seconds, threading.get_ident))
    assert (thread == threading.get_ident()) is here


def test_too_much_long_work_is_turned_away_and_short_work_is_not():
    async def fill() -> None:
        executor, gate = Executor(), threading.Event()
        waiting = [asyncio.create_task(executor.run(LONG, gate.wait)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # a request that is given up does not make its work shorter
        await asyncio.sleep(0)
        assert await executor.run(0, lambda: "short") == "short"
        with pytest.raises(Problem) as refusal:
            await executor.run(LONG, gate.wait)
        assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "1"})
        gate.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await executor.run(LONG, lambda: "long") == "long"
        async with asyncio.timeout(5):
            while executor.waiting:  # the one that was given up ends when its thread comes to it
                await asyncio.sleep(0.001)

    asyncio.run(fill())


def test_a_few_that_take_very_long_are_enough():
    async def fill() -> None:
        executor, gate = Executor(), threading.Event()
        waiting = [
            asyncio.create_task(executor.run(0.4 * MAX_SECONDS, gate.wait)) for _ in range(2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Problem):
            await executor.run(0.4 * MAX_SECONDS, gate.wait)
        gate.set()
        await asyncio.gather(*waiting)
        await asyncio.sleep(0)
        assert await executor.run(2 * MAX_SECONDS, lambda: "alone") == "alone"

    asyncio.run(fill())


def test_a_failure_frees_its_place():
    async def fail() -> int:
        executor = Executor()
        with pytest.raises(ZeroDivisionError):
            await executor.run(LONG, lambda: 1 / 0)
        await asyncio.sleep(0)
        return executor.waiting

    assert asyncio.run(fail()) == 0
