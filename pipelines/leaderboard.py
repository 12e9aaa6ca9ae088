"""Finished fits as a leaderboard: a row for each architecture, parameters and profile."""

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from rich.table import Table

from data import versions
from pipelines import choose, console, registry, rivals, sweep, tracking
from pipelines.plan import Fit
from pipelines.settings import UsageError
from pipelines.tracking import Record


def compare(
    task: str, dataset: str, dataset_hash: str, only: Collection[Fit] | None = None
) -> dict:
    """The leaderboard of a dataset's present version: full fits by validation score, then looks.

    Returns `{"task", "dataset", "dataset_hash", "metric", "higher_is_better", "floor", "rows",
    "rivals", "failures"}`. Each row's `validation` and `test` hold mean, low and high (95 %,
    bootstrap over the rows of that split, and over seeds where there are two or more), and `share`
    the part of the training rows that was used. The rivals are as `pipelines.rivals.rows` gives
    them.
    only: these fits instead of all.
    """
    metric, more_is_better = choose.METRIC[task]
    records = tracking.records(task, dataset, dataset_hash)
    champion = registry.champion(task, dataset)
    groups = _groups(records) if only is None else _groups(_of(only, records))
    rows = [_row(task, group, champion) for group in _shown(groups)]
    sign = -1 if more_is_better else 1
    rows.sort(key=lambda row: (row["look"], sign * row["validation"]["mean"]))
    return {
        "task": task,
        "dataset": dataset,
        "dataset_hash": dataset_hash,
        "metric": metric,
        "higher_is_better": more_is_better,
        "floor": _floor(records),
        "rows": rows,
        "rivals": rivals.rows(task, dataset, dataset_hash),
        "failures": rivals.failures(task, dataset, dataset_hash),
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
    direction = "higher" if board["higher_is_better"] else "lower"
    metric = board["metric"].replace("_", " ")
    title = f"{board['task']} · {board['dataset']} · {metric}, {direction} is better · ★ champion"
    shown = Table(
        title=title,
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    if not board["rows"]:
        shown.add_row(f"nothing was trained yet: espalier run --dataset {board['dataset']}")
        return shown
    shown.add_column("architecture", overflow="fold", min_width=15)
    for name in ("rows", "seeds", "weights", "valid.", "test", "95 %", "fit s", "ms/req"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in board["rows"]:
        test = row["test"]
        shown.add_row(
            ("★ " if row["champion"] else "  ") + _named(row, board["rows"]),
            "all" if row["share"] == 1 else f"{row['share']:.0%}",
            f"{row['profile']}×{row['seeds']}",
            f"{row['parameter_count']:,}",
            f"{row['validation']['mean']:.4f}",
            f"{test['mean']:.4f}",
            f"{test['low']:.3f}–{test['high']:.3f}",
            f"{row['fit_seconds']:.1f}",
            f"{row['latency_ms']:.3f}",
            style="bold" if row["champion"] else "",
        )
    for row in board["rivals"]:
        test = row["test"]
        shown.add_row(
            f"  {row['name']}",
            "all",
            row["kind"],
            "",
            f"{row['validation']['mean']:.4f}",
            f"{test['mean']:.4f}",
            f"{test['low']:.3f}–{test['high']:.3f}",
            f"{row['fit_seconds']:.1f}",
            "",
            style="dim",
        )
    return shown


def verdicts(board: dict) -> list[str]:
    """A sentence for each baseline and rival that a model fitted in full loses to on the test rows,
    and for each that could not be scored."""
    sign = 1 if board["higher_is_better"] else -1
    full = [row for row in board["rows"] if not row["look"]]
    said = []
    for rival in board["rivals"]:
        score = rival["test"]["mean"]
        losers = [_named(row, full) for row in full if sign * (row["test"]["mean"] - score) < 0]
        if losers:
            verb = "loses" if len(losers) == 1 else "lose"
            said.append(f"{', '.join(losers)} {verb} to {rival['name']} ({score:.4f})")
    return said + board["failures"]


def show(board: dict) -> None:
    """Print the leaderboard, and below it who loses to whom."""
    console.out().print(table(board))
    for sentence in verdicts(board):
        console.out().print(sentence, markup=False)


def _named(row: dict, rows: list[dict]) -> str:
    """The architecture, and where several rows share it the parameters that tell them apart."""
    same = [other["parameters"] for other in rows if other["arch"] == row["arch"]]
    differ = [
        name
        for name in row["parameters"]
        if all(name in parameters for parameters in same)  # older code had fewer
        and len({json.dumps(parameters[name]) for parameters in same}) > 1
    ]
    return f"{row['arch']} {sweep.told({name: row['parameters'][name] for name in differ})}".strip()


def _of(fits: Collection[Fit], records: list[Record]) -> list[Record]:
    """The records of these fits; none is a look here, whatever it was made for."""
    asked = {fit.fingerprint for fit in fits}
    return [replace(record, look=False) for record in records if record.fingerprint in asked]


def _groups(records: list[Record]) -> list[list[Record]]:
    # One seed counts once: the newest of the fits with the same seed (records come oldest first).
    groups: dict[tuple, dict[int, Record]] = defaultdict(dict)
    for record in records:
        parameters = json.dumps(record.parameters, sort_keys=True)
        groups[record.arch, parameters, record.profile][record.seed] = record
    return [list(seeds.values()) for seeds in groups.values()]


def _shown(groups: list[list[Record]]) -> list[list[Record]]:
    """All full fits, and the newest look at each architecture that was never fitted in full."""
    full = [group for group in groups if not group[0].look]
    looks = {group[0].arch: group for group in groups if group[0].look}
    for group in full:
        looks.pop(group[0].arch, None)
    return [*full, *looks.values()]


def _row(task: str, group: list[Record], champion) -> dict:
    return {
        "arch": group[0].arch,
        "profile": group[0].profile,
        "look": group[0].look,
        "share": group[0].parameters.get("share", 1.0),
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
