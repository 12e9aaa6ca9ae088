"""The epochs of a fit: their order, their end, and what is left of a fit that was killed."""

import itertools
import json
import shutil
from functools import partial

import numpy as np
import pytest
from small_data import FACTS

from models import architectures
from models.evaluation import decision, measure
from models.evaluation.metrics import METRICS
from models.training import fit
from models.training.epochs import Judge


def _fit(task, arch, splits, seed=3, on_epoch=None, checkpoint=None, judge=None, **changes):
    parameters = architectures.resolve(task, arch, changes, FACTS[task])
    facts = FACTS[task]
    return fit.train(task, arch, parameters, splits[task], facts, seed, on_epoch, checkpoint, judge)


SMALL = [
    ("image", "cnn", {"epochs": 3, "share": 0.2, "optimizer": "momentum", "clip": 1.0}),
    ("sentiment", "lstm", {"epochs": 3, "words": 100, "length": 20, "weight_decay": 0.01}),
]


def _left_by_kills(task, arch, splits, folder, **changes):
    """Fit, and keep the checkpoint as a kill after each epoch would have left it.

    Returns what was fitted, and the file of each epoch that left one.
    """
    kept = folder / "fit.npz"
    left = {}

    def on_epoch(epoch, metrics):
        if kept.exists():
            left[epoch] = shutil.copy(kept, folder / f"left-{epoch}.npz")

    return _fit(task, arch, splits, on_epoch=on_epoch, checkpoint=kept, **changes), left


def _age(checkpoint) -> None:
    """Let the epochs of a checkpoint have taken 1,000 seconds."""
    with np.load(checkpoint) as file:
        arrays = dict(file)
    record = json.loads(str(arrays["record"])) | {"seconds": 1000.0}
    np.savez(checkpoint, **arrays | {"record": np.array(json.dumps(record))})


def _same(one, other) -> bool:
    weights = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return one.history == other.history and all(np.array_equal(*pair) for pair in weights)


def test_a_fit_ends_after_so_many_epochs_without_gain(splits):
    """Steps too small for float32: no epoch gains anything after the first."""
    changes = {"epochs": 10, "learning_rate": 1e-30, "patience": 2, "share": 0.2}
    assert len(_fit("image", "perceptron", splits, **changes).history) == 1 + 2


def test_a_judge_goes_over_the_loss(splits):
    """What it says grows, and less is better: the first epoch is the best, though losses fall."""
    said = itertools.count()
    judge = Judge("turn", -1, lambda inputs, outputs: float(next(said)))
    changes = {"epochs": 10, "patience": 2, "share": 0.2}
    history = _fit("image", "perceptron", splits, judge=judge, **changes).history
    assert [epoch["val_turn"] for epoch in history] == [0, 1, 2]


def test_the_judge_of_a_series_is_in_its_own_unit(splits):
    facts = FACTS["forecast"] | {"metric": "rmse"}
    judge = decision.judge(splits["forecast"], facts)
    fitted = _fit("forecast", "perceptron", splits, judge=judge, epochs=1)
    run = partial(fit.predict, fitted.model)
    scores = measure.score(run, fitted.inputs, splits["forecast"], facts)["validation"]
    assert fitted.history[0]["val_rmse"] == pytest.approx(scores.metrics["mse"] ** 0.5)
    assert scores.metrics["relative_rmse"] == measure.value(METRICS["rmse"], [scores.rows])


@pytest.mark.parametrize(("task", "arch", "changes"), SMALL)
def test_a_killed_fit_goes_on_to_the_same_weights(task, arch, changes, splits, tmp_path):
    whole, left = _left_by_kills(task, arch, splits, tmp_path, **changes)
    reported = []

    def on_epoch(*epoch):
        reported.append(epoch)

    again = _fit(task, arch, splits, on_epoch=on_epoch, checkpoint=left[2], **changes)
    assert _same(again, whole)
    assert reported == list(enumerate(whole.history, start=1))


@pytest.mark.slow
def test_a_killed_fit_keeps_its_count_of_epochs_without_gain(splits, tmp_path):
    hasty = {"epochs": 40, "learning_rate": 0.02, "patience": 2, "share": 0.5}
    whole, left = _left_by_kills("image", "ann", splits, tmp_path, **hasty)
    last = len(whole.history) - 1
    assert _same(_fit("image", "ann", splits, checkpoint=left[last], **hasty), whole)


def _refit(plain, splits, on_epoch=None, checkpoint=None, **changes):
    facts = FACTS["image"]
    parameters = architectures.resolve("image", "ann", changes | {"refit": True}, facts)
    found = fit.Found(plain.inputs, plain.best_epoch, plain.sharpness)
    recipe = ("image", "ann", parameters, splits["image"], facts, 3)
    return fit.refit(*recipe, found, on_epoch, checkpoint)


def test_a_refit_learns_validation_rows_for_as_long_as_was_best_before(splits):
    changes = {"epochs": 6, "share": 0.3, "learning_rate": 0.02, "patience": 2}
    plain = _fit("image", "ann", splits, **changes)
    assert plain.best_epoch == 1 + int(np.argmin([one["val_loss"] for one in plain.history]))
    fitted = _refit(plain, splits, **changes)
    assert [set(one) for one in fitted.history] == [{"loss", "accuracy"}] * plain.best_epoch
    assert (fitted.best_epoch, fitted.sharpness) == (plain.best_epoch, plain.sharpness)
    learned, before = (
        measure.score(partial(fit.predict, one.model), one.inputs, splits["image"], FACTS["image"])
        for one in (fitted, plain)
    )
    losses = [scores["validation"].metrics["log_loss"] for scores in (learned, before)]
    assert losses[0] < 0.8 * losses[1], losses


@pytest.mark.slow
def test_a_killed_refit_goes_on_from_its_last_epoch(splits, tmp_path):
    changes = {"epochs": 3, "share": 0.2}
    plain, kept, left = _fit("image", "ann", splits, **changes), tmp_path / "fit.npz", {}

    def on_epoch(epoch, metrics):
        if kept.exists():
            left[epoch] = shutil.copy(kept, tmp_path / f"left-{epoch}.npz")

    whole = _refit(plain, splits, on_epoch, kept, **changes)
    _age(left[2])
    again = _refit(plain, splits, checkpoint=left[2], **changes)
    assert _same(again, whole)
    assert again.seconds > 1000


@pytest.mark.slow
def test_a_fit_goes_on_from_a_whole_checkpoint_alone_and_counts_its_time(splits, tmp_path):
    changes = {"epochs": 3, "share": 0.2}
    whole, left = _left_by_kills("image", "ann", splits, tmp_path, **changes)
    assert _same(_fit("image", "ann", splits, **changes), whole)  # with no checkpoint at all
    left[1].write_bytes(left[1].read_bytes()[:1000])  # cut off: from the start
    assert _same(_fit("image", "ann", splits, checkpoint=left[1], **changes), whole)
    _age(left[2])
    assert _fit("image", "ann", splits, checkpoint=left[2], **changes).seconds > 1000


def test_what_ends_a_fit_from_inside_leaves_its_checkpoint(splits, tmp_path):
    def on_epoch(epoch, metrics):
        raise KeyboardInterrupt

    kept = tmp_path / "fit.npz"
    with pytest.raises(KeyboardInterrupt):
        _fit("image", "ann", splits, on_epoch=on_epoch, checkpoint=kept, epochs=2, share=0.1)
    assert kept.exists()
