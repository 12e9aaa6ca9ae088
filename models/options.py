"""The parameters that every architecture is trained with, and the words that some may take.

An architecture's own `FIT` goes over them. What `AUGMENTATION` does, off at 0, is described in
`models/augmentation/<task>.py`.
"""

from collections.abc import Mapping

# share: of the training rows, the first ones of a fixed random order; of a series, the latest.
# clip: the global norm that gradients are scaled down to; 0 is off.
# refit: fitted once more on the rows of training and validation together.
# threads: of TensorFlow, on which the weights depend: sums are added up in another order.
TRAINING = {
    "share": 1.0,
    "optimizer": "adam",
    "schedule": "cosine",
    "descent": "mini-batch",
    "weight_decay": 0.0,
    "clip": 0.0,
    "precision": "float32",
    "refit": False,
    "threads": 1,
}
OF_CLASSES = {"loss": "categorical_crossentropy", "class_weights": False}
OF_SERIES = {"loss": "mean_absolute_error"}

AUGMENTATION = {
    "image": dict.fromkeys(
        ("flip", "rotation", "zoom", "shift", "crop", "brightness", "noise"), 0.0
    ),
    "sentiment": dict.fromkeys(("replace", "delete", "swap"), 0.0),
    "forecast": dict.fromkeys(("jitter", "warp", "drop"), 0.0),
}

# The least and the most that a number may be, where that is not from 1, of a whole number, or 0 on.
RANGES: dict[str, tuple[float, float]] = {
    "share": (1e-6, 1),
    "ngrams": (1, 2),  # words, or words and pairs
    **{name: (0, 1) for names in AUGMENTATION.values() for name in names},
    "warp": (0, 0.3),  # beyond it, time would run backwards
}

ACTIVATIONS = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "silu", "softmax")
OPTIMIZERS = ("adam", "rmsprop", "sgd", "momentum")
SCHEDULES = ("cosine", "constant")
DESCENTS = ("mini-batch", "full-batch", "stochastic")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
LOSSES_OF_SERIES = ("mean_absolute_error", "mean_squared_error")
LOSSES_OF_CLASSES = (
    "categorical_crossentropy", "binary_crossentropy", "hinge", *LOSSES_OF_SERIES
)  # fmt: skip


def training(task: str) -> dict:
    """Return the shared parameters of a task with their defaults."""
    own = OF_SERIES if task == "forecast" else OF_CLASSES
    return TRAINING | own | AUGMENTATION[task]


def augmented(task: str, parameters: Mapping) -> bool:
    """Say whether any augmentation of the task is switched on."""
    return any(parameters[name] for name in AUGMENTATION[task])


def words(task: str) -> dict[str, tuple[str, ...]]:
    """Return the parameters that take one of a few words, and those words."""
    return {
        "activation": ACTIVATIONS,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "descent": DESCENTS,
        "precision": PRECISIONS,
        "loss": LOSSES_OF_SERIES if task == "forecast" else LOSSES_OF_CLASSES,
        "pooling": ("max", "average"),
    }
