"""The level of a decision by test rows that earlier decisions were made by.

Of thirty equal candidates, one a night, one is promoted by luck with a chance of 20 % if each is
judged at 5 %. The levels of all decisions by the same rows sum to alpha instead (alpha spending:
Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials, Biometrika, 1983). A decision by
rows of which a part is new counts as that part of a first one.
"""

import hashlib
from collections.abc import Iterable, Sequence

DECAY = (
    1.5  # of the level, from decision to decision: 1 would never sum up, 2 leaves the tenth none
)
SKETCH = 256  # row digests that are kept


def level(alpha: float, earlier: float) -> float:
    """Return the level of the next decision.

    Args:
        alpha: what the levels of all decisions by the same rows sum to.
        earlier: decisions before it, each as the part of the present rows that it was made by.
    """
    from scipy.special import zeta

    return float(alpha * (1 + earlier) ** -DECAY / zeta(DECAY))


def sketch(rows: Iterable[str]) -> list[int]:
    """Return the smallest digests of the rows, from which overlaps can be estimated.

    Source: Beyer, Haas, Reinwald, Sismanis and Gemulla, On Synopses for Distinct-Value Estimation
    Under Multiset Operations, SIGMOD, 2007.

    Args:
        rows: what identifies each one. It is hashed once more: a split by digests of its own would
            have the smallest of them at its border.
    """
    digests = {hashlib.blake2b(row.encode(), digest_size=6).digest() for row in rows}
    return [int.from_bytes(digest) for digest in sorted(digests)[:SKETCH]]


def overlap(earlier: Sequence[int], present: Sequence[int]) -> float:
    """Return the share of the present rows that are among the earlier ones, from their sketches.

    It is exact where neither split has more rows than a sketch holds.
    """
    before, now = set(earlier), set(present)
    union = sorted(before | now)
    if len(before) >= SKETCH or len(now) >= SKETCH:
        # Beyond the smaller end one of the sketches is silent.
        ends = [max(one) for one in (before, now) if len(one) >= SKETCH]
        union = [digest for digest in union if digest <= min(ends)]
    drawn = now.intersection(union)
    return len(drawn & before) / len(drawn) if drawn else 0.0
