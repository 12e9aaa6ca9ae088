"""What /docs.json says of the mounted routes: schemas, examples and errors (OpenAPI 3.0).

A test calls every example.
"""

from collections.abc import Callable

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


def as_object(optional: tuple[str, ...] = (), **properties) -> dict:
    """Return the schema of an object; optional: which of its properties may be missing."""
    required = [name for name in properties if name not in optional]
    needed = {"required": required} if required else {}  # OpenAPI 3.0 forbids an empty list
    return {"type": "object", "properties": properties} | needed


MODEL = as_object(name=STRING, version=STRING, fingerprint=STRING)
FAILURE = as_object(error=as_object(code=STRING, message=STRING), request_id=STRING)
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
UNGUARDED = ("familiar", "familiarity")  # what a model without a guard does not say
REVIEW = {"label": STRING, "score": NUMBER, "probabilities": SHARES} | FAMILIAR


def documentation(
    description: dict,
    tasks: tuple[str, ...],
    protocol: Callable[[], dict],
    closed: Callable[[str], bool] | None,
) -> Route:
    """Return /docs.json: BentoML's own `description`, the routes under /v1 and those under /v2.

    protocol: what to say of the paths under /v2 now. closed: whether a path needs the token; None
    while there is none.
    """
    operations = {f"/v1/{task}": {"post": _OPERATIONS[task]} for task in tasks}
    description["info"] = {
        "title": "Espalier",
        "version": "1",
        "description": "Three tasks, answered by their champions.",
    }
    description["paths"] |= operations | {"/v1/models": {"get": _MODELS}}
    if closed:
        components = description.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}

    async def docs(request: Request) -> Response:
        paths = description["paths"] | protocol()
        if closed:
            paths = {path: _locked(item) if closed(path) else item for path, item in paths.items()}
        return JSONResponse(description | {"paths": paths})

    return Route("/docs.json", docs, methods=["GET"])


def _locked(item: dict) -> dict:
    """Say of the operations of one path that they need the token."""
    refusal = {"401": {"description": "The request does not carry the token."}}
    return {
        method: said | {"security": [{"token": []}], "responses": said["responses"] | refusal}
        for method, said in item.items()
    }


def as_json(schema: dict, **extra) -> dict:
    return {"application/json": {"schema": schema} | extra}


def operation(
    summary: str, content: dict | None, answer: dict, errors: dict, failure: dict = FAILURE
) -> dict:
    failures = {
        status: {"description": text, "content": as_json(failure)}
        for status, text in errors.items()
    }
    success = {"description": "The answer.", "content": as_json(answer)}
    body = {"requestBody": {"required": True, "content": content}} if content else {}
    return {
        "summary": summary,
        "tags": ["Service APIs"],
        "responses": {"200": success} | failures,
    } | body


def _answered(**properties) -> dict:
    return as_object(UNGUARDED, **properties, model=MODEL, request_id=STRING)


NO_OTHERS = {"additionalProperties": False}
_PICTURES = {name: {"schema": FILE} for name in ("image/png", "image/jpeg", "image/webp")}
_FORM = {"multipart/form-data": {"schema": as_object(file=FILE)}}
_TEXTS = {"type": "array", "items": STRING, "minItems": 1, "maxItems": 256}
_REVIEWS = {"oneOf": [NO_OTHERS | as_object(text=STRING), NO_OTHERS | as_object(texts=_TEXTS)]}
_RESULTS = {"type": "array", "items": as_object(UNGUARDED, **REVIEW)}
_TEXT_EXAMPLES = {
    "one": {"value": {"text": "A quiet film, and a great one."}},
    "several": {"value": {"texts": ["I would see it again.", "Two hours that never end."]}},
}
_SERIES = NO_OTHERS | as_object(
    ("horizon", "level"),
    history=NUMBERS,
    horizon={"type": "integer", "minimum": 1},
    level=NUMBER,
)
_HISTORY = {"history": [5.0 + (step % 12) / 10 for step in range(72)], "horizon": 6, "level": 0.8}

_OPERATIONS = {
    "image": operation(
        "Which class is this picture?",
        _PICTURES | _FORM,
        _answered(label=STRING, probabilities=SHARES, **FAMILIAR),
        ERRORS,
    ),
    "sentiment": operation(
        'How positive is this text? With "texts", `results` holds one answer for each.',
        as_json(_REVIEWS, examples=_TEXT_EXAMPLES),
        {"oneOf": [_answered(**REVIEW), _answered(results=_RESULTS)]},
        ERRORS,
    ),
    "forecast": operation(
        "What are the next values of this series, and how sure are we?",
        as_json(_SERIES, example=_HISTORY),
        _answered(forecast=NUMBERS, lower=NUMBERS, upper=NUMBERS, level=NUMBER, **FAMILIAR),
        ERRORS,
    ),
}
_MODELS = operation(
    "Which models serve, which tasks wait for one, and which published ones were refused?",
    None,
    as_object(
        models={
            "type": "array",
            "items": as_object(
                ("run",), task=STRING, name=STRING, version=STRING, arch=STRING,
                fingerprint=STRING, dataset=STRING, dataset_hash=STRING, metrics=SHARES,
                served_since=STRING, input={"type": "object"},
                run=STRING | {"description": "Where MLflow shows its run, if a server is set."},
            ),
        },
        missing={"type": "array", "items": as_object(task=STRING, reason=STRING)},
        refused={"type": "array", "items": as_object(task=STRING, reason=STRING)},
        request_id=STRING,
    ),
    {},
)  # fmt: skip
