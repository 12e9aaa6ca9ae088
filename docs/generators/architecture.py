"""The page of an architecture: its drawing, its layers, its parameters, and its file."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from generators import drawing
from models import architectures
from pipelines.runtime import environment, settings

SHIPPED = {"image": "mnist_5k", "sentiment": "imdb", "forecast": "glucose"}
PROFILE = "quick"
PAGES = Path(__file__).parents[1] / "architectures"


def page(task: str, arch: str) -> str:
    """Return the sections of a page that the code decides."""
    model = built(task, arch)
    steps = drawing.steps(model)
    total, learned = model.count_params(), sum(step.learned for step in steps)
    rows = [
        f"| {step.kind} | {step.settings} | {step.shape} | {_count(step.weights)} |"
        for step in steps
    ]
    fixed = f", {total - learned:,} of which the fit does not learn" if total > learned else ""
    sizes = ", ".join(f"{name} {size:,}" for name, size in _sizes(task, arch).items())
    return "\n".join(
        [
            "## The layers",
            f"As the profile `{PROFILE}` builds it for `{SHIPPED[task]}` ({sizes}): {total:,} "
            f"weights{fixed}. Shapes are those of one row. What holds weights is filled; a line at "
            "the side leads to what reads the same values further down.",
            "",
            drawing.svg(model),
            "",
            "| layer | settings | output | weights |",
            "| --- | --- | --- | ---: |",
            *rows,
            "",
            "## Its parameters",
            "It is no rival, and takes its defaults."
            if arch == architectures.GUARD
            else f"`espalier train --task {task} --arch {arch} --set NAME=VALUE` sets one.",
            "",
            "| parameter | default | meaning |",
            "| --- | --- | --- |",
            *_parameters(task, arch),
            "",
            "## Its file",
            f"[models/{task}/{arch}.py](../../../models/{task}/{arch}.py)",
            "",
            f"```{{literalinclude}} ../../../models/{task}/{arch}.py\n:language: python\n```",
        ]
    )


def overview(task: str) -> str:
    """Return a table of a task's architectures that have a page, and those pages."""
    names = [*architectures.names(task), architectures.GUARD]
    shown = [arch for arch in names if (PAGES / task / f"{arch}.md").exists()]
    rows = [
        f"| [{arch}]({arch}.md) | {_about(task, arch)} | {built(task, arch).count_params():,} |"
        for arch in shown
    ]
    lines = ["| name | what it is | weights |", "| --- | --- | ---: |", *rows, ""]
    return "\n".join([*lines, "```{toctree}", ":hidden:", *shown, "```"])


@cache
def built(task: str, arch: str) -> Any:
    """Return the model that a run of the profile fits on the dataset that ships."""
    file = architectures.module(task, arch)
    chosen = _chosen(task, arch)
    own = {name: chosen[name] for name in architectures.build_defaults(file)}
    return file.build(**_sizes(task, arch), **own)


def _chosen(task: str, arch: str) -> dict:
    overrides = settings.overrides(PROFILE, task, arch, SHIPPED[task])
    return architectures.resolve(task, arch, overrides, {})


def _sizes(task: str, arch: str) -> dict[str, int]:
    """Return what the data decides of a model."""
    from data import declared

    entry = declared.params(environment.ROOT)["datasets"][SHIPPED[task]]
    if task == "forecast":
        return {"history": entry["history"], "horizon": entry["horizon"]}
    if task == "image":
        height, width, channels = entry["shape"]
        return {"height": height, "width": width, "channels": channels, "classes": 10}
    chosen = _chosen(task, arch)
    places = chosen["length"] * chosen.get("ngrams", 1)  # of each word and the pair that it begins
    return {"words": chosen["words"], "length": places, "classes": 2}


def _parameters(task: str, arch: str) -> list[str]:
    """Return a row for each argument of `build` that has a default, and for INPUTS and FIT."""
    file, chosen = architectures.module(task, arch), _chosen(task, arch)
    meanings = _meanings(file.build.__doc__ or "")
    rows = []
    for name, default in (architectures.build_defaults(file) | file.INPUTS | file.FIT).items():
        value = f"`{default}`"
        if chosen[name] != default:
            value += f", `{chosen[name]}` for `{SHIPPED[task]}`"
        rows.append(f"| `{name}` | {value} | {meanings.get(name, SHARED.get(name, ''))} |")
    return rows


def _meanings(docstring: str) -> dict[str, str]:
    """Return name → meaning of a docstring's arguments."""
    found = re.search(r"\n    Args:\n(.*?)(?:\n\n|\Z)", docstring, re.S)
    entries = re.findall(r"^ {8}(\w+): (.*?)(?=^ {8}\w|\Z)", found[1] if found else "", re.M | re.S)
    return {name: " ".join(text.split()) for name, text in entries}


def _count(weights: int) -> str:
    return f"{weights:,}" if weights else ""


def _about(task: str, arch: str) -> str:
    return (architectures.module(task, arch).__doc__ or "").strip().splitlines()[0]


# What `INPUTS` and `FIT` of several architectures name.
SHARED = {
    "size": "the side of the pictures that it reads; None: that of the dataset",
    "words": "the most frequent words that have an id of their own, padding and unknown included",
    "length": "words of a text that are read, the last ones",
    "ngrams": "1: words; 2: pairs of neighbours too",
    "stride": "readings between the starts of two windows",
    "epochs": "times that the fit reads the training rows, at most",
    "batch_size": "rows of one step",
    "learning_rate": "of the optimiser, at the start of its schedule",
    "patience": "epochs without a better validation loss after which the fit ends",
    "clip": "the global norm that gradients are scaled down to",
}
