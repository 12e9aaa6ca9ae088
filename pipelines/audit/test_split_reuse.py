"""How often the test split was used, and whether the inputs of each fit were fitted on train alone.

A test split that many decisions were made by is used up: the luckiest of equal candidates wins.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models import architectures
from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from models.examples import Split, fit_inputs, share_of
from models.inputs.series import SeriesInputs
from pipelines.audit.finding import EXAMPLES, Finding
from pipelines.experiments import ranking, registry, scores, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.gate import spending
from pipelines.promotion import history, ledger

CERTAIN = 1.96  # standard errors: half of a 95 % interval
ENDED = ("FINISHED", "FAILED", "KILLED")
# Every parameter that `models.examples.fit_inputs` reads, and the share of the rows it is given.
OF_INPUTS = ("share", "size", "words", "length", "ngrams")


def findings(dataset: DatasetVersion, splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what used the test split of a dataset's version, how often, and with which inputs.

    splits, facts: as prepared.
    """
    entries = ledger.entries(registry.model_name(dataset.task, dataset.name))
    test_rows = spending.sketch(scores.names_of(dataset.task, splits["test"]))
    decisions = [*history.comparisons_by(test_rows, entries, dataset.hash)]
    return [
        _reuse(uses(dataset, decisions), decisions),
        _once(_scored(dataset, tracking.FIT)),
        _inputs(
            # A blend reads what its members read.
            [one for one in tracking.records(dataset) if one.arch != architectures.BLEND],
            splits,
            facts,
        ),
    ]


def uses(
    dataset: DatasetVersion, decisions: Sequence[tuple[float, Mapping]] = ()
) -> dict[str, float]:
    """Return how often the test split was scored, or a decision made by its scores, and by what.

    decisions: of the gate, as `history.comparisons_by` counts them: those of other versions of the
    data by the part of the rows that they share with this one.
    """
    fits = _scored(dataset, tracking.FIT)
    first = sum(run.data.tags.get("espalier.look") == "true" for run in fits)
    return {
        "full fits": len(fits) - first,
        "first looks": first,
        "baselines": len(_scored(dataset, tracking.BASELINE)),
        "rivals": len(_scored(dataset, tracking.RIVAL)),
        "scored again": len(_rescored(dataset)),
        "decisions of the gate": round(sum(share for share, _ in decisions), 1),
    }


def luck(candidates: float) -> float:
    """Return by how many standard errors the best of equally good candidates looks better.

    The expected maximum of as many independent normal draws: David and Nagaraja, Order Statistics,
    2003, section 3.1.
    """
    from scipy.stats import norm

    return float(norm.expect(lambda x: x * candidates * norm.cdf(x) ** (candidates - 1)))


def _scored(dataset: DatasetVersion, kind: str) -> list:
    """Return the runs of a kind that scored the test split, however they ended."""
    metric = f"test_{ranking.metric(dataset).name}"
    return [
        run
        for status in ENDED
        for run in tracking.runs(dataset, kind, status)
        if metric in run.data.metrics
    ]


def _rescored(dataset: DatasetVersion) -> list:
    """Return the fits, of older data or older code, that were scored on this version later."""
    tag = f"{scores.RESCORED}{dataset.hash}"
    return tracking.connect().search_runs(
        [tracking.experiment(dataset.task, dataset.name)], filter_string=f"tags.`{tag}` LIKE '%'"
    )


def _reuse(counts: Mapping[str, float], decisions: Sequence[tuple[float, Mapping]]) -> Finding:
    listed = ", ".join(f"{name} {count:,g}" for name, count in counts.items() if count)
    count = counts["decisions of the gate"]
    errors = luck(count) if count > 1 else 0.0
    result = f"{sum(counts.values()):,g} in all; {listed}" if listed else "it was not used yet"
    # Of the difference of two models on the same rows, by which they are compared: what one of them
    # scores alone is less sure.
    widths = [check["interval"][1] - check["interval"][0] for _, check in decisions]
    if count > 1 and widths:
        by = errors * statistics.median(widths) / (2 * CERTAIN)
        result += f"; the best of {count:g} equal candidates looks better by {by:.4f}"
    return Finding(
        name="looks at the test split",
        scope="the runs of this version of the data that scored it, and the ledger",
        result=result,
        ok=errors < CERTAIN,
        advice="So many decisions by the same rows let luck win by more than a 95 % interval is "
        "wide: take new rows into the test split before the next one.",
        facts=dict(counts),
    )


def _once(fits: list) -> Finding:
    times = Counter(run.data.tags["espalier.fingerprint"] for run in fits)
    again = {fingerprint: count for fingerprint, count in times.items() if count > 1}
    result = f"{len(again):,} were scored more than once" if again else "each was scored once"
    return Finding(
        name="scored once",
        scope=f"{len(times):,} candidates, by their fingerprints",
        result=result if times else "there is no candidate yet",
        ok=not again,
        advice="Fits were done again, by --force or since an artifact was damaged; the newest "
        "counts. Do not repeat one until its score pleases.",
        examples=[{"fingerprint": one, "times": count} for one, count in again.items()][:EXAMPLES],
        facts={"candidates": len(times), "again": len(again)},
    )


def _inputs(records: list[Record], splits: Mapping[str, Split], facts: Mapping) -> Finding:
    """Fit the inputs once more on what each fit was to see, and hold the artifacts against them."""
    groups = defaultdict(list)
    for record in records:
        groups[tuple(record.parameters.get(name) for name in OF_INPUTS)].append(record)
    other, unread = [], []
    for group in groups.values():
        parameters = group[0].parameters
        seen = share_of(splits["train"], parameters.get("share", 1), facts)
        expected = fit_inputs(seen, facts, parameters)
        for record in group:
            folder = verification.artifact_folder(record.run_id)
            try:
                artifact.check(folder, record.manifest_sha256)
                if not _same(expected, artifact.read_inputs(folder)):
                    other.append(record)
            except (ArtifactError, OSError):
                unread.append(record)
    what = "scaler" if facts["task"] == "forecast" else "vocabulary, or the size of the pictures"
    result = (
        f"{len(other):,} were not fitted on it alone" if other else "each was fitted on it alone"
    )
    if unread:
        result += f"; {len(unread):,} cannot be read"
    return Finding(
        name="inputs from train",
        scope=f"the {what} of {len(records):,} fits, fitted once more on the training split",
        result=result if records else "there is no fit yet",
        ok=not other,
        advice="What was fitted with other rows has seen what it was measured on: do not serve it, "
        "and fit it again.",
        examples=[{"arch": record.arch, "run": record.run_id} for record in other[:EXAMPLES]],
        facts={"fits": len(records), "other": len(other), "unread": len(unread)},
    )


def _same(expected: Any, inputs: Any) -> bool:
    """Whether two inputs are equal in what is fitted on train: intervals and weights are not."""
    if isinstance(expected, SeriesInputs):
        return expected == inputs
    (fields, arrays), (others, theirs) = expected.spec(), replace(inputs, weights=()).spec()
    return fields == others and all(np.array_equal(arrays[name], theirs[name]) for name in arrays)
