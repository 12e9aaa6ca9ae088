"""How often the test split was used, and whether the inputs of each fit were fitted on train alone.

A test split that many decisions were made by is used up: the luckiest of equal candidates wins.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from models.examples import Split, fit_inputs, share_of
from models.inputs.series import SeriesInputs
from pipelines.audit.finding import EXAMPLES, Finding
from pipelines.experiments import ranking, registry, scores, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.tracking import Record
from pipelines.promotion import ledger

CERTAIN = 1.96  # standard errors: half of a 95 % interval
ENDED = ("FINISHED", "FAILED", "KILLED")
# Every parameter that `models.examples.fit_inputs` reads, and the share of the rows it is given.
OF_INPUTS = ("share", "size", "words", "length", "ngrams")


def findings(dataset: DatasetVersion, splits: Mapping[str, Split], facts: Mapping) -> list[Finding]:
    """Return what used the test split of a dataset's version, how often, and with which inputs.

    splits, facts: as prepared.
    """
    records = tracking.records(dataset)
    return [
        _reuse(dataset, uses(dataset), records),
        _once(_scored(dataset, tracking.FIT)),
        _inputs(records, splits, facts),
    ]


def uses(dataset: DatasetVersion) -> dict[str, int]:
    """Return how often the test split was scored, or a decision made by its scores, and by what."""
    fits = _scored(dataset, tracking.FIT)
    first = sum(run.data.tags.get("espalier.look") == "true" for run in fits)
    decisions = [
        entry
        for entry in ledger.entries(registry.model_name(dataset.task, dataset.name))
        if entry.dataset_hash == dataset.hash and entry.action != "rollback"
    ]
    return {
        "full fits": len(fits) - first,
        "first looks": first,
        "baselines": len(_scored(dataset, tracking.BASELINE)),
        "rivals": len(_scored(dataset, tracking.RIVAL)),
        "scored again": len(_rescored(dataset)),
        "decisions of the gate": len(decisions),
    }


def luck(candidates: int) -> float:
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


def _reuse(dataset: DatasetVersion, counts: Mapping[str, int], records: list[Record]) -> Finding:
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    decisions = counts["decisions of the gate"]
    errors = luck(decisions) if decisions else 0.0
    result = f"{sum(counts.values()):,} in all; {listed}" if listed else "it was not used yet"
    if decisions > 1 and records:
        metric = f"test_{ranking.metric(dataset).name}"
        scored = ranking.best(dataset, records).metrics
        error = (scored[f"{metric}_high"] - scored[f"{metric}_low"]) / (2 * CERTAIN)
        result += f"; the best of {decisions} equal candidates looks better by {errors * error:.4f}"
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
            folder = tracking.artifact_folder(record.run_id)
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
