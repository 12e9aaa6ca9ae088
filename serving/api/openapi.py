"""What /docs.json says of the mounted routes: schemas, examples and errors (OpenAPI 3.0).

A test calls every example.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.http.canonical_path import is_under

ERRORS = {
    "400": "The body is malformed.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The Content-Type is not one of those listed, or the body is compressed.",
    "422": "The request is well-formed, but against a rule; the message names it.",
    "429": "Too much is coming in or waiting; try again after Retry-After seconds.",
    "503": "No model serves this task yet.",
}
WITH_RETRY = ("429", "503")  # those that say when to try again
STRING, NUMBER, TRUTH = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
OR_NULL = {"nullable": True}
NUMBERS = {"type": "array", "items": NUMBER}
SHARES = {"type": "object", "additionalProperties": NUMBER}


def as_object(optional: tuple[str, ...] = (), **properties) -> dict:
    """Return the schema of an object; optional: which of its properties may be missing."""
    required = [name for name in properties if name not in optional]
    needed = {"required": required} if required else {}  # OpenAPI 3.0 forbids an empty list
    return {"type": "object", "properties": properties} | needed


MODEL = as_object(name=STRING, version=STRING, fingerprint=STRING)
FAILURE = as_object(error=as_object(code=STRING, message=STRING), request_id=STRING)
PROTOCOL_FAILURE = as_object(error=STRING)
OWN_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "schema": STRING,
    "description": "The request's id, if it is 1 to 128 letters, digits and . _ : -; instead of "
    "any other the request gets a new one.",
}
ID = {
    "X-Request-ID": {
        "description": "The request's id: its own, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    }
}
RETRY = {
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
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
    """Return /docs.json: of BentoML's own `description` only the frame, for it tells of errors and
    probes as other services have them.

    protocol: what to say of the paths under /v2 now. closed: whether a path needs the token; None
    while there is none.
    """
    operations = {f"/v1/{task}": {"post": _OPERATIONS[task]} for task in tasks}
    own = _PROBES | operations | {"/v1/models": {"get": _MODELS}}
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    description |= {
        "info": {"title": "Espalier", "version": "1", "description": _ABOUT},
        "tags": _TAGS,
        "components": {"securitySchemes": schemes} if closed else {},
    }

    async def docs(request: Request) -> Response:
        paths = own | protocol()
        if closed:
            paths |= {path: _locked(path, item) for path, item in paths.items() if closed(path)}
        return JSONResponse(description | {"paths": paths})

    return Route("/docs.json", docs, methods=["GET"])


def _locked(path: str, item: dict) -> dict:
    """Say of the operations of one path that they need the token."""
    failure = PROTOCOL_FAILURE if is_under("/v2", path) else FAILURE
    text = "The request does not carry the token."
    refusal = {"401": _response(text, as_json(failure), ID | CHALLENGE)}
    return {
        method: said | {"security": [{"token": []}], "responses": said["responses"] | refusal}
        for method, said in item.items()
    }


def as_json(schema: dict, **extra) -> dict:
    return {"application/json": {"schema": schema} | extra}


def operation(
    summary: str,
    body: dict | None,
    answer: dict,
    errors: dict,
    failure: dict = FAILURE,
    retry: tuple[str, ...] = WITH_RETRY,
) -> dict:
    """Describe what is done at a path.

    body, answer: their schemas by content type. errors: what each status means; failure: the schema
    of them all; retry: which of them say when to try again.
    """
    failures = {
        status: _response(text, as_json(failure), ID | (RETRY if status in retry else {}))
        for status, text in errors.items()
    }
    described = {
        "summary": summary,
        "tags": ["Service APIs"],
        "parameters": [OWN_ID],
        "responses": {"200": _response("The answer.", answer, ID)} | failures,
    }
    return described | ({"requestBody": {"required": True, "content": body}} if body else {})


def _response(description: str, content: dict, headers: dict) -> dict:
    return {"description": description, "headers": headers, "content": content}


def _probe(summary: str, answer: dict, errors: dict) -> dict:
    described = operation(summary, None, answer, errors, retry=())
    return {"get": described | {"tags": ["Infrastructure"]}}


def _answered(**properties) -> dict:
    return as_object(UNGUARDED, **properties, model=MODEL, request_id=STRING)


_ABOUT = (
    "Three tasks, answered by their champions. Whatever goes wrong is told in one form, `error` "
    "and `request_id`, and under /v2 in that of the Open Inference Protocol. So are 404, 405 and "
    "500, which may happen to any request and are not listed with each; what cannot be read as a "
    "request is told in the first form everywhere: 400, 429, 431."
)
_TAGS = [
    {"name": "Service APIs", "description": "What the models answer, and what they are."},
    {"name": "Infrastructure", "description": "For those who run the service."},
]
_TEXT = {"text/plain": {"schema": STRING}}
_READY = as_object(
    ready=TRUTH, models={"type": "object", "additionalProperties": MODEL}, request_id=STRING
)
_PROBES = {
    "/livez": _probe("Does it run? The answer is an empty line.", _TEXT, {}),
    "/healthz": _probe("Does it run? The older name of /livez.", _TEXT, {}),
    "/readyz": _probe(
        "Does every task have a model, and which?",
        as_json(_READY),
        {"503": "A task has no model; the message says which, and why."},
    ),
    "/metrics": _probe("What was counted, as Prometheus reads it.", _TEXT, {}),
}
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
OPTIONS = {
    "horizon": {"type": "integer", "minimum": 1}
    | OR_NULL
    | {"description": "How many values to forecast; at most, and without it, the model's own."},
    "level": {"type": "number", "minimum": 0.001, "maximum": 0.999}
    | OR_NULL
    | {"description": "The share of values that the interval is to hold; without it, 0.95."},
}
_SERIES = NO_OTHERS | as_object(tuple(OPTIONS), history=NUMBERS, **OPTIONS)
_HISTORY = {"history": [5.0 + (step % 12) / 10 for step in range(72)], "horizon": 6, "level": 0.8}
_FORECAST = _answered(forecast=NUMBERS, lower=NUMBERS, upper=NUMBERS, level=NUMBER, **FAMILIAR)

_OPERATIONS = {
    "image": operation(
        "Which class is this picture?",
        _PICTURES | _FORM,
        as_json(_answered(label=STRING, probabilities=SHARES, **FAMILIAR)),
        ERRORS,
    ),
    "sentiment": operation(
        'How positive is this text? With "texts", `results` holds one answer for each.',
        as_json(_REVIEWS, examples=_TEXT_EXAMPLES),
        as_json({"oneOf": [_answered(**REVIEW), _answered(results=_RESULTS)]}),
        ERRORS,
    ),
    "forecast": operation(
        "What are the next values of this series, and how sure are we?",
        as_json(_SERIES, example=_HISTORY),
        as_json(_FORECAST),
        ERRORS,
    ),
}
_SERVING = as_object(
    ("run",), task=STRING, name=STRING, version=STRING, arch=STRING,
    fingerprint=STRING, dataset=STRING, dataset_hash=STRING, metrics=SHARES,
    served_since=STRING, input={"type": "object"},
    run=STRING | {"description": "Where MLflow shows its run, if a server is set."},
)  # fmt: skip
_REASONS = {"type": "array", "items": as_object(task=STRING, reason=STRING)}
_LISTED = as_object(
    models={"type": "array", "items": _SERVING},
    missing=_REASONS,
    refused=_REASONS,
    request_id=STRING,
)
_MODELS = operation(
    "Which models serve, which tasks wait for one, and which published ones were refused?",
    None,
    as_json(_LISTED),
    {},
)
