"""Finished fits as a leaderboard: a row for each architecture, parameters and profile."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from rich.table import Table

from pipelines.experiments import ranking, registry, scores, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.leaderboard_rows import Row
from pipelines.experiments.plan import Fit
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.runtime import console

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric

RIVALS = (tracking.BASELINE, tracking.RIVAL)
SHOWN = 40  # rows of a table; a search leaves hundreds
OF_CHAMPION = ("version", "arch", "fingerprint", "dataset_hash")
LEAST_FAMILIAR = 0.8  # of the test rows; below it is worth a warning
UNSEEN = "test_unseen"  # a metric of a champion of other data
# Of a forecast on the test split, in the data's own unit, beside what decides.
MEASURES = ("mae", "rmse", "recall_below", "precision_below", "recall_above", "precision_above")
MARKS = {"better": "▲", "worse": "▼", "cannot tell": "="}


def compare(dataset: DatasetVersion, only: Collection[Fit] | None = None) -> dict:
    """The leaderboard of a dataset's present version: full fits by validation score, then looks.

    Returns `{"task", "dataset", "dataset_hash", "metric", "higher_is_better", "floor", "champion",
    "rows", "rivals", "failures"}`. Each row's `validation` and `test` hold mean, low and high
    (95 %, over the rows of that split, and over seeds where there are two or more), `measures` of a
    forecast its MEASURES on the test split, `share` the
    part of the training rows that was used, `runs` its seeds, and `version` the registered one: the
    champion or the newest, None where there is none. A champion of another version of the data has
    a row as soon as the gate has scored it on this one; `dataset_hash` names its own, and `unseen`
    how many test rows its score is of: those that it was neither fitted nor chosen on; None where
    nobody knows.
    only: these fits instead of all.
    """
    metric = ranking.metric(dataset)
    records = tracking.records(dataset)
    floor = None
    if records:
        floor = {"name": records[-1].naive, "test": records[-1].metrics["test_floor"]}
    champion = registry.recorded_champion(dataset.task, dataset.name)
    versions = registry.recorded_versions(dataset.task, dataset.name)
    if only is not None:  # none is a look here, whatever it was made for
        chosen = {fit.fingerprint for fit in only}
        records = [replace(one, look=False) for one in records if one.fingerprint in chosen]
    groups = _groups(records)
    if only is None and champion is not None and champion.dataset_hash != dataset.hash:
        groups += _rescored(dataset, champion)
    rows = [_row(dataset, group, champion, versions) for group in groups]
    rows.sort(key=partial(_place, metric))
    rivals = [row for kind in RIVALS for row in tracking.ended(dataset, kind)]
    return {
        "task": dataset.task,
        "dataset": dataset.name,
        "dataset_hash": dataset.hash,
        "metric": metric.name,
        "higher_is_better": metric.more_is_better,
        "floor": floor,
        "champion": champion and {name: getattr(champion, name) for name in OF_CHAMPION},
        "rows": rows,
        "rivals": _rivals(metric.name, rivals),
        "failures": _failures(rivals),
    }


def _place(metric: "Metric", row: dict) -> tuple:
    """Where a row stands; a refit has the validation score of the fit before it, and goes first."""
    return row["look"], -metric.sign * row["validation"]["mean"], not row["refit"]


def best(board: dict) -> list[dict]:
    """The rows that stand for the others: each architecture's best full fit, and the champion."""
    full = [row for row in board["rows"] if not row["look"]]
    first = {row["arch"]: row for row in reversed(full) if not row["rescored"]}
    return [row for row in full if row is first.get(row["arch"]) or row["champion"]]


def shown(board: dict) -> list[dict]:
    """The rows to print: SHOWN at most, those that stand for the others among them."""
    kept = {id(row) for row in best(board)}
    room = SHOWN - len(kept)
    others = (row for row in board["rows"] if id(row) not in kept)
    kept |= {id(row) for _, row in zip(range(room), others, strict=False)}
    return [row for row in board["rows"] if id(row) in kept]


def named(rows: Sequence[dict]) -> list[tuple[str, dict]]:
    """Each row with what to call it: its architecture, and whether it is a refit; where that stands
    there twice also the parameters that tell its rows apart; where none does the profile, and the
    code."""
    names = []
    for row in rows:
        same = [other["parameters"] for other in rows if _called(other) == _called(row)]
        differing = {
            name: _members(value) if name == "members" else value
            for name, value in row["parameters"].items()
            if any(other.get(name, value) != value for other in same)  # older code had fewer
        }
        data = f"of data {row['dataset_hash'][:8]}" if row["rescored"] else ""
        names.append(" ".join(filter(None, (_called(row), console.named(differing), data))))
    for part in ("profile", "code"):
        seen = Counter(names)
        names = [
            f"{name} ({_short(part, row[part])})" if seen[name] > 1 else name
            for name, row in zip(names, rows, strict=True)
        ]
    return list(zip(names, rows, strict=True))


def _called(row: dict) -> str:
    return f"{row['arch']} (refit)" if row["refit"] else row["arch"]


def _members(blended: Sequence[Mapping]) -> str:
    return ", ".join(f"{one['arch']} {one['fingerprint'][:8]}" for one in blended)


def _short(part: str, value: str) -> str:
    return value if part == "profile" else f"code {value[:8]}" if value else "older code"


def versioned(name: str, row: dict) -> str:
    """The name of a row, behind the registered version that it is, if it is one: `v3 cnn`."""
    return f"v{row['version']} {name}" if row.get("version") else name


def table(board: dict) -> Table:
    """The leaderboard for a terminal; a mark says how a row stands beside the champion."""
    direction = "higher" if board["higher_is_better"] else "lower"
    metric = board["metric"].replace("_", " ")
    table = console.table(
        f"{board['task']} · {board['dataset']} · {metric}, {direction} is better · ★ champion"
    )
    rows = shown(board)
    if not rows:
        table.add_row(f"nothing was trained yet: espalier run --dataset {board['dataset']}")
        return table
    table.add_column("architecture", overflow="fold", min_width=15)
    for name in ("rows", "seeds", "weights", "valid.", "test", "95 %", "fit s", "ms/req"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in [*named(rows), *((rival["name"], rival) for rival in board["rivals"])]:
        fitted, test = "arch" in row, row["test"]
        table.add_row(
            f"{_mark(row)} {versioned(name, row)}",
            "all" if row.get("share", 1) == 1 else f"{row['share']:.0%}",
            f"{row['profile']}×{row['seeds']}" if fitted else row["kind"],
            f"{row['parameter_count']:,}" if fitted else "",
            console.figure(row["validation"]["mean"]),
            console.figure(test["mean"]),
            "–".join(console.figure(test[end], ".3f") for end in ("low", "high")),
            f"{row['fit_seconds']:.1f}",
            f"{row['latency_ms']:.3f}" if fitted else "",
            style="bold" if row.get("champion") else "" if fitted else "dim",
        )
    return table


def show(board: dict, lines: Sequence[str] | None = None) -> None:
    """Print the leaderboard, and below it what could not be scored; lines: these instead."""
    console.out().print(table(board))
    if board.get("reference"):  # of `comparison.compare`: its rows have verdicts
        legend = ", ".join(f"{mark} {outcome}" for outcome, mark in MARKS.items())
        console.out().print(f"beside {board['reference']}: {legend}", markup=False)
    left_out = len(board["rows"]) - len(shown(board))
    if left_out:
        console.out().print(f"  and {left_out:,} more, in --json")
    for line in board["failures"] if lines is None else lines:
        console.out().print(line, markup=False)


def _mark(row: dict) -> str:
    if row.get("champion"):
        return "★"
    verdict = row.get("verdict")
    return MARKS[verdict["outcome"]] if verdict else " "


def _groups(records: list[Record]) -> list[list[Record]]:
    """The seeds of each row: of all full fits, and of the newest look at each architecture that was
    never fitted in full. Fits of two versions of the code are two rows."""
    # One seed counts once: the newest of the fits with the same seed (records come oldest first).
    settings: dict[tuple, dict[int, Record]] = defaultdict(dict)
    for record in records:
        parameters = json.dumps(record.parameters, sort_keys=True)
        settings[record.arch, parameters, record.profile, record.code][record.seed] = record
    groups = [list(seeds.values()) for seeds in settings.values()]
    full = [group for group in groups if not group[0].look]
    looks = {group[0].arch: group for group in groups if group[0].look}
    for group in full:
        looks.pop(group[0].arch, None)
    return [*full, *looks.values()]


def _rescored(dataset: DatasetVersion, champion: Version) -> list[list[Record]]:
    """The champion with its scores on this version of the data, as a group; none before it was
    scored, nor where it has seen all test rows."""
    from models.evaluation import measure
    from pipelines.gate import slices

    record, metric = tracking.record(champion.run_id), ranking.metric(dataset)
    metrics = dict(record.metrics)
    # A refit has learned rows that are validation rows now: the score of its own version stays.
    for split in ("test",) if record.refit else measure.SCORED:
        name, place = f"{split}_{metric.name}", f"{dataset.hash}/{split}"
        try:
            rows = scores.rows_of(record.run_id, place, artifact_uri=record.artifact_uri)
        except OSError:
            return []
        if "unseen" in rows:
            metrics[UNSEEN] = int(rows["unseen"].sum())
            if not metrics[UNSEEN]:
                return []
            rows = dict(slices.only(rows, rows["unseen"]))
        interval = measure.interval(metric, [rows])
        metrics |= zip((name, f"{name}_low", f"{name}_high"), interval, strict=True)
    return [[replace(record, metrics=metrics, look=False)]]


def _row(
    dataset: DatasetVersion,
    group: list[Record],
    champion: Version | None,
    versions: Mapping[str, str],
) -> dict:
    run_ids = {record.run_id for record in group}
    reigns = champion is not None and champion.run_id in run_ids
    numbers = [versions[run_id] for run_id in run_ids & versions.keys()]
    return {
        "arch": group[0].arch,
        "dataset_hash": group[0].dataset_hash,
        "rescored": group[0].dataset_hash != dataset.hash,
        "profile": group[0].profile,
        "code": group[0].code,
        "look": group[0].look,
        "refit": group[0].refit,
        "unseen": group[0].metrics.get(UNSEEN),
        "share": group[0].parameters.get("share", 1.0),
        "seeds": len(group),
        "validation": _interval(ranking.metric(dataset), group, "validation"),
        "test": _interval(ranking.metric(dataset), group, "test"),
        "measures": _measures([one.metrics for one in group if one.dataset_hash == dataset.hash]),
        "parameters": group[0].parameters,
        "parameter_count": int(group[0].metrics["parameter_count"]),
        "fit_seconds": fmean(record.metrics["fit_seconds"] for record in group),
        "latency_ms": fmean(record.metrics["latency_ms"] for record in group),
        "champion": reigns,
        "version": champion.version if champion and reigns else max(numbers, key=int, default=None),
        "runs": [
            {"run_id": r.run_id, "seed": r.seed, "artifact_uri": r.artifact_uri} for r in group
        ],
    }


def _interval(metric: "Metric", group: list[Record], split: str) -> dict[str, float]:
    """Mean and 95 % interval: as recorded for one seed, from the rows' own scores for several."""
    if len(group) == 1:
        return _recorded(metric.name, group[0].metrics, split)
    from models.evaluation import measure

    rows = [scores.rows_of(r.run_id, split, artifact_uri=r.artifact_uri) for r in group]
    mean, low, high = measure.interval(metric, rows)
    return {"mean": mean, "low": low, "high": high}


def _recorded(metric: str, metrics: Mapping[str, float], split: str) -> dict[str, float]:
    name = f"{split}_{metric}"
    return {"mean": metrics[name], "low": metrics[f"{name}_low"], "high": metrics[f"{name}_high"]}


def _measures(recorded: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The MEASURES that each of some fits has on the test split, their mean over the fits."""
    return {
        name: fmean(metrics[f"test_{name}"] for metrics in recorded)
        for name in MEASURES
        if recorded and all(f"test_{name}" in metrics for metrics in recorded)
    }


def _rivals(metric: str, rows: Sequence[Row]) -> list[dict]:
    """The newest row of each baseline and rival."""
    newest = {row.name: row for row in rows if row.status == "FINISHED"}
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "validation": _recorded(metric, row.metrics, "validation"),
            "test": _recorded(metric, row.metrics, "test"),
            "measures": _measures([row.metrics]),
            "fit_seconds": row.metrics["fit_seconds"],
            "runs": [{"run_id": row.run_id, "seed": 0, "artifact_uri": row.artifact_uri}],
        }
        for row in newest.values()
    ]


def unfamiliar(share: float) -> list[str]:
    """A sentence where the guard of a dataset knows too few of the test rows.

    share: of the test rows, which look familiar.
    """
    if share >= LEAST_FAMILIAR:
        return []
    return [
        f"only {share:.1%} of the test rows look familiar: they are unlike the training rows, and "
        "so may be what is asked of the champion"
    ]


def _failures(rows: Sequence[Row]) -> list[str]:
    """A sentence for each kind of baseline and rival whose newest code could not be scored."""
    newest = {row.kind: row.fingerprint for row in rows}
    return [
        f"{row.name} could not be scored: {row.tags[tracking.FAILURE]}"
        for row in rows
        if row.status == "FAILED" and row.fingerprint == newest[row.kind]
    ]
