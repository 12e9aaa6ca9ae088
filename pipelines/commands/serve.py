"""Serve the champions over HTTP in the foreground, from the pointers on disk."""

import os

from pipelines.experiments import leaderboard_rows, registry
from pipelines.processes import service
from pipelines.release import publish
from pipelines.runtime import console, environment, settings

GRACE_SECONDS = "10"  # for requests under way at the end; BentoML's own is a day


def serve(port: int) -> None:
    """Become the service, until it is interrupted; this process does not return.

    Raises `service.ServiceError` when no dataset that is served has a champion.
    """
    publish.declare()
    endpoints = settings.endpoints()
    waiting = [name for name, dataset in endpoints.items() if not _published(name, *dataset)]
    if len(waiting) == len(endpoints):
        raise service.ServiceError("there is no champion to serve yet: `espalier run` makes them")
    port = port or service.free_port()
    if not service.is_free(port):
        raise service.ServiceError(
            f"port {port} is taken by another process: espalier serve --port {port + 1}, or end it"
        )
    for name in waiting:
        task, dataset = endpoints[name]
        option = f"--task {task}" if name == task else f"--dataset {dataset}"
        console.line(name, f"no champion yet; the first one of espalier run {option} serves")
    command = service.command(service.CHECKOUT, port)
    command += ["--timeout-graceful-shutdown", GRACE_SECONDS]
    os.chdir(environment.ROOT)
    os.execvpe(command[0], command, os.environ)


def _published(endpoint: str, task: str, dataset: str) -> bool:
    """Whether the endpoint's pointer stands, after bringing it in line with the registry."""
    if _names(endpoint, task, dataset):
        return True
    champion = None
    if not leaderboard_rows.is_empty_store():
        from mlflow.exceptions import MlflowException  # seconds, which a start seldom has to pay

        try:
            champion = registry.champion(task, dataset)
        except (MlflowException, environment.ServerError) as error:
            # Without the registry too: where the pointer is no good the last good model serves.
            cause = f"the registry does not answer ({error})"
            console.line(endpoint, f"as it was last published: {cause}")
            return (publish.folder() / f"{endpoint}.json").exists()
    if champion is None:
        if not _names(endpoint, task, dataset):  # but no pointer, a damaged one, or another's
            publish.withdraw(endpoint)
        return False
    publish.publish(endpoint, champion)
    return True


def _names(endpoint: str, task: str, dataset: str) -> bool:
    """Whether the endpoint's pointer can be read, and names a model of the dataset."""
    pointer = publish.read(endpoint)
    return pointer is not None and pointer.name == registry.model_name(task, dataset)
