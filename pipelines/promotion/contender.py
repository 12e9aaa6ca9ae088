"""A registered version beside its verified artifact: what is evaluated, and what serves."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.registry import Version


@dataclass(frozen=True)
class Contender:
    """A candidate or champion, and the folder of its artifact, which was verified in this run."""

    version: Version
    folder: Path

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"{self.version.arch} v{self.version.version}"


@dataclass(frozen=True)
class Summary:
    """A version as `--json` shows it, with its scores on the test split."""

    version: str
    arch: str
    fingerprint: str
    test: dict[str, float]


def current_champion(
    task: str, dataset: str, verified: Contender | None = None
) -> Contender | None:
    """The champion, unless its artifact is damaged: it could not be published again.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        verified: what this run has verified, and need not hash again.
    """
    version = registry.champion(task, dataset)
    if version is None:
        return None
    if verified is not None and verified.version.manifest_sha256 == version.manifest_sha256:
        return Contender(version, verified.folder)
    folder = verification.whole(version)
    return Contender(version, folder) if folder else None


def summary(version: Version) -> Summary:
    """What `--json` shows of a version."""
    metrics = tracking.record(version.run_id).metrics
    test = {
        name.removeprefix("test_"): value
        for name, value in metrics.items()
        if name.startswith("test_")
    }
    return Summary(version.version, version.arch, version.fingerprint, test)
