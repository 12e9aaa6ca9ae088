"""The pages for people: the files of static/, read once; they load nothing from elsewhere.

`/` asks the models. `/docs` shows the description of the service with the Swagger UI that BentoML
brings; BentoML's own page loads Google's Tag Manager.
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "static"
PATHS = {"index.html": "/", "docs.html": "/docs"}
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
    "Referrer-Policy": "no-referrer",
    # A browser asks whether its copy is current: a 304 costs little, and a new service shows a
    # new page.
    "Cache-Control": "no-cache",
}
SWAGGER = {  # which writes styles into its elements, and images into their addresses
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
}


def _page(file: Path) -> Route:
    """Return the route that answers with `file` as it was when the service started."""
    content = file.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = HEADERS | (SWAGGER if file.name == "docs.html" else {}) | {"ETag": etag}

    async def answer(request: Request) -> Response:
        copies = request.headers.get("if-none-match", "").split(",")
        if etag in (copy.strip().removeprefix("W/") for copy in copies):  # weak behind a proxy
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=TYPES[file.suffix])

    return Route(PATHS.get(file.name, f"/static/{file.name}"), answer, methods=["GET"])


PAGES = [_page(file) for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES]
