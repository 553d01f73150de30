"""The documentation as `make docs` built it: no other server is asked, the search works from a folder, phones fit."""

from __future__ import annotations

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "site"
PAGES = ("index", "why", "tutorials/page", "explanations/method", "results", "reference/python", "reference/cascade")


@pytest.fixture
def asked(browser):
    """A page on a phone, and every address that it asks for."""
    if not (SITE / "index.html").is_file():
        pytest.skip("the documentation is not built here: make docs")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("pageerror", lambda error: addresses.append(f"error: {error}"))
    yield page, addresses
    context.close()


def test_no_page_asks_another_server_or_is_wider_than_a_phone(asked):
    page, addresses = asked
    for name in PAGES:
        page.goto((SITE / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    strange = [address for address in addresses if not address.startswith(("file:", "data:", "blob:", "about:"))]
    assert addresses and not strange


def test_the_search_finds_a_page_without_a_server(asked):
    page, addresses = asked
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto((SITE / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    page.keyboard.type("refused")
    page.locator(".md-search-result__item a").first.wait_for(timeout=20_000)
    assert not [address for address in addresses if not address.startswith(("file:", "data:", "blob:", "about:"))]
