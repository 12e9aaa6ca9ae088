"""`mlflow models serve` of the Keras model behind the same graph, as MLflow's own pages show it.

It runs in our own environment, which has MLflow and Keras.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import keras
import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

fitted = keras.saving.load_model(Path(json.loads(os.environ["MODELS"])["image"]) / "model.keras")
model = keras.Sequential([fitted.inputs[0], keras.layers.Rescaling(1 / 255), fitted])
shape = (-1, *fitted.input_shape[1:])
signature = ModelSignature(
    Schema([TensorSpec(np.dtype(np.float32), shape)]),
    Schema([TensorSpec(np.dtype(np.float32), (-1, fitted.output_shape[1]))]),
)
saved = tempfile.mkdtemp(prefix="espalier-")
mlflow.tensorflow.save_model(model, f"{saved}/model", signature=signature, pip_requirements=[])
command = ["mlflow", "models", "serve", "--model-uri", f"{saved}/model", "--env-manager", "local"]
command += ["--host", "127.0.0.1", "--port", sys.argv[1], "--workers", "1"]
os.execvp(command[0], command)
