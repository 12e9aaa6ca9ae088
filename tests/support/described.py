"""Holding an answer against what /docs.json says of it."""

import re

import httpx
import jsonschema_rs

# The headers that say what the body does not.
OURS = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Inference-Header-Content-Length")


def check(paths: dict, path: str, response: httpx.Response) -> None:
    """Assert that a response is one that `paths` describes: status, headers, type and schema."""
    operation = paths[path][response.request.method.lower()]
    said = operation["responses"][str(response.status_code)]
    for name, header in said["headers"].items():
        assert name in response.headers or not header.get("required"), name
        pattern = header["schema"].get("pattern", "")
        assert re.search(pattern, response.headers.get(name, "")), name
    media_type = response.headers["Content-Type"].partition(";")[0]
    schema = said["content"][media_type]["schema"]
    if media_type == "application/json":
        jsonschema_rs.Draft4Validator(schema).validate(response.json())
    else:
        assert schema["type"] == "string"
    assert {name for name in OURS if name in response.headers} <= set(said["headers"])
