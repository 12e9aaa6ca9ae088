"""JSON answers, each with the id of its request."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serving.http.request_id import REQUEST_ID


def json_response(request: Request, content: dict) -> Response:
    """Return `content` with `request_id` as JSON; the middleware puts it into the head too."""
    answer = content | {"request_id": request.scope[REQUEST_ID]}  # the log keeps `content`
    return Response(orjson.dumps(answer), media_type="application/json")
