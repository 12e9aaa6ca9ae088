"""Whether to retrain now, and why: one rule, whose numbers are `retrain:` in params.yaml.

A retraining must have something new to learn from: a fit on the same rows is the same fit. What is
new is taken in at once after drift or a live score below the promise; otherwise once the gain that
it is likely to bring is one that the gate could prove.
"""

import itertools
import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data import versions
from data.errors import DataError
from pipelines.experiments import dataset as data
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.monitoring import learning_curve
from pipelines.monitoring.learning_curve import Outlook
from pipelines.promotion import ledger
from pipelines.runtime import settings

if TYPE_CHECKING:
    from mlflow.entities import Run

    from pipelines.runtime.sections import Retrain

RECENT = 20  # retrainings that are looked at
MOST = 100  # times the rows of a dataset: beyond, nobody waits for them
HOUR, DAY = 3600, 86_400
NOTHING = "the data is that of the last retraining"


@dataclass(frozen=True)
class Facts:
    """What the rule joins.

    champion: its name; None where there is none. age: its seconds as champion. changed: what is new
    in the data, in words; None where the last retraining has seen it. gained: training rows beyond
    those of the champion's data; None where nobody can count them. fresh: those beyond the data of
    the last retraining, after which the champion stayed; None where there was none. labelled:
    labelled requests that are no part of the data. drifted, below: what the monitor says. trial:
    the version that is on trial beside the champion; None where none is. since: seconds since the
    last retraining began, of which one that was killed for the first time is none; without end
    where there was none. took: the seconds of the last one that decided. rows: all rows of the
    data; train: the part of them that is trained on. learned: training rows of the champion's data.
    outlook: None where there are no two points of a curve, or nothing to compare.
    """

    champion: str | None = None
    age: float = 0.0
    changed: str | None = None
    gained: int | None = 0
    fresh: int | None = None
    labelled: int = 0
    drifted: str | None = None
    below: str | None = None
    trial: str | None = None
    since: float = math.inf
    took: float = 0.0
    rows: int = 0
    train: float = 1.0
    learned: int = 0
    outlook: Outlook | None = None

    def growth(self, more: int = 0) -> float:
        """The training rows with `more` rows, those that the champion learned from being 1."""
        new = (self.gained or 0) + (self.labelled + more) * self.train
        return 1 + new / max(1, self.learned)


@dataclass(frozen=True)
class Verdict:
    """Whether to retrain, what speaks for it or against, and what a no waits for."""

    retrain: bool
    reasons: list[str]
    waits_for: str | None
    facts: Facts

    @property
    def text(self) -> str:
        """The verdict as one sentence."""
        said = f"{'yes' if self.retrain else 'no'}: {'; '.join(self.reasons)}"
        return said if self.waits_for is None else f"{said}; it waits for {self.waits_for}"

    def to_dict(self) -> dict:
        """The verdict as JSON."""
        facts = asdict(self.facts)
        if not math.isfinite(self.facts.since):
            facts["since"] = None
        return asdict(self) | {"facts": facts, "text": self.text}


def decide(
    task: str,
    dataset: str,
    champion: Version | None,
    *,
    drifted: str | None = None,
    below: str | None = None,
    labelled: int = 0,
) -> Verdict:
    """Say whether to retrain now.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        champion: its champion; None where there is none.
        drifted: what has drifted, as a sentence; None where nothing has.
        below: how far the live score is below the promise, as a sentence; None where it is not.
        labelled: rows that `pipelines.monitoring.collect` would add.

    Raises:
        UsageError: no such dataset, or `retrain:` in params.yaml is not as it should be.
    """
    rule = settings.retrain(dataset)
    return weigh(gather(task, dataset, champion, drifted, below, labelled), rule)


def weigh(facts: Facts, rule: "Retrain") -> Verdict:
    """The rule: from what is known alone."""
    urgent = [said for said in (facts.drifted, facts.below) if said]
    causes = [*urgent, *_new(facts)]
    if facts.champion is None:
        return Verdict(False, ["there is no champion yet"], "a first retraining", facts)
    if facts.changed is None and not facts.labelled:
        wanted = "labelled rows, or a new version of the data" if urgent else None
        return Verdict(False, [*urgent, f"{facts.champion} stays: {NOTHING}"], wanted, facts)
    if facts.trial:
        tried = f"version {facts.trial} is on trial beside {facts.champion}"
        return Verdict(False, [*causes, tried], "the end of that trial", facts)
    if rest := _rest(facts, rule):
        return Verdict(False, causes, rest, facts)
    if facts.gained is None:
        return Verdict(True, causes, None, facts)
    if facts.fresh is not None and (more := rule.rows - facts.fresh - facts.labelled) > 0:
        last = f"{facts.champion} has stayed at the last retraining"
        wanted = f"{more:,} more rows, since {rule.rows:,} are to come after that one"
        return Verdict(False, [*causes, last], wanted, facts)
    new = facts.gained + facts.labelled
    if urgent and new >= rule.rows:
        return Verdict(True, causes, None, facts)
    if facts.age > _seconds(rule.oldest):
        age = f"{facts.champion} has been champion for {facts.age / DAY:.0f} days"
        return Verdict(True, [*causes, f"{age}, more than {rule.oldest}"], None, facts)
    verdict = _worth(facts, causes)
    if urgent and not verdict.retrain:
        wanted = f"{rule.rows - new:,} more rows, since {rule.rows:,} are to follow a fall"
        return Verdict(False, causes, wanted, facts)
    return verdict


def _new(facts: Facts) -> list[str]:
    """What is new, in words."""
    labelled = f"{facts.labelled:,} labelled rows came back" if facts.labelled else None
    return [said for said in (facts.changed, labelled) if said]


def _rest(facts: Facts, rule: "Retrain") -> str | None:
    """What keeps the next retraining waiting for a while, in words; None where nothing does."""
    cooldown, pause = _seconds(rule.cooldown), facts.took / rule.share
    left = max(cooldown, pause) - facts.since
    if left <= 0:
        return None
    why = f"{rule.cooldown} lie between two retrainings"
    if pause > cooldown:
        why = f"retrainings may take {rule.share:.0%} of the time, the last took "
        why += f"{facts.took / HOUR:.1f} h"
    return f"{left / HOUR:.1f} h more: {why}"


def _worth(facts: Facts, causes: list[str]) -> Verdict:
    """Whether the gain that the new rows are likely to bring is one that the gate could prove."""
    if (outlook := facts.outlook) is None:
        unknown = "the fits on record do not tell what more rows bring"
        return Verdict(True, [*causes, unknown], None, facts)
    growth = facts.growth()
    gain, proof = outlook.gain(growth), outlook.proof(growth)
    likely = f"a gain of {gain:.2g} in {outlook.metric} is likely, and one of {proof:.2g}"
    reasons = [*causes, f"{likely} could be proven"]
    if gain >= proof:
        return Verdict(True, reasons, None, facts)
    if (more := needed(facts, outlook)) is None:
        never = f"{MOST} times the rows would not bring a gain that could be proven"
        return Verdict(False, [*reasons, never], None, facts)
    gain = outlook.gain(facts.growth(more))
    wanted = f"{more:,} more rows, with which a gain of {gain:.2g} could be proven"
    return Verdict(False, reasons, wanted, facts)


def needed(facts: Facts, outlook: Outlook) -> int | None:
    """How many more rows make a gain likely that could be proven; None where MOST do not."""

    def proven(more: int) -> bool:
        growth = facts.growth(more)
        return outlook.gain(growth) >= outlook.proof(growth)

    most = MOST * max(1, facts.rows)
    more = bisect_left(range(most), True, key=proven)
    return more if more < most else None


def gather(
    task: str,
    dataset: str,
    champion: Version | None,
    drifted: str | None,
    below: str | None,
    labelled: int,
) -> Facts:
    """Ask the record, the ledger and DVC for what the rule joins."""
    if champion is None:
        return Facts()
    version, past = data.present(task, dataset), _retrainings(task, dataset)
    records = tracking.all_records(task, dataset)
    fits = [record for record in records if record.dataset_hash == champion.dataset_hash]
    rows = version.facts.get("rows", {})
    learned, total = _learned(fits), sum(rows.values())
    entries = ledger.entries(champion.name)
    trial, ended = ledger.trial(entries), [run for run in past if _has_decided(run, entries)]
    # One that was killed before it decided is gone on with at once, but not for ever.
    killed = [run not in ended and run.info.status == "KILLED" for run in past[:2]]
    begun = past[1:] if killed in ([True], [True, False]) else past
    changed, gained = _change(version, champion, ended, learned)
    return Facts(
        champion=f"{champion.arch} v{champion.version}",
        age=time.time() - _since(champion),
        changed=changed,
        gained=gained,
        fresh=_fresh(rows.get("train", 0), champion, ended, records),
        labelled=labelled,
        drifted=drifted,
        below=below,
        trial=trial.to_version if trial and ledger.holds(trial) else None,
        since=time.time() - begun[0].info.start_time / 1000 if begun else math.inf,
        took=_took(ended),
        rows=total,
        train=rows["train"] / total if total else 1.0,
        learned=learned,
        outlook=learning_curve.outlook(version, champion, fits) if learned else None,
    )


def _has_decided(run: "Run", entries: Iterable[ledger.Entry]) -> bool:
    """Whether a retraining came to its decision: one that failed, or was killed, after it has."""
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    return run.info.status == "FINISHED" or any(
        entry.dataset_hash == run.data.tags["espalier.dataset_hash"]
        and datetime.fromisoformat(entry.at) >= began
        for entry in entries
    )


def _took(ended: "Sequence[Run]") -> float:
    """The seconds of the last retraining, with its fits: of those on its data the longest, since a
    later one may only have decided anew. A run that was killed is ended by who comes next."""
    return max(
        (
            (run.info.end_time - run.info.start_time) / 1000
            for run in ended
            if run.data.tags["espalier.dataset_hash"] == ended[0].data.tags["espalier.dataset_hash"]
            and run.info.status in ("FINISHED", "FAILED")
        ),
        default=0.0,
    )


def _change(
    version: DatasetVersion, champion: Version, ended: "Sequence[Run]", learned: int
) -> tuple[str | None, int | None]:
    """What is new in the data, in words, and how many training rows it has beyond those of the
    champion's; these are None where its rows are others, or were not counted. Where some are
    of requests, these come and go: without a training row more they bring nothing to learn."""
    with suppress(DataError):  # the source is away: the nightly retraining says so
        if data.has_source(version.name) and versions.source_changed(version.name):
            return f"the source of {version.name} has changed since it was read", None
    seen = {run.data.tags["espalier.dataset_hash"] for run in ended}
    if version.hash in seen | {champion.dataset_hash}:
        return None, 0
    more = version.facts.get("rows", {}).get("train", 0) - learned
    of = f"those of {champion.arch} v{champion.version}"
    if not learned or more <= 0:
        of_requests = learned and "collected" in version.facts  # the source was looked at above
        return f"the rows are others than {of}", 0 if of_requests else None
    return f"{more:,} training rows more than {of}", more


def _fresh(
    train: int, champion: Version, ended: "Sequence[Run]", records: Iterable[Record]
) -> int | None:
    """How many training rows came since the last retraining; None where the champion is of its
    data, or nobody counted that."""
    last = ended[0].data.tags["espalier.dataset_hash"] if ended else champion.dataset_hash
    seen = _learned(one for one in records if one.dataset_hash == last)
    return max(0, train - seen) if seen and last != champion.dataset_hash else None


def _learned(fits: Iterable[Record]) -> int:
    """The training rows of a version of the data, as its full fits counted them; 0 where none did:
    the facts of older versions are gone with their rows."""
    rates = (
        (one.metrics.get("rows_per_second", 0.0), one.metrics.get("seconds_per_epoch", 0.0))
        for one in fits
        if not (one.look or one.refit) and one.parameters.get("share", 1) == 1
    )
    return max((round(rate * seconds) for rate, seconds in rates), default=0)


def _since(champion: Version) -> float:
    """When it became champion, in seconds since 1970."""
    champions = ledger.champions(ledger.entries(champion.name))
    if not champions:  # of before there was a ledger
        return champion.created / 1000
    return datetime.fromisoformat(champions[-1].at).timestamp()


def _retrainings(task: str, dataset: str) -> "list[Run]":
    """The last retrainings, newest first."""
    found = tracking.pages(
        [tracking.experiment(task, dataset)],
        filter_string="tags.`espalier.kind` = 'retrain'",
        order_by=["attributes.start_time DESC"],
        max_results=RECENT,
    )
    return list(itertools.islice(found, RECENT))


def _seconds(lasting: str) -> float:
    return settings.seconds_of(lasting, "hd") or 0.0
