"""The page of a comparison: it holds the data's own numbers, and loads nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from browsing import complaints, needs_chromium
from homes import living_in
from recorded import DIGITS, HASH, classified, finished, fit
from small_data import FACTS, waves

from models.evaluation import measure
from pipelines.experiments import tracking
from pipelines.experiments.dataset import DatasetVersion
from pipelines.reports import comparison
from pipelines.reports import page as report
from pipelines.runtime.settings import UsageError

COMMIT = {"mlflow.source.git.commit": "51a3acffe8", "espalier.git_dirty": "true"}
NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
LABELS = ["cat & dog", "<script>alert(1)</script>", "bird"]

WAVES = DatasetVersion("forecast", "waves", HASH)


def parsed(html: str) -> Element:
    """The page: it is well-formed XML as well."""
    return ElementTree.fromstring(html[html.index("<html") :])


def text_of(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def cells(page: Element, first: str) -> list[list[str]]:
    """The cells after the first one in each row of a table that begins like this."""
    rows = [[text_of(cell) for cell in row] for row in page.iter("tr")]
    return [row[1:] for row in rows if row[0] == first]


def forecasts(noise: float) -> dict:
    """Scores of a forecast that is this far off."""
    chance = np.random.default_rng(0)

    def foresee(windows, split):
        return windows.target + chance.normal(0, noise, windows.target.shape)

    return measure.score_forecasts(foresee, waves(), FACTS["forecast"] | {"below": 130})


def epochs() -> None:
    import mlflow

    for epoch, loss in enumerate((0.9, 0.5, 0.41), start=1):
        mlflow.log_metrics({"loss": loss, "val_loss": loss + 0.1}, step=epoch)


@pytest.fixture(scope="module")
def boards(tmp_path_factory, empty_store) -> dict[str, dict]:
    """A board of two models and a look, in classes with difficult names; and one of forecasts."""
    folder = tmp_path_factory.mktemp("boards")
    with pytest.MonkeyPatch.context() as patch, living_in(folder / "home", patch, empty_store):
        for arch, right in {"cnn": 0.9, "ann": 0.6}.items():
            finished(fit(arch), folder / arch, rows=classified(right, LABELS), epochs=epochs)
        look = replace(fit("lstm", share=0.2), look=True)
        finished(look, folder / "look", validation_accuracy=0.55)
        for arch, noise in {"ann": 3, "gru": 9}.items():
            planned = replace(fit(arch), dataset=WAVES)
            finished(planned, folder / "series" / arch, rows=forecasts(noise))
        return {
            "image": comparison.compare(replace(DIGITS, facts={"labels": LABELS})),
            "series": comparison.compare(WAVES),
        }


@pytest.fixture
def image(boards) -> dict:
    return boards["image"]


@pytest.fixture
def series(boards) -> dict:
    return boards["series"]


WORST = {
    "image": {"label": "bird", "sure": 0.987, "truth": "cat & dog", "chance": 0.01}
    | {"image": "data:image/webp;base64,UklGR//+"},
    "series": {
        "when": "2026-11-21 12:00",
        "error": 4.25,
        "naive_error": 2.5,
        "picture": '<svg role="img" aria-label="off"/>',
    },
}


def rendered(board: dict) -> str:
    kind = "series" if board["task"] == "forecast" else "image"
    return report.render(board, {"cnn": [WORST[kind]], "ann": []}, COMMIT, NOW)


@pytest.mark.parametrize("board", ["image", "series"])
def test_it_loads_and_runs_nothing_and_can_be_read_by_all(boards, board):
    html = rendered(boards[board])
    html = html.replace(f'src="{WORST["image"]["image"]}" ', "")  # a picture in the page itself
    assert not re.search(r"https?:|//|@import|url\(|javascript:", html)
    page = parsed(html)
    elements = [*page.iter()]
    assert not {"script", "link", "iframe", "object"} & {one.tag for one in elements}
    attributes = {name for one in elements for name in one.attrib}
    assert not attributes & {"src", "href", "srcset", "xlink:href", "action", "data"}
    assert not [name for name in attributes if name.startswith("on")]
    ids = [one.get("id") for one in elements if "id" in one.attrib]
    assert len(ids) == len(set(ids))
    assert {one.get("aria-labelledby") for one in elements} <= {*ids, None}
    assert all(one.get("alt") for one in page.iter("img"))
    pictures = [one for one in page.iter("svg") if one.get("aria-hidden") is None]
    assert pictures
    assert all(one.get("role") == "img" and one.get("aria-label") for one in pictures)
    assert all(one.get("scope") for one in page.iter("th"))
    assert page.get("lang") == "en"
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


@pytest.mark.slow
@needs_chromium
def test_a_browser_finds_nothing_wrong(boards, tmp_path):
    for name, board in boards.items():
        (tmp_path / f"{name}.html").write_text(rendered(board))
        assert complaints(tmp_path / f"{name}.html") == []


def test_each_part_holds_the_data_s_own_numbers(image):
    page = parsed(rendered(image))
    text = text_of(page)
    for part in ("Image models on digits", HASH, "51a3acffe8", "and changes", "2026-11-21 12:30"):
        assert part in text
    assert "No champion stands" in text
    first = image["rows"][0]
    assert f"best on validation, cnn , reaches accuracy {first['test']['mean']:.4f}" in text
    [row] = [row for row in cells(page, "cnn") if "quick × 1" in row]
    assert row[:2] == [f"{first[split]['mean']:.4f}" for split in ("validation", "test")]
    [look] = cells(page, "lstm")
    assert look[0] == "0.5500"
    assert "First looks at 20 % of the training rows" in text
    [verdict] = [one for one in image["verdicts"] if one["ours"] == "cnn"]
    [pair] = [row for row in cells(page, "cnn") if row[0] == "ann"]
    assert pair[1:3] == ["▲ better", f"+{verdict['difference']:.4f}"]
    assert pair[-1] == "McNemar's exact test"
    [part] = [one for one in image["slices"] if one["name"].endswith("bird")]
    assert cells(page, part["name"]) == [["100", *(f"{s:.4f}" for s in part["scores"].values())]]
    counts = [list(map(str, row)) for row in image["confusion"]["cnn"]]
    assert counts[2] in cells(page, "bird")
    assert "on validation 1 after an epoch, 0.51 at the end" in rendered(image)


def test_mistakes_stand_with_what_is_right(boards):
    texts = [text_of(parsed(rendered(board))) for board in boards.values()]
    assert "answered bird at 98.7 % right is cat & dog , at 1.0 %" in texts[0]
    assert "ann: none on the validation rows" in texts[0]
    assert "from 2026-11-21 12:00 off by 4.25; the naive forecast by 2.5" in texts[1]


def test_names_are_shown_and_never_obeyed(image):
    html = rendered(image)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "cat &amp; dog" in html


def test_forecasts_stand_with_their_errors_in_the_data_s_own_unit(series, capsys):
    ann, gru = (row["measures"] for row in series["rows"])
    assert list(ann) == ["mae", "rmse", "recall_below", "precision_below"]
    assert ann["mae"] < gru["mae"]
    assert ann["recall_below"] > gru["recall_below"] > 0
    page = parsed(rendered(series))
    [row] = [one for one in cells(page, "ann") if len(one) == 4]
    assert row == [f"{value:.4f}" for value in ann.values()]
    comparison.show(series)
    printed = capsys.readouterr().out
    assert f"{ann['rmse']:.4f}" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_forecasts_are_drawn_with_their_intervals(series):
    html = rendered(series)
    assert html.count('class="band"') == 2 * len(series["windows"]) == 2 * measure.PLOTTED
    window = series["windows"][0]
    target, said = (
        np.array(values) for values in (window["target"], window["forecasts"]["ann"]["forecast"])
    )
    assert f"mean absolute error {abs(said - target).mean():.4g} over 4 steps" in html
    page = parsed(html)
    assert [row[0] for row in cells(page, "step 1")] == [f"{series['test_rows']:,}"]
    assert "relative MAE" in text_of(page)


def test_forecasts_of_older_code_stand_without_intervals(home, tmp_path):
    new = {"time", "season", "lower", "upper"}
    planned = replace(fit("ann"), dataset=WAVES)
    rows = {
        split: replace(one, rows={n: v for n, v in one.rows.items() if n not in new})
        for split, one in forecasts(3).items()
    }
    finished(planned, tmp_path / "old", rows=rows)
    board = comparison.compare(WAVES)
    assert [part["name"] for part in board["slices"]] == [f"step {n}" for n in (1, 2, 3, 4)]
    html = rendered(board)
    assert 'class="line forecast"' in html
    assert 'class="band"' not in html


def test_of_many_classes_the_commonest_mistakes_are_told(image):
    counts = np.diag(np.full(30, 9))
    counts[7, 3] = 5
    many = {"labels": [f"kind {n}" for n in range(30)], "confusion": {"cnn": counts.tolist()}}
    text = text_of(parsed(rendered(image | many)))
    assert "kind 7 predicted as kind 3: 5" in text
    assert "30 classes are too many for a table" in text


def test_of_very_many_rows_some_are_shown_and_the_rest_is_counted(image):
    first = image["rows"][0]
    others = [
        {name: value for name, value in first.items() if name not in ("name", "verdict")}
        | {"parameters": {"units": number}, "pareto": False}
        for number in range(500)
    ]
    html = rendered(image | {"rows": [*image["rows"], *others]})
    assert "463 more rows are not shown" in text_of(parsed(html))
    assert html.count("<circle") <= report.CIRCLES + 100


def test_with_nothing_trained_and_without_git_it_says_so(home):
    text = text_of(parsed(report.render(comparison.compare(DIGITS), {}, {}, NOW)))
    assert "No model was fitted in full" in text
    assert "git commit none" in text


def test_a_champion_of_other_data_is_named(image):
    other = {"version": "3", "arch": "gru", "fingerprint": "f" * 64, "dataset_hash": "other"}
    text = text_of(parsed(rendered(image | {"champion": other})))
    assert "The champion is version 3 (gru), fitted on another version of the data" in text


def test_it_is_written_to_a_file_or_the_file_is_named(image, tmp_path):
    report.write(DIGITS, image, tmp_path / "page.html")
    assert cells(parsed((tmp_path / "page.html").read_text()), "ann")
    with pytest.raises(UsageError, match=r"nowhere/page.html cannot be written .*: name a file"):
        report.write(DIGITS, image, tmp_path / "nowhere" / "page.html")


def test_it_is_kept_with_a_retraining(home):
    with tracking.parent(DIGITS, "quick", "retrain") as parent:
        report.attach(DIGITS, comparison.compare(DIGITS), parent)
    kept = tracking.connect().list_artifacts(parent)
    assert report.FILE in [file.path for file in kept]
