"""The page for people at `/`: the files of static/, read once; they load nothing from elsewhere."""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Nothing from another place, nothing inline; `blob:` is the picture that a visitor chose.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, and asked about each time: its 304 costs little, and a new service shows a new page.
    "Cache-Control": "no-cache",
}


def _file(path: str, file: Path) -> Route:
    """Return the route that answers with `file` as it was when the service started."""
    content = file.read_bytes()
    media_type = TYPES[file.suffix]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    async def answer(request: Request) -> Response:
        headers = HEADERS | {"ETag": etag}
        if _has(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, answer, methods=["GET"])


def _has(known: str, etag: str) -> bool:
    """Say whether `etag` is among those that an If-None-Match names; a proxy may make them weak."""
    return etag in (one.strip().removeprefix("W/") for one in known.split(","))


PAGE = [
    _file("/" if file.name == "index.html" else f"/static/{file.name}", file)
    for file in sorted(FOLDER.iterdir())
    if file.suffix in TYPES
]
