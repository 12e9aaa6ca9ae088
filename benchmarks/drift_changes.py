"""Changes that drift detection has to find, in steps: the ladder of `benchmarks.drift`.

Each takes held-out rows, raw as a client would send them, and a random generator, and returns what
is sent after the change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SHARES = (0.02, 0.05, 0.1, 0.25)  # of the requests

# What a step does to the rows. Rows: an array of raw inputs. Facts: `Facts` below.
Apply = Callable[[np.ndarray, np.random.Generator, "Facts"], np.ndarray]


@dataclass(frozen=True)
class Facts:
    """What a change may know of the rows.

    label: of each row. season: of each value of each history, its distance from the mean of all at
    this hour. scale: the deviation of a series.
    """

    label: np.ndarray | None = None
    season: np.ndarray | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Step:
    """One step of a ladder. share: of the requests that are changed. weights: how often rows are
    drawn, by their facts; None for all alike."""

    change: str
    step: str
    apply: Apply
    share: float = 1.0
    weights: Callable[["Facts"], np.ndarray] | None = None


def noise(sd: float, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    return _pixels(rows + random.normal(0, sd, rows.shape))


def blur(sigma: float, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return _pixels(gaussian_filter(rows.astype(float), (0, sigma, sigma, 0)))


def inversion(rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    return 255 - rows


def brighter(by: float, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    return _pixels(rows.astype(float) + by)


def letters(rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    """Capital letters in the place of digits, as large as they are, turned and moved a little."""
    from matplotlib import font_manager
    from PIL import Image, ImageDraw, ImageFont

    side, drawn = rows.shape[1], []
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), round(0.75 * side))
    for _ in rows:
        picture = Image.new("L", (side, side))
        place = tuple(side / 2 + random.uniform(-2, 2, 2))
        letter = random.choice(list("ABCDEFGHKMNPRTUVWXY"))
        ImageDraw.Draw(picture).text(place, str(letter), 255, font, "mm")
        turned = picture.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR)
        drawn.append(np.asarray(turned)[..., None])
    return np.stack(drawn)


def french(rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    """French messages of Sphinx' translations in the place of reviews, joined to their length."""
    messages = _messages("fr")
    return _texts(" ".join(random.choice(messages, max(1, len(text) // 50))) for text in rows)


def vocabulary(
    share: float, rows: np.ndarray, random: np.random.Generator, facts: Facts
) -> np.ndarray:
    """Words of another trade, which nobody has used in a review, in the place of some."""

    def changed(text: str) -> str:
        words = np.array(text.split(), object)
        other = random.random(len(words)) < share
        words[other] = [f"part{number}" for number in random.integers(0, 1e6, other.sum())]
        return " ".join(words)

    return _texts(map(changed, rows))


def shorter(
    share: float, rows: np.ndarray, random: np.random.Generator, facts: Facts
) -> np.ndarray:
    """Only the end of each text."""
    halves = (text.split() for text in rows)
    return _texts(" ".join(words[-max(1, round(share * len(words))) :]) for words in halves)


def unchanged(rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    return rows


def first_label(times: float, facts: Facts) -> np.ndarray:
    assert facts.label is not None
    return np.where(facts.label == 0, times, 1.0)


def level(by: float, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    return np.round(rows + by * facts.scale)


def spread(times: float, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    middle = rows.mean(axis=1, keepdims=True)
    return np.round(middle + times * (rows - middle))


def seasonless(
    share: float, rows: np.ndarray, random: np.random.Generator, facts: Facts
) -> np.ndarray:
    assert facts.season is not None
    return np.round(rows - share * facts.season)


def frozen(count: int, rows: np.ndarray, random: np.random.Generator, facts: Facts) -> np.ndarray:
    held = rows.copy()
    held[:, -count:] = rows[:, -count, None]
    return held


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _texts(texts: Any) -> np.ndarray:
    made = list(texts)
    array = np.empty(len(made), object)
    array[:] = made
    return array


def _messages(language: str) -> list[str]:
    """What Sphinx says in a language."""
    import sphinx.locale
    from babel.messages.pofile import read_po

    catalog = Path(sphinx.locale.__file__).parent / language / "LC_MESSAGES" / "sphinx.po"
    with catalog.open("rb") as file:
        texts = [str(one.string) for one in read_po(file) if one.id and not one.fuzzy]
    return [text for text in texts if len(text) > 20]


CHANGES = {
    "image": [
        *(Step("noise", f"deviation {sd}", partial(noise, sd)) for sd in (4, 8, 16, 32)),
        *(Step("blur", f"by {by} pixels", partial(blur, by)) for by in (0.4, 0.6, 0.8, 1.2)),
        *(Step("inverted", f"{of:.0%}", inversion, of) for of in SHARES),
        *(Step("brighter", f"by {by} of 255", partial(brighter, by)) for by in (5, 10, 20, 40)),
        *(Step("a new class", f"{of:.0%}", letters, of) for of in SHARES),
    ],
    "sentiment": [
        *(Step("another language", f"{of:.0%}", french, of) for of in SHARES),
        *(
            Step("another vocabulary", f"{of:.0%} of the words", partial(vocabulary, of))
            for of in (0.01, 0.02, 0.05, 0.1)
        ),
        *(
            Step("shorter", f"{of:.0%} of the words", partial(shorter, of))
            for of in (0.9, 0.75, 0.5, 0.25)
        ),
        *(
            Step(
                "one class as frequent", f"{by} times", unchanged, weights=partial(first_label, by)
            )
            for by in (1.5, 2, 3, 5)
        ),
    ],
    "forecast": [
        *(Step("level", f"+{by} deviations", partial(level, by)) for by in (0.25, 0.5, 1, 2)),
        *(Step("spread", f"times {by}", partial(spread, by)) for by in (1.25, 1.5, 2, 3)),
        *(
            Step("missing season", f"{of:.0%} of it", partial(seasonless, of))
            for of in (0.25, 0.5, 1)
        ),
        *(Step("frozen", f"last {of} of 72", partial(frozen, of)) for of in (6, 12, 36, 72)),
    ],
}
