"""Make the screenshots of docs/ from a running page: `python tests/browser/screenshots.py URL docs`.

Only drawn hands are shown: start the page on a cascade first, then run this against its address.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from chromium import find_browser  # noqa: E402 (its folder is on the path only now)

# Name of the picture -> width, height, colour scheme, language, which drawn hand, chronological age in months.
SHOTS = {
    "page": (1280, 900, "light", "en-US", 2, "100"),
    "page-dark": (1280, 900, "dark", "pt-BR", 3, ""),
    "page-phone": (390, 844, "light", "es-ES", 4, ""),
}
PATIENCE = 180_000


def shoot(browser: Any, url: str, name: str, out: Path) -> None:
    """Estimate one drawn hand and take a picture of the whole page."""
    width, height, scheme, language, example, months = SHOTS[name]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale=language)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator(".ba-ready").wait_for()
    page.locator("#examples button").nth(example).click()
    page.locator("#preview img").wait_for()
    page.fill("#chronological input", months)
    page.click("#estimate-button")
    page.locator(".ba-age").wait_for()
    page.locator("#steps img").nth(2).wait_for()
    page.wait_for_timeout(2500)
    page.screenshot(path=out / f"{name}.png", full_page=True)
    context.close()


def main(url: str, out: Path) -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for name in SHOTS:
            shoot(browser, url, name, out)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
