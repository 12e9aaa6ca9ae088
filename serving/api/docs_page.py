"""The description for programs at `/docs`: what /docs.json says, to be read and tried out.

BentoML's own page loads Google's Tag Manager and shows the description to swagger.io. This one
uses the Swagger UI that BentoML brings, and a browser lets it load nothing from elsewhere.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

OWN = "'self' 'unsafe-inline'"  # Swagger UI writes styles into its elements
HEADERS = {
    "Content-Security-Policy": f"default-src 'self'; script-src {OWN}; style-src {OWN};"
    " img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
}
HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Espalier</title>
<link rel="icon" href="./static/icon.svg">
<link rel="stylesheet" href="./static_content/swagger-ui.css">
<div id="documentation"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({ url: "./docs.json", dom_id: "#documentation", validatorUrl: null })
</script>
</html>
"""


async def page(request: Request) -> Response:
    """Show the documentation."""
    return HTMLResponse(HTML, headers=HEADERS)


SWAGGER = Route("/docs", page, methods=["GET"])
