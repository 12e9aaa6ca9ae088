"""Inputs that are not those that a model was fitted with: a name, and what is done to good ones.

Another vocabulary, size, scale or interval, as a mistake or a mixed-up file would make it.
"""

from dataclasses import replace

import numpy as np


def _vocabulary(change):
    return lambda one: replace(one, vocabulary=tuple(change(list(one.vocabulary))))


def _swapped(words: list[str], one: int, other: int) -> list[str]:
    words[one], words[other] = words[other], words[one]
    return words


TEXT = {
    "shifted by one": _vocabulary(lambda words: words[1:] + words[:1]),
    "shifted back by one": _vocabulary(lambda words: words[-1:] + words[:-1]),
    "sorted": _vocabulary(sorted),
    "shuffled": _vocabulary(lambda words: list(np.random.default_rng(0).permutation(words))),
    "upper case": _vocabulary(lambda words: [word.upper() for word in words]),
    "empty": _vocabulary(lambda words: []),
    "without the first": _vocabulary(lambda words: words[1:]),
    "without one in the middle": _vocabulary(lambda words: words[:30] + words[31:]),
    "without the last": _vocabulary(lambda words: words[:-1]),
    "one put in": _vocabulary(lambda words: [*words[:30], "else", *words[30:]]),
    "the first two exchanged": _vocabulary(lambda words: _swapped(words, 0, 1)),
    "the last two exchanged": _vocabulary(lambda words: _swapped(words, -2, -1)),
    "shorter": lambda one: replace(one, length=one.length - 1),
    "longer": lambda one: replace(one, length=one.length + 1),
    "labels exchanged": lambda one: replace(one, labels=one.labels[::-1]),
    "labels renamed": lambda one: replace(one, labels=("bad", "good")),
}


PAIRS = {
    "none": lambda pairs: None,
    "no pair": lambda pairs: pairs[:0],
    "without the first": lambda pairs: pairs[1:],
    "without one in the middle": lambda pairs: np.delete(pairs, len(pairs) // 2, axis=0),
    "without the last": lambda pairs: pairs[:-1],
    "turned": lambda pairs: pairs[:, ::-1],
    "shifted": lambda pairs: pairs + np.int32(1),
    "unordered": lambda pairs: pairs[::-1],
}


PICTURE = {
    "higher": lambda one: replace(one, height=one.height + 1),
    "narrower": lambda one: replace(one, width=one.width - 1),
    "half the size": lambda one: replace(one, height=4, width=4),
    "twice the size": lambda one: replace(one, height=16, width=16),
    "in colour": lambda one: replace(one, channels=3),
    "two labels exchanged": lambda one: replace(one, labels=("1", "0", *one.labels[2:])),
    "the last labels exchanged": lambda one: replace(one, labels=(*one.labels[:8], "9", "8")),
    "a label renamed": lambda one: replace(one, labels=(*one.labels[:9], "ten")),
    "a label less": lambda one: replace(one, labels=one.labels[:9]),
    "a label more": lambda one: replace(one, labels=(*one.labels, "ten")),
}


def _radii(change):
    return lambda one: replace(one, radii=change(one.radii.copy()))


def _wider(radii: np.ndarray, row: int) -> np.ndarray:
    radii[row] *= 1.01
    return radii


SERIES = {
    **{
        f"{field} {by:+.1%}": lambda one, field=field, by=by: replace(
            one, **{field: getattr(one, field) * (1 + by)}
        )
        for field in ("mean", "scale")
        for by in (0.1, 0.001, -0.001)
    },
    "mean and scale exchanged": lambda one: replace(one, mean=one.scale, scale=one.mean),
    "shorter history": lambda one: replace(one, history=one.history - 1),
    "longer history": lambda one: replace(one, history=one.history + 1),
    "shorter horizon": lambda one: replace(one, horizon=one.horizon - 1),
    "longer horizon": lambda one: replace(one, horizon=one.horizon + 1),
    "wider intervals": _radii(lambda radii: radii * np.float32(1.01)),
    "levels shifted": _radii(lambda radii: np.roll(radii, 1, axis=0)),
    "steps turned": _radii(lambda radii: radii[:, ::-1]),
    "fewer levels": _radii(lambda radii: radii[:-20]),
    "the usual level": _radii(lambda radii: _wider(radii, 949)),
    "the middle level": _radii(lambda radii: _wider(radii, 499)),
    "the widest level": _radii(lambda radii: _wider(radii, -1)),
}


# Some are too small for an answer to show them: the manifest names the inputs, too.
SMALLEST = {
    "sentiment": [
        _vocabulary(lambda words, n=n: _swapped(words, *np.random.default_rng(n).choice(58, 2)))
        for n in range(10)
    ],
    "forecast": [_radii(lambda radii, row=row: _wider(radii, row)) for row in (3, 77, 222)]
    + [lambda one: replace(one, mean=float(np.nextafter(one.mean, 0)))],
    "image": [lambda one: replace(one, labels=(*one.labels[:9], "9 "))],
}


OTHER = {"sentiment": TEXT, "image": PICTURE, "forecast": SERIES}
# One of each kind of inputs that no answer can miss.
CLEAR = {
    "text": TEXT["shifted by one"],
    "image": PICTURE["half the size"],
    "series": SERIES["mean +10.0%"],
}
# The guard of a series takes each history by its own level and scale, and sees whether it moves.
CLEAR_TO_GUARDS = CLEAR | {"series": lambda one: replace(one, scale=one.scale * 1e4)}
