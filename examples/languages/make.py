"""Write Sphinx' messages in three languages as a table: examples/languages/data/messages.csv."""

import csv
from pathlib import Path

import sphinx.locale
from babel.messages.pofile import read_po

LANGUAGES = {"fr": "French", "es": "Spanish", "pt_BR": "Portuguese"}
WORDS = 4  # of a message, at least

rows = set()
for code, language in LANGUAGES.items():
    catalog = Path(sphinx.locale.__file__).parent / code / "LC_MESSAGES" / "sphinx.po"
    with catalog.open("rb") as file:
        for message in read_po(file):
            text = " ".join(str(message.string).split())
            if text != message.id and not message.fuzzy and len(text.split()) >= WORDS:
                rows.add((text, language))

table = Path(__file__).parent / "data" / "messages.csv"
table.parent.mkdir(exist_ok=True)
with table.open("w", newline="", encoding="utf-8") as file:
    csv.writer(file).writerows([("message", "language"), *sorted(rows)])
