"""A real Chromium, where there is one; these tests skip and say so where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "ui")]

from chromium import find_browser  # noqa: E402
from page_fakes import Running, serving  # noqa: E402 (its folder is on the path only now)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here: install it (`apt-get install chromium`) or name it in BONEAGE_CHROMIUM")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("page")) as up:
        yield up


@pytest.fixture
def page(browser, running):
    """The page, opened by an English reader; a script's error fails the test."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.set_default_timeout(60_000)  # a busy machine may need them
    opened.goto(running.url)
    opened.get_by_text("Ready: boneage-cascade").wait_for()
    yield opened
    context.close()
    assert faults == []
