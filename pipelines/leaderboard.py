"""Finished fits as a leaderboard: a row for each architecture, parameters and profile."""

import json
from collections import defaultdict

from rich.table import Table

from data import versions
from pipelines import choose, registry, tracking
from pipelines.settings import UsageError
from pipelines.tracking import Record


def compare(task: str, dataset: str, dataset_hash: str) -> dict:
    """The leaderboard of a dataset's present version, best validation score first.

    Returns `{"task", "dataset", "dataset_hash", "metric", "higher_is_better", "floor", "rows"}`;
    each row's `validation` and `test` hold mean, low and high (95 %, bootstrap over the rows of
    that split, and over seeds where there are two or more).
    """
    metric, more_is_better = choose.METRIC[task]
    records = tracking.records(task, dataset, dataset_hash)
    champion = registry.champion(task, dataset)
    rows = [_row(task, group, champion) for group in _groups(records)]
    rows.sort(key=lambda row: row["validation"]["mean"], reverse=more_is_better)
    return {
        "task": task,
        "dataset": dataset,
        "dataset_hash": dataset_hash,
        "metric": metric,
        "higher_is_better": more_is_better,
        "floor": _floor(records),
        "rows": rows,
    }


def present(task: str, dataset: str) -> dict:
    """The leaderboard at the hash that the checkout's dvc.lock names."""
    dataset_hash = versions.dataset_hash(dataset)
    if dataset_hash is None:
        raise UsageError(
            f"{dataset} has no version here yet: `espalier run --dataset {dataset}` makes one"
        )
    return compare(task, dataset, dataset_hash)


def table(board: dict) -> Table:
    """The leaderboard for a terminal."""
    title = f"{board['task']} · {board['dataset']} · {board['metric'].replace('_', ' ')}"
    direction = "higher is better" if board["higher_is_better"] else "lower is better"
    shown = Table(title=f"{title} ({direction})", title_justify="left", caption_justify="left")
    for name, side in (
        ("", "left"),
        ("architecture", "left"),
        ("profile", "left"),
        ("parameters", "right"),
        ("seeds", "right"),
        ("validation", "right"),
        ("test [95 % interval]", "right"),
        ("fit s", "right"),
        ("ms/request", "right"),
    ):
        shown.add_column(name, justify=side)
    for row in board["rows"]:
        test = row["test"]
        shown.add_row(
            "★" if row["champion"] else "",
            row["arch"],
            row["profile"],
            f"{row['parameter_count']:,}",
            str(row["seeds"]),
            f"{row['validation']['mean']:.4f}",
            f"{test['mean']:.4f} [{test['low']:.4f}, {test['high']:.4f}]",
            f"{row['fit_seconds']:.1f}",
            f"{row['latency_ms']:.3f}",
            style="bold" if row["champion"] else "",
        )
    if board["floor"] is not None:
        name, score = board["floor"]["name"], board["floor"]["test"]
        shown.add_section()
        shown.add_row("", name, "naive", "", "", "", f"{score:.4f}", "", "")
    return shown


def _groups(records: list[Record]) -> list[list[Record]]:
    # One seed counts once: the newest of the fits with the same seed (records come oldest first).
    groups: dict[tuple, dict[int, Record]] = defaultdict(dict)
    for record in records:
        parameters = json.dumps(record.parameters, sort_keys=True)
        groups[record.arch, parameters, record.profile][record.seed] = record
    return [list(seeds.values()) for seeds in groups.values()]


def _row(task: str, group: list[Record], champion) -> dict:
    return {
        "arch": group[0].arch,
        "profile": group[0].profile,
        "seeds": len(group),
        "validation": _interval(task, group, "validation"),
        "test": _interval(task, group, "test"),
        "parameters": group[0].parameters,
        "parameter_count": int(group[0].metrics["parameter_count"]),
        "fit_seconds": _mean(group, "fit_seconds"),
        "latency_ms": _mean(group, "latency_ms"),
        "champion": champion is not None and champion.run_id in {r.run_id for r in group},
    }


def _interval(task: str, group: list[Record], split: str) -> dict[str, float]:
    """Mean and 95 % interval: as recorded for one seed, from the rows' own scores for several."""
    if len(group) == 1:
        metrics = group[0].metrics
        name = f"{split}_{choose.METRIC[task][0]}"
        ends = {end: metrics[f"{name}_{end}"] for end in ("low", "high")}
        return {"mean": metrics[name], **ends}
    from models import measure

    mean, low, high = measure.interval(
        task, [tracking.rows(record.run_id, split) for record in group]
    )
    return {"mean": mean, "low": low, "high": high}


def _floor(records: list[Record]) -> dict | None:
    if not records:
        return None
    return {"name": records[-1].naive, "test": records[-1].metrics["test_floor"]}


def _mean(group: list[Record], metric: str) -> float:
    return sum(record.metrics[metric] for record in group) / len(group)
