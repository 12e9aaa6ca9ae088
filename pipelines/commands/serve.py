"""Serve the champions over HTTP in the foreground, from the pointers on disk."""

import os
import socket

from pipelines.experiments import registry, tracking
from pipelines.processes import service
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

GRACE_SECONDS = "10"  # for requests under way at the end; BentoML's own is a day


def serve(port: int) -> None:
    """Become the service, until it is interrupted; this process does not return.

    Raises `service.ServiceError` when no task has a champion.
    """
    waiting = [task for task in settings.TASKS if not _published(task)]
    if len(waiting) == len(settings.TASKS):
        raise service.ServiceError("there is no champion to serve yet: `espalier run` makes them")
    if not _free(port):
        raise service.ServiceError(
            f"port {port} is taken by another process: espalier serve --port {port + 1}, or end it"
        )
    for task in waiting:
        console.line(task, f"no champion yet; the first one of espalier run --task {task} serves")
    command = service.command(service.CHECKOUT, port)
    command += ["--timeout-graceful-shutdown", GRACE_SECONDS]
    os.chdir(environment.ROOT)
    os.execvpe(command[0], command, os.environ)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the service itself binds: a port that was just given up is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _published(task: str) -> bool:
    """Whether the task's pointer stands, after bringing it in line with params.yaml's `serve:`."""
    dataset = settings.served()[task]
    if _names(task, dataset):
        return True
    from mlflow.exceptions import MlflowException  # seconds, which a start seldom has to pay

    try:
        champion = registry.champion(task, dataset)
    except (MlflowException, tracking.ServerError) as error:
        # Without the registry too: where the pointer is no good the last good model serves.
        console.line(task, f"as it was last published: the registry does not answer ({error})")
        return (publish.folder() / f"{task}.json").exists()
    if champion is None:
        if not _names(task, dataset):  # but no pointer, a damaged one, or another dataset's
            publish.withdraw(task)
        return False
    publish.publish(task, champion)
    return True


def _names(task: str, dataset: str) -> bool:
    """Whether the task's pointer can be read, and names a model of the dataset."""
    pointer = publish.read(task)
    return pointer is not None and pointer.name == registry.model_name(task, dataset)
