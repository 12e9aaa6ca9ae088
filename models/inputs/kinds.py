"""What the inputs of every task can do, and which class a task or a saved model uses.

The module of a class is imported by name when the class is needed: a change to how pictures are
decoded is then no change to what a model for texts depends on (`models.architectures.sources`).
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np  # planning imports this module, and no array is made here

# By task: the module in this folder, its class, and the `kind` in the JSON of a saved model.
CLASSES = {
    "image": ("images", "ImageInputs", "image"),
    "sentiment": ("texts", "TextInputs", "text"),
    "forecast": ("series", "SeriesInputs", "series"),
}
Split = Mapping[str, "np.ndarray"]


class Inputs(Protocol):
    """Raw inputs to the tensor that a model reads, and its outputs to answers."""

    kind: str

    @classmethod
    def fit_split(cls, split: Split, facts: Mapping, parameters: Mapping) -> "Inputs":
        """Return inputs fitted on a training split with the parameters of an architecture."""

    def sizes(self) -> dict[str, int]:
        """Return the arguments of an architecture's builder that the data decides."""

    def to_tensor(self, rows: Any) -> "np.ndarray":
        """Return the tensor (row, …) of raw inputs. Raises InputError."""

    def agrees(self, expected: Mapping, answer: Mapping) -> bool:
        """Say whether two answers are equal within the tolerance."""

    def spec(self) -> "tuple[dict, dict[str, np.ndarray]]":
        """Return the JSON fields and the arrays from which `from_spec` makes an equal object."""

    @classmethod
    def from_spec(cls, fields: Mapping, arrays: "Mapping[str, np.ndarray]") -> "Inputs":
        """Return the inputs whose `spec` returned these fields and arrays."""


def of_task(task: str) -> type[Inputs]:
    """Return the class of a task's inputs."""
    module, name, _ = CLASSES[task]
    return getattr(importlib.import_module(f"models.inputs.{module}"), name)


def from_spec(fields: Mapping, arrays: "Mapping[str, np.ndarray]") -> Any:
    """Return the inputs that `spec()` described.

    Args:
        fields: the JSON fields; `kind` names the class.
        arrays: the arrays by name.
    """
    tasks = {kind: task for task, (_, _, kind) in CLASSES.items()}
    return of_task(tasks[fields["kind"]]).from_spec(fields, arrays)
