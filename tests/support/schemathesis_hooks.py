"""Hooks of the `schemathesis` command: what it sends as the file of a form is a picture."""

import schemathesis
import tiny
from hypothesis import strategies

for kind in ("png", "jpeg", "webp"):
    pictures = [tiny.picture(kind.upper(), size, "RGB") for size in (1, 8, 30)]
    schemathesis.openapi.media_type(f"image/{kind}", strategies.sampled_from(pictures))
