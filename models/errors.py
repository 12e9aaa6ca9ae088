"""What can go wrong here on the way to a trained model: each says what was received and allowed.

A fit may fail on another process: an exception is built anew there from its `args`, so these are
what its constructor takes.
"""

from collections.abc import Iterable

from models.inputs.errors import did_you_mean


class ModelError(ValueError):
    """A request for a model, or a model itself, is wrong; the message is fit for the user."""


class ParameterError(ModelError):
    """A name or a value that the user gave is not one that there is."""


class UnknownName(ParameterError):
    """There is no such task, architecture or parameter."""

    def __init__(self, what: str, name: str, choices: Iterable[str]):
        super().__init__(what, name, sorted(choices))

    def __str__(self) -> str:
        what, name, names = self.args
        near = did_you_mean(name, names)
        return f"There is no {what} {name!r}{near}. Known are: {', '.join(names)}."


class WrongParameter(ParameterError):
    """A parameter's value has the wrong type or lies outside its range."""


class WrongData(ModelError):
    """A split holds too little to train or to measure on."""


class TrainingDiverged(ModelError):
    """The loss is not finite any more."""

    def __init__(self, arch: str, epoch: int, loss: float):
        super().__init__(arch, epoch, loss)

    def __str__(self) -> str:
        arch, epoch, loss = self.args
        return (
            f"The loss of {arch} became {loss} in epoch {epoch}: "
            "lower learning_rate, or look for outliers in the data."
        )


class ExportMismatch(ModelError):
    """The exported graph does not compute what the Keras model computes, or may not be served."""


class NotTranslated(ModelError):
    """A model holds something for which there is no ONNX node of our own."""
