"""The commands `monitor` and `feedback`: how the champions do on what they are asked.

What `monitor` finds is shown on the /metrics of the services of this home as well.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.table import Table

from pipelines.monitoring import live_score, watch
from pipelines.monitoring.drift.drift import Drift
from pipelines.monitoring.feedback_file import Taken
from pipelines.monitoring.live_score import LiveScore, Monitored
from pipelines.monitoring.promise import Score
from pipelines.monitoring.watch import Look
from pipelines.runtime import console, settings
from pipelines.runtime.settings import UsageError

VERDICTS = {"promote": "becomes champion", "withdraw": "is taken back", "continue": "goes on"}


@dataclass(frozen=True)
class Report:
    """What `espalier monitor` says: the live scores, and what was seen of each dataset."""

    found: Monitored
    looks: list[Look]

    def to_dict(self) -> dict:
        """As JSON."""
        return self.found.to_dict() | {"datasets": [one.to_dict() for one in self.looks]}

    @property
    def failure(self) -> str:
        """Which datasets could not be looked at, as a sentence; empty where all were."""
        return watch.failure(self.looks)


def monitor(task: str | None, dataset: str | None, since: str) -> Report:
    """Look at champions as the scheduled monitor does, and score all versions that answered.

    Args:
        task, dataset: whose; None: of all that is served or in the log.
        since: how far back answers are scored, `7d` or `12h`.

    Raises:
        UsageError: a name or a duration that cannot be.
    """
    if task is not None:
        settings.one_of("task", task, settings.TASKS)
    elif dataset is not None:
        task = settings.task_of(dataset)
    found = live_score.monitored(task, dataset, earliest(since))
    champions = [one for one in found.scores if one.champion]
    return Report(found, [watch.act(one.task, one.dataset, found) for one in champions])


def earliest(since: str) -> datetime:
    """The time that is so long ago, `7d` or `12h`; raises UsageError."""
    seconds = settings.seconds_of(since, "dh")
    if seconds is None:
        raise UsageError(f"--since is {since!r}, expected days or hours: 7d or 12h")
    return datetime.now(UTC) - timedelta(seconds=seconds)


def show(report: Report, since: str) -> None:
    """Print the scores, what became of the labels, who is below the promise, what has drifted, how
    a trial goes, and whether to retrain."""
    found = report.found
    table = console.table(f"answers of the last {since}, and what was labelled of them")
    table.add_column("version", overflow="fold", min_width=15)
    for name in ("requests", "labelled", "live", "95 %", "promised", "evidence"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.scores:
        _add_row(table, one)
    console.out().print(table)
    for one in found.scores:
        if one.covered is not None and one.level is not None:
            promised = one.promised_coverage
            test = "" if promised is None else f", {promised:.1%} on the test split"
            console.line(
                f"{one.dataset} v{one.version}",
                f"intervals at {one.level:.0%} held {one.covered:.1%} of what came{test}",
            )
    counts = found.labels
    console.line(
        "labels",
        f"{counts['matched']:,} of {counts['stored']:,} belong to answers in the log; "
        f"{counts['unknown']:,} to no request there, {counts['unusable']:,} to another kind of "
        f"answer; {counts['foreign']:,} name a class that the model does not know",
    )
    for one in found.scores:
        if one.below:
            console.err().print(one.below, markup=False)
    for look in report.looks:
        if look.failure:  # which ends the command
            continue
        console.line(
            "drift", f"{look.dataset}: {_drift(look.drift)}", failed=bool(look.drift.alarms)
        )
        if look.trial:
            named = f"v{look.trial.challenger} {VERDICTS[look.trial.verdict]}"
            console.line("trial", f"{look.dataset}: {named}: {look.trial.reason}")
        console.line("retrain", f"{look.dataset}: {look.retrain.text}")


def _drift(drift: Drift) -> str:
    """What is said of drift."""
    if drift.unknown:
        return drift.unknown
    evidence = f"evidence {console.figure(drift.evidence, ',.1f')} in {drift.looked:,} requests"
    return f"{drift.drifted or 'none'} ({evidence}, 100 is enough)"


def _add_row(table: Table, one: LiveScore) -> None:
    name = f"{'★ ' if one.champion else ''}{one.task} {one.dataset} v{one.version}"
    live, promised = one.score, one.promised
    table.add_row(
        name,
        f"{one.requests:,}",
        f"{live.labelled if live else 0:,}",
        console.figure(live.score) if live else "",
        ends(live) if live else "",
        console.figure(promised.score) if promised else "unknown",
        console.figure(one.evidence, ",.1f") if one.counted else "",
    )


def ends(score: Score) -> str:
    """The interval of a score, for a person."""
    return f"{console.figure(score.low)} to {console.figure(score.high)}"


def show_taken(taken: Taken) -> None:
    """Print what became of the rows of a file."""
    console.line("labels", f"{taken.matched:,} of {taken.rows:,} rows belong to answers in the log")
    console.line("kept", f"{taken.new:,} new ones; the others were kept already")
    reasons = {
        "doubled": "replaced by a later row",
        "unknown": "of no request in the log",
        "invalid": "not what a row must be",
        "foreign": "of a class that the model does not know",
    }
    for kind, reason in reasons.items():
        if count := getattr(taken, kind):
            console.line(kind, f"{count:,} {reason}: {'; '.join(taken.examples[kind])}")


def page(report: Report, since: str, file: Path) -> None:
    """Write it all into a page."""
    from pipelines.reports import monitor_page

    monitor_page.write(report.to_dict(), since, file)
