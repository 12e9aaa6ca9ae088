"""What is expected of the splits as prepare will make them: of labelled rows classes to tell apart,
of series windows and changes.
"""

import numpy as np
import pandas as pd

from data import declared
from data.classes import digests, draw, together
from data.series import cut, cuts, place, window_starts
from data.suites.table import Table, between

LEAST = 0.5  # of the rows that its share says; more would be chance where rows are few


def of_classes(frame: pd.DataFrame, labels: list[str], test_rows: int = 0) -> Table:
    """The table of splits of labelled rows: each has its share of them, and classes to tell apart.

    Args:
        frame: one row for each picture or text, with the columns label and digest, and key and
            group where the entry names them.
        labels: the classes that are allowed.
        test_rows: how many of the rows, the last ones, are an official test split; 0: none are.
    """
    if "collected" in frame:  # these come to their splits by themselves, and fill none
        frame = frame[~frame["collected"]]
    table = _splits_of_classes(frame, labels, test_rows)
    enough = f"each split has at least {LEAST:.0%} of the rows that its share says"
    other = [name for name in ("id", "group") if {"id": "key"}.get(name, name) in frame]
    named = " and ".join(f"`{name}:`" for name in other)
    many = f"{named} of the entry names too few different rows, or one of very many: leave it out, "
    remedy = f"{many}or name another column" if other else "add rows"
    told = "rows of one class tell no model from one that always answers it"
    return Table(
        "splits",
        table,
        ["split"],
        [
            between("filled", enough, low=LEAST, remedy=remedy),
            between(
                *("classes", "each split has rows of at least two classes"),
                low=2,
                remedy=f"{told}: {remedy}" if other else f"{told}: give its split other rows",
            ),
            between(
                *("unlearned", "each class of a split has rows to learn from"),
                high=0,
                remedy="give them to the training rows too, or leave that class out",
            ),
            between(
                *("missing", "each split has rows of each class"),
                high=0,
                done="its scores say nothing of the others",
            ),
        ],
    )


def _splits_of_classes(frame: pd.DataFrame, labels: list[str], test_rows: int) -> pd.DataFrame:
    """One row for each split: split, rows, filled (those of the rows that its share says), classes
    (how many have rows), unlearned (how many of these have none in training) and missing.
    """
    official = np.arange(len(frame)) >= len(frame) - test_rows
    known = frame["label"].isin(labels).to_numpy()
    rows, held = frame[known & ~official], frame[known & official]
    by = [column for column in ("digest", "key", "group") if column in frame]
    for column in by:  # a row of the test split is left out of the others
        rows = rows[~rows[column].isin(held[column])]
    shares = declared.shares("classes")
    if test_rows:
        shares = {name: share for name, share in shares.items() if name != "test"}
    parts = dict.fromkeys(shares, rows)
    if len(rows):
        names = [_digests(rows[column]) for column in by]
        codes = pd.Categorical(rows["label"], categories=labels).codes
        drawn = draw(codes, together(*names), shares)
        parts = {name: rows.iloc[numbers] for name, numbers in drawn.items()}
    wanted = {name: len(rows) * share / sum(shares.values()) for name, share in shares.items()}
    if test_rows:
        parts["test"], wanted["test"] = held, test_rows
    learned = set(parts["train"]["label"])
    table = []
    for name, part in parts.items():
        present = set(part["label"])
        counts = (len(present), len(present - learned), len(labels) - len(present))
        table.append((name, len(part), len(part) / max(1, wanted[name]), *counts))
    columns = ["split", "rows", "filled", "classes", "unlearned", "missing"]
    return pd.DataFrame(table, columns=columns)


def _digests(column: pd.Series) -> np.ndarray:
    """What prepare draws by: the digest of the content as it is, that of an id or a group."""
    if column.name == "digest":
        return column.to_numpy(str)
    return digests(str(name).encode() for name in column)


def of_series(readings: pd.DataFrame, entry: dict) -> Table:
    """The table of splits: each holds windows, in which the value changes, and is no mere repeat.

    readings: as `forecast.steps` gives them.
    """
    frame = _splits(readings, entry)
    full = (
        f"each split has windows of {entry['history']} + {entry['horizon']} values without a hole "
        f"of more than {entry['fill']:g} s"
    )
    flat = frame["split"][frame["changes"] == 0]
    named = f" ({', '.join(flat)})" if len(flat) else ""
    changing = f"no split is one value all along{named}"
    without = "no forecast can be measured there: leave that part of the series out of the file"
    longer = _longer_fill(readings, entry) if (frame["windows"] == 0).any() else ""
    open_ = "no split repeats itself exactly, or rises as evenly as a line"
    perfect = "a naive forecast is never wrong there, so that no model can be better"
    expectations = [
        between("windows", full, low=1, remedy=longer),
        between("changes", changing, low=1, remedy=without),
        between("surprises", open_, low=1, done=perfect),
    ]
    return Table("splits", frame, ["split"], expectations)


def _splits(readings: pd.DataFrame, entry: dict) -> pd.DataFrame:
    """One row for each split, as prepare will make it: split, points, windows, changes (how many
    targets of windows are not the value before) and surprises (how many the best of three naive
    forecasts, of one step, misses); both missing where there are no windows.
    """
    rows = readings[["time", "value", "series"]].dropna()
    rows = rows[rows.groupby("series")["time"].transform("size") >= entry["min_rows"]]
    shares, history, horizon = declared.shares("series"), entry["history"], entry["horizon"]
    frame = []
    parts = cut(place(rows, entry), cuts(rows["time"], shares), list(shares))
    for split, points in parts.items():
        start = window_starts(points, history, horizon, entry["stride"])
        ends = np.zeros(len(points["value"]) + 1, np.int64)
        np.add.at(ends, start + history, 1)
        np.add.at(ends, start + history + horizon, -1)
        is_target = np.cumsum(ends)[:-1] > 0
        value = pd.Series(points["value"]).groupby(points["segment"])
        before, season = value.shift(1), value.shift(entry["season"])
        line = 2 * before - value.shift(2)
        differs = [
            (is_target & predicted.notna() & (predicted != points["value"])).sum()
            for predicted in (before, season.fillna(before), line.fillna(before))
        ]
        counts = (differs[0], min(differs)) if len(start) else (np.nan, np.nan)
        frame.append((split, len(points["value"]), len(start), *counts))
    return pd.DataFrame(frame, columns=["split", "points", "windows", "changes", "surprises"])


def _longer_fill(readings: pd.DataFrame, entry: dict) -> str:
    """The remedy where holes leave no window: the least `fill` with which there are some, if that
    is no more than a quarter of a history.
    """
    shorter = "a shorter `history:` or `horizon:`, or a longer series"
    hole = ((readings["step"] / entry["interval"]).round() - 1) * entry["interval"]
    most = entry["history"] * entry["interval"] / 4
    for fill in sorted(hole[hole.between(entry["fill"], most, inclusive="right")].unique())[:10]:
        if (_splits(readings, entry | {"fill": fill})["windows"] > 0).all():
            return f"`fill: {fill:.0f}` in its entry carries the last value over holes; {shorter}"
    return shorter
