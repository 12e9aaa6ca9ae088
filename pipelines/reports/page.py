"""A comparison as one page: it loads nothing, runs nothing, and reads well in light and in dark.

    espalier compare --task image --html report.html

What it shows is what `--json` says, and the worst mistakes of each fit.
"""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.evaluation import metrics
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import charts, comparison, leaderboard, mistakes, svg
from pipelines.reports.svg import Point
from pipelines.runtime import commit, console, environment
from pipelines.runtime.settings import UsageError

if TYPE_CHECKING:
    from jinja2 import Template

METRICS = {metric.name: metric.text for metric in metrics.METRICS.values()}
STYLE = environment.ROOT / "data" / "validation_page"  # the gate's page looks the same
NOTE = "mlflow.note.content"  # the tag of a text in Markdown
FILE = "compare.html"  # beside a retraining's run
CLASSES = 20  # that a table of counts has room for; of more the commonest mistakes are listed
CIRCLES, FRONT = 300, 20  # of the picture of costs, and of the table below it


def write(dataset: DatasetVersion, board: dict, file: Path) -> None:
    """Write the page of a dataset's board from `pipelines.reports.comparison.compare`."""
    try:
        file.write_text(_page(dataset, board), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--html {file} cannot be written ({error.strerror}): name a file in a folder of yours"
        ) from None


def attach(dataset: DatasetVersion, board: dict, run_id: str) -> None:
    """Keep the page of a dataset's board with a retraining's run."""
    tracking.connect().log_text(run_id, _page(dataset, board), FILE)


def describe(run_id: str, note: str, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
    """Say on the page of a run what it came to.

    Args:
        run_id: the run.
        note: in Markdown.
        tags: of Espalier.
        metrics: by the names that its fits have.
    """
    from mlflow.entities import Metric, RunTag

    now = time.time_ns() // 1_000_000
    tracking.connect().log_batch(
        run_id,
        [Metric(name, value, now, 0) for name, value in metrics.items()],
        tags=[RunTag(name, value) for name, value in {**tags, NOTE: note}.items()],
    )


def _page(dataset: DatasetVersion, board: dict) -> str:
    worst, notes = mistakes.worst(dataset, board)
    board = board | {"notes": board["notes"] + notes}
    return render(board, worst, commit.tags(), datetime.now(UTC))


def template(name: str) -> "Template":
    """A page's template, with what a person's figures look like."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    jinja = Environment(
        loader=FileSystemLoader([Path(__file__).parent, STYLE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"signed": signed, "figure": console.figure, "p": comparison.p_value}
    jinja.filters["versioned"] = leaderboard.versioned
    return jinja.get_template(name)


def render(
    board: dict,
    worst: Mapping[str, Sequence[Mapping]],
    commit: Mapping[str, str],
    now: datetime,
) -> str:
    """The page as HTML.

    Args:
        board: from `pipelines.reports.comparison.compare`.
        worst: the mistakes of each fit, from `pipelines.reports.mistakes.worst`.
        commit: the tags that `pipelines.runtime.commit.tags` gives.
        now: when it was made.
    """
    rows = leaderboard.shown(board)
    front = [row for row in board["rows"] if row["pareto"]][:FRONT]
    entrants = [row for row in [*board["rows"], *board["rivals"]] if "name" in row]
    return template("page.html").render(
        board=board,
        metric=METRICS[board["metric"]],
        commit=commit,
        now=now,
        marks=leaderboard.MARKS,
        fits=leaderboard.named(rows),
        left_out=len(board["rows"]) - len(rows),
        front=leaderboard.named(front),
        entrants=entrants,
        measures=list(dict.fromkeys(name for row in entrants for name in row["measures"])),
        verdicts={(one["ours"], one["theirs"]): one for one in board["verdicts"]},
        whiskers=whiskers([*rows, *board["rivals"]]),
        costs=costs(board),
        curves={
            name: svg.lines(charts.learning_curve(name, seeds))
            for name, seeds in board["curves"].items()
        },
        confused={name: charts.mistakes(counts) for name, counts in board["confusion"].items()},
        as_tables=len(board["labels"]) <= CLASSES,
        forecasts=forecasts(board["windows"]),
        worst=worst,
    )


def signed(value: float) -> str:
    """A difference for a person: `+0.0120`, `−0.0031`."""
    return f"{value:+.4f}".replace("-", "−")


def whiskers(rows: Sequence[dict]) -> list[str]:
    """Each row's test interval as a picture, all on the scale of full fits and rivals."""
    best = [r for r in rows if not r.get("look") and r.get("kind") != tracking.BASELINE]
    tests = [row["test"] for row in best or rows]
    low = min((test["low"] for test in tests), default=0.0)
    high = max((test["high"] for test in tests), default=1.0)
    return [svg.whisker(row["test"], (low, high)) for row in rows]


def costs(board: dict) -> str:
    """A picture of validation score, latency and size of the full fits; nothing without one."""
    rows = sorted(
        (row for row in board["rows"] if not row["look"]),
        key=lambda row: ("name" in row, row["pareto"]),
        reverse=True,
    )[:CIRCLES]
    if not rows:
        return ""
    metric = METRICS[board["metric"]]
    sizes = [math.log10(max(row["parameter_count"], 1)) for row in rows]
    least, span = min(sizes), max(sizes) - min(sizes) or 1
    points = [
        Point(
            "front" if row["pareto"] else "behind",
            row["latency_ms"],
            row["validation"]["mean"],
            4 + 9 * (size - least) / span,
            ("★ " if row["champion"] else "") + row["name"] if "name" in row else "",
            f"{row['arch']}: {metric} {console.figure(row['validation']['mean'])}, "
            f"{row['latency_ms']:.3f} ms, {row['parameter_count']:,} weights",
        )
        for row, size in zip(rows, sizes, strict=True)
    ]
    front = ", ".join(point.label for point in points if point.label and point.css == "front")
    summary = f"Validation {metric} over latency of {len(rows)} fits; on the front: {front}"
    return svg.scatter(points, "milliseconds a request", f"validation {metric}", summary)


def forecasts(windows: Sequence[dict]) -> dict[str, list[str]]:
    """Name of the model → a picture of each window."""
    pictures: dict[str, list[str]] = {}
    for window in windows:
        for name, answer in window["forecasts"].items():
            chart = charts.forecast(name, window["history"], window["target"], answer)
            pictures.setdefault(name, []).append(svg.lines(chart))
    return pictures
