"""The service: three endpoints over the published champions.

    bentoml serve serving.service:Espalier

ESPALIER_TASKS=image,sentiment narrows it; ESPALIER_HOME says where champions are published.
"""

import os

# The one effect on import: BentoML counts its users over the network otherwise, and so does ONNX
# Runtime. The command `bentoml serve` has read the variable before it imports this file, and
# remembers what it said.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import gc

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from starlette.routing import Router
from starlette.types import ASGIApp

from serving.app import complete
from serving.champions import Champions
from serving.documentation import documentation
from serving.page import PAGE
from serving.routes import MODELS, READY, TASK_ROUTES
from serving.settings import pointer_folders, wanted_tasks
from serving.swagger import SWAGGER

usage_stats.do_not_track.cache_clear()

TASKS = wanted_tasks()
champions = Champions(TASKS)
api = Router([*(TASK_ROUTES[task] for task in TASKS), MODELS], redirect_slashes=False)


class CompletedService(bentoml.Service):
    """A BentoML service whose app has our error form, page, readiness and description."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        docs = documentation(self.openapi_spec.asdict(), TASKS)
        return complete(super().to_asgi(is_main), champions, [*PAGE, SWAGGER, READY, docs])


@bentoml.asgi_app(api, path="/v1")
@bentoml.service(
    service_class=CompletedService,
    workers=1,
    http={"host": "127.0.0.1", "port": 3000},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ["v1/.*"]},
)
class Espalier:
    """Loads the published champions and keeps them up to date."""

    def __init__(self):
        champions.start(pointer_folders())
        # What is loaded stays: the collector need not look at it, nor so often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    @bentoml.on_shutdown
    def stop(self):
        champions.stop()
