"""Serve the champions over HTTP in the foreground, from the pointers on disk."""

import os
import subprocess

from pipelines import environment, publish, registry, service, settings


def serve(port: int) -> int:
    """Serve until interrupted; returns the server's exit status.

    Raises `service.ServiceError` when no task has a champion.
    """
    tasks = [task for task in settings.TASKS if _published(task)]
    if not tasks:
        raise service.ServiceError("there is no champion to serve yet: `espalier run` makes them")
    variables = os.environ | {"ESPALIER_TASKS": ",".join(tasks)}
    command = service.command(service.CHECKOUT, port)
    process = subprocess.Popen(command, cwd=environment.ROOT, env=variables)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return process.wait()


def _published(task: str) -> bool:
    """Whether the task's pointer stands, after bringing it in line with params.yaml's `serve:`."""
    dataset = settings.served()[task]
    pointer = publish.read(task)
    if pointer is None or pointer["name"] != registry.model_name(task, dataset):
        champion = registry.champion(task, dataset)
        if champion is not None:
            publish.publish(task, champion)
    return publish.read(task) is not None
