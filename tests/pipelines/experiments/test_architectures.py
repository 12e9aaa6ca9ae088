import subprocess
import sys

import pytest

from models import architectures
from pipelines.experiments import architectures as listing
from pipelines.runtime import environment, settings


def test_every_architecture_is_named_with_its_parameters_and_a_line():
    entries = listing.entries(None)
    assert {task: [one["arch"] for one in listed] for task, listed in entries.items()} == {
        task: architectures.names(task) for task in settings.TASKS
    }
    for task, listed in entries.items():
        for entry in listed:
            assert entry["parameters"] == architectures.defaults(task, entry["arch"])
            assert entry["about"].splitlines() == [entry["about"]]
    assert set(listing.entries("forecast")) == {"forecast"}


def test_what_all_take_alike_is_printed_once_a_task(capsys):
    listing.show(listing.entries("image"))
    printed = capsys.readouterr().out
    assert printed.count("optimizer=adam") == 1
    assert printed.count("filters=") >= 1


def test_no_architecture_is_called_as_the_mean_of_several():
    with pytest.raises(listing.ArchitectureError, match=r"image/blend\.py.*rename it"):
        listing.check("image", architectures.BLEND)


def test_nothing_heavy_is_imported():
    program = """
import sys
from pipelines.experiments import architectures
architectures.entries(None)
heavy = {"keras", "tensorflow", "jax", "mlflow", "prefect", "dvc", "pandas", "optuna"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=environment.ROOT)
