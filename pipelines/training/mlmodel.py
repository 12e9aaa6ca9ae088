"""The file that lets MLflow load an artifact as a model of its own: its columns, and who answers.

mlflow models serve --env-manager local --model-uri models:/espalier-image-mnist_5k@champion
"""

import platform
from pathlib import Path
from typing import Any

from models.export import answering

FILE = "MLmodel"


def write(folder: Path, inputs: Any) -> None:
    """Write the file of a model into the folder that becomes its artifact.

    Args:
        folder: of the artifact.
        inputs: the fitted ones, of `models.inputs`.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Map

    column = answering.COLUMN[inputs.kind]
    if inputs.kind == "series":
        numbers = Array(DataType.double)
        horizon, level = inputs.check_options()
        signature = ModelSignature(
            Schema([ColSpec(numbers, column)]),
            Schema([ColSpec(numbers, name) for name in ("forecast", "lower", "upper")]),
            ParamSchema(
                [ParamSpec("horizon", "long", horizon), ParamSpec("level", "double", level)]
            ),
        )
    else:
        kind = DataType.binary if inputs.kind == "image" else DataType.string
        likely = ColSpec(Map(DataType.double), "probabilities")
        signature = ModelSignature(
            Schema([ColSpec(kind, column)]), Schema([ColSpec(DataType.string, "label"), likely])
        )
    model = Model(signature=signature)
    model.add_flavor(
        "python_function",
        loader_module=answering.__name__,
        python_version=platform.python_version(),
    )
    model.save(str(folder / FILE))
