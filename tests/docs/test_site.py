"""The site that `make docs` builds: from disk, in a real browser, with what the code says."""

import html
import json
import re
import subprocess
from pathlib import Path

import pytest
import typer
import yaml
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium, needs_chromium
from generators import reference
from project import ROOT

from data import entries
from models import architectures, options
from pipelines.cli import app
from pipelines.experiments import registry
from pipelines.gate.rules import Rules
from pipelines.runtime import settings
from serving.http import metrics

PAGES = sorted((ROOT / "docs/architectures").glob("*/[!i]*.md"))
SIZES = {
    "image": {"height": 28, "width": 28, "channels": 1, "classes": 10},
    "sentiment": {"length": 400, "classes": 2},
    "forecast": {"history": 72, "horizon": 12},
}
DATASETS = {"image": "mnist_5k", "sentiment": "imdb", "forecast": "glucose"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as `make docs` does, which fails at any warning."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(["make", "docs", f"SITE={folder}"], cwd=ROOT, check=True)
    return folder / "docs"


def test_every_shipped_architecture_has_a_page():
    counts = {task: sum(page.parent.name == task for page in PAGES) for task in SIZES}
    assert counts == {"image": 8, "sentiment": 13, "forecast": 11}  # the guard is one of them


def test_the_limits_in_own_data_are_those_of_the_gate():
    models = (entries.ExpectPictures, entries.ExpectTexts, entries.ExpectReadings)
    fields = {name: one.default for model in models for name, one in model.model_fields.items()}
    text = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", text, re.M)
    assert {name: float(limit) for name, limit in rows} == fields


def test_every_tag_in_mlflow_is_explained():
    assert reference.tags().count("\n") > 20  # raises where the code has others


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_page_has_the_numbers_of_its_model(site, page):
    task, arch = page.parent.name, page.stem
    file = architectures.module(task, arch)
    sizes = SIZES[task] | ({"words": file.INPUTS["words"]} if task == "sentiment" else {})
    if "ngrams" in file.INPUTS:
        sizes["length"] = 1600
    chosen = settings.overrides("quick", task, arch, DATASETS[task])
    model = file.build(**sizes, **chosen)
    shown = (site / f"architectures/{task}/{arch}.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", " ", shown))
    assert f"{model.count_params():,} weights" in text
    for layer in model.layers:
        shape = " × ".join(map(str, layer.output.shape[1:]))
        row = [type(layer).__name__, shape]
        if count := layer.count_params():
            row.append(f"{count:,}")
        assert re.search(r"\s+(?:[^\n]*\s+)?".join(map(re.escape, row)), text), row


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_the_site_opens_from_disk(site, look):
    options = {"viewport": {"width": 390, "height": 800}} if look == "phone" else {}
    with chromium() as browser:
        page = browser.new_page(color_scheme="dark" if look == "dark" else "light", **options)
        urls, errors = [], []
        page.on("request", lambda request: urls.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for name in ("index", "tutorial", "own-data", "architectures/image/cnn", "reference/http"):
            page.goto(f"file://{site}/{name}.html")
            violations = Axe().run(page).response["violations"]
            assert violations == [], json.dumps(violations, indent=1)
            assert page.evaluate("document.body.scrollWidth <= document.body.clientWidth")
        page.goto(f"file://{site}/search.html?q=familiarity")
        page.locator("#search-results li a").first.wait_for()
        assert [url for url in urls if not url.startswith(("file:", "data:"))] == []
        assert errors == []


@pytest.mark.slow
def test_the_reference_names_all_that_there_is(site):
    command = typer.main.get_command(app)
    verbs = [
        f"espalier {' '.join(words)}"
        for name, verb in command.commands.items()
        for words in ([(name, one) for one in getattr(verb, "commands", {})] or [(name,)])
    ]
    openapi = yaml.safe_load((ROOT / "serving/api/openapi.yaml").read_text(encoding="utf-8"))
    keys = [key for entry in entries.ENTRIES.values() for key in entry.model_fields]
    described = {
        "command": verbs,
        "http": list(openapi["paths"]),
        "params": [*keys, *Rules.model_fields],
        "training": list(options.training("image")),
        "metrics": list(metrics.SERIES),
        "mlflow": [f"espalier.{field}" for field in registry.TAGGED],
    }
    for page, names in described.items():
        text = (site / f"reference/{page}.html").read_text(encoding="utf-8")
        text = html.unescape(re.sub(r"<[^>]+>", "", text))
        assert [name for name in names if name not in text] == [], page
        assert len(names) > 3
