"""Pictures of the rows, small and in the page itself: a strip, a histogram, a series over time.

SVG takes its colours from the page around it. All of it is bounded, however many rows there are.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from data.stored import Dataset

STRIP, SIDE = 24, 96  # pictures, and pixels a side
# Up to here a picture is kept as PNG, not packed: what zlib makes of it differs between machines.
SMALL = 40
BINS, POINTS = 32, 320
SERIES = 3  # that are drawn
WIDTH, HEIGHT = 340, 150
LEFT, RIGHT, TOP, BOTTOM = 8, 332, 8, 120  # the edges of a plot


def strip(raw: Dataset, frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Label and data URI of a few pictures of each class that can be read.

    frame: as `suites.image.statistics` gives it.
    """
    whole = frame[frame["pixel_type"] == "uint8"]
    each = max(1, STRIP // max(1, whole["label"].nunique()))
    chosen = whole.groupby("label").head(each).sort_values(["label", "id"]).head(STRIP)
    pictures = {
        int(columns["id"][at]): columns["image"][at]
        for columns in raw.splits.values()
        for at in np.flatnonzero(np.isin(columns["id"], chosen["id"]))
    }
    return [(row["label"], _uri(pictures[row["id"]])) for row in chosen.to_dict("records")]


def _uri(picture: np.ndarray | bytes) -> str:
    if isinstance(picture, bytes):
        with Image.open(io.BytesIO(picture)) as opened:
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))
            image = ImageOps.exif_transpose(opened).convert("RGB")
    else:
        image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    image.thumbnail((SIDE, SIDE))
    file, kind = io.BytesIO(), "png" if max(image.size) <= SMALL else "webp"
    image.save(file, kind, **({"compress_level": 0} if kind == "png" else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def charts(task: str, frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Captions and SVG: of texts the length; of readings the values, and some series over time."""
    if task == "sentiment":
        return [histogram("words of a text", frame["words"])]
    if task != "forecast":
        return []
    readings = frame.dropna(subset=["time", "value", "series"])
    readings = readings[np.isfinite(readings["value"])]
    names = readings["series"].unique()
    drawn = [
        over_time(f"{name} over time" if len(names) > 1 else "over time", one)
        for name, one in readings.groupby("series", sort=False)
        if name in names[:SERIES]
    ]
    return [histogram("values", readings["value"]), *drawn]


def histogram(of: str, values: pd.Series) -> tuple[str, str]:
    """How often which values are; the highest hundredth is left out where it is far away."""
    if not len(values):
        return f"no {of}", ""
    low, high = float(values.min()), float(values.max())
    most = float(values.quantile(0.99))
    end = most if high - low > 2 * (most - low) > 0 else high
    whole = pd.api.types.is_integer_dtype(values)
    bins = min(BINS, max(1, int(end - low))) if whole else BINS
    counts = np.histogram(values, bins, (low, end if end > low else low + 1))[0]
    wide = (RIGHT - LEFT) / len(counts)
    tall = (BOTTOM - TOP) / max(1, counts.max())
    bars = "".join(
        f"M{LEFT + number * wide:.1f} {BOTTOM}v{-count * tall:.1f}h{wide - 1:.1f}V{BOTTOM}Z"
        for number, count in enumerate(counts.tolist())
        if count
    )
    more = f"; the highest 1%, up to {high:,.6g}, is left out" if end < high else ""
    about = f"{of}: {low:,.6g} to {high:,.6g}, median {values.median():,.6g}"
    return about + more, _svg(
        about, f'<path class="bars" d="{bars}"/>', f"{low:,.6g}", f"{end:,.6g}"
    )


def over_time(name: str, readings: pd.DataFrame) -> tuple[str, str]:
    """From the lowest to the highest value of each stretch of time.

    readings: time, as text that begins with the date, and value.
    """
    ordered = readings.sort_values("time", kind="stable")
    parts: Sequence[np.ndarray] = np.array_split(
        ordered["value"].to_numpy(), min(POINTS, len(ordered))
    )
    lows, highs = [part.min() for part in parts], [part.max() for part in parts]
    low, span = min(lows), (max(highs) - min(lows)) or 1.0
    across = (RIGHT - LEFT) / max(1, len(parts) - 1)

    def path(values: Sequence[float]) -> list[str]:
        return [
            f"{LEFT + number * across:.1f} {BOTTOM - (value - low) / span * (BOTTOM - TOP):.1f}"
            for number, value in enumerate(values)
        ]

    around = "L".join([*path(highs), *reversed(path(lows))])
    first, last = (ordered["time"].iloc[end][:10] for end in (0, -1))
    about = f"{name}: {len(ordered):,} readings, {low:,.6g} to {max(highs):,.6g}"
    return about, _svg(about, f'<path class="trace" d="M{around}Z"/>', first, last)


def _svg(about: str, drawn: str, first: str, last: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(about)}">'
        f'<path class="grid" d="M{LEFT} {BOTTOM}H{RIGHT}"/>{drawn}'
        f'<text x="{LEFT}" y="{BOTTOM + 17}">{escape(first)}</text>'
        f'<text x="{RIGHT}" y="{BOTTOM + 17}" text-anchor="end">{escape(last)}</text></svg>'
    )
