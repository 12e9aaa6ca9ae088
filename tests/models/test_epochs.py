"""The epochs of a fit: their order, their end, and what is left of a fit that was killed."""

import json

import numpy as np
import pytest
from small_data import FACTS

from models import architectures, train


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it is done."""


def _fit(task, arch, splits, seed=3, on_epoch=None, checkpoint=None, **changes):
    parameters = architectures.resolve(task, arch, changes, FACTS[task])
    return train.train(
        task, arch, parameters, splits[task], FACTS[task], seed, on_epoch, checkpoint
    )


def _kill_after(last: int):
    def on_epoch(epoch, metrics):
        if epoch == last:
            raise Killed

    return on_epoch


SMALL = [
    ("image", "cnn", {"epochs": 5, "share": 0.3}),
    ("image", "ann", {"epochs": 5, "share": 0.3, "optimizer": "momentum", "clip": 1.0}),
    ("sentiment", "lstm", {"epochs": 4, "words": 100, "length": 20, "weight_decay": 0.01}),
    ("forecast", "ann", {"epochs": 4, "optimizer": "rmsprop"}),
]


@pytest.mark.parametrize(("task", "arch", "changes"), SMALL)
@pytest.mark.parametrize("last", [1, 3])
def test_a_killed_fit_goes_on_to_the_same_weights(task, arch, changes, last, splits, tmp_path):
    whole = _fit(task, arch, splits, **changes)
    kept = tmp_path / "fit.npz"
    with pytest.raises(Killed):
        _fit(task, arch, splits, on_epoch=_kill_after(last), checkpoint=kept, **changes)
    told = []
    again = _fit(
        task, arch, splits, on_epoch=lambda e, m: told.append((e, m)), checkpoint=kept, **changes
    )
    assert again.history == whole.history == [metrics for _, metrics in told]
    assert [epoch for epoch, _ in told] == list(range(1, len(told) + 1))
    for one, other in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_killed_fit_keeps_its_count_of_epochs_without_gain(splits, tmp_path):
    hasty = {"epochs": 40, "learning_rate": 0.02, "patience": 2, "share": 0.5}
    whole = _fit("image", "ann", splits, **hasty)
    last = len(whole.history) - 1
    kept = tmp_path / "fit.npz"
    with pytest.raises(Killed):
        _fit("image", "ann", splits, on_epoch=_kill_after(last), checkpoint=kept, **hasty)
    again = _fit("image", "ann", splits, checkpoint=kept, **hasty)
    assert again.history == whole.history
    for one, other in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_checkpoint_that_was_cut_off_is_a_fit_from_the_start(splits, tmp_path):
    kept = tmp_path / "fit.npz"
    changes = {"epochs": 3, "share": 0.2}
    with pytest.raises(Killed):
        _fit("image", "ann", splits, on_epoch=_kill_after(2), checkpoint=kept, **changes)
    kept.write_bytes(kept.read_bytes()[:1000])
    again = _fit("image", "ann", splits, checkpoint=kept, **changes)
    assert again.history == _fit("image", "ann", splits, **changes).history


def test_the_time_before_the_kill_counts(splits, tmp_path):
    kept = tmp_path / "fit.npz"
    changes = {"epochs": 3, "share": 0.2}
    with pytest.raises(Killed):
        _fit("image", "ann", splits, on_epoch=_kill_after(2), checkpoint=kept, **changes)
    with np.load(kept) as file:
        arrays = dict(file)
    told = json.loads(str(arrays["told"])) | {"seconds": 1000.0}
    np.savez(kept, **arrays | {"told": np.array(json.dumps(told))})
    assert _fit("image", "ann", splits, checkpoint=kept, **changes).seconds > 1000
