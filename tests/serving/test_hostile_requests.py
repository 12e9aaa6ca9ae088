"""What strangers send to bring a service down is refused at once, keeps no memory and calls nobody.

`python -m benchmarks.refusals` prints how fast each was refused.
"""

import socket

import pytest

from benchmarks.hostile import requests
from benchmarks.refusals import SLOW_UPLOADS, caught, refused, slow_uploads
from benchmarks.served import workers_of

pytestmark = pytest.mark.slow

# Less than 0.1 s where nothing else runs. Computing is what it costs whoever else asks.
COMPUTED_SECONDS, SECONDS = 0.5, 5
MEGABYTES = 50


def test_each_is_refused_at_once_and_keeps_no_memory(own_server):
    (worker,), before = workers_of(own_server.process.pid), own_server.processes()
    with socket.create_server(("127.0.0.1", 0)) as trap:
        asked = list(requests(f"127.0.0.1:{trap.getsockname()[1]}"))
        refused(asked[0], own_server.port)  # what is loaded once is not counted
        memory = worker.memory_info().rss
        for one in asked:
            computed = sum(worker.cpu_times()[:2])
            seconds, status, answer = refused(one, own_server.port)
            assert 400 <= status < 500, (one.what, one.path, answer)
            computed = sum(worker.cpu_times()[:2]) - computed
            assert computed < COMPUTED_SECONDS, (one.what, one.path)
            assert seconds < SECONDS, (one.what, one.path)
            # An answer is on its way before its body is freed.
            own_server.wait(lambda: worker.memory_info().rss - memory < MEGABYTES << 20, seconds=5)
        assert caught(trap) == 0
    assert own_server.processes() == before
    assert own_server.ready()
    asking = {one.laddr.port for one in worker.net_connections("inet")}
    assert asking == {own_server.port}  # the worker has connected to nobody


def test_slow_uploads_hold_up_nobody(own_server):
    (worker,) = workers_of(own_server.process.pid)
    memory = worker.memory_info().rss
    given_up, answered, share = slow_uploads(own_server.port)
    assert given_up == SLOW_UPLOADS
    assert answered > 1000
    assert share >= 0.99
    assert worker.memory_info().rss - memory < MEGABYTES << 20
