"""What two rooms must agree on, where neither may import the other."""

from importlib.metadata import packages_distributions

from project import ROOT

from data.suites import image, sentiment
from models.inputs import images, texts


def test_the_gate_refuses_what_no_model_could_read():
    assert image.MOST_PIXELS == images.MAX_PIXELS
    assert image.MOST_WEBP_PIXELS == images.MAX_WEBP_PIXELS
    assert image.LONGEST_SIDE == images.MAX_SIDE
    assert sentiment.LONGEST == texts.MAX_CHARACTERS


def test_no_step_stands_in_the_way_of_a_package():
    """Prefect puts a flow's folder first on the path: `requests.py` there would be `requests`."""
    steps = {path.stem for path in (ROOT / "pipelines").iterdir()}
    assert not steps & set(packages_distributions())
