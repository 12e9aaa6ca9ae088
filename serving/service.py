"""The service: three endpoints over the published champions.

    bentoml serve serving.service:Espalier

ESPALIER_TASKS=image,sentiment narrows it; ESPALIER_HOME says where champions are published and
requests are logged: ESPALIER_LOG_MB=256 of them at most, without what was sent unless
ESPALIER_LOG_INPUTS=1. ESPALIER_API_TOKEN is what a client must carry,
ESPALIER_PROTECT=health,metrics what it closes too. ESPALIER_FOLLOW=espalier-image-mnist_5k takes
the champions of that registered model from the MLflow server that MLFLOW_TRACKING_URI names.
"""

import os

# The one effect on import: BentoML counts its users over the network otherwise, and so does ONNX
# Runtime. The command `bentoml serve` has read the variable before it imports this file, and
# remembers what it said.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import gc
from functools import partial

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from starlette.routing import Router
from starlette.types import ASGIApp

from serving.api.docs_page import SWAGGER
from serving.api.openapi import description
from serving.api.page import PAGE
from serving.api.v1 import MODELS, READY, TASK_ROUTES
from serving.app import complete
from serving.champions.registry_client import Registry
from serving.champions.registry_poller import Follower
from serving.champions.slots import Champions
from serving.http import server
from serving.http.auth import needs_token
from serving.http.descriptors import allow_many_descriptors
from serving.inference.memory import give_back_large_buffers
from serving.inference_protocol.v2 import canonical, inference_endpoints, protocol_routes
from serving.request_log.writer import RequestLog
from serving.settings import (
    api_token,
    followed,
    home,
    log_inputs,
    log_megabytes,
    pointer_folders,
    protected,
    registry,
    wanted_tasks,
)

usage_stats.do_not_track.cache_clear()

TASKS = wanted_tasks()
TOKEN, PROTECTED = api_token(), protected()
champions = Champions(TASKS)
followers = [
    Follower(Registry(registry()), task, name, pointer_folders()[0])
    for task, name in followed().items()
    if task in TASKS
]
log = RequestLog(home() / "requests", log_megabytes(), log_inputs())
api = Router([*(TASK_ROUTES[task] for task in TASKS), MODELS], redirect_slashes=False)


class CompletedService(bentoml.Service):
    """A BentoML service whose app has our error form, page, readiness and description."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        closed = partial(needs_token, protected=PROTECTED) if TOKEN is not None else None
        docs = description(champions, closed)
        routes = [*protocol_routes(TASKS), *PAGE, SWAGGER, READY, docs]
        renamed = partial(canonical, champions)
        endpoints = {f"/v1/{task}": TASK_ROUTES[task].endpoint for task in TASKS}
        endpoints |= inference_endpoints(TASKS)
        app = super().to_asgi(is_main)
        server.install()
        return complete(app, champions, log, routes, endpoints, renamed, TOKEN, PROTECTED)


@bentoml.asgi_app(api, path="/v1")
@bentoml.service(
    service_class=CompletedService,
    workers=1,
    http={"host": "127.0.0.1", "port": 3000},
    logging={"access": {"enabled": False}},
)
class Espalier:
    """Loads the published champions and keeps them up to date."""

    def __init__(self):
        give_back_large_buffers()
        allow_many_descriptors()
        champions.start(pointer_folders())
        for follower in followers:
            follower.start()
        log.start()
        # What is loaded stays: the collector need not look at it, nor so often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    @bentoml.on_deployment
    def supervise():
        """Called in the process that starts the workers."""
        from serving.http import supervisor

        supervisor.take_over()

    @bentoml.on_shutdown
    def stop(self):
        for follower in followers:
            follower.stop()
        champions.stop()
        log.stop()
