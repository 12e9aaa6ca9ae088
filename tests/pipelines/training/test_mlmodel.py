"""MLflow loads a registered version as a model of its own, which answers like the service."""

from dataclasses import replace

import mlflow
import pandas as pd
import pytest
import tiny
from recorded import HASH, fit

from models.artifact import artifact
from models.export import answering
from pipelines.experiments import registry, tracking, verification
from pipelines.experiments.dataset import DatasetVersion
from pipelines.training import mlmodel


@pytest.fixture(params=["image", "sentiment", "forecast"])
def version(request, home, tmp_path):
    """The champion of a task, an artifact that MLflow can load."""
    task, folder = request.param, tmp_path / "artifact"
    folder.mkdir()
    mlmodel.write(folder, tiny.INPUTS[task]())
    planned = replace(fit(), dataset=DatasetVersion(task, "tiny", HASH))
    with tracking.child(planned, None) as run:
        digest = tiny.write(folder, task, seed=0)
        mlflow.log_artifacts(str(folder), tracking.MODEL)
        mlflow.set_tags({"espalier.manifest_sha256": digest, "espalier.naive": "majority class"})
    version = registry.register(task, "tiny", tracking.record(run.run_id))
    registry.set_champion(version)
    return version


def test_it_answers_its_golden_requests(version):
    folder = verification.verify(version)
    model = mlflow.pyfunc.load_model(f"models:/{version.name}@champion")  # noqa: TID251
    column = answering.COLUMN[artifact.read_inputs(folder).kind]
    for golden in artifact.read_golden(folder):
        row, options = artifact.payload(golden["request"])
        [answer] = model.predict(pd.DataFrame({column: [row]}), params=options)
        assert artifact.agree(artifact.read_inputs(folder), golden["answer"], answer)
    assert verification.whole(version) == folder  # whatever MLflow left in it
