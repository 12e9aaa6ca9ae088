"""LitServe around the same graph, at the path of the Open Inference Protocol."""

import json
import os
import sys
from pathlib import Path

import litserve
import numpy as np
import onnxruntime


class Image(litserve.LitAPI):
    def setup(self, device):
        folder = Path(json.loads(os.environ["MODELS"])["image"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def decode_request(self, request):
        (sent,) = request["inputs"]
        return np.array(sent["data"], np.float32).reshape(sent["shape"]) * np.float32(1 / 255)

    def batch(self, inputs):
        return np.concatenate(inputs)

    def unbatch(self, outputs):
        return outputs[:, None]

    def predict(self, tensor):
        return self.session.run(["output"], {"input": tensor})[0]

    def encode_response(self, outputs):
        output = {"name": "probabilities", "datatype": "FP32", "shape": list(outputs.shape)}
        return {"model_name": "image", "outputs": [output | {"data": outputs.ravel().tolist()}]}


if __name__ == "__main__":
    api = Image(api_path="/v2/models/image/infer", max_batch_size=16, batch_timeout=0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
