"""What a careful person writes in an afternoon: Starlette, orjson, ONNX Runtime, and nothing else.

Started by benchmarks/serve.py; MODELS holds an artifact's folder for each task.
"""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.artifact import artifact
from models.inputs.answers import predict

FOLDERS = {task: Path(folder) for task, folder in json.loads(os.environ["MODELS"]).items()}
INPUTS = {task: artifact.read_inputs(folder) for task, folder in FOLDERS.items()}


def _session(folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )


SESSIONS = {task: _session(folder) for task, folder in FOLDERS.items()}


def answered(task: str, thing) -> Response:
    run = partial(SESSIONS[task].run, ["output"])
    _, [answer] = predict(INPUTS[task], lambda tensor: run({"input": tensor})[0], [thing])
    return Response(orjson.dumps(answer), media_type="application/json")


async def image(request: Request) -> Response:
    return answered("image", await request.body())


async def sentiment(request: Request) -> Response:
    return answered("sentiment", orjson.loads(await request.body())["text"])


async def forecast(request: Request) -> Response:
    return answered("forecast", orjson.loads(await request.body())["history"])


async def infer(request: Request) -> Response:
    (sent,) = orjson.loads(await request.body())["inputs"]
    tensor = np.array(sent["data"], np.float32).reshape(sent["shape"]) * np.float32(1 / 255)
    (outputs,) = SESSIONS["image"].run(["output"], {"input": tensor})
    output = {"name": "probabilities", "datatype": "FP32", "shape": list(outputs.shape)}
    told = {"model_name": "image", "outputs": [output | {"data": outputs.ravel().tolist()}]}
    return Response(orjson.dumps(told), media_type="application/json")


app = Starlette(
    routes=[
        Route("/v1/image", image, methods=["POST"]),
        Route("/v1/sentiment", sentiment, methods=["POST"]),
        Route("/v1/forecast", forecast, methods=["POST"]),
        Route("/v2/models/image/infer", infer, methods=["POST"]),
    ]
)
