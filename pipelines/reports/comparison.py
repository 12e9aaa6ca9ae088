"""What tells the models of a leaderboard apart: verdicts, slices, costs, and how each one went.

The best full fit of each architecture takes part, the champion, the rivals and the baselines, each
with what it scored on the test split row by row.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.table import Table

from models.evaluation.metrics import Metric
from pipelines.experiments import ranking, scores, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.gate import paired_comparison, rules, slices
from pipelines.reports import charts, leaderboard
from pipelines.runtime import console

TOO_FEW = "has too few independent blocks of test rows to be told from"
VERBS = {"worse": "is better than", "cannot tell": "cannot be told from"}  # a rival, a model


@dataclass(frozen=True)
class Entrant:
    """A row of the leaderboard that takes part, and its scores on the test split, seed by seed."""

    name: str
    row: dict
    rows: Sequence[Mapping[str, np.ndarray]]


def compare(dataset: DatasetVersion) -> dict:
    """The leaderboard of `pipelines.reports.leaderboard.compare`, and what tells its models apart.

    Rows that take part gain `name`, and `verdict` beside the champion, or where that has no row
    here beside the first; every row gains `pareto`: whether it is a full fit, and no other one as
    good on validation, as fast and as small. The board gains

        reference  the name of the row that the others stand beside; None where there is no full fit
        test_rows  how many rows, or windows, the verdicts are drawn from
        verdicts   of each beside each other one: ours, theirs, and the fields of `pair.Verdict`
        slices     name, rows, and scores: name of the model → score
        labels     the names of the classes
        curves     name of the model → for each seed loss and val_loss, epoch by epoch
        confusion  name of the model → counts (true class, predicted class), over all seeds
        windows    a few: history, target, and forecasts: name → forecast and, where they were
                   recorded, lower and upper
        notes      a sentence for each model whose rows could not take part, and where the test rows
                   look unfamiliar
    """
    metric, board = ranking.metric(dataset), leaderboard.compare(dataset)
    entrants, notes = _entrants(metric, board)
    guards = [row for row in tracking.ended(dataset, tracking.GUARD) if row.status == "FINISHED"]
    if guards:
        notes += leaderboard.unfamiliar(guards[-1].metrics["test_familiar"])
    labels = _labels(dataset, entrants)
    reference, verdicts = _reference(entrants), _verdicts(metric, entrants)
    front = pareto_front(board)
    for number, row in enumerate(board["rows"]):
        row["pareto"] = number in front
    for entrant in entrants:
        verdict = verdicts.get((entrant.name, reference)) if reference else None
        entrant.row.update({"name": entrant.name, "verdict": verdict})
    return board | {
        "reference": reference,
        "test_rows": _count(entrants),
        "verdicts": list(verdicts.values()),
        "slices": _slices(metric, entrants, labels),
        "labels": labels,
        "curves": {e.name: losses for e in entrants if "arch" in e.row and (losses := _curves(e))},
        "confusion": {
            e.name: np.sum([_confusion(one) for one in e.rows], axis=0).tolist()
            for e in entrants
            if "confusion" in e.rows[0]
        },
        "windows": _windows(entrants),
        "notes": notes,
    }


def show(board: dict) -> None:
    """Print the leaderboard, who loses to whom, the verdicts beside the champion, and of forecasts
    what they come to in the data's own unit."""
    leaderboard.show(board, sentences(board))
    compared = [row for row in [*board["rows"], *board["rivals"]] if "name" in row]
    beside = [row for row in compared if row.get("verdict")]
    tables = [_table(board, beside)] if beside else []
    if measured := [row for row in compared if row["measures"]]:
        tables.append(_measured(measured))
    for table in tables:
        console.out().print()
        console.out().print(table)


def sentences(board: dict) -> list[str]:
    """Which models each baseline and rival is better than, or cannot be told from, beyond chance;
    and what went wrong."""
    models = {row["name"] for row in board["rows"] if "name" in row}
    champion, lines = board["champion"], []
    if champion and not any(row["champion"] for row in board["rows"]):
        lines = [
            f"the champion, v{champion['version']} {champion['arch']}, has no row: it is of data "
            f"{champion['dataset_hash'][:8]}, and the gate has not scored it on rows of this data "
            "that it has not seen"
        ]
    for rival in board["rivals"]:
        score = console.figure(rival["test"]["mean"])
        named: dict[str, list[str]] = {}
        for one in board["verdicts"]:
            if one["theirs"] == rival["name"] and one["ours"] in models:
                verb, name = VERBS.get(one["outcome"]), one["ours"]
                if one["blocks"]:
                    verb, name = TOO_FEW, f"{name} ({one['blocks']})"
                named.setdefault(verb or "", []).append(name)
        for verb in (*VERBS.values(), TOO_FEW):
            if verb in named:
                lines.append(f"{rival['name']} ({score}) {verb} {', '.join(named[verb])}")
    return lines + board["failures"] + board["notes"]


def _table(board: dict, rows: Sequence[dict]) -> Table:
    table = console.table(
        f"beside {board['reference']}, on {board['test_rows']:,} test rows; "
        f"p, 95 % corrected for {len(board['verdicts']) // 2} pairs"
    )
    table.add_column("model", overflow="fold", min_width=15)
    table.add_column("verdict", no_wrap=True)
    for name in ("difference", "95 %", "p", "effect"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        verdict = row["verdict"]
        table.add_row(
            f"{leaderboard.MARKS[verdict['outcome']]} {row['name']}",
            f"{verdict['blocks']} blocks" if verdict["blocks"] else verdict["outcome"],
            f"{verdict['difference']:+.4f}",
            f"{verdict['low']:+.4f} to {verdict['high']:+.4f}",
            p_value(verdict["p"]),
            console.figure(verdict["effect"], "+.2f"),
        )
    return table


def _measured(rows: Sequence[dict]) -> Table:
    table = console.table("on the test split, in the data's own unit")
    names = list(dict.fromkeys(name for row in rows for name in row["measures"]))
    table.add_column("model", overflow="fold", min_width=15)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for row in rows:
        values = [row["measures"].get(name) for name in names]
        table.add_row(
            row["name"], *("" if value is None else console.figure(value) for value in values)
        )
    return table


def p_value(p: float) -> str:
    """A p-value for a person: `0.0312`, or `< 0.0001`."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _entrants(metric: Metric, board: dict) -> tuple[list[Entrant], list[str]]:
    """Those whose rows can be read and pair with the others'; and a sentence for each other one."""
    named = leaderboard.named(leaderboard.best(board))
    named += [(rival["name"], rival) for rival in board["rivals"]]
    entrants: list[Entrant] = []
    notes = []
    for name, row in named:
        split = f"{board['dataset_hash']}/test" if row.get("rescored") else "test"
        try:
            rows = [
                scores.rows_of(run["run_id"], split, artifact_uri=run["artifact_uri"])
                for run in row["runs"]
            ]
            paired_comparison.check(metric, rows, entrants[0].rows if entrants else rows)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            notes.append(f"{name} is left out: its scores row by row cannot be used ({error})")
        else:
            entrants.append(Entrant(name, row, rows))
    return _on_unseen(board, entrants, notes)


def _on_unseen(
    board: dict, entrants: list[Entrant], notes: list[str]
) -> tuple[list[Entrant], list[str]]:
    """All on the test rows that a champion of other data has not seen; where these are fewer than
    the gate asks for, the others on all."""
    asked = rules.of(board["task"], board["dataset"]).unseen
    for entrant in entrants:
        unseen = entrant.rows[0].get("unseen")
        if unseen is None or unseen.all():
            continue
        seen = f"{entrant.name} has seen {(~unseen).sum():,} of {len(unseen):,} test rows"
        if unseen.sum() < asked:
            others = [one for one in entrants if one is not entrant]
            left_out = f"{seen}, and is left out of the verdicts: {unseen.sum():,} remain"
            return others, [*notes, left_out]
        usable = [
            replace(one, rows=[slices.only(rows, unseen) for rows in one.rows]) for one in entrants
        ]
        return usable, [*notes, f"{seen}: every verdict is of the {unseen.sum():,} that remain"]
    return entrants, notes


def _reference(entrants: Sequence[Entrant]) -> str | None:
    """The name of the champion, or where it is not there of the model that is first."""
    models = [entrant for entrant in entrants if "arch" in entrant.row]
    champions = [entrant for entrant in models if entrant.row["champion"]]
    return next((entrant.name for entrant in champions + models), None)


def _verdicts(metric: Metric, entrants: Sequence[Entrant]) -> dict[tuple[str, str], dict]:
    judged = paired_comparison.matrix(metric, {entrant.name: entrant.rows for entrant in entrants})
    return {
        (ours, theirs): {"ours": ours, "theirs": theirs} | asdict(verdict)
        for (ours, theirs), verdict in judged.items()
    }


def _count(entrants: Sequence[Entrant]) -> int:
    if not entrants:
        return 0
    rows = entrants[0].rows[0]
    return len(rows["error" if "error" in rows else "label"])


def _labels(dataset: DatasetVersion, entrants: Sequence[Entrant]) -> list[str]:
    """The names of the classes; their numbers where the data is not in the checkout."""
    if dataset.facts:
        return dataset.facts.get("labels", [])
    if not entrants or "confusion" not in entrants[0].rows[0]:
        return []
    return [str(number) for number in range(len(entrants[0].rows[0]["confusion"]))]


def _slices(metric: Metric, entrants: Sequence[Entrant], labels: Sequence[str]) -> list[dict]:
    parts: dict[str, dict] = {}
    for entrant in entrants:
        for part in slices.score(metric, entrant.rows, labels):
            one = parts.setdefault(part.name, {"name": part.name, "rows": part.rows, "scores": {}})
            one["scores"][entrant.name] = part.score
    return list(parts.values())


def pareto_front(board: dict) -> set[int]:
    """The numbers of the rows of full fits that no other one is as good as, as fast and as small;
    of equals the first, and of a refit and the fit before it the refit."""
    sign = -1 if board["higher_is_better"] else 1
    again = [
        (row["arch"], row["parameters"] | {"refit": False}) for row in board["rows"] if row["refit"]
    ]
    full = [
        number
        for number, row in enumerate(board["rows"])
        if not row["look"] and (row["arch"], row["parameters"]) not in again
    ]
    rows = [board["rows"][number] for number in full]
    costs = np.array(
        [(sign * r["validation"]["mean"], r["latency_ms"], r["parameter_count"]) for r in rows]
    ).reshape(-1, 3)
    front: list[int] = []
    # In this order no row comes before one that is as good, as fast and as small.
    for index in np.unique(costs, axis=0, return_index=True)[1]:
        if not (costs[front] <= costs[index]).all(axis=1).any():
            front.append(index)
    return {full[index] for index in front}


def _confusion(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    if "predicted" not in rows:  # of older code
        return rows["confusion"]
    counts = np.zeros_like(rows["confusion"])
    np.add.at(counts, (rows["label"], rows["predicted"]), 1)
    return counts


def _curves(entrant: Entrant) -> list[dict[str, Sequence[float]]]:
    losses = [dict(tracking.curves(run["run_id"])) for run in entrant.row["runs"]]
    return [one for one in losses if one and all(one.values())]


def _windows(entrants: Sequence[Entrant]) -> list[dict]:
    """The windows that were kept whole, with what each model's first seed said of them."""
    forecasters = [(e.name, e.rows[0]) for e in entrants if "forecast" in e.rows[0]]
    if not forecasters:
        return []
    first = forecasters[0][1]
    comparable = [one for one in forecasters if np.array_equal(one[1]["target"], first["target"])]
    return [
        {
            "history": first["history"][number].tolist(),
            "target": first["target"][number].tolist(),
            "forecasts": {
                name: {part: rows[part][number].tolist() for part in charts.ANSWER if part in rows}
                for name, rows in comparable
            },
        }
        for number in range(len(first["target"]))
    ]
