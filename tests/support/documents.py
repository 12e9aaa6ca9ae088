"""The console blocks of README.md and docs/, as a reader would type them."""

import re
from pathlib import Path
from typing import NamedTuple

from project import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """The commands of one ```console block, in order."""

    page: str
    number: int
    commands: list[str]


def blocks() -> list[Block]:
    """Return every console block that holds a command."""
    return [block for page in PAGES for block in of_page(page)]


def of_page(page: Path) -> list[Block]:
    """Return the console blocks of one page that hold a command."""
    texts = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    place = page.relative_to(ROOT).as_posix()
    found = [Block(place, number, _commands(text)) for number, text in enumerate(texts, 1)]
    return [block for block in found if block.commands]


def files(page: str) -> dict[str, str]:
    """Path → content of the files that a page shows: Python blocks whose first line names one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", text, re.M | re.S))


def _commands(text: str) -> list[str]:
    """Return the lines after `$ `, each with the lines that continue it, without the output."""
    commands: list[str] = []
    continued = False
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif continued:
            commands[-1] += "\n" + line
        quotes = commands[-1].count('"') if commands else 0
        continued = bool(commands) and (line.endswith("\\") or quotes % 2 == 1)
    return [re.sub(r"\s+# .*$", "", command) for command in commands]
