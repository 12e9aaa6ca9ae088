"""An artifact is hashed once in a run, and passed on as verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from pipelines.experiments import tracking
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record


@dataclass(frozen=True)
class VerifiedArtifact:
    """An artifact whose every byte was found to be as written, in this run.

    digest: the sha256 of its manifest, as recorded outside the folder.
    """

    folder: Path
    manifest: Mapping
    digest: str


def verify(fitted: Record | Version) -> VerifiedArtifact:
    """Hash the artifact of a record or version. Raises ArtifactError: it is damaged, or gone."""
    digest = fitted.manifest_sha256
    try:
        folder = tracking.artifact_folder(fitted.run_id)
        return VerifiedArtifact(folder, artifact.check(folder, digest), digest)
    except OSError as error:
        raise ArtifactError(str(error)) from error


def whole(fitted: Record | Version) -> VerifiedArtifact | None:
    """The verified artifact of a record or version; None where it is damaged, or gone."""
    try:
        return verify(fitted)
    except ArtifactError:
        return None
