"""A module is parsed while other threads parse, and the garbage collector runs Python code."""

import ast
import gc
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from models import syntax_tree

SOURCE = Path(syntax_tree.__file__).with_name("architectures.py").read_bytes()
STATEMENTS = len(ast.parse(SOURCE).body)


@pytest.fixture
def parsing():
    """Another thread that parses all the time; ours are switched often, and garbage is collected
    often, with a callback like Dask's."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    ended = threading.Event()

    def parse():
        while not ended.is_set():
            with suppress(SystemError):
                ast.parse(SOURCE)

    def callback(phase, facts):
        pass

    other = threading.Thread(target=parse)
    gc.callbacks.append(callback)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    other.start()
    yield
    ended.set()
    other.join()
    gc.callbacks.remove(callback)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


def test_a_tree_is_whole_whatever_another_thread_parses(parsing):
    trees = [syntax_tree.parse(SOURCE) for _ in range(150)]
    assert {len(tree.body) for tree in trees} == {STATEMENTS}
    assert gc.isenabled()
