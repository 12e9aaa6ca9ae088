"""What /docs.json says of the mounted routes: schemas, examples and errors (OpenAPI 3.0).

A test calls every example.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ERRORS = {
    "400": "The body is malformed.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The Content-Type is not one of those listed.",
    "422": "The request is well-formed, but against a rule; the message names it.",
    "429": "Too much is coming in or waiting; try again after Retry-After seconds.",
    "503": "No model serves this task yet.",
}
STRING, NUMBER, TRUTH = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
NUMBERS = {"type": "array", "items": NUMBER}
SHARES = {"type": "object", "additionalProperties": NUMBER}
MODEL = {
    "type": "object",
    "properties": {"name": STRING, "version": STRING, "fingerprint": STRING},
}
FAILURE = {
    "type": "object",
    "properties": {
        "error": {"type": "object", "properties": {"code": STRING, "message": STRING}},
        "request_id": STRING,
    },
}
FILE = {"type": "string", "format": "binary"}
FAMILIAR = {
    "familiar": TRUTH
    | {"description": "Whether the input looks like what the model was trained on."},
    "familiarity": NUMBER
    | {
        "description": "The share of unseen rows of the training data's kind that look at least as "
        "odd (a conformal p-value); from 0.01 on an input is familiar."
    },
}
REVIEW = {"label": STRING, "score": NUMBER, "probabilities": SHARES} | FAMILIAR


def documentation(description: dict, tasks: tuple[str, ...]) -> Route:
    """Return /docs.json: BentoML's own `description` and the routes under /v1."""
    operations = {f"/v1/{task}": {"post": _OPERATIONS[task]} for task in tasks}
    description["info"] = {
        "title": "Espalier",
        "version": "1",
        "description": "Three tasks, answered by their champions.",
    }
    description["paths"] |= operations | {"/v1/models": {"get": _MODELS}}

    async def docs(request: Request) -> Response:
        return JSONResponse(description)

    return Route("/docs.json", docs, methods=["GET"])


def _object(required: list[str] | None = None, **properties) -> dict:
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {})


def _json(schema: dict, **extra) -> dict:
    return {"application/json": {"schema": schema} | extra}


def _operation(summary: str, content: dict | None, answer: dict, errors: dict) -> dict:
    failures = {
        status: {"description": text, "content": _json(FAILURE)} for status, text in errors.items()
    }
    success = {"description": "The answer.", "content": _json(answer)}
    body = {"requestBody": {"required": True, "content": content}} if content else {}
    return {
        "summary": summary,
        "tags": ["Service APIs"],
        "responses": {"200": success} | failures,
    } | body


def _answered(**properties) -> dict:
    return _object(**properties, model=MODEL, request_id=STRING)


_PICTURES = {name: {"schema": FILE} for name in ("image/png", "image/jpeg", "image/webp")}
_FORM = {"multipart/form-data": {"schema": _object(["file"], file=FILE)}}
_TEXTS = {"type": "array", "items": STRING, "minItems": 1, "maxItems": 256}
_TEXT_EXAMPLES = {
    "one": {"value": {"text": "A quiet film, and a great one."}},
    "several": {"value": {"texts": ["I would see it again.", "Two hours that never end."]}},
}
_SERIES = _object(
    ["history"], history=NUMBERS, horizon={"type": "integer", "minimum": 1}, level=NUMBER
)
_HISTORY = {"history": [5.0 + (step % 12) / 10 for step in range(72)], "horizon": 6, "level": 0.8}

_OPERATIONS = {
    "image": _operation(
        "Which class is this picture?",
        _PICTURES | _FORM,
        _answered(label=STRING, probabilities=SHARES, **FAMILIAR),
        ERRORS,
    ),
    "sentiment": _operation(
        'How positive is this text? With "texts", `results` holds one answer for each.',
        _json(_object(text=STRING, texts=_TEXTS), examples=_TEXT_EXAMPLES),
        _answered(**REVIEW, results={"type": "array", "items": _object(**REVIEW)}),
        ERRORS,
    ),
    "forecast": _operation(
        "What are the next values of this series, and how sure are we?",
        _json(_SERIES, example=_HISTORY),
        _answered(forecast=NUMBERS, lower=NUMBERS, upper=NUMBERS, level=NUMBER, **FAMILIAR),
        ERRORS,
    ),
}
_MODELS = _operation(
    "Which models serve, which tasks wait for one, and which published ones were refused?",
    None,
    _object(
        models={
            "type": "array",
            "items": _object(
                task=STRING, name=STRING, version=STRING, arch=STRING,
                fingerprint=STRING, dataset=STRING, dataset_hash=STRING, input={"type": "object"},
                run=STRING | {"description": "Where MLflow shows its run, if a server is set."},
            ),
        },
        missing={"type": "array", "items": _object(task=STRING, reason=STRING)},
        refused={"type": "array", "items": _object(task=STRING, reason=STRING)},
        request_id=STRING,
    ),
    {},
)  # fmt: skip
