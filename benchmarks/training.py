"""Training beside the plain Keras script of a textbook, and what tracking costs.

    make bench-train      (python -m benchmarks.training; needs mnist, imdb and digits prepared)

For each model of `benchmarks/textbook.py` and each seed in turn: the script, then `espalier train
--profile best` of the same architecture on the same data, each in a process of its own. Then the
seconds that a fit takes beside the fitting itself.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import mean

from rich.table import Table

from pipelines.experiments import dataset as data
from pipelines.experiments import plan, tracking
from pipelines.runtime import console, environment
from pipelines.training import fit as training
from pipelines.training import guard

SEEDS = 3
# script: task, architecture, dataset
TEXTBOOK = {
    "mnist_ann": ("image", "ann", "mnist"),
    "mnist_cnn": ("image", "cnn", "mnist"),
    "imdb_simple_rnn": ("sentiment", "simple_rnn", "imdb"),
    "imdb_lstm": ("sentiment", "lstm", "imdb"),
    "digits_ann": ("image", "ann", "digits"),
}
LONG_SECONDS = 60


def main() -> None:
    plain = dict(os.environ)  # a textbook's reader has none of our variables set
    with tempfile.TemporaryDirectory(prefix="espalier-bench-") as home:
        os.environ["ESPALIER_HOME"] = home
        environment.apply()
        console.out().print(textbook_table(plain))
        console.out().print(overhead_table())


def textbook_table(plain: dict[str, str]) -> Table:
    """The same or a better score, in which share of the seconds: means over the seeds."""
    scripts = {name: [] for name in TEXTBOOK}
    rows = {}
    for seed in range(SEEDS):
        for name, what in TEXTBOOK.items():
            scripts[name].append(_answer(["benchmarks.textbook", name, "--seed", seed], plain))
            rows[name] = _trained(*what, seeds=seed + 1)
    table = _table(("script", "its s", "its test", "best s", "best test", "ratio of s"))
    for name, row in rows.items():
        seconds, accuracy = (
            mean(one[key] for one in scripts[name]) for key in ("fit_seconds", "test_accuracy")
        )
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{accuracy:.4f}",
            f"{row['fit_seconds']:.1f}",
            f"{row['test']['mean']:.4f}",
            f"{row['fit_seconds'] / seconds:.2f}",
        )
    return table


def _trained(task: str, arch: str, dataset: str, seeds: int) -> dict:
    """Train with one more seed, those before being known; returns the leaderboard's row of all."""
    named = ["--task", task, "--arch", arch, "--dataset", dataset, "--seeds", seeds]
    command = ["pipelines.cli", "train", *named, "--profile", "best", "--json"]
    [row] = _answer(command, dict(os.environ))["rows"]
    return row


def _answer(module: list, variables: dict[str, str]) -> dict:
    """The JSON on the last line that a module prints."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, module)],
        cwd=environment.ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def overhead_table() -> Table:
    """What `training.fit` takes beside `fit_seconds`: a short fit, and one of a minute.

    Both come after a fit that imported the frameworks and made the guard of their dataset.
    """
    table = _table(("fit", "wall s", "fit s", "beside s", "share"))
    _timed("digits", "ann", 1)
    table.add_row("digits ann, 20 epochs", *_figures(*_timed("digits", "ann", 20)))
    _, fitted = _timed("mnist", "cnn", 1)
    epochs = max(2, round(LONG_SECONDS / fitted))
    figures = _figures(*_timed("mnist", "cnn", epochs))
    table.add_row(f"mnist cnn, {epochs} epochs", *figures)
    return table


def _figures(wall: float, fitted: float) -> tuple[str, ...]:
    beside = wall - fitted
    return f"{wall:.1f}", f"{fitted:.1f}", f"{beside:.2f}", f"{beside / fitted:.1%}"


def _timed(dataset: str, arch: str, epochs: int) -> tuple[float, float]:
    """Seconds of one recorded fit: all of it, and those of the fitting alone."""
    version = data.version("image", dataset)
    changes = {"epochs": epochs, "patience": epochs}
    [planned] = plan.fits(version, profile="best", archs=[arch], changes=changes)
    with tracking.parent(version, "best", "train") as parent:
        guarded = guard.ensure(version, parent)
        started = time.perf_counter()
        record = training.fit(planned, guarded, parent).record
        wall = time.perf_counter() - started
    return wall, record.metrics["fit_seconds"]


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


if __name__ == "__main__":
    main()
