"""The product uses public interfaces of its dependencies only: its syntax trees are walked.

Private modules and attributes, also through `getattr` and `import_module`; private names of a
foreign base class reached through `self`; assignments to attributes of a foreign module.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "models", "pipelines", "serving")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# Files named for the one private interface that each needs, with the reason at their head: at most
# four.
NAMED_FOR_IT = {"serving/bentoml_usage.py"}


DOCUMENTED = {"_exit", "_asdict", "_replace", "_fields"}  # in Python's own manual, despite the name


def is_private(name: str) -> bool:
    if name in DOCUMENTED:
        return False
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_private_module(module: str) -> bool:
    own = module.split(".")[0] in ROOMS
    return not own and any(is_private(part) or part == "src" for part in module.split("."))


def defined(trees: list[ast.AST]) -> set[str]:
    """Every name that these trees define or assign: private ones among them are their own."""
    names = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


def foreign_names(tree: ast.AST) -> set[str]:
    """The names that a file's imports from other packages bind."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name.split(".")[0]
                for alias in node.names
                if alias.name.split(".")[0] not in ROOMS
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in ROOMS:
            names |= {alias.asname or alias.name for alias in node.names if not node.level}
    return names


def root_name(node: ast.AST) -> str | None:
    """`os` of `os.path.join`; None where an expression does not begin with a name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def violations(tree: ast.AST, own: set[str]) -> Iterator[str]:
    """What a file reaches that is not public, as `line: what`.

    Args:
        tree: of the file.
        own: the names that the product defines anywhere; a private one among them is its own
            where it is reached through something that is not a foreign module.
    """
    foreign = foreign_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if is_private_module(alias.name)]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name for name in members if is_private_module(name)]
            names = [] if node.module == "__future__" else names
        elif isinstance(node, ast.Attribute):
            through_foreign = root_name(node) in foreign
            names = []
            if is_private(node.attr) and (through_foreign or node.attr not in own):
                names = [ast.unparse(node)]
            if isinstance(node.ctx, ast.Store) and root_name(node) in foreign & modules(tree):
                names = [f"{ast.unparse(node)} = …"]
        elif isinstance(node, ast.Call):
            names = [name for name in by_string(node) if name not in own]
        elif isinstance(node, ast.ClassDef):
            names = list(inherited(node, foreign))
        else:
            continue
        yield from (f"{node.lineno}: {name}" for name in names)


def modules(tree: ast.AST) -> set[str]:
    """The names that `import` binds to modules, not `from … import`, whose members may be ours."""
    return {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }


def by_string(call: ast.Call) -> list[str]:
    """What `getattr(x, "_name")`, `setattr` and `import_module("a._b")` reach."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    strings = [a.value for a in call.args if isinstance(a, ast.Constant) and type(a.value) is str]
    if called in ("getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"):
        return [name for name in strings if is_private(name)]
    if called in ("import_module", "__import__", "run_module", "find_spec"):
        return [name for name in strings if is_private_module(name)]
    return []


def inherited(node: ast.ClassDef, foreign: set[str]) -> Iterator[str]:
    """Private names of a foreign base class: reached through `self`, or overridden."""
    if not any(root_name(base) in foreign for base in node.bases):
        return
    own = defined(node.body)
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and root_name(part.value) in ("self", "cls"):
            if is_private(part.attr) and part.attr not in own:
                yield ast.unparse(part)
        elif isinstance(part, ast.Attribute) and ast.unparse(part.value) == "super()":
            yield from [ast.unparse(part)] if is_private(part.attr) else []


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.AST]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in FILES
    }


def test_private_interfaces_are_reached_in_the_files_named_for_them(trees):
    own = defined(list(trees.values()))
    reached = {file: list(violations(tree, own)) for file, tree in trees.items()}
    reached = {file: reasons for file, reasons in reached.items() if reasons}
    assert reached.keys() == NAMED_FOR_IT, reached
    assert len(NAMED_FOR_IT) <= 4
    for file in NAMED_FOR_IT:
        assert ast.get_docstring(trees[file]), f"{file} says what it needs and why"


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import dvc._debug", True),
        ("from mlflow import _registry", True),
        ("from keras.src import backend", True),
        ("import uvicorn\nuvicorn.Server = None", True),
        ("import http.client\nhttp.client.HTTPConnection._tunnel", True),
        ("import uvicorn\nclass A(uvicorn.Server):\n def f(self): self._captured_signals", True),
        ("import uvicorn\nclass A(uvicorn.Server):\n def f(self): super()._serve()", True),
        ("def f(server): return getattr(server, '_serve')", True),
        ("import importlib\nimportlib.import_module('mlflow._spark')", True),
        ("def f(histogram): histogram._buckets[0].inc(1)", True),
        ("from __future__ import annotations", False),
        ("import os\nos.environ['A'] = '1'", False),
        ("import numpy as np\nnp.__version__", False),
        ("class A:\n def __init__(self): self._a = 1\n def f(self): return self._a", False),
        ("import threading\nclass A(threading.Thread):\n def f(self): self._mine = 1", False),
    ],
)
def test_each_way_to_something_private_is_seen_and_nothing_else(code, seen):
    tree = ast.parse(code)
    assert bool(list(violations(tree, own=defined([tree])))) is seen
