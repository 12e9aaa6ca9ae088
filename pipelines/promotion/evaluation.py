"""One candidate before the gate: what it scored, what it costs, what it showed while serving."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.artifact import artifact
from pipelines.experiments import scores, tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.experiments.registry import Version
from pipelines.gate import checks as gate
from pipelines.gate.checks import Check, Scored, Served
from pipelines.gate.rules import Rules
from pipelines.processes import service
from pipelines.promotion import ledger
from pipelines.release import publish
from pipelines.runtime import console

TURNS, REQUESTS = 11, 40  # of timing the models in turn, so that they meet the same machine
MEGABYTE = 1e6


@dataclass(frozen=True)
class Trial:
    """A candidate before the gate: beside which champion, by which rules, with what outcome."""

    candidate: Version
    champion: Version | None
    dataset_hash: str
    rules: Rules
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def servable(self) -> bool:
        """Whether a service would take the candidate in, which no person can overrule."""
        return all(check.passed for check in self.checks if check.name == gate.GOLDEN)

    @property
    def reason(self) -> str:
        """What decided: the checks that failed, or the comparison that was won."""
        if not self.passed:
            return "; ".join(f"{c.name}: {c.evidence}" for c in self.checks if not c.passed)
        told = {check.name: check.evidence for check in self.checks}
        return told.get(gate.CHAMPION) or told[gate.NAIVE]


def hold(
    dataset: DatasetVersion,
    candidate: Version,
    champion: Version | None,
    rules: Rules,
    keep: bool = True,
) -> Trial:
    """Check the candidate on the present test split, and in a service of its own.

    keep: record the test scores that had to be measured for this.
    Raises ArtifactError where the candidate's artifact is damaged, ServiceError where the service
    does not start.
    """
    folder = tracking.artifact_folder(candidate.run_id)
    artifact.check(folder, candidate.manifest_sha256)
    with console.stage("replay") as say:
        shown = _served(dataset.task, candidate)
        say(shown.complaint or f"{shown.golden} golden requests answered over HTTP as expected")
    latencies = _latencies([candidate, champion] if champion else [candidate])
    ours = Scored(
        _named(candidate),
        scores.on_test(dataset, candidate, keep),
        latencies[0],
        _megabytes(folder),
    )
    theirs = None
    if champion is not None:
        theirs = _beside(dataset, champion, latencies[1], keep)
    checks = [
        _not_withdrawn(candidate),
        *gate.quality(dataset.task, rules, ours, theirs, _labels(folder)),
        *gate.service(rules, shown, ours.size_mb),
    ]
    return Trial(candidate, champion, dataset.hash, rules, checks)


def show(checks: list[Check]) -> None:
    """Print each check with its evidence."""
    for check in checks:
        console.line("gate", f"{'✓' if check.passed else '✗'} {check.name}: {check.evidence}")


def paired_medians(turns: np.ndarray) -> list[float]:
    """What each model takes, from (turn, model): the first's median, times the median ratio to it.

    Medians apart would not do: a machine that changed its pace between turns made one of two equal
    models look a fifth cheaper in 1 trial of 100. Within a turn the pace is the same for both.
    """
    ratios = np.median(turns / turns[:, :1], axis=0)
    return (np.median(turns[:, 0]) * ratios).tolist()


def _not_withdrawn(candidate: Version) -> Check:
    """A model that was rolled back from does not come back by itself, nor by the same fit done
    again, which is another version."""
    entries = ledger.entries(candidate.name)
    fingerprints = {entry.to_version: entry.fingerprint for entry in entries}
    for entry in reversed(entries):
        if entry.action == "rollback" and fingerprints[entry.from_version] == candidate.fingerprint:
            said = f"rolled back from by {entry.who} on {entry.at}: {entry.reason}"
            return Check("withdrawn", False, said)
        if entry.action in ("promotion", "force") and entry.fingerprint == candidate.fingerprint:
            break
    return Check("withdrawn", True, "it was never rolled back from")


def _beside(
    dataset: DatasetVersion, champion: Version, latency_ms: float, keep: bool
) -> Scored | None:
    """The champion on the same rows; None where it answers with other classes or another horizon
    than the data has now: it then stands in nobody's way."""
    from models.errors import ModelError

    try:
        rows = scores.on_test(dataset, champion, keep)
    except ModelError as error:
        console.line("champion", f"cannot be compared any more: {error}")
        return None
    folder = tracking.artifact_folder(champion.run_id)
    return Scored(f"the champion {_named(champion)}", rows, latency_ms, _megabytes(folder))


def _served(task: str, candidate: Version) -> Served:
    """Serve the candidate from a home of its own, replay its golden requests, time some."""
    with tempfile.TemporaryDirectory(prefix="espalier-") as scratch:
        home = Path(scratch)
        publish.publish(task, candidate, home)
        folder = publish.folder(home) / publish.read(task, home)["artifact"]
        try:
            with service.running(service.CHECKOUT, [task], home) as running:
                golden = service.replay(running.url, task, folder)
                latency = service.latency_ms(running.url, task, folder)
                return Served(golden, latency, running.memory_mb())
        except service.WrongModelError as error:
            return Served(0, 0.0, 0.0, complaint=str(error)[:500])


def _latencies(versions: list[Version]) -> list[float]:
    """Median milliseconds of one request through each graph, as they stand to the first's."""
    from models.export import convert

    folders = [tracking.artifact_folder(version.run_id) for version in versions]
    tensors = [_tensor(folder) for folder in folders]
    turns = [
        [
            convert.latency_ms(folder / "model.onnx", tensor, REQUESTS)
            for folder, tensor in zip(folders, tensors, strict=True)
        ]
        for _ in range(TURNS)
    ]
    return paired_medians(np.array(turns))


def _tensor(folder: Path):
    things = [artifact.payload(case["request"])[0] for case in artifact.read_golden(folder)]
    return artifact.read_inputs(folder).to_tensor(things)


def _labels(folder: Path) -> list[str]:
    return list(getattr(artifact.read_inputs(folder), "labels", ()))


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / MEGABYTE


def _named(version: Version) -> str:
    return f"{version.arch} v{version.version}"
