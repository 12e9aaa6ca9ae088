"""Every text file of the product is read and written as UTF-8, whatever the locale's encoding."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "models", "pipelines", "serving")
TEXT = ("read_text", "write_text", "open", "fdopen")
ELSEWHERE = (
    "os",
    "zipfile",
    "tarfile",
    "archive",
    "Image",
    "urllib",
    "webbrowser",
)  # not of text files


def unnamed(tree: ast.AST) -> Iterator[int]:
    """The lines of calls that open text without naming its encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(one.arg == "encoding" for one in node.keywords):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
        owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        mode = [a.value for a in node.args if isinstance(a, ast.Constant) and type(a.value) is str]
        named = (name == "read_text" and mode) or (name == "write_text" and len(node.args) > 1)
        if name in ("NamedTemporaryFile", "TemporaryFile") and mode and "b" not in mode[0]:
            yield node.lineno
        if name in TEXT and owner not in ELSEWHERE and not named and "b" not in (mode or "r")[-1]:
            yield node.lineno
        if any(one.arg == "text" for one in node.keywords):
            yield node.lineno


def test_every_text_names_its_encoding():
    lines = [
        f"{path.relative_to(ROOT)}:{line}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for line in unnamed(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not lines
