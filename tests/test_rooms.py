"""What two rooms must agree on, where neither may import the other."""

from data.suites import image, sentiment
from models import inputs


def test_the_gate_refuses_what_no_model_could_read():
    assert image.MOST_PIXELS == inputs.MAX_PIXELS
    assert sentiment.LONGEST == inputs.MAX_CHARACTERS
