"""The service: three endpoints over the published champions.

    bentoml serve serving.service:Espalier

ESPALIER_TASKS=image,sentiment narrows it, and has it be ready once both serve; image-fashion names
the model of one dataset. ESPALIER_HOME says
where champions are published and requests are logged: at most ESPALIER_LOG_MB=1024 megabytes for
ESPALIER_LOG_DAYS=90 days, without the inputs unless ESPALIER_LOG_INPUTS=1. ESPALIER_TOKENS=FILE
lists the clients that may ask, ESPALIER_API_TOKEN is the token of one more,
ESPALIER_PROTECT=health,metrics names what is closed too. ESPALIER_HOSTS=espalier.example.org names
the hosts that it answers for beside those of loopback, ESPALIER_ORIGINS=https://app.example.org
those whose pages may read its answers, ESPALIER_MAX_REQUESTS=64 how many requests it admits at a
time.
ESPALIER_FOLLOW=espalier-image-mnist_5k takes the champions of that registered model, or of several,
from the MLflow server that MLFLOW_TRACKING_URI names. ESPALIER_TRUST=FILE refuses every champion
that the private half of this public key, or of one in this folder, has not signed.
"""

import os

# Before it is imported: ONNX Runtime counts its users over the network otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import gc
import logging
import warnings

import bentoml
from starlette.types import ASGIApp

from serving import bentoml_usage, settings
from serving.app import Limits, application
from serving.champions import served, slots
from serving.champions.registry_client import CHALLENGER, CHAMPION, Registry
from serving.champions.registry_poller import RegistryPoller
from serving.champions.slots import Champions
from serving.http import metrics_folder
from serving.inference.memory import give_back_large_buffers
from serving.request_log.writer import RequestLog

bentoml_usage.switch_off()
metrics_folder.use()

TASKS = settings.wanted_tasks()
CLIENTS = settings.clients()
LIMITS = Limits(
    hosts=settings.hosts(),
    origins=settings.origins(),
    clients=CLIENTS,
    protected=settings.protected(CLIENTS),
    requests=settings.max_requests(),
)
followed = {
    name: registered
    for name, registered in settings.followed().items()
    if served.task_of(name) in TASKS
}
TRUSTED = settings.trusted()
champions = Champions([*TASKS, *followed], settings.required_models(), TRUSTED)
registry_folder = settings.pointer_folders()[0]
pollers = [
    RegistryPoller(
        Registry(settings.registry()), name + suffix, registered, registry_folder, TRUSTED, alias
    )
    for name, registered in followed.items()
    for alias, suffix in ((CHAMPION, ""), (CHALLENGER, slots.CHALLENGER))
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
        bento = bentoml.server_context  # of the Bento that is served, or of this checkout
        labels = bento.bento_name, bento.bento_version, self.name
        return application(super().to_asgi(is_main), champions, log, LIMITS, labels)


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
        logging.getLogger("bentoml.espalier").info("%s", CLIENTS)
        # What is loaded stays: the collector need not look at it, nor so often at the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    @bentoml.on_deployment
    def make_metrics_folder() -> None:
        """Called in the process that starts the workers."""
        metrics_folder.make()

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
