"""An MLServer runtime around the same graph, in the server's own process."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Image(MLModel):
    async def load(self) -> bool:
        folder = Path(json.loads(os.environ["MODELS"])["image"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = NumpyCodec.decode_input(payload.inputs[0]) * np.float32(1 / 255)
        (outputs,) = self.session.run(["output"], {"input": tensor})
        output = NumpyCodec.encode_output("probabilities", outputs)
        return InferenceResponse(model_name=self.name, outputs=[output])
