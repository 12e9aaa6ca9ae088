"""Small data: the digits that ship with scikit-learn, made-up reviews and a made-up series."""

import numpy as np

IMAGE = {"name": "digits", "task": "image", "labels": [str(digit) for digit in range(10)]}
SENTIMENT = {"name": "reviews", "task": "sentiment", "labels": ["negative", "positive"]}
FORECAST = {
    "name": "waves",
    "task": "forecast",
    "interval_seconds": 7200,
    "history": 24,
    "horizon": 4,
    "stride": 1,
    "season": 12,
}
FACTS = {facts["task"]: facts for facts in (IMAGE, SENTIMENT, FORECAST)}


def digits() -> dict:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * 255 / 16).astype(np.uint8)[..., None]
    return _parted({"image": pixels, "label": bunch.target.astype(np.int64)})


def reviews(rows: int = 900) -> dict:
    """Texts whose opinion is in a few words among many."""
    random = np.random.default_rng(0)
    filler = [f"word{number}" for number in range(60)]
    opinions = [["awful", "dull", "boring"], ["great", "lovely", "superb"]]
    label = random.integers(0, 2, rows)
    texts = [
        " ".join(random.permutation([*random.choice(filler, 12), *random.choice(opinions[one], 3)]))
        for one in label
    ]
    return _parted({"text": np.array(texts, object), "label": label.astype(np.int64)})


def waves(rows: int = 1500) -> dict:
    """A noisy wave of period 12, with a gap, in the unit of a glucose monitor."""
    random = np.random.default_rng(0)
    value = 150 + 40 * np.sin(np.arange(rows) * 2 * np.pi / 12) + random.normal(0, 8, rows)
    split = {
        "value": value,
        "observed": random.random(rows) > 0.02,
        "segment": (np.arange(rows) > 400).astype(np.int64),
        "series": np.full(rows, "waves"),
        "time": np.datetime64("2010-09-01", "ns") + np.arange(rows) * np.timedelta64(2, "h"),
    }
    return _parted(split)


def dated(splits: dict) -> dict:
    """The splits of a series with an hour for each row, one after the other, as `prepare` cuts."""
    begin, told = 0, {}
    for number, name in enumerate(("train", "validation", "test")):
        hours = begin + np.arange(len(splits[name]["value"]))
        begin += len(hours)
        told[name] = splits[name] | {
            "time": np.datetime64("2026-01-01", "ns") + hours * np.timedelta64(1, "h"),
            "segment": splits[name]["segment"] + 10 * number,
            "series": np.full(len(hours), "waves", object),
        }
    return told


def _parted(columns: dict[str, np.ndarray]) -> dict:
    count = len(next(iter(columns.values())))
    cuts = {"train": slice(0, count * 6 // 10), "test": slice(count * 8 // 10, count)}
    cuts["validation"] = slice(count * 6 // 10, count * 8 // 10)
    return {name: {key: rows[cut] for key, rows in columns.items()} for name, cut in cuts.items()}
