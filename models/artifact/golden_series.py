"""Golden requests of a model for series: other lengths, horizons and levels."""

import numpy as np

from models.artifact.golden import spread
from models.familiarity.familiarity import Run
from models.inputs.kinds import Split
from models.inputs.series import LEVELS, SeriesInputs


def requests(inputs: SeriesInputs, run: Run, split: Split) -> list[dict]:
    """Return `{"history": …}` requests made from a test split.

    Args:
        inputs: fitted inputs.
        run: the model, not used: no row of a series is more certain than another.
        split: the columns of a series.
    """
    histories = spread(inputs.windows(split).history, 6).tolist()
    longer, flat = histories[-1][-9:] + histories[0], [histories[0][0]] * inputs.history
    wild = (inputs.mean + 6 * inputs.scale * (-1.0) ** np.arange(inputs.history)).tolist()
    long = inputs.long_windows(split, 1).history[:1].tolist()  # its interval follows its past
    made = [{"history": history} for history in (*histories, longer, flat, wild, *long)]
    highest = len(inputs.radii) / LEVELS
    levels = [min(level, highest) for level in (0.001, 0.5, 0.8, 0.9, 0.99, 0.999)]
    options = [{"level": level} for level in levels]
    options += [{"horizon": 1}, {"horizon": inputs.horizon, "level": levels[1]}]
    return made + [{"history": histories[0]} | one for one in options]
