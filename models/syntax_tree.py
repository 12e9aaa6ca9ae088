"""Python's syntax trees, whatever other threads of the process parse."""

import ast
import gc
import threading

_parsing = threading.Lock()


def parse(source: bytes) -> ast.Module:
    """Return the syntax tree of a module.

    CPython counts the depth of a tree once for all threads, and raises SystemError where another
    thread parses in between. It can where the garbage collector runs Python code, as Dask's does.
    """
    with _parsing:
        collects = gc.isenabled()
        gc.disable()
        try:
            return ast.parse(source)
        finally:
            if collects:
                gc.enable()
