"""The requests that prove an artifact's answers, so that another tokenizer, resize or scaler shows.

An answer that is certain hardly moves, whatever was done to the input: beside the first row of the
test split those are taken whose answers are the least certain. The modules `golden_images`,
`golden_texts` and `golden_series` make requests of them that go every way through `models.inputs`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models.artifact import artifact
from models.familiarity.familiarity import Run
from models.inputs.answers import predict

CANDIDATES = 200  # rows of the test split that the uncertain ones are taken from
UNCERTAIN = 4


def entries(
    inputs: Any,
    run: Run,
    requests: Iterable[Mapping],
    judge: Callable[..., list[dict]] | None = None,
) -> list[dict]:
    """Return requests with the answers to expect.

    Args:
        inputs: fitted inputs.
        run: the model, from a tensor (row, …) to outputs (row, …).
        requests: as a client would send them.
        judge: what the guard says of raw inputs, the model's inputs and the tensor these give.
    """
    made = []
    for request in requests:
        row, options = artifact.payload(request)
        tensor, [answer] = predict(inputs, run, [row], **options)
        if judge is not None:
            answer |= judge([row], inputs, tensor)[0]
        made.append({"request": request, "answer": answer})
    return made


def by_certainty(inputs: Any, run: Run, rows: np.ndarray) -> list:
    """Return the rows by how likely their likeliest class is, the least certain first.

    Args:
        inputs: fitted inputs.
        run: the model.
        rows: raw inputs (row, …).
    """
    certainty = run(inputs.to_tensor(rows)).max(axis=1)
    return [rows[at] for at in np.argsort(certainty, kind="stable")]


def spread(rows: Sequence | np.ndarray, count: int) -> np.ndarray:
    """Return up to `count` of the rows, from the first to the last."""
    return np.asarray(rows)[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
