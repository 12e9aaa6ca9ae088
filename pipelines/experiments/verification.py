"""An artifact is hashed once in a run, and passed on as verified."""

from collections.abc import Sequence
from pathlib import Path

from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from pipelines.experiments import tracking
from pipelines.experiments.plan import Fit
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record


def verify(fitted: Record | Version) -> Path:
    """Hash the artifact of a record or version and return its folder, of which every byte is as it
    was written. Raises ArtifactError: it is damaged, or gone."""
    try:
        folder = tracking.artifact_folder(fitted.run_id)
        artifact.check(folder, fitted.manifest_sha256)
    except OSError as error:
        raise ArtifactError(str(error)) from error
    return folder


def whole(fitted: Record | Version) -> Path | None:
    """The verified artifact of a record or version; None where it is damaged, or gone."""
    try:
        return verify(fitted)
    except ArtifactError:
        return None


def reusable(fits: Sequence[Fit]) -> dict[str, Record]:
    """Fingerprint → record, for those of `fits` that were finished and whose artifact is whole."""
    if not fits:
        return {}
    rows = tracking.present(fits[0].dataset, tracking.FIT, {fit.fingerprint for fit in fits})
    return {one.fingerprint: one for one in tracking.finished(rows) if whole(one)}
