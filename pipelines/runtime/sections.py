"""The sections of params.yaml above the data, declared in Pydantic: `serve`, `gate`, `profiles`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from data.entries import Count, Section

Task = Literal["image", "sentiment", "forecast"]
# architecture or `all` → dataset or `all` → parameters
Parameters = dict[str, dict[str, dict[str, Any]]]


def _listed(names: Any) -> Any:
    return [names] if isinstance(names, str) else names  # a single one needs no brackets


def _different(names: list[str]) -> list[str]:
    if not names or len(set(names)) < len(names):
        raise ValueError(f"is {names}, expected a dataset, or several different ones in a list")
    return names


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
