"""The live scores as one page: it loads nothing, runs nothing, and reads well in light and in dark.

    espalier monitor --html monitor.html

What it shows is what `--json` says.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipelines.reports import page, svg
from pipelines.reports.charts import Band, Chart, Line
from pipelines.runtime.settings import UsageError

METRICS = {"accuracy": "accuracy", "relative_mae": "relative MAE"}
KINDS = {"label": "By label", "familiar": "By familiarity", "client": "By client"}


def write(found: Mapping, since: str, file: Path) -> None:
    """Write the page of what `pipelines.monitoring.live_score.Monitored.to_dict` says.

    Args:
        found: of it.
        since: how far back answers were scored.
        file: where.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        file.write_text(render(found, since, datetime.now(UTC)), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--html {file} cannot be written ({error.strerror}): name a file in a folder of yours"
        ) from None


def render(found: Mapping, since: str, now: datetime) -> str:
    """The page as HTML; now: when it was made."""
    return page.template("monitor.html").render(
        found=found,
        since=since,
        now=now,
        metrics=METRICS,
        kinds=KINDS,
        whiskers=_whiskers(found["scores"]),
        pictures=[_over_time(one) for one in found["scores"]],
    )


def _whiskers(scores: Sequence[Mapping]) -> list[str]:
    """The live interval of each version as a picture, on a scale of its own with the promise."""
    drawn = []
    for one in scores:
        live, promised = one["score"], one["promised"] or one["score"]
        if live is None:
            drawn.append("")
            continue
        ends = min(live["low"], promised["low"]), max(live["high"], promised["high"])
        drawn.append(svg.whisker(live | {"mean": live["score"]}, ends))
    return drawn


def _over_time(one: Mapping) -> str:
    """A picture of the score in each span of time, beside the promise; nothing of one span."""
    bins = one["bins"]
    if len(bins) < 2:
        return ""
    times = [datetime.fromisoformat(span["name"]).timestamp() for span in bins]
    days = [(moment - times[-1]) / 86_400 for moment in times]
    metric = METRICS[one["metric"]]
    low, high, score = ([span[name] for span in bins] for name in ("low", "high", "score"))
    marks: list[Line | Band] = [Band("band", days, low, high), Line("forecast", days, score)]
    if one["promised"]:
        level = one["promised"]["score"]
        marks.append(Line("training", [days[0], days[-1]], [level, level]))
    summary = f"{metric} of version {one['version']} from {bins[0]['name']} to {bins[-1]['name']}"
    return svg.lines(Chart(marks, "days before the last span", metric, summary))
