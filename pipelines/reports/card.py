"""A model card in Markdown and HTML: both say the same, from the same sections.

    espalier card image --html card.html

After Mitchell et al., Model Cards for Model Reporting, FAT*, 2019.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.runtime import environment

STYLE = environment.ROOT / "data" / "validation_page"  # the gate's page looks the same
SIGNS = re.compile(r"([\\`*_{}\[\]#|~])")  # of Markdown


@dataclass(frozen=True)
class Section:
    """A part of a card: a sentence or none, and rows of a label and its value."""

    title: str
    rows: list[tuple[str, str]]
    text: str = ""


@dataclass(frozen=True)
class Card:
    """What is known of a champion, for who may use it; summary: one sentence."""

    title: str
    summary: str
    sections: list[Section]


def plain(text: str) -> str:
    """A text that Markdown shows as it stands."""
    return SIGNS.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def markdown(card: Card) -> str:
    """The card as Markdown without tables."""
    return _rendered("card.md", card)


def page(card: Card) -> str:
    """The card as a page that loads nothing."""
    return _rendered("card.html", card)


def _rendered(template: str, card: Card) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader([Path(__file__).parent, STYLE]),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters["plain"] = plain
    return jinja.get_template(template).render(card=card)
