"""The checks that a candidate must pass before it may serve, each with its evidence in a sentence.

They decide from numbers alone: rows of test scores, costs, measurements of a service. Where those
come from stands in `pipelines.promotion.evaluation`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.evaluation.metrics import Metric
from pipelines.gate import paired_comparison, slices, spending
from pipelines.gate.paired_comparison import Verdict
from pipelines.gate.rules import Rules
from pipelines.runtime import console

LOAD_DEPENDENT = {"latency", "memory"}  # checks that a busy machine may fail
# Checks that others ask for by name.
FLOOR, NAIVE, CHAMPION, SLICES, GOLDEN = "floor", "naive", "champion", "slices", "golden"
EVIDENCE = {FLOOR, NAIVE, CHAMPION, SLICES}  # checks that look at the test rows
APPROVAL = "approval"  # what a person said once all others had passed
SHOWN = 5  # names of slices in a sentence
WORDS = {"better": "better than", "worse": "worse than", "cannot tell": "cannot be told from"}


@dataclass(frozen=True)
class Check:
    """One check: whether it passed, its evidence in a sentence, and the numbers behind it."""

    name: str
    passed: bool
    evidence: str
    facts: dict = field(default_factory=dict)

    def to_dict(self) -> dict:
        """The check as it goes on record with a decision."""
        return {"name": self.name, "passed": self.passed, "evidence": self.evidence} | self.facts


@dataclass(frozen=True)
class Scored:
    """A model on the test split, and what it costs.

    rows: `measure.Scores.rows`. latency_ms: of one request through the graph alone. known: bool
    (row,), of which rows it knows the class, where not of all. unseen: bool (row,), on which it was
    neither fitted nor chosen; None where nobody knows.
    """

    name: str
    rows: Mapping
    latency_ms: float
    size_mb: float
    known: np.ndarray | None = None
    unseen: np.ndarray | None = None

    def only(self, mask: np.ndarray) -> "Scored":
        """The same on the rows of a mask."""
        return replace(self, rows=slices.only(self.rows, mask))


@dataclass(frozen=True)
class Served:
    """What a service with the candidate in it showed; `complaint` when an answer was wrong."""

    golden: int
    latency_ms: float
    memory_mb: float
    complaint: str | None = None


def quality(
    metric: Metric,
    rules: Rules,
    ours: Scored,
    theirs: Scored | None,
    labels: Sequence[str],
    anchor: Scored | None = None,
    incomparable: str | None = None,
    earlier: float = 0.0,
) -> list[Check]:
    """The checks on the test split: the floor, the naive baseline, the champion, the slices.

    Args:
        metric: what the dataset is decided by.
        rules: of the gate.
        ours: the candidate.
        theirs: the champion on the same rows; None where there is none.
        labels: the names of the classes.
        anchor: the champion that the margin is measured from; None where it has no rows.
        incomparable: why a champion that is there has no rows: a person has to decide.
        earlier: decisions by these rows before this one (`spending.level`).
    """
    if few := _too_few(rules, ours):
        checks = [Check(name, False, few) for name in (FLOOR, NAIVE)]
    else:
        own = ours.only(counted(ours))
        checks = [_floor(metric, rules, own), _naive(metric, rules, own)]
    if theirs is not None:
        incomparable = _too_few(rules, ours, theirs)
    if incomparable:
        evidence = f"{incomparable}; `espalier promote --force --reason …` overrules it"
        return checks + [Check(name, False, evidence) for name in (CHAMPION, SLICES)]
    if theirs is not None:
        both = counted(ours, theirs)
        if anchor is not None and _too_few(rules, ours, theirs, anchor):
            anchor = None
        checks += [
            _champion(metric, rules, ours, theirs, anchor, earlier),
            _slices(metric, rules, ours.only(both), theirs.only(both), labels),
        ]
    return checks


def counted(*models: Scored) -> np.ndarray:
    """The rows that these models are judged by, bool (row,): none has seen them, each knows their
    class."""
    rows = models[0].rows
    masks = [mask for one in models for mask in (one.known, one.unseen) if mask is not None]
    every = np.ones(len(rows["error" if "error" in rows else "label"]), bool)
    return np.all([every, *masks], axis=0)


def _too_few(rules: Rules, *models: Scored) -> str:
    """Why the rows that count judge nothing; empty where they are enough, or all."""
    rows, names = counted(*models), " or ".join(one.name for one in models)
    if rows.all() or rows.sum() >= rules.unseen:
        return ""
    return (
        f"{rows.sum():,} of {len(rows):,} test rows are left, without those that {names} was "
        "fitted on or knows no class of; `unseen` under `gate:` in params.yaml asks for "
        f"{rules.unseen:,}"
    )


def service(rules: Rules, served: Served, size_mb: float) -> list[Check]:
    """The checks on what serves: golden answers over HTTP, and the budgets."""
    golden = f"{served.golden} golden requests answered over HTTP as expected"
    checks = [Check(GOLDEN, served.complaint is None, served.complaint or golden)]
    if served.complaint is None:
        checks += [
            _budget("latency_ms", "ms a request over HTTP", served.latency_ms, rules),
            _budget("memory_mb", "MB of memory while serving", served.memory_mb, rules),
        ]
    return [*checks, _budget("size_mb", "MB to serve", size_mb, rules)]


def cost(ours: Scored, theirs: Scored) -> float:
    """What ours costs relative to theirs: the geometric mean of the ratios of latency and of size.

    One number, which must fall with each promotion for cost: with two, models could take turns,
    one faster and one smaller.
    """
    return math.sqrt(ours.latency_ms / theirs.latency_ms * ours.size_mb / theirs.size_mb)


def _floor(metric: Metric, rules: Rules, ours: Scored) -> Check:
    from models.evaluation import measure

    score, required = measure.value(metric, [ours.rows]), rules.floor
    if not metric.series:
        naive = metric.of(metric.naive(ours.rows))
        required = naive + rules.floor * (float(metric.more_is_better) - naive)
    bound = "at least" if metric.more_is_better else "at most"
    passed = metric.sign * score >= metric.sign * required
    evidence = f"{metric.text} {console.figure(score)} on the test split; "
    evidence += f"{bound} {required:.4g} is required"
    return Check(FLOOR, passed, evidence, {"score": score, "required": required})


def _naive(metric: Metric, rules: Rules, ours: Scored) -> Check:
    verdict = paired_comparison.against_naive(metric, [ours.rows], rules.alpha)
    evidence = _comparison("the naive baseline", verdict)
    return Check(NAIVE, verdict.outcome == "better", evidence, _facts(verdict))


def _champion(
    metric: Metric,
    rules: Rules,
    ours: Scored,
    theirs: Scored,
    anchor: Scored | None,
    earlier: float,
) -> Check:
    level, both = spending.level(rules.alpha, earlier), counted(ours, theirs)
    pair = [ours.only(both).rows], [theirs.only(both).rows]
    verdict = paired_comparison.compare(metric, *pair, level)
    ratio, gain = cost(ours, theirs), paired_comparison.provable(verdict, level)
    facts = _facts(verdict) | {
        "outcome": verdict.outcome,
        "earlier": earlier,
        "level": level,
        "provable": gain,
        "latency_ms": [ours.latency_ms, theirs.latency_ms],
        "size_mb": [ours.size_mb, theirs.size_mb],
        "cost": ratio,
        "anchor": anchor and anchor.name,
        "rows": int(both.sum()),
        "left_out": int((~both).sum()),
    }
    evidence = _comparison(theirs.name, verdict) + _left_out(ours, theirs)
    evidence += f"; decision {1 + earlier:.3g} by these rows: level {level:.2g}"
    evidence += f", which proves a gain of {gain:.2g}"
    if verdict.outcome == paired_comparison.BETTER:
        return Check(CHAMPION, True, evidence, facts)
    # Worse by little is worse: else two models would take turns, one cheaper and one better.
    close = False
    if anchor is not None and verdict.outcome != paired_comparison.WORSE:
        usable = counted(ours, theirs, anchor)
        sides = ours.only(usable).rows, anchor.only(usable).rows
        close = paired_comparison.not_worse(metric, *sides, rules.margin, level)
    name = "the champion" if anchor is theirs else anchor.name if anchor else "its anchor"
    evidence += f"; {'' if close else 'not proven '}within the margin of {rules.margin:g} of {name}"
    cheap = ratio <= 1 - rules.cheaper
    evidence += (
        f"; {'' if cheap else 'not '}cheaper: {ratio:.2f} of its cost, {_cost(ours)} against"
    )
    return Check(CHAMPION, close and cheap, f"{evidence} {_cost(theirs)}", facts)


def _left_out(ours: Scored, theirs: Scored) -> str:
    """Which rows do not count, and why."""
    text = ""
    if theirs.known is not None:
        text = f", on the {theirs.known.sum():,} of {len(theirs.known):,} rows whose class it knows"
    unseen = counted(replace(ours, known=None), replace(theirs, known=None))
    if not unseen.all():
        text += (
            f"; {(~unseen).sum():,} of {len(unseen):,} rows, on which one of the two was fitted, "
        )
        text += f"are left out, and {counted(ours, theirs).sum():,} remain"
    if theirs.unseen is None:
        text += "; whether it was fitted on some of these rows is not on record"
    return text


def _slices(
    metric: Metric, rules: Rules, ours: Scored, theirs: Scored, labels: Sequence[str]
) -> Check:
    # A fall beyond the limit counts where chance alone would not make it: small slices vary a lot.
    every = slices.compare(metric, [ours.rows], [theirs.rows], labels)
    parts = [one for one in every if one.least_p < rules.alpha]
    few = [f"{one.name} ({one.rows})" for one in every if one not in parts]
    fallen = [one for one in parts if -one.difference > rules.slice and one.p < rules.alpha]
    facts = {"fallen": [one.name for one in fallen], "slices": len(parts), "too_few_rows": few}
    if fallen:
        named = "; ".join(f"{one.name} {one.difference:+.3f} on {one.rows} rows" for one in fallen)
        evidence = f"fell by more than {rules.slice:g}: {named}"
    else:
        evidence = f"none of {len(parts)} fell by more than {rules.slice:g} beyond chance"
        if parts:
            worst = min(parts, key=lambda part: part.difference)
            evidence += f"; lowest {worst.name} {worst.difference:+.3f}"
    if few:
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        evidence += f"; too few rows to tell: {', '.join(few[:SHOWN])}{more}"
    return Check(SLICES, not fallen, evidence, facts)


def _budget(rule: str, unit: str, value: float, rules: Rules) -> Check:
    budget = getattr(rules, rule)
    evidence = f"{value:.1f} {unit}; the budget is {budget:g}"
    if value > budget:
        evidence += f": `{rule}` under `gate:` in params.yaml"
    facts = {"value": value, "budget": budget}
    return Check(rule.partition("_")[0], value <= budget, evidence, facts)


def _comparison(name: str, verdict: Verdict) -> str:
    interval = f"{verdict.difference:+.4f} ({verdict.low:+.4f} to {verdict.high:+.4f})"
    p = "p < 0.0001" if verdict.p < 0.0001 else f"p = {verdict.p:.4f}"
    return f"{WORDS[verdict.outcome]} {name}: {interval}, {p}"


def _cost(one: Scored) -> str:
    return f"{one.latency_ms:.3f} ms, {one.size_mb:.1f} MB"


def _facts(verdict: Verdict) -> dict:
    return {
        "difference": verdict.difference,
        "interval": [verdict.low, verdict.high],
        "p": verdict.p,
        "effect": verdict.effect,
        "method": verdict.method,
    }
