"""The inputs of a saved model, by the kind that its manifest names."""

from collections.abc import Mapping

import numpy as np

from models.inputs.images import ImageInputs
from models.inputs.series import SeriesInputs
from models.inputs.texts import TextInputs

INPUTS = {cls.kind: cls for cls in (ImageInputs, TextInputs, SeriesInputs)}


def from_spec(fields: Mapping, arrays: Mapping[str, np.ndarray]):
    """Make the inputs that `fields["kind"]` names from what their `spec()` returned."""
    return INPUTS[fields["kind"]].from_spec(fields, arrays)
