"""The buckets of pairs are remainders, to the last id that a table has room for."""

import numpy as np
import pytest

from models.sentiment import hashed


@pytest.mark.parametrize(("words", "buckets"), [(50, 7), (30_000, 64), (200_000, 100)])
def test_each_pair_falls_into_the_bucket_of_its_remainder(words, buckets):
    model = hashed.build(words, 3, buckets, dimensions=buckets, buckets=buckets)
    square = (buckets, buckets)
    model.set_weights(
        [np.eye(*one.shape) if one.shape == square else 0 * one for one in model.get_weights()]
    )
    random = np.random.default_rng(0)
    ids = np.concatenate([random.integers(1, words, (200, 3)), [[words - 1] * 3]]).astype(np.int32)
    ids[:20, 0] = 0  # padding forms no pair
    factor = hashed.EXACT // words - 1
    expected = np.zeros((len(ids), buckets))
    for first in (0, 1):
        held = ids[:, first] > 0
        remainder = (ids[:, first].astype(int) * factor + ids[:, first + 1]) % buckets
        np.add.at(expected, (np.flatnonzero(held), remainder[held]), 1)
    expected = np.exp(expected / (ids > 0).sum(axis=1, keepdims=True))
    found = model.predict(ids, verbose=0)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
