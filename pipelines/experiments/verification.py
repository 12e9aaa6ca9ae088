"""An artifact is fetched if it lies elsewhere, hashed once in a run, and passed on as verified."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from models.artifact import artifact
from models.artifact.artifact import ArtifactError
from pipelines.experiments import leaderboard_rows, tracking
from pipelines.experiments.plan import Fit
from pipelines.experiments.registry import Version
from pipelines.experiments.tracking import Record
from pipelines.processes import servers
from pipelines.runtime import disk, environment, keys

if TYPE_CHECKING:
    from mlflow.entities import FileInfo


def verify(fitted: Record | Version) -> Path:
    """Hash the artifact of a record or version and return its folder, of which every byte is as it
    was written. Raises ArtifactError: it is damaged, or gone; or, of a version, it is not signed by
    whom ESPALIER_TRUST names."""
    if isinstance(fitted, Version):
        keys.check_trusted(fitted.signature, fitted.manifest_sha256)
    try:
        folder = artifact_folder(fitted.run_id)
        try:
            artifact.check(folder, fitted.manifest_sha256)
        except ArtifactError:
            if not folder.is_relative_to(environment.home() / "fetched"):
                raise
            shutil.rmtree(folder)  # what lies here may be damaged, and not what was fetched
            artifact.check(artifact_folder(fitted.run_id), fitted.manifest_sha256)
    except OSError as error:
        raise ArtifactError(str(error)) from error
    return folder


def whole(fitted: Record | Version) -> Path | None:
    """The verified artifact of a record or version; None where `verify` refuses it."""
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


def artifact_folder(run_id: str) -> Path:
    """The run's artifact folder: in the store itself when that is a folder here, else fetched."""
    return artifact_of(run_id, tracking.MODEL)


def artifact_of(run_id: str, path: str, artifact_uri: str = "") -> Path:
    """The file or folder of a run, fetched where it lies elsewhere.

    Args:
        run_id: of MLflow.
        path: below the run's artifacts.
        artifact_uri: where these lie, where that is known.

    Raises:
        OSError: there is none.
        environment.ServerError: MLflow's server, or what keeps its artifacts, cannot be reached.
        disk.DiskFullError: there is no room for it here.
    """
    row = None if artifact_uri else leaderboard_rows.find(run_id)
    uri, wanted = artifact_uri or (row.artifact_uri if row else ""), f"bring {path} of run {run_id}"
    place = urlparse(uri or servers.awaited(partial(_place, run_id), wanted))
    if place.scheme in ("", "file"):
        return Path(url2pathname(place.path)) / path
    return servers.awaited(partial(_fetched, run_id, path), wanted)


def _place(run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return tracking.connect().get_run(run_id).info.artifact_uri
    except MlflowException as error:
        if servers.is_away(error):
            raise
        raise FileNotFoundError(f"there is no run {run_id}: {error}") from error


def _bytes(run_id: str, listed: "FileInfo") -> int:
    """How large a file or folder of a run is."""
    if not listed.is_dir:
        return listed.file_size or 0
    inside = tracking.connect().list_artifacts(run_id, listed.path)
    return sum(_bytes(run_id, one) for one in inside)


def _fetched(run_id: str, path: str) -> Path:
    """Fetch a file or folder of a run. What MLflow raises of one that is gone and of a store that
    does not answer is alike: only the store's list tells."""
    from mlflow.exceptions import MlflowException

    place, client = environment.home() / "fetched" / run_id / path, tracking.connect()
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Whole or not at all: several workers of a host fetch the same at once.
        with tempfile.TemporaryDirectory(prefix=".", dir=place.parent) as scratch:
            fetched = Path(client.download_artifacts(run_id, path, scratch))
            with suppress(OSError):  # another was first
                fetched.rename(place)
        return place
    except (MlflowException, OSError) as error:
        parent, beside = PurePosixPath(path).parent, []
        try:
            beside = client.list_artifacts(run_id, str(parent) if parent.name else None)
        except MlflowException as unlisted:
            if servers.is_away(unlisted):
                raise
        if listed := next((one for one in beside if one.path == path), None):
            disk.check_room(place.parent, _bytes(run_id, listed))  # MLflow does not say why
            raise environment.ServerError(f"{path} of run {run_id} cannot be read") from error
        raise FileNotFoundError(f"{path} of run {run_id} is gone: {error}") from error
