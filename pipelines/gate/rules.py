"""What params.yaml asks of a candidate before it may serve, under `gate:`."""

from typing import Annotated

from pydantic import ConfigDict, Field

from data.entries import Section
from pipelines.runtime import settings

Bound = Annotated[float, Field(ge=0)]


class Rules(Section):
    """The gate's numbers for one dataset.

    alpha: two-sided level of every test. floor, of classes: how far from the majority's accuracy to
    1 any model must come; of series: the most that its relative error may be. margin: what a
    cheaper model may lose of the score. cheaper: the share by which latency or size must be lower.
    slice: what no slice may lose. latency_ms, memory_mb, size_mb: the budgets of what is served.
    """

    model_config = ConfigDict(frozen=True)
    alpha: float = Field(gt=0, lt=1)
    floor: Bound
    margin: Bound
    cheaper: Bound
    slice: Bound
    latency_ms: Bound
    memory_mb: Bound
    size_mb: Bound


def of(task: str, dataset: str) -> Rules:
    """The rules of the dataset. Raises UsageError for one that is missing, unknown or no number."""
    declared = settings.gate(task)
    chosen = declared.get("all", {}) | declared.get(dataset, {})
    return settings.checked(Rules, chosen, "gate", task)
