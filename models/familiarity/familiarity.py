"""Does an input look like the training data? What an autoencoder's error says of it.

The autoencoder of the task (`models/<task>/autoencoder.py`) redraws what it was trained on well,
and anything else badly. How bad is too bad is calibrated on validation rows.

This module imports the standard library, numpy and `models.inputs` only: the service loads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from models.inputs.kinds import Inputs, from_spec

Run = Callable[[np.ndarray], np.ndarray]

KEPT = 999  # validation errors that travel with the guard: scores come in steps of a thousandth
# Of rows like the training data this share is called unfamiliar. It can only happen where 99
# validation rows or more were seen: before that no score is so low.
THRESHOLD = 0.01
# Two errors are equal within this share of them: a batch adds up in another order than one request.
SLACK = 1e-3
TOLERANCE = 0.005  # two scores are equal within this: a few steps


@dataclass(frozen=True)
class Familiarity:
    """The guard's own inputs, and the errors that it made on validation rows.

    An input's score is its conformal p-value (Bates, Candès, Lei, Romano and Sesia, Testing for
    Outliers with Conformal p-Values, Annals of Statistics, 2023): the share of validation rows,
    the input itself counted in, whose error is at least as large.
    """

    inputs: Inputs
    errors: np.ndarray = field(repr=False, compare=False)  # float64 (kept row,), ascending
    threshold: float = THRESHOLD  # of the score, from which on an input is familiar

    @classmethod
    def calibrate(cls, inputs: Inputs, errors: np.ndarray) -> "Familiarity":
        """Keep the errors of the validation rows, (row, 1): all, or `KEPT` at equal distances."""
        errors = np.sort(errors[:, 0].astype(np.float64))
        if len(errors) > KEPT:
            # The middles of equal parts: the kept ones say of any level what all of them say.
            errors = errors[((np.arange(KEPT) + 0.5) * len(errors) / KEPT).astype(int)]
        return cls(inputs, errors)

    def judge(self, run: Run, rows: list, inputs: Inputs, tensor: np.ndarray) -> list[dict]:
        """Return `{"familiar", "familiarity"}` for each raw input.

        Args:
            run: the guard's graph, from a tensor to errors (row, 1).
            inputs, tensor: what the model beside made of `rows`, which is used again where the
                guard would make the same of them.
        """
        if not self.reads_as(inputs):
            tensor = self.inputs.to_tensor(rows)
        return self.to_answers(run(tensor))

    def reads_as(self, inputs: Inputs) -> bool:
        """Say whether the guard makes the same tensor of a raw input as `inputs` does."""
        # Of texts the model may know pairs of the same words, for which it has more places.
        return inputs == self.inputs and inputs.sizes() == self.inputs.sizes()

    def to_answers(self, errors: np.ndarray) -> list[dict]:
        """Turn errors (row, 1) into `{"familiar", "familiarity"}` each; 0 < familiarity <= 1."""
        # No kept error is as large as one that is not finite: it has its place behind them.
        smaller = np.searchsorted(self.errors, errors[:, 0].astype(np.float64) * (1 - SLACK))
        scores = (1 + len(self.errors) - smaller) / (1 + len(self.errors))
        return [
            {"familiar": score >= self.threshold, "familiarity": score} for score in scores.tolist()
        ]

    def spec(self) -> dict:
        """The JSON fields from which `from_spec` makes an equal object."""
        fields, _ = self.inputs.spec()
        return {"inputs": fields, "errors": self.errors.tolist(), "threshold": self.threshold}

    @classmethod
    def from_spec(cls, fields: Mapping) -> "Familiarity":
        inputs, errors = from_spec(fields["inputs"], {}), np.array(fields["errors"], np.float64)
        return cls(inputs, errors, fields["threshold"])


def agree(expected: Mapping, answer: Mapping) -> bool:
    """Say whether two answers are equally familiar; where none was expected, any is right."""
    if "familiar" not in expected:
        return True
    if "familiar" not in answer:
        return False
    wanted, given = expected["familiarity"], answer["familiarity"]
    near = abs(wanted - THRESHOLD) <= TOLERANCE
    return abs(wanted - given) <= TOLERANCE and (near or expected["familiar"] == answer["familiar"])
