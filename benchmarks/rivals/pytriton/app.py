"""Triton's own HTTP front around the same graph."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

folder = Path(json.loads(os.environ["MODELS"])["image"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    folder / "model.onnx", options, providers=["CPUExecutionProvider"]
)


@batch
def infer(image):
    (outputs,) = session.run(["output"], {"input": image * np.float32(1 / 255)})
    return {"probabilities": outputs}


port = int(sys.argv[1])
config = TritonConfig(
    http_address="127.0.0.1", http_port=port, grpc_port=port + 1, allow_metrics=False
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="image",
        infer_func=infer,
        inputs=[Tensor(name="image", dtype=np.float32, shape=(28, 28, 1))],
        outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=16),
    )
    triton.serve()
