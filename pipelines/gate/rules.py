"""What params.yaml asks of a candidate before it may serve, under `gate:`."""

from dataclasses import asdict, dataclass, fields

from pipelines.runtime import settings
from pipelines.runtime.settings import UsageError


@dataclass(frozen=True)
class Rules:
    """The gate's numbers for one dataset.

    alpha: two-sided level of every test. floor: the test score asked of any model. margin: what a
    cheaper model may lose of it. cheaper: the share by which latency or size must be lower. slice:
    what no slice may lose. latency_ms, memory_mb, size_mb: the budgets of what is served.
    """

    alpha: float
    floor: float
    margin: float
    cheaper: float
    slice: float
    latency_ms: float
    memory_mb: float
    size_mb: float

    def to_dict(self) -> dict[str, float]:
        """The rules as they go on record with a decision."""
        return asdict(self)


def of(task: str, dataset: str) -> Rules:
    """The rules of the dataset. Raises UsageError for one that is missing, unknown or no number."""
    declared = settings.gate(task)
    chosen = declared.get("all", {}) | declared.get(dataset, {})
    where = f"gate of {task} for {dataset!r} in params.yaml"
    names = {field.name for field in fields(Rules)}
    if chosen.keys() != names:
        odd = ", ".join(sorted(chosen.keys() ^ names))
        raise UsageError(f"the {where} must hold {', '.join(sorted(names))}: check {odd}")
    for name, value in chosen.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise UsageError(f"{name} in the {where} is {value!r}: expected a number, 0 or above")
    if not 0 < chosen["alpha"] < 1:
        raise UsageError(f"alpha in the {where} is {chosen['alpha']}: expected one between 0 and 1")
    return Rules(**{name: float(value) for name, value in chosen.items()})
