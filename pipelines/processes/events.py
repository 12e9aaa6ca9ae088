"""What happens to a champion, as events of the Prefect server that PREFECT_API_URL names.

The decisions of the ledger, such as `espalier.promotion`, `.refusal` and `.awaiting`; and what the
monitor finds: `.drift`, `.live-score` and `.retrain`. Automations of the server act on them.
"""

import os
from uuid import NAMESPACE_URL, uuid5

from pipelines.runtime import console, environment


def emit(kind: str, task: str, dataset: str, text: str, page: str, once: str) -> bool:
    """Send an event of a task's dataset; returns whether a server has it.

    Where no server is known none is sent. Nothing is raised: what happened stands.

    Args:
        kind: the last part of its name, such as drift.
        task: image, sentiment or forecast.
        dataset: a dataset of the task.
        text: a sentence for a person.
        page: the address where there is more to see.
        once: what the server takes for the same event, and does not act on again.
    """
    if not os.environ.get(environment.PREFECT):
        return False
    name, of = f"espalier.{kind}", f"espalier.{task}.{dataset}"
    try:
        environment.check_server(environment.PREFECT)
        from prefect.client.orchestration import get_client
        from prefect.events import Event

        event = {
            "id": uuid5(NAMESPACE_URL, f"{name} {of} {once}"),
            "event": name,
            "resource": {
                "prefect.resource.id": of,
                "prefect.resource.name": f"{task} {dataset}",
                "espalier.task": task,
                "espalier.dataset": dataset,
            },
            "payload": {"text": text, "page": page},
        }
        sent = Event.model_validate(event).model_dump(mode="json")
        # `emit_event` hands it to a thread, which the end of a command waits for, however long.
        with get_client(sync_client=True) as client:
            answer = client.request("POST", "/events", json=[sent])
        answer.raise_for_status()
    except Exception as error:
        console.line("event", f"{name} was not sent: {error}", failed=True)
        return False
    return True
