"""Requests of a client of the Open Inference Protocol, and the form of its errors."""

import io
import json
import re
import struct

import httpx
import numpy as np
import tiny
import tritonclient.http as triton
from PIL import Image

JSON = {"Content-Type": "application/json"}


def pixels(count: int = 1) -> np.ndarray:
    """The pictures of `tiny.picture(seed=0)`, of 1, …, before they were encoded."""
    pictures = [Image.open(io.BytesIO(tiny.picture(seed=seed))) for seed in range(count)]
    return np.stack([np.asarray(picture)[..., None] for picture in pictures])


def texts(*values: str | bytes) -> np.ndarray:
    return np.array(values, np.object_)


ARRAYS = {
    "image": ("image", pixels(3)),
    "sentiment": ("text", texts("A good, GREAT film.", "schön 😀 bad", "dull " * 50)),
    "forecast": ("history", np.array([tiny.history(), tiny.history(30)[6:]])),
}


def ask(public, task: str, array: np.ndarray, datatype: str = "", binary: bool = True, **options):
    """Ask a task's model through the public client."""
    datatype = datatype or triton.np_to_triton_dtype(array.dtype) or "BYTES"
    given = triton.InferInput(ARRAYS[task][0], list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return public.infer(options.pop("name", task), [given], **options)


def tensor(task: str, **changes) -> dict:
    """A request's one input, in JSON."""
    name, array = ARRAYS[task]
    datatype = {"image": "UINT8", "sentiment": "BYTES", "forecast": "FP64"}[task]
    data = array.ravel().tolist()
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data} | changes


def check(response: httpx.Response, status: int) -> str:
    """Assert the protocol's error form and return the message."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    message = response.json()["error"]
    assert re.search(r"[.?]$", message)
    for internal in ("Traceback", "/work", "site-packages", "numpy", "serving.", "onnx"):
        assert internal not in message
    assert response.headers["X-Request-Id"]
    return message


def in_binary(task: str, raw: bytes, length: str | None = None, **changes) -> dict:
    """What to send of a request whose tensor is raw bytes."""
    given = tensor(task, parameters={"binary_data_size": len(raw)}, **changes)
    del given["data"]
    text = json.dumps({"inputs": [given]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)) if length is None else length}
    return {"content": text + raw, "headers": headers}


def elements(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)
