"""One candidate before the gate: what it scored, what it costs, what it showed while serving."""

import math
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DataError
from models.artifact import artifact
from models.errors import ModelError
from models.examples import Split
from pipelines.experiments import plan, ranking, registry, scores, seen, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.gate import checks as gate
from pipelines.gate import slices, spending
from pipelines.gate.checks import Check, Scored, Served
from pipelines.gate.rules import Rules
from pipelines.processes import service
from pipelines.promotion import history, ledger
from pipelines.promotion.contender import Contender
from pipelines.release import publish
from pipelines.runtime import console

TURNS, REQUESTS = 11, 40  # of timing the models in turn, so that they meet the same machine
MEGABYTE = 1e6
FAR_WINDOWS = 0.01  # of the test windows: the share in which two forecasts lie far apart
SHARED = 0.5  # of the test rows have to be of classes that both models know


@dataclass(frozen=True)
class Evaluation:
    """A candidate before the gate: beside which champion, by which rules, with what outcome.

    head: of the ledger when the champion was looked up. test_rows: a sketch of the rows that it was
    compared by (`spending.sketch`); None without a champion, or test rows in the checkout.
    differing: on how many of how many test rows it answers differently than the champion.
    """

    candidate: Contender
    champion: Contender | None
    head: ledger.Head
    dataset: DatasetVersion
    rules: Rules
    checks: list[Check]
    test_rows: list[int] | None = None
    differing: dict[str, float] | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def gives_way(self) -> bool:
        """Whether it was refused before the test split was looked at: the next one may try."""
        return not self.passed and not any(check.name in gate.EVIDENCE for check in self.checks)

    @property
    def awaits(self) -> bool:
        """Whether it passed, and a person has to say yes who has not been asked yet."""
        asked = any(check.name == gate.APPROVAL for check in self.checks)
        return self.passed and self.rules.approval == "required" and not asked

    @property
    def servable(self) -> bool:
        """Whether a service would take the candidate in, which no person can overrule."""
        return all(check.passed for check in self.checks if check.name == gate.GOLDEN)

    @property
    def reason(self) -> str:
        """What decided: the checks that failed, or the comparison that was won."""
        if not self.passed:
            return "; ".join(f"{c.name}: {c.evidence}" for c in self.checks if not c.passed)
        evidence = {check.name: check.evidence for check in self.checks}
        return evidence.get(gate.CHAMPION) or evidence[gate.NAIVE]


def evaluate(
    dataset: DatasetVersion,
    candidate: Contender,
    champion: Contender | None,
    head: ledger.Head,
    rules: Rules,
    *,
    keep: bool = True,
    whole: bool = False,
    named: bool = False,
) -> Evaluation:
    """Check the candidate in a service of its own, then on the present test split; print it.

    Each look at the test split makes the next one worth less: what a budget refuses gets none.

    Args:
        dataset: its version in the checkout.
        candidate: what is to become champion.
        champion: the current one; None where there is none to compare with.
        head: of the ledger, read before the champion was looked up.
        rules: of the gate.
        keep: record the test scores that had to be measured for this.
        whole: look at the test split whatever the service showed.
        named: a person asked for this candidate, and so lifts a rollback.

    Raises:
        ServiceError: the service does not start.
    """
    with console.stage("replay") as say:
        served = _serve(dataset.task, candidate)
        say(served.complaint or f"{served.golden} golden requests answered over HTTP as expected")
    size_mb, test_rows, differing = _size_mb(candidate.folder), None, None
    checks = [not_withdrawn(candidate.version, named), *gate.service(rules, served, size_mb)]
    if whole or all(check.passed for check in checks):
        quality, test_rows, differing = _quality(dataset, candidate, champion, rules, keep)
        checks += quality
    for check in checks:
        console.line("gate", f"{'✓' if check.passed else '✗'} {check.name}: {check.evidence}")
    return Evaluation(candidate, champion, head, dataset, rules, checks, test_rows, differing)


def _quality(
    dataset: DatasetVersion,
    candidate: Contender,
    champion: Contender | None,
    rules: Rules,
    keep: bool,
) -> tuple[list[Check], list[int] | None, dict[str, float] | None]:
    """The checks on the test split; beside a champion also the sketch of the rows, and on how many
    of how many the two differ."""
    test, test_rows = None, None
    with suppress(DataError):
        test = scores.test_split(dataset)
    latencies = _latencies([candidate, champion] if champion else [candidate])
    ours = _scored(candidate.name, dataset, candidate, latencies[0], keep, test)
    theirs, anchored, incomparable, earlier = None, None, None, 0.0
    if champion is not None:
        name, entries = f"the champion {champion.name}", ledger.entries(champion.version.name)
        try:
            theirs = _scored(name, dataset, champion, latencies[1], keep, test)
        except ModelError as error:  # it answers with other classes, or another horizon
            theirs = _on_shared_classes(name, dataset, champion, latencies[1], ours, test)
            incomparable = None if theirs else f"{name} cannot be compared: {error}"
        anchored = theirs and _anchor(dataset, champion.version, entries, theirs, keep, test)
        if test is not None and theirs is not None:
            test_rows = spending.sketch(_names(dataset.task, test, ours, theirs))
        earlier = history.decisions_by(test_rows, entries, dataset.hash)
    labels = list(getattr(artifact.read_inputs(candidate.folder), "labels", ()))
    metric = ranking.metric(dataset)
    checks = gate.quality(metric, rules, ours, theirs, labels, anchored, incomparable, earlier)
    differing = None if theirs is None else _differing(ours, theirs)
    return checks, test_rows, differing


def _differing(ours: Scored, theirs: Scored) -> dict[str, float]:
    """On how many test rows two models differ, and how many there are.

    Of series only errors are kept. Two mean forecasts lie no further apart than both errors
    together: `beyond` is a distance that at most one window in a hundred can exceed.
    """
    if "error" in theirs.rows:
        errors = [one.rows["error"].mean(1) for one in (ours, theirs)]
        count = len(errors[1])
        beyond = float(sum(np.quantile(one, 1 - FAR_WINDOWS / 2) for one in errors))
        return {"differ": math.ceil(FAR_WINDOWS * count), "rows": count, "beyond": beyond}
    classes = [
        one.rows.get("predicted", one.rows["probabilities"].argmax(1)) for one in (ours, theirs)
    ]
    differ = (classes[0] != classes[1])[True if theirs.known is None else theirs.known]
    return {"differ": int(differ.sum()), "rows": differ.size}


def _names(task: str, test: Split, ours: Scored, theirs: Scored) -> list[str]:
    """What identifies the rows that both are compared on."""
    rows = gate.counted(ours, theirs)
    if task == "forecast" and rows.any():  # the mask is of windows, and what is seen comes first
        rows = test["time"] >= ours.rows["time"][rows].min()
    names = scores.names_of(task, test)
    return [name for name, one in zip(names, rows, strict=False) if one]


def paired_medians(turns: np.ndarray) -> list[float]:
    """What each model takes, from (turn, model): the first's median, times the median ratio to it.

    Medians apart would not do: a machine that changed its pace between turns made one of two equal
    models look a fifth cheaper in 1 trial of 100. Within a turn the pace is the same for both.
    """
    ratios = np.median(turns / turns[:, :1], axis=0)
    return (np.median(turns[:, 0]) * ratios).tolist()


def not_withdrawn(candidate: Version, named: bool = False) -> Check:
    """What was rolled back from, or taken back, does not come back by itself, nor does its recipe
    fitted again: one row more is no answer to the complaint.

    named: whether a person asked for this candidate, which lifts it.
    """
    recipe, left = _recipe(candidate.run_id), None
    runs: dict[str | None, str | None] = {}
    for entry in ledger.entries(candidate.name):
        if entry.action == "rollback":
            if _recipe(runs[entry.from_version]) == recipe:
                left = entry
        elif entry.action == "withdrawal":
            if complains(entry) and _recipe(entry.run_id) == recipe:
                left = entry
        elif entry.action in ("promotion", "force", *ledger.TRIALS):
            runs[entry.to_version] = entry.run_id
            if left and _recipe(entry.run_id) == recipe:
                left = None
    if left is None:
        return Check("withdrawn", True, "it was never rolled back from")
    verb = "taken back" if left.action == "withdrawal" else "rolled back from"
    evidence = f"its recipe was {verb} by {left.who} on {left.at}: {left.reason}"
    lifts = "asked for by name" if named else "`espalier promote` with its version lifts that"
    return Check("withdrawn", named, f"{evidence}; {lifts}")


def complains(entry: ledger.Entry) -> bool:
    """Whether a withdrawal says anything of the challenger: one for too few requests does not."""
    verdict = entry.evidence.get("trial") if isinstance(entry.evidence, dict) else None
    return verdict is None or verdict.get("shown", True)


def _recipe(run_id: str | None) -> list | None:
    """What a run fitted, whatever the rows and the code: None where it is gone."""
    from mlflow.exceptions import MlflowException

    try:
        return plan.recipe(tracking.record(run_id or ""))
    except MlflowException:
        return None


def _scored(
    name: str,
    dataset: DatasetVersion,
    contender: Contender,
    latency_ms: float,
    keep: bool,
    test: Split | None,
) -> Scored:
    """The contender on the present test split. Raises ModelError where it does not fit the data."""
    rows = scores.on_test(dataset, contender.version, contender.folder, keep)
    unseen = seen.unseen(dataset, contender.version, contender.folder, test, rows)
    return Scored(name, rows, latency_ms, _size_mb(contender.folder), unseen=unseen)


def _anchor(
    dataset: DatasetVersion,
    champion: Version,
    entries: Sequence[ledger.Entry],
    theirs: Scored,
    keep: bool,
    test: Split | None,
) -> Scored | None:
    """The champion that the margin is measured from; None where it cannot be scored any more."""
    number = history.anchor(entries, champion.version)
    if number == champion.version:
        return theirs
    version = registry.version(champion.name, number)
    if version is None or theirs.known is not None:
        return None
    folder = verification.whole(version)
    if folder is None:
        return None
    one = Contender(version, folder)
    with suppress(ModelError):
        return _scored(f"the anchor {one.name}", dataset, one, theirs.latency_ms, keep, test)
    return None


def _on_shared_classes(
    name: str,
    dataset: DatasetVersion,
    contender: Contender,
    latency_ms: float,
    ours: Scored,
    test: Split | None,
) -> Scored | None:
    """The contender on the test rows whose class it knows; None where these are too few, or the
    metric says nothing of them: F1 of a label that it does not know, a cost of one that is gone."""
    known, rows = scores.by_name(dataset, contender.folder, ours.rows)
    metric = ranking.metric(dataset)
    if known.mean() < SHARED or math.isnan(metric.of(slices.only(rows, known))):
        return None
    unseen = seen.unseen(dataset, contender.version, contender.folder, test, rows)
    return Scored(name, rows, latency_ms, _size_mb(contender.folder), known, unseen)


def _size_mb(folder: Path) -> float:
    """The size of what a service loads, in megabytes."""
    left = artifact.FILES - artifact.SERVED
    files = (file for file in folder.iterdir() if file.name not in left)
    return sum(file.stat().st_size for file in files) / MEGABYTE


def _serve(task: str, candidate: Contender) -> Served:
    """Serve the candidate from a home of its own, replay its golden requests, time some."""
    folder = candidate.folder
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        publish.publish(task, candidate.version, Path(scratch), folder)
        try:
            with service.running(service.CHECKOUT, [task], Path(scratch)) as running:
                golden = service.replay(running.url, task, folder)
                latency = service.latency_ms(running.url, task, folder)
                return Served(golden, latency, running.memory_mb())
        except service.WrongModelError as error:
            return Served(0, 0.0, 0.0, complaint=str(error)[:500])


def _latencies(contenders: list[Contender]) -> list[float]:
    """Median milliseconds of one request through each graph, as they stand to the first's."""
    from models.export import convert

    tensors = {contender.folder: _tensor(contender.folder) for contender in contenders}
    turns = [
        [
            convert.latency_ms(folder / "model.onnx", tensor, REQUESTS)
            for folder, tensor in tensors.items()
        ]
        for _ in range(TURNS)
    ]
    return paired_medians(np.array(turns))


def _tensor(folder: Path) -> np.ndarray:
    """The golden requests as the graph takes them."""
    inputs = [artifact.payload(case["request"])[0] for case in artifact.read_golden(folder)]
    return artifact.read_inputs(folder).to_tensor(inputs)
