"""What params.yaml asks of a candidate before it may serve, under `gate:`."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from data.entries import Section
from pipelines.runtime import settings

Bound = Annotated[float, Field(ge=0)]
Percentage = Annotated[int, Field(ge=1, le=50)]


class Rules(Section):
    """The gate's numbers for one dataset."""

    model_config = ConfigDict(frozen=True)
    alpha: float = Field(gt=0, lt=1)
    """Two-sided level of every test."""
    floor: Bound
    """Of classes, how far from the majority's accuracy to 1 any model must come, at least; of
    series, its relative error, at most."""
    margin: Bound
    """What a cheaper model may lose of the score, at most, its interval included."""
    cheaper: Bound
    """The share by which latency or size must be lower; the other may not be that much higher."""
    unseen: int = Field(100, ge=1)
    """Test rows that no side of a comparison was fitted on, at least, where some are left out."""
    slice: Bound
    """What no class, text length, season or step ahead may lose of the score."""
    latency_ms: Bound
    """Median of one request over HTTP, at most."""
    memory_mb: Bound
    """Memory of the service with this model, at most."""
    size_mb: Bound
    """Of the artifact on disk, at most."""
    approval: Literal["none", "required"] = "none"
    """Whether what passes waits for a person: `espalier approve`."""
    approval_days: float = Field(7, gt=0)
    """For how long it waits; then it counts as refused."""
    trial: Literal["none", "shadow"] | Percentage = "none"
    """How what passes in a retraining is tried beside the champion: as its shadow, or as a canary
    that answers a percentage of requests."""
    trial_days: int = Field(7, ge=1)
    """After which the trial ends by itself."""

    @property
    def of_verdict(self) -> dict[str, Any]:
        """The rules that decide a verdict, as they go on record: what follows it is none."""
        return self.model_dump(exclude={"approval", "approval_days", "trial", "trial_days"})


def of(task: str, dataset: str) -> Rules:
    """The rules of the dataset. Raises UsageError for one that is missing, unknown or no number."""
    declared = settings.gate(task)
    chosen = declared.get("all", {}) | declared.get(dataset, {})
    return settings.checked(Rules, chosen, "gate", task)
