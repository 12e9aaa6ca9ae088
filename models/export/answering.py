"""An artifact's folder as a model that answers rows, for whole files and for MLflow.

    mlflow.pyfunc.load_model("models:/espalier-image-mnist_5k@champion")

The graph and the inputs answer; nothing is unpickled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.artifact import artifact
from models.export import convert
from models.inputs.answers import predict

COLUMN = {"image": "image", "text": "text", "series": "history"}  # by the kind of the inputs


class Answering:
    """A model with its inputs and its guard.

    Args:
        folder: an artifact, checked.
    """

    def __init__(self, folder: Path):
        self.inputs = artifact.read_inputs(folder)
        self._run = convert.runner(folder / "model.onnx")
        self._guard = artifact.read_familiarity(folder)
        if self._guard is not None:
            self._errors = convert.runner(folder / "familiarity.onnx")

    def answers(self, rows: Any, **options: Any) -> list[dict]:
        """Return an answer for each row, as the service gives it.

        Args:
            rows: encoded pictures, texts or histories.
            options: of a forecast: horizon, level.

        Raises:
            InputError: a row is against a rule.
        """
        tensor, answers = predict(self.inputs, self._run, rows, **options)
        if self._guard is not None:
            judged = self._guard.judge(self._errors, rows, self.inputs, tensor)
            for answer, one in zip(answers, judged, strict=True):
                answer.update(one)
        return answers

    def predict(self, table: Any, params: Mapping | None = None) -> list[dict]:
        """Answer what MLflow hands over.

        Args:
            table: a pandas table with the column `image`, `text` or `history`.
            params: of a forecast: horizon, level.
        """
        return self.answers(table[COLUMN[self.inputs.kind]].tolist(), **(params or {}))


def _load_pyfunc(path: str) -> Answering:
    """Return the model of an artifact's folder: the name and the argument are MLflow's.

    Raises ArtifactError: a file is not as the manifest lists it.
    """
    folder = Path(path)
    artifact.check(folder, artifact.manifest_digest(folder))
    return Answering(folder)
