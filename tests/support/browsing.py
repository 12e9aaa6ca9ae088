"""A page that is a file, in a real browser: light, dark and on a phone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="no browser on this machine: apt-get install chromium"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the time of the block."""
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox) as browser,
    ):
        yield browser


def complaints(file: Path) -> list[str]:
    """What axe and a look at the page's width find wrong."""
    found: list[str] = []
    with chromium() as browser:
        for scheme, width in (("light", 1100), ("dark", 1100), ("light", 390), ("dark", 390)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
            page.goto(file.as_uri())
            page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
            results = Axe().run(page)
            found += [results.generate_report()] if results.violations_count else []
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{wide} pixels wide on {width}"] if wide > width else []
            page.close()
    return found
