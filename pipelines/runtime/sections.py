"""The sections of params.yaml above the data, declared in Pydantic."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from data.entries import Count, Section, Text
from pipelines.runtime import settings

Task = Literal["image", "sentiment", "forecast"]
# architecture or `all` → dataset or `all` → parameters
Parameters = dict[str, dict[str, dict[str, Any]]]


def _listed(names: Any) -> Any:
    return [names] if isinstance(names, str) else names  # a single one needs no brackets


def _different(names: list[str]) -> list[str]:
    if not names or len(set(names)) < len(names):
        raise ValueError(f"is {names}, expected a dataset, or several different ones in a list")
    return names


def _lasting(text: str) -> str:
    if not settings.seconds_of(text, "hd"):
        raise ValueError(f"is {text!r}, expected a number above 0 with h or d: 6h, 90d")
    return text


def _variable(name: str) -> str:
    if not (name.isidentifier() and name.isupper()):  # the value is none of ours to repeat
        raise ValueError(
            "is no name of an environment variable, such as SLACK_WEBHOOK_URL: what it holds is a "
            "secret, and stands in no file"
        )
    return name


Lasting = Annotated[str, AfterValidator(_lasting)]
Variable = Annotated[str, AfterValidator(_variable)]
Datasets = Annotated[list[str], BeforeValidator(_listed), AfterValidator(_different)]


class Serve(Section):
    """Which datasets' champions are served: the first of a task answers its plain path."""

    image: Datasets
    """A dataset, or several in a list."""
    sentiment: Datasets
    """Likewise."""
    forecast: Datasets
    """Likewise."""


class Gate(Section):
    """What the gate asks: task → `all` or a dataset → rules, see pipelines/gate/rules.py."""

    image: dict[str, dict[str, Any]]
    sentiment: dict[str, dict[str, Any]]
    forecast: dict[str, dict[str, Any]]


class Retrain(Section):
    """When a champion that is watched is retrained without being asked."""

    cooldown: Lasting = "6h"
    """From the begin of one retraining to the next, at least."""
    share: float = Field(0.1, gt=0, le=1)
    """Of all time that retrainings may take, at most: after one of 1 h, 0.1 waits for 10 h."""
    oldest: Lasting = "90d"
    """The age of a champion from which any new row is enough."""
    rows: Count = 100
    """New rows that drift, or a live score below the promise, waits for."""


class Collect(Section):
    """What is kept of requests that became rows of a dataset."""

    days: Count = 365
    """The age of a request from which on its rows go."""
    rows: int = Field(100_000, ge=0)
    """Rows, at most; beyond, the oldest go. With 0 this checkout collects nothing."""


class Notify(Section):
    """A way to tell people, through a block of the Prefect server."""

    kind: Literal["slack", "email", "webhook"]
    """A Slack webhook, e-mail through SendGrid, or JSON that is posted to any URL."""
    secret: Variable
    """The environment variable that holds the URL; of e-mail SendGrid's API key."""
    sender: Text | None = None
    """Of e-mail: the address that it comes from."""
    to: list[Text] = Field([])
    """Of e-mail: the addresses that it goes to."""

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        if (self.kind == "email") != bool(self.sender and self.to):
            raise ValueError("is of the kind email, or has sender and to; expected both or none")
        return self


class FirstLook(Section):
    """The screening fits of a profile, and how many architectures get a full fit after them."""

    share: float = Field(gt=0, le=1)
    """Of the training rows."""
    epochs: Count
    """Of each fit."""
    rows: Count = 1
    """The least training rows of a look: of fewer there are, it takes all."""
    steps: Count = 1
    """The least optimizer steps of a look: few rows make more epochs."""
    keep: Count
    """Architectures that get a full fit."""


class Profile(Section):
    """The parameters that a profile sets, and its first looks."""

    first_look: dict[Task, FirstLook] = Field({})
    """Task → its screening fits; a task without fits every architecture in full."""
    steps: Count = 1
    """The least optimizer steps of a fit: few rows make more epochs, unless `epochs` is named."""
    image: Parameters = Field({})
    """Architecture or `all` → dataset or `all` → parameters."""
    sentiment: Parameters = Field({})
    """Likewise."""
    forecast: Parameters = Field({})
    """Likewise."""
