"""The service: three endpoints over the published champions.

    bentoml serve serving.service:Espalier

ESPALIER_TASKS=image,sentiment narrows it; ESPALIER_HOME says where champions are published and
requests are logged: at most ESPALIER_LOG_MB=1024 megabytes for ESPALIER_LOG_DAYS=90 days, without
the inputs unless ESPALIER_LOG_INPUTS=1. ESPALIER_API_TOKEN is what a client must carry,
ESPALIER_PROTECT=health,metrics what it closes too. ESPALIER_HOSTS=espalier.example.org names the
hosts that it answers for beside those of loopback, ESPALIER_MAX_REQUESTS=64 how many requests it
admits at a time. ESPALIER_FOLLOW=espalier-image-mnist_5k takes the champions of that registered
model from the MLflow server that MLFLOW_TRACKING_URI names.
"""

import os

# Before it is imported: ONNX Runtime counts its users over the network otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import atexit
import gc
import logging
import shutil
import tempfile
import warnings
from functools import partial

import bentoml
from starlette.types import ASGIApp

from serving import bentoml_usage, settings
from serving.api.openapi import description
from serving.api.page import PAGES
from serving.api.v1 import MODELS, READY, TASK_ROUTES
from serving.app import Limits, application
from serving.champions.registry_client import Registry
from serving.champions.registry_poller import RegistryPoller
from serving.champions.slots import Champions
from serving.http.auth import needs_token
from serving.inference.memory import give_back_large_buffers
from serving.inference_protocol.v2 import canonical, protocol_routes
from serving.request_log.writer import RequestLog

bentoml_usage.switch_off()
# A service that starts wipes the metrics of another with the same BENTOML_HOME. So each has a
# folder of its own, made in the process that started this one (`give_metrics_a_folder`).
METRICS_FOLDER = "ESPALIER_METRICS_FOLDER"
if METRICS_FOLDER in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ[METRICS_FOLDER]

TASKS = settings.wanted_tasks()
LIMITS = Limits(
    hosts=settings.hosts(),
    token=settings.api_token(),
    protected=settings.protected(),
    requests=settings.max_requests(),
)
champions = Champions(TASKS)
pollers = [
    RegistryPoller(Registry(settings.registry()), task, name, settings.pointer_folders()[0])
    for task, name in settings.followed().items()
    if task in TASKS
]
log = RequestLog(
    settings.home() / "requests",
    settings.log_megabytes(),
    settings.log_inputs(),
    settings.log_days(),
)


class FrontedService(bentoml.Service):
    """A BentoML service with our application in front of BentoML's."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        closed = partial(needs_token, protected=LIMITS.protected) if LIMITS.token else None
        docs = description(champions, closed)
        routes = [*(TASK_ROUTES[task] for task in TASKS), *protocol_routes(TASKS)]
        routes += [READY, MODELS, *PAGES, docs]
        bento = bentoml.server_context  # of the Bento that is served, or of this checkout
        return application(
            super().to_asgi(is_main),
            routes,
            partial(canonical, champions),
            champions,
            log,
            LIMITS,
            (bento.bento_name, bento.bento_version, self.name),
        )


@bentoml.service(
    service_class=FrontedService,
    workers=1,
    http={"host": "127.0.0.1", "port": 3000},
    logging={"access": {"enabled": False}},
    # What BentoML counts of the few routes that are forwarded to it; we count them all.
    metrics={"namespace": "bentoml_forwarded"},
    # It keeps each request that is forwarded to it in memory for so long.
    traffic={"timeout": 10},
    # OpenTelemetry logs what it cannot read of a header, in the client's own words.
    tracing={"excluded_urls": [".*"]},
)
class Espalier:
    """Loads the published champions and keeps them up to date."""

    def __init__(self) -> None:
        keep_logs_small()
        give_back_large_buffers()
        champions.start(settings.pointer_folders())
        for poller in pollers:
            poller.start()
        log.start()
        # What is loaded stays: the collector need not look at it, nor so often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    @bentoml.on_deployment
    def give_metrics_a_folder() -> None:
        """Called in the process that starts the workers, which read the variable (above)."""
        folder = os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix="espalier-metrics-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)

    @bentoml.on_shutdown
    def stop(self) -> None:
        for poller in pollers:
            poller.stop()
        champions.stop()
        log.stop()


def keep_logs_small() -> None:
    """Have nothing logged that a client writes: a stranger must not fill a disk."""
    # Otherwise uvicorn composes a line for each request, which BentoML then throws away.
    logging.getLogger("uvicorn.access").propagate = False
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno != logging.WARNING)
    # Pillow's warnings hold numbers from the picture: each would be a new line, and remembered.
    warnings.filterwarnings("ignore", module="PIL")
