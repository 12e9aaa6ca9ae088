"""Golden requests of a model for texts: other spellings, the rarest words, more than is read."""

import numpy as np

from models.artifact.golden import CANDIDATES, UNCERTAIN, by_certainty, spread
from models.familiarity.familiarity import Run
from models.inputs.kinds import Split
from models.inputs.texts import MAX_CHARACTERS, UNKNOWN, TextInputs, words_of


def requests(inputs: TextInputs, run: Run, split: Split) -> list[dict]:
    """Return `{"text": …}` requests made from a test split.

    Args:
        inputs: fitted inputs.
        run: the model.
        split: text (row,).
    """
    rows = split["text"][:CANDIDATES]
    ranked = by_certainty(inputs, run, rows)
    uncertain, certain = ranked[:UNCERTAIN], ranked[-1]
    # More than is read: the words that count come last.
    unread = " ".join(" ".join(rows).split()[-2 * inputs.length :])
    long = f"{unread} {uncertain[0]}"
    dressed = _dressed(uncertain[0], certain, inputs.length)
    strange = " ".join(f"zxqv{number}" for number in range(inputs.length))
    odd = [long, strange, "¡zxqv! 😀", "a"]
    texts = [rows[0], *uncertain, *dressed, *_of_known_words(inputs), *odd]
    return [{"text": text[-MAX_CHARACTERS:]} for text in map(str, texts) if text.strip()]


def _of_known_words(inputs: TextInputs) -> list[str]:
    """Return texts of words and pairs, the commonest to the rarest: where a shifted id shows."""
    words = inputs.vocabulary
    if not words:
        return []
    common = [words[at] for at in np.geomspace(1, len(words), 24).astype(int) - 1]
    texts = [" ".join(common), " ".join(words[-8:]), words[-1]]
    if inputs.pairs is not None and len(inputs.pairs):
        for pairs in (spread(inputs.pairs, 8), inputs.pairs[-8:], inputs.pairs[-1:]):
            texts.append(" ".join(words[number - UNKNOWN - 1] for number in pairs.flat))
    return texts


def _dressed(text: str, other: str, length: int) -> list[str]:
    """Return the words of a text, as many as are read, shouted, between dashes, with apostrophes,
    and before a tag that has the words of the other text in it, which are not read."""
    words, unread = words_of(text)[-length:], words_of(other)[-length:]
    plain = " ".join(words)
    return [
        plain.upper(),
        "—".join(words) + "!",
        " ".join(f"{word[:1]}’{word[1:]}" for word in words),
        f'{plain}<img alt="{" ".join(unread)}">',
    ]
