"""BentoML as its first page shows it: an API method that takes a picture.

Started by benchmarks/serve.py; MODELS holds an artifact's folder for each task.
"""

import json
import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime
from PIL.Image import Image

FOLDER = Path(json.loads(os.environ["MODELS"])["image"])


@bentoml.service(workers=1)
class Plain:
    def __init__(self):
        self.session = onnxruntime.InferenceSession(
            FOLDER / "model.onnx", providers=["CPUExecutionProvider"]
        )

    @bentoml.api
    def image(self, picture: Image) -> dict:
        pixels = np.asarray(picture.convert("L").resize((28, 28)), np.float32)
        tensor = pixels.reshape(1, 28, 28, 1) / 255
        (outputs,) = self.session.run(["output"], {"input": tensor})
        return {"probabilities": outputs[0].tolist()}
