"""A registered version beside its verified artifact: what is evaluated, and what serves."""

from dataclasses import asdict, dataclass

from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.registry import Version
from pipelines.experiments.verification import VerifiedArtifact


@dataclass(frozen=True)
class Contender:
    """A candidate or champion; its artifact was verified in this run."""

    version: Version
    artifact: VerifiedArtifact

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

    def to_dict(self) -> dict:
        """The summary as JSON."""
        return asdict(self)


def current_champion(
    task: str, dataset: str, verified: VerifiedArtifact | None = None
) -> Contender | None:
    """The champion, unless its artifact is damaged: it could not be published again.

    Args:
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        verified: an artifact that this run has verified, and need not hash again.
    """
    version = registry.champion(task, dataset)
    if version is None:
        return None
    if verified is None or verified.digest != version.manifest_sha256:
        verified = verification.whole(version)
    return Contender(version, verified) if verified else None


def summary(version: Version) -> Summary:
    """What `--json` shows of a version."""
    metrics = tracking.record(version.run_id).metrics
    test = {
        name.removeprefix("test_"): value
        for name, value in metrics.items()
        if name.startswith("test_")
    }
    return Summary(version.version, version.arch, version.fingerprint, test)
