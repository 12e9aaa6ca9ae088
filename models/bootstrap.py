"""How sure a mean over rows is: drawing rows again, in blocks where they overlap, and seeds."""

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 4000


def resampled(sides: Sequence[np.ndarray], weights: np.ndarray, block: int) -> np.ndarray:
    """Return each side's mean value over the mean weight in each resample, (resample, side).

    sides: of each model compared, the values (seed, row) on the same rows.
    weights: (row,), ones where nothing is to be divided by.
    block: neighbouring rows that are drawn together, 1 for rows that know nothing of each other.

    All sides see the same rows drawn: their differences are paired (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993). Blocks go round at the end (circular block bootstrap,
    Politis and Romano, 1992). A side with two or more seeds has them drawn too; means of S drawn
    values vary (S - 1) / S as much as means of S new ones, and are stretched by as much.
    Drawn from a fixed seed: equal values, equal resamples.
    """
    random = np.random.default_rng(0)
    means = _row_means(random, np.concatenate([*sides, weights[None]]), block)
    ends = np.cumsum([len(side) for side in sides])
    tops = [_over_seeds(random, part) for part in np.split(means[:-1], ends[:-1])]
    return np.stack([ratio(top, means[-1]) for top in tops], axis=1)


def ratio(top, bottom):
    """Divide; a naive forecast without any error leaves a model nothing to win."""
    lost = np.where(np.equal(top, 0), 1.0, np.finfo(np.float64).max)
    return np.where(bottom > 0, np.divide(top, np.where(bottom > 0, bottom, 1)), lost)


def _row_means(random, values: np.ndarray, block: int) -> np.ndarray:
    """Return the means over drawn rows, (value, resample), of values (value, row)."""
    count = values.shape[1]
    block = min(block, count)
    drawn = math.ceil(count / block)
    if block == 1:  # rows that are alike are one kind: of a hundred thousand a handful is left
        kinds, sizes = np.unique(values, axis=1, return_counts=True)
        return kinds @ random.multinomial(count, sizes / count, RESAMPLES).T / count
    sums = _block_sums(values, block)
    starts = random.integers(count, size=(RESAMPLES, drawn))
    return np.stack([one[starts].mean(axis=1) for one in sums]) / block


def _block_sums(values: np.ndarray, block: int) -> np.ndarray:
    """Return for each row the sum of the block that starts there, going round at the end."""
    around = np.concatenate([values, values[:, : block - 1]], axis=1)
    sums = np.cumsum(np.pad(around, ((0, 0), (1, 0))), axis=1)
    return sums[:, block:] - sums[:, :-block]


def _over_seeds(random, means: np.ndarray) -> np.ndarray:
    """Return the mean over drawn seeds, (resample,), of means (seed, resample)."""
    seeds, resamples = means.shape
    if seeds == 1:
        return means[0]
    chosen = random.integers(seeds, size=(seeds, resamples))
    mean, drawn = means.mean(axis=0), np.take_along_axis(means, chosen, axis=0).mean(axis=0)
    return mean + math.sqrt(seeds / (seeds - 1)) * (drawn - mean)
