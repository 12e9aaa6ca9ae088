"""Comparing an answer with the description of the service."""

import json
import re
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

# The headers that the description may name.
OURS = ("X-Request-ID", "Retry-After", "WWW-Authenticate", "Inference-Header-Content-Length")


class Description:
    """What /docs.json says, each reference replaced by what it refers to."""

    def __init__(self, client: httpx.Client):
        self.document = client.get("/docs.json").json()
        self.paths = self._inlined(self.document["paths"])
        self.validator = cache(self._validator)

    def operations(self) -> list[tuple[str, str, dict]]:
        """Every operation, with its path and method."""
        return [
            (path, method, operation)
            for path, item in self.paths.items()
            for method, operation in item.items()
            if method != "parameters"
        ]

    def check(self, path: str, response: httpx.Response) -> None:
        """Assert that a response is described: status, headers, type and schema."""
        method, status = response.request.method.lower(), str(response.status_code)
        described = self.paths[path][method]["responses"][status]
        for name, header in described["headers"].items():
            assert name in response.headers or not header.get("required"), name
            pattern = header["schema"].get("pattern", "")
            assert re.search(pattern, response.headers.get(name, "")), name
        assert {name for name in OURS if name in response.headers} <= set(described["headers"])
        media_type = response.headers["Content-Type"].partition(";")[0]
        assert media_type in described["content"]
        if media_type != "text/plain":
            # The JSON before raw bytes is the same as without them.
            length = response.headers.get("Inference-Header-Content-Length")
            assert (length is None) is (media_type == "application/json")
            content = response.content[: int(length)] if length else response.content
            self.validator(path, method, status).validate(json.loads(content))

    def _validator(self, path: str, method: str, status: str) -> jsonschema_rs.Validator:
        content = self.paths[path][method]["responses"][status]["content"]
        return jsonschema_rs.Draft202012Validator(content["application/json"]["schema"])

    def _inlined(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        rest = {key: self._inlined(value) for key, value in node.items() if key != "$ref"}
        if "$ref" not in node:
            return rest
        target = self.document
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        target = self._inlined(target)
        return {"allOf": [target], **rest} if rest else target
