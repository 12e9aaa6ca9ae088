"""The page for people in a real browser, beside a real service: every task, by every way in."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
import tiny
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium, needs_chromium
from described import Description
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from models.inputs.images import ImageInputs

PATIENCE = 15_000  # milliseconds: a browser is slow where other tests run beside it
DROP = """bytes => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([Uint8Array.from(bytes)], "p.png", {type: "image/png"}));
    const transfer = {dataTransfer: dropped, bubbles: true, cancelable: true};
    document.querySelector("#image .question").dispatchEvent(new DragEvent("drop", transfer));
}"""
PIXELS = """async picture => {
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.toDataURL();
}"""
TABLES = {
    "a column value": "time,value,note\n" + "2026-11-21 05:00,5.5,12\n" * 24,
    "semicolons": "time;level\r\n" + "21.11.2026;5,5\r\n" * 24,
    "no header": "2026-11-21 05:00\t5.5\n" * 24,
    "a list": "5.5, " * 24,
}
WRONG = {
    "": "Enter at least one number.",
    "1, 2, three, 4": "Line 1 holds “three” where a number is needed.",
    "time,value\na,1\nb,\n": "Line 3 holds nothing where a number is needed.",
    "a,b\nc,d\n": "The table has no column of numbers.",
    "5 5": "history has 2 values; at least 24 are needed.",
    "1e300 " * 24: "history must hold finite numbers from",
}

WRONG_FILES = {
    "image": {
        b"%PDF-1.7 ...": "This is a PDF document.",
        b"\0\0\0\x18ftypheic\0\0": "This is a HEIC picture, as telephones take them. Export it",
        b"GIF89a": "This is a GIF. Save it as PNG",
        b"no picture": "This file is no picture that can be read. Choose a PNG, JPEG or WebP.",
        b"": "This file is empty.",
        b"\x89PNG" + bytes(17 << 20): "This file is too large: a picture may have 16 MiB.",
        tiny.picture("PNG", 30)[:200]: "This picture is damaged or not complete.",
    },
    "forecast": {
        b"PK\x03\x04 a workbook": "office document. Choose what is in it: a picture, or a table",
        tiny.picture("PNG", 30): "This is a picture. Choose a table (CSV)",
        b"1\0,2\0": "This file is no text.",
        b"1, " * (2 << 20): "This file is too large: at most 4 MiB are allowed.",
        b"name,place\nx,y\n": "The table has no column of numbers.",
    },
}

expect.set_options(timeout=PATIENCE)
pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def visit(browser, server) -> Iterator[Callable[..., Page]]:
    """`visit(url=…, **context)` opens the page; it must ask nobody else and complain of nothing."""
    opened, urls, complaints = [], [], []

    def open_page(url: str = f"http://127.0.0.1:{server.port}", **context) -> Page:
        opened.append(browser.new_context(**context))
        page = opened[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: urls.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(url)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert urls
    assert {urlsplit(url).hostname for url in urls if not url.startswith("blob:")} == {"127.0.0.1"}
    # A browser tells of each answer that is an error; anything else would be ours.
    assert [line for line in complaints if not line.startswith("Failed to load resource")] == []


@pytest.fixture
def page(visit) -> Page:
    return visit()


def verdict(page: Page, task: str):
    return page.locator(f"#{task} .verdict:not(.empty)")


def failure(page: Page, task: str):
    return page.locator(f"#{task} .failure")


def metadata(page: Page, task: str) -> dict[str, str]:
    """The metadata below an answer."""
    shown = page.locator(f"#{task} .facts > div")
    return {
        part.locator("dt").inner_text(): part.locator("dd").inner_text() for part in shown.all()
    }


def draw(page: Page, *points: tuple[float, float]) -> None:
    """Draw a stroke with the mouse through these shares of the board."""
    box = page.locator("#board").bounding_box()
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def ask_everything(page: Page) -> None:
    """Get an answer for each task with one click, and the numbers of the forecast."""
    for task in tiny.REQUESTS:
        page.locator(f"#{task} [data-do=example]").click()
        expect(verdict(page, task)).to_be_visible()
    page.get_by_text("Table of values").click()


def test_a_drawing_becomes_a_picture_like_the_data(page, client):
    draw(page, (0.1, 0.1), (0.3, 0.1), (0.3, 0.3))
    expect(verdict(page, "image")).to_be_visible()
    sent = base64.b64decode(page.locator("#image .sent img").evaluate(PIXELS).partition(",")[2])
    with Image.open(io.BytesIO(sent)) as picture:
        assert (picture.format, picture.size) == ("PNG", (8, 8))
        pixels = np.asarray(picture.convert("L"))
    assert pixels.max() > 200  # white
    assert np.median(pixels) < 20  # on black
    ink = np.argwhere(pixels > 50)
    assert ink.min() <= 1  # small and in a corner of the board: it fills the frame here
    assert ink.max() >= 6
    answer = client.post("/v1/image", content=sent, headers={"Content-Type": "image/png"}).json()
    expect(page.locator("#image .verdict strong")).to_have_text(answer["label"])
    expect(page.locator("#image .bars li")).to_have_count(10)
    best = page.locator("#image .bars .best")
    expect(best).to_contain_text(f"{100 * max(answer['probabilities'].values()):.1f} %")

    draw(page, (0.5, 0.5))
    strokes = page.locator("#board polyline")
    expect(strokes).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(strokes).to_have_count(1)
    expect(verdict(page, "image")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(strokes).to_have_count(0)
    expect(page.locator("#image .verdict.empty")).to_be_visible()


def test_an_answer_that_comes_after_the_board_was_cleared_is_not_shown(page):
    held = []
    page.route("**/v1/image", lambda route: held.append(route))
    with page.expect_request("**/v1/image"):
        draw(page, (0.1, 0.1), (0.3, 0.3))
    page.get_by_role("button", name="Clear").click()
    with page.expect_response("**/v1/image"):
        held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#image .verdict.empty")).to_be_visible()
    expect(page.locator("#image .answer[aria-busy]")).to_have_count(0)


def test_a_picture_is_chosen_or_dropped(page, client):
    for seed in (1, 2):
        body = tiny.picture("PNG", 30, "RGB", seed)
        if seed == 1:
            chosen = {"name": "p.png", "mimeType": "image/png", "buffer": body}
            page.locator("#image input[type=file]").set_input_files(chosen)
        else:
            page.evaluate(DROP, list(body))
        answer = client.post("/v1/image", content=body, headers={"Content-Type": "image/png"})
        top = max(answer.json()["probabilities"].values())
        expect(page.locator("#image .bars .best .share")).to_have_text(f"{100 * top:.1f} %")


def test_a_review_is_judged(page, client):
    page.get_by_label("Text", exact=True).fill("A good, great film.")
    page.get_by_role("button", name="Classify").click()
    answer = client.post("/v1/sentiment", json={"text": "A good, great film."}).json()
    expect(page.locator("#sentiment .verdict strong")).to_have_text(answer["label"])
    expect(page.locator("#sentiment .bars li")).to_have_count(2)
    expect(page.locator("#sentiment .familiar")).to_contain_text(
        "Familiar: the input is like the training data"
    )

    page.get_by_label("Text", exact=True).fill("Ein langer und langweiliger Film. " * 9)
    page.get_by_role("button", name="Classify").click()
    expect(page.locator("#sentiment .familiar.not")).to_contain_text("Unfamiliar")
    expect(page.locator("#sentiment .familiar.not")).to_contain_text(f"{1 / 201:.2g}")


def test_an_answer_says_which_model_it_is_of(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with page.expect_response("**/v1/sentiment") as answered:
        page.locator("#sentiment [data-do=example]").click()
    expect(verdict(page, "sentiment")).to_be_visible()
    answer, shown = answered.value.json(), metadata(page, "sentiment")
    command = "espalier trace espalier-sentiment-tiny/1"
    assert shown.pop("Lineage").startswith(command)
    assert shown == {
        "Model": "espalier-sentiment-tiny, version 1",
        "Architecture": "perceptron",
        "Dataset": "tiny",
        "Fingerprint": answer["model"]["fingerprint"],
        "Request": answer["request_id"],
    }
    page.locator("#sentiment").get_by_role("button", name="Copy").click()
    expect(page.locator("#sentiment").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_a_series_goes_on_with_the_interval_that_was_chosen(page, client):
    page.get_by_label("Observed values of “level”, the newest last").fill(
        "\n".join(map(str, tiny.history(30)))
    )
    page.get_by_role("button", name="Forecast").click()
    expect(page.get_by_text("30 values read; the model uses the last 24.")).to_be_visible()
    for level, label in ((0.95, None), (0.8, "80 %")):
        if label:
            page.get_by_label(label).check()
        answer = client.post(
            "/v1/forecast", json={"history": tiny.history(30), "level": level}
        ).json()
        expect(page.locator("#forecast .keys")).to_contain_text(f"its {100 * level:.0f} % interval")
        rows = page.locator("#forecast tbody tr")
        expect(rows).to_have_count(tiny.HORIZON)
        last = [float(text) for text in rows.last.locator("td").all_text_contents()]
        wanted = [answer[name][-1] for name in ("lower", "forecast", "upper")]
        assert last == pytest.approx(wanted, abs=0.0051)
    points = page.locator("#forecast .line.history").get_attribute("points")
    assert len(points.split()) == tiny.HISTORY
    for part in (".band", ".line.forecast", ".now"):
        assert page.locator(f"#forecast {part}").bounding_box()["width"] >= 0


def test_a_file_is_read_as_a_person_means_it(page):
    for name, text in TABLES.items():
        chosen = {"name": "s.csv", "mimeType": "text/csv", "buffer": text.encode()}
        with page.expect_request("**/v1/forecast") as request:
            page.locator("#forecast input[type=file]").set_input_files(chosen)
        assert json.loads(request.value.post_data) == {"history": [5.5] * 24, "level": 0.95}, name
        expect(verdict(page, "forecast")).to_be_visible()


def test_what_is_wrong_with_a_series_is_said(page):
    for text, words in WRONG.items():
        page.locator("#forecast [data-do=example]").click()
        expect(verdict(page, "forecast")).to_be_visible()
        expect(failure(page, "forecast")).to_be_empty()
        page.get_by_label("Observed values of “level”, the newest last").fill(text)
        page.get_by_role("button", name="Forecast").click()
        expect(failure(page, "forecast")).to_contain_text(words)
        expect(verdict(page, "forecast")).to_have_count(0)
        expect(page.locator("#forecast .chart")).to_have_count(0)


def test_errors_come_in_the_words_of_the_service(page):
    text = failure(page, "sentiment")
    with page.expect_response("**/v1/sentiment") as answered:
        page.get_by_role("button", name="Classify").click()
    content = answered.value.json()
    assert content["error"]["code"] == "empty_text"
    expect(text).to_contain_text(content["error"]["message"])
    expect(text).to_contain_text(content["request_id"])


def test_a_wrong_file_is_told_in_a_person_s_words(page):
    for task, files in WRONG_FILES.items():
        for content, words in files.items():
            chosen = {"name": "p.png", "mimeType": "image/png", "buffer": content}
            page.locator(f"#{task} input[type=file]").set_input_files(chosen)
            expect(failure(page, task)).to_contain_text(words)
            expect(failure(page, task)).to_be_in_viewport()


def test_a_forecast_says_when(page, client):
    page.locator("#forecast [data-do=example]").click()
    expect(verdict(page, "forecast")).to_contain_text(f"level in {tiny.HORIZON} steps")
    page.get_by_label("Time of the last value").fill("2026-12-31T22:30")
    page.get_by_role("button", name="Forecast").click()
    expect(verdict(page, "forecast")).to_contain_text("at 2027-01-01 04:30")
    expect(page.locator("#forecast tbody th").first).to_contain_text("2026-12-31 23:30")
    page.locator("#forecast [data-do=example]").click()  # of another time
    expect(verdict(page, "forecast")).to_contain_text(f"in {tiny.HORIZON} steps")


def test_the_page_asks_in_the_words_of_the_data(page):
    expect(page.locator("#image .about")).to_contain_text("Made-up rows. The answer is one of “0”")
    expect(page.locator("#sentiment .about")).to_contain_text("one of “negative”, “positive”.")
    words = "reads the last 24 values, 1 hour apart, and forecasts 6 more."
    expect(page.locator("#forecast .about")).to_contain_text(words)
    for request in tiny.REQUESTS["sentiment"][:2]:  # the artifact's own
        page.locator("#sentiment [data-do=example]").click()
        expect(page.get_by_label("Text", exact=True)).to_have_value(request["text"])


def test_an_answer_is_in_sight_on_a_phone(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for task in tiny.REQUESTS:
        page.locator(f"#{task} [data-do=example]").click()
        expect(verdict(page, task)).to_be_in_viewport(ratio=1)
    page.locator("#board").scroll_into_view_if_needed()
    draw(page, (0.2, 0.2), (0.7, 0.6))
    expect(verdict(page, "image")).to_be_in_viewport(ratio=1)
    expect(page.locator("#board")).to_be_in_viewport(ratio=0.5)


def test_the_keys_alone_reach_everything(page):
    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def focused() -> str:
        return page.evaluate(
            "(e => e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText)"
            "(document.activeElement)"
        ).strip()

    def go_to(name: str) -> None:
        """Press Tab until the element of that name has the focus, which must be seen."""
        for _ in range(40):
            press("Tab")
            if focused().startswith(name):
                outline = page.evaluate(
                    "(e => getComputedStyle(e.type == 'file' ? e.parentElement : e).outlineStyle)"
                    "(document.activeElement)"
                )
                assert outline != "none"
                return
        raise AssertionError(f"Tab does not lead to {name}")

    go_to("Drawing board")
    press("ArrowLeft", "ArrowLeft", " ", *["ArrowDown"] * 12)
    expect(page.locator("#pen")).to_contain_text("The pen is down.")
    press(" ")
    expect(page.locator("#pen")).to_contain_text("The pen is up.")
    expect(verdict(page, "image")).to_be_visible()
    expect(page.locator("#board polyline")).to_have_count(1)
    press("Backspace")
    expect(page.locator("#board polyline")).to_have_count(0)
    go_to("Try an example")
    press("Enter")
    expect(verdict(page, "image")).to_be_visible()
    go_to("Choose an image")
    go_to("Undo")
    go_to("Clear")

    go_to("Text")
    page.keyboard.type("A dull, awful film.")
    go_to("Classify")
    press("Enter")
    expect(verdict(page, "sentiment")).to_be_visible()
    go_to("Copy")

    go_to("Observed values")
    page.keyboard.insert_text(" ".join(["5.5"] * 24))
    press("Control+Enter")
    expect(verdict(page, "forecast")).to_contain_text("with 95 %")
    go_to("95 %")
    press("ArrowUp")
    expect(verdict(page, "forecast")).to_contain_text("with 80 %")
    go_to("Table of values")
    press("Enter")
    expect(page.locator("#forecast table")).to_be_visible()


def test_a_phone_shows_it_all_without_scrolling_sideways(visit):
    page = visit(viewport={"width": 340, "height": 640}, has_touch=True, is_mobile=True)
    ask_everything(page)
    sizes = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert sizes[0] <= sizes[1] == 340
    small = page.locator("#forecast .chart text").first
    assert float(small.evaluate("e => e.getBoundingClientRect().height")) > 10

    # A finger draws, and does not scroll.
    page.locator("#image").get_by_role("button", name="Clear").click()
    page.locator("#board").scroll_into_view_if_needed()
    before, box = page.evaluate("scrollY"), page.locator("#board").bounding_box()
    finger = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.5), ("touchMove", 0.8)):
        points = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + share * box["height"]}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.evaluate("scrollY") == before
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(verdict(page, "image")).to_be_in_viewport(ratio=1)
    points = page.locator("#board polyline").get_attribute("points").split()
    assert len(points) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 340])
def test_axe_finds_nothing(visit, scheme, width):
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 800})
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) > 380) is (scheme == "light")
    ask_everything(page)
    check(page)
    page.get_by_label("Observed values of “level”, the newest last").fill("1 2 3")
    page.get_by_role("button", name="Forecast").click()
    page.locator("#forecast .failure p").first.wait_for()
    check(page)


def check(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_tasks_that_are_not_served_are_shown_as_such(visit, fresh_server, tmp_path):
    home = tmp_path / "home"
    mlflow = "http://127.0.0.1:5000"
    server = fresh_server(home, ESPALIER_TASKS="sentiment,forecast", MLFLOW_TRACKING_URI=mlflow)
    server.wait(server.alive)
    page = visit(f"http://127.0.0.1:{server.port}")
    expect(page.locator("#image .unserved")).to_contain_text("was started for other tasks")
    for task in ("sentiment", "forecast"):
        reason = page.locator(f"#{task} .unserved")
        expect(reason).to_contain_text("yet: none has been published")
        expect(reason).to_contain_text(f"espalier run --task {task}")
    expect(page.locator(".task").filter(visible=True)).to_have_count(0)
    check(page)

    tiny.publish(home, "sentiment")
    server.wait(lambda: server.serves("sentiment", "1"))
    page.locator("#sentiment").get_by_role("button", name="Retry").click()
    page.locator("#sentiment [data-do=example]").click()
    expect(verdict(page, "sentiment")).to_be_visible()
    expect(page.locator("#forecast .unserved")).to_be_visible()

    # A newer model answers: the page has not heard of it before.
    tiny.publish(home, "sentiment", "2", seed=1)
    server.wait(lambda: server.serves("sentiment", "2"))
    page.locator("#sentiment [data-do=example]").click()
    expect(page.locator("#sentiment .facts")).to_contain_text("espalier-sentiment-tiny, version 2")
    link = page.get_by_role("link", name="run in MLflow")
    expect(link).to_have_attribute("href", re.compile(f"^{mlflow}/#/runs/[0-9a-f]{{32}}$"))
    assert metadata(page, "sentiment")["Architecture"] == "perceptron"


def test_a_token_is_asked_for_and_kept_by_this_tab_alone(visit, fresh_server, tmp_path):
    home = tmp_path / "home"
    for task in ("image", "sentiment"):
        tiny.publish(home, task)
    server = fresh_server(home, ESPALIER_API_TOKEN="open-sesame")
    server.wait(server.alive)
    page = visit(f"http://127.0.0.1:{server.port}")
    dialog, field = page.get_by_role("dialog"), page.get_by_label("Token", exact=True)
    expect(dialog).to_contain_text("This path needs the header Authorization")
    expect(field).to_be_focused()
    check(page)

    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#notice")).to_contain_text("This path needs the header Authorization")
    expect(page.locator(".task").filter(visible=True)).to_have_count(0)
    page.locator("#notice").get_by_role("button", name="Retry").click()
    field.fill("a guess")
    field.press("Enter")
    expect(field).to_have_value("")  # the dialog shows again
    expect(dialog).to_be_visible()
    field.fill("open-sesame")
    field.press("Enter")
    expect(dialog).to_be_hidden()

    expect(page.locator("#notice")).to_be_hidden()
    for task in ("image", "sentiment"):
        page.locator(f"#{task} [data-do=example]").click()
        expect(verdict(page, task)).to_be_visible()
    expect(page.locator("#forecast .unserved")).to_contain_text("none has been published")
    kept = (
        "[JSON.stringify({...sessionStorage}), localStorage.length, document.cookie, location.href]"
    )
    url = f"http://127.0.0.1:{server.port}/"
    assert page.evaluate(kept) == ['{"espalier.token":"open-sesame"}', 0, "", url]
    page.reload()
    page.locator("#sentiment [data-do=example]").click()
    expect(verdict(page, "sentiment")).to_be_visible()
    expect(dialog).to_be_hidden()


def test_a_model_of_other_things_is_shown_pictures(visit, fresh_server, tmp_path, monkeypatch):
    """A class is named as it is, whatever its name; and there is no board for large pictures."""
    labels = ("<b>boot</b>", *"bcdefghij")
    monkeypatch.setitem(tiny.INPUTS, "image", lambda: ImageInputs(8, 8, 1, labels))
    folder = tmp_path / "published" / "artifacts" / "unguarded"
    folder.mkdir(parents=True)
    digest = tiny.write(folder, "image", 0, guarded=False)
    folder.rename(folder.parent / digest)
    tiny.point(tmp_path, "image", "1", digest)
    server = fresh_server(tmp_path, ESPALIER_TASKS="image")
    server.wait(server.ready)
    page = visit(f"http://127.0.0.1:{server.port}")
    page.locator("#image [data-do=example]").click()
    expect(verdict(page, "image")).to_be_visible()
    expect(page.get_by_role("heading", name="Classify an image")).to_be_visible()
    expect(page.locator("#image .about")).to_contain_text("“<b>boot</b>”, “b”")
    expect(page.locator("#board")).to_be_visible()
    expect(page.locator("#image .bars li").first).to_contain_text("<b>boot</b>")
    expect(page.locator("#image .familiar")).to_contain_text("has no guard")
    check(page)

    def larger(route: Route) -> None:
        models = route.fetch().json()
        models["models"][0]["input"] |= {"width": 64, "height": 48}
        route.fulfill(json=models)

    page.route("**/v1/models", larger)
    page.reload()
    expect(page.get_by_role("button", name="Try an example")).to_be_visible()
    expect(page.locator("#board")).to_be_hidden()


def test_a_visitor_chooses_the_dataset_where_a_task_has_several(visit, fresh_server, tmp_path):
    tiny.declare(tmp_path, sentiment=["films", "tickets"])
    tiny.publish(tmp_path, "sentiment", dataset="films")
    tiny.publish(tmp_path, "sentiment-tickets", seed=1)
    tiny.publish(tmp_path, "forecast")
    server = fresh_server(tmp_path, ESPALIER_TASKS="sentiment-tickets,forecast")
    server.wait(server.ready)
    page = visit(f"http://127.0.0.1:{server.port}", viewport={"width": 340, "height": 700})
    choice = page.get_by_label("Dataset")
    expect(choice).to_have_count(1)
    for dataset in ("films", "tickets", "films"):
        choice.select_option(dataset)
        page.locator("#sentiment [data-do=example]").click()
        named = f"espalier-sentiment-{dataset}, version 1"
        expect(page.locator("#sentiment .facts")).to_contain_text(named)
    check(page)


def test_a_service_that_is_gone_is_said_to_be(visit, fresh_server, tmp_path):
    home = tmp_path / "home"
    tiny.publish(home, "sentiment")
    server = fresh_server(home, ESPALIER_TASKS="sentiment")
    server.wait(server.ready)
    page = visit(f"http://127.0.0.1:{server.port}")
    server.process.terminate()
    server.process.wait(30)
    page.locator("#sentiment [data-do=example]").click()
    expect(failure(page, "sentiment")).to_contain_text("cannot be reached; is it still running?")


def test_the_description_shows_each_operation(visit, server, client):
    operations = Description(client).operations()
    page = visit(f"http://127.0.0.1:{server.port}/docs")
    expect(page.locator(".opblock")).to_have_count(len(operations))
    page.locator(".opblock", has_text="/v2/models/forecast/infer").first.click()
    expect(page.get_by_text("Inference-Header-Content-Length").first).to_be_visible()
    expect(page.locator(".errors-wrapper")).to_have_count(0)
