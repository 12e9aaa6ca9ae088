"""What holds of every augmentation of every task; what each does has a file of its task."""

import keras
import numpy as np
import pytest
from augmented import INPUTS, SEED, histories, layers, pictures, texts, varied
from small_data import FACTS

from models import architectures, options
from models.errors import WrongParameter
from models.training import fit as training

each_task = pytest.mark.parametrize("task", options.AUGMENTATION)
each = pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, all_ in options.AUGMENTATION.items() for name in all_]
)
TENSORS = {"image": pictures(), "sentiment": texts(), "forecast": histories()}
# 64 times the same, and how many different ones come of that at least.
ALIKE = {task: np.repeat(tensor[1:2], 64, axis=0) for task, tensor in TENSORS.items()}
DISTINCT = {"image": 64, "forecast": 64, "sentiment": 6, "flip": 2}


@each_task
def test_nothing_is_switched_on_by_default(task):
    assert layers(task) == []
    for arch in architectures.names(task):
        parameters = architectures.resolve(task, arch, {}, {})
        assert not any(parameters[name] for name in options.AUGMENTATION[task])


@each
def test_each_varies_each_row_by_an_amount_of_its_own_and_keeps_shape_and_type(task, name):
    given = ALIKE[task]
    made = varied(task, given, **{name: 0.3})
    assert (made.shape, made.dtype) == (given.shape, given.dtype)
    assert np.abs(made - given).max() > 0.05
    distinct = len(np.unique(made.reshape(len(made), -1), axis=0))
    assert distinct >= DISTINCT.get(name, DISTINCT[task])


@each
def test_each_draws_the_same_again_from_the_same_seed_and_anew_at_every_step_of_training(
    task, name
):
    given = TENSORS[task]
    assert np.array_equal(varied(task, given, while_training=False, **{name: 0.3}), given)
    first, again = (varied(task, given, **{name: 0.3}) for _ in range(2))
    assert np.array_equal(first, again)
    (layer,) = layers(task, **{name: 0.3})
    steps = [keras.ops.convert_to_numpy(layer(given, training=True)) for _ in range(2)]
    assert not np.array_equal(*steps)


@each
def test_each_has_a_highest_value(task, name):
    with pytest.raises(WrongParameter, match=rf"{name} must be .*, from 0 to (1|0\.3), not 1\.5"):
        architectures.resolve(task, "ann", {name: 1.5}, {})


@each_task
def test_what_is_validated_and_served_is_the_model_without_augmentation(task):
    """The loss of a step is taken to the targets as they were."""
    given, switched = TENSORS[task], dict.fromkeys(options.AUGMENTATION[task], 0.3)
    parameters = architectures.resolve(task, "ann", switched, FACTS[task])
    model, learner = training.built(task, "ann", parameters, INPUTS[task], SEED)
    targets = model.predict(given, verbose=0)
    assert np.array_equal(learner.predict(given, verbose=0), targets)
    assert learner.count_params() == model.count_params()
    learner.compile("sgd", "mean_absolute_error")
    assert learner.evaluate(given, targets, verbose=0) == pytest.approx(0, abs=1e-6)
    assert learner.train_on_batch(given, targets) > 0.001


@pytest.mark.parametrize(
    ("task", "precision"), [*zip(options.AUGMENTATION, options.PRECISIONS, strict=True)]
)
def test_a_fit_learns_in_every_precision_and_changes_no_row_of_any_split(splits, task, precision):
    used = {
        name: {column: values.copy() for column, values in split.items()}
        for name, split in splits[task].items()
    }
    changes = {"epochs": 1, "precision": precision} | dict.fromkeys(options.AUGMENTATION[task], 0.1)
    if task == "sentiment":
        changes["ngrams"] = 1  # pairs have no order to change
    parameters = architectures.resolve(task, "perceptron", changes, FACTS[task])
    fitted = training.train(task, "perceptron", parameters, used, FACTS[task], SEED)
    assert np.isfinite(fitted.history[-1]["val_loss"])
    for name, split in splits[task].items():
        for column, values in split.items():
            assert np.array_equal(values, used[name][column]), (name, column)
    plain, _ = training.built(task, "perceptron", parameters, fitted.inputs, SEED)
    assert [*map(type, fitted.model.layers)] == [*map(type, plain.layers)]
