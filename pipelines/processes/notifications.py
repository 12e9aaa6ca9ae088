"""Who is told, and how: params.yaml's `notify` as blocks and automations of the Prefect server.

Each way is a notification block, which holds its secret, and two automations: one for the events of
`pipelines.processes.events`, one for runs of our flows that failed.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from pipelines.runtime import console, environment, settings

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.automations import AutomationCore
    from prefect.blocks.abstract import NotificationBlock
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import BlockDocument
    from prefect.events.schemas.automations import Automation

    from pipelines.runtime.sections import Notify

BLOCK = "espalier-"  # begins the names of our blocks
KINDS = ("Slack Webhook", "Sendgrid Email", "Custom Webhook")  # of blocks, in Prefect's words
MARK = "espalier notify "  # begins the names of our automations
DECIDED = ("promotion", "force", "refusal", "rollback", "awaiting")
TOLD = (*DECIDED, "shadow", "canary", "withdrawal", "drift", "live-score")
FLOWS = ("retrain", "monitor")
FAILED = ("FAILED", "CRASHED")  # types of states, whatever their names
EVENT = "{{ event.payload.text }}\n{{ event.payload.page }}"
RUN = "{{ flow_run.state.message }}\n{{ flow_run | ui_url or '' }}"


class NotifyError(RuntimeError):
    """A way cannot be set up; the message names it, the cause, and what to do."""


def apply() -> dict[str, str]:
    """Make the server's notifications those of params.yaml; may be repeated at any time.

    Returns:
        The ways by name, with their kinds. Those that params.yaml names no more are gone.

    Raises:
        UsageError: no server is named, or params.yaml says what cannot be.
        NotifyError: the variable of a secret is not set, or what it holds is refused.
    """
    ways = settings.notify()
    _check_names(ways)
    if not os.environ.get(environment.PREFECT):
        raise settings.UsageError(
            f"{environment.PREFECT} is not set: notifications are kept by a Prefect server, such "
            "as that of `espalier up`, http://127.0.0.1:4200/api"
        )
    from prefect.client.orchestration import get_client

    blocks = {
        name: cast("UUID", _block(name, way).save(_document(name), overwrite=True))
        for name, way in ways.items()
    }
    wanted = [one for name, block in blocks.items() for one in _automations(name, block)]
    with get_client(sync_client=True) as client:
        listed: list[Automation] = []
        while page := client.read_automations(offset=len(listed)):
            listed += page
        present = {one.name: one for one in listed}
        for automation in wanted:
            if before := present.get(automation.name):
                client.update_automation(before.id, automation)
            else:
                client.create_automation(automation)
        names = {automation.name for automation in wanted}
        for name, one in present.items():
            if name.startswith(MARK) and name not in names:
                client.delete_automation(one.id)
        _remove_blocks(client, set(blocks.values()))
    return {name: way.kind for name, way in ways.items()}


def _check_names(ways: Iterable[str]) -> None:
    for document, count in Counter(map(_document, ways)).items():
        if count > 1:
            raise settings.UsageError(
                f"notify in params.yaml has {count} names that are one block, {document}: let them "
                "differ in more than case and underscores"
            )


def _remove_blocks(client: "SyncPrefectClient", kept: "set[UUID]") -> None:
    """Delete our blocks that no way uses, with the secrets that they hold."""
    listed: list[BlockDocument] = []
    while page := client.read_block_documents(offset=len(listed), include_secrets=False):
        listed += page
    for one in listed:
        ours = (one.name or "").startswith(BLOCK) and one.block_type_name in KINDS
        if ours and one.id not in kept:
            client.delete_block_document(one.id)


def _document(name: str) -> str:
    """The name of a way's block."""
    return f"{BLOCK}{name}".lower().replace("_", "-")


def show(ways: dict[str, str]) -> None:
    """Print who is told now."""
    for name, kind in ways.items():
        console.line(name, kind)
    if not ways:
        console.line("notify", "nobody is told: `notify` in params.yaml names no way")


def _automations(name: str, block: "UUID") -> "Iterator[AutomationCore]":
    """The automations of a way, by its block."""
    from prefect.automations import AutomationCore, EventTrigger, SendNotification

    told = EventTrigger(
        expect={f"espalier.{kind}" for kind in TOLD},
        match={"prefect.resource.id": "espalier.*"},
        for_each={"prefect.resource.id"},
    )
    failed = EventTrigger(
        expect={"prefect.flow-run.*"},
        match={"prefect.resource.id": "prefect.flow-run.*", "prefect.state-type": [*FAILED]},
        match_related={"prefect.resource.role": "flow", "prefect.resource.name": [*FLOWS]},
        for_each={"prefect.resource.id"},
    )
    subjects: dict[str, tuple[Any, str, str]] = {
        "events": (told, "Espalier: {{ event.event }}, {{ event.resource.name }}", EVENT),
        "failed runs": (failed, "Espalier: {{ flow_run.name }} failed", RUN),
    }
    for what, (trigger, subject, body) in subjects.items():
        action = SendNotification(block_document_id=block, subject=subject, body=body)
        made = AutomationCore(name=f"{MARK}{name}: {what}", trigger=trigger, actions=[action])
        # An update sends what was set alone; the server wants all of it, and no owner.
        yield AutomationCore(**made.model_dump(exclude={"owner_resource"}))


def _block(name: str, way: "Notify") -> "NotificationBlock":
    """The block of a way. Raises NotifyError."""
    from prefect.blocks import notifications
    from prefect.types import SecretDict
    from pydantic import SecretStr

    secret = os.environ.get(way.secret, "").strip()
    if not secret:
        raise NotifyError(f"{way.secret} is not set: notify.{name} in params.yaml asks for it")
    try:
        if way.kind == "slack":
            return notifications.SlackWebhook(url=SecretStr(secret))
        if way.kind == "email":
            return notifications.SendgridEmail(
                api_key=SecretStr(secret), sender_email=way.sender or "", to_emails=way.to
            )
        return notifications.CustomWebhookNotificationBlock(
            name=name,
            url="{{url}}",  # filled in as it is sent: what is no secret lies open on the server
            secrets=SecretDict({"url": secret}),
            json_data={"subject": "{{subject}}", "text": "{{body}}"},
            headers=None,
            cookies=None,
        )
    except (ValueError, TypeError) as error:
        raise NotifyError(f"notify.{name}: {way.secret} holds what cannot be: {error}") from None
