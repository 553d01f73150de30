"""Make the screenshots of docs/ from a running page: `python tests/browser/screenshots.py URL docs/pictures`.

Only drawn hands are shown. Start the page on a cascade first, in a project of its own (BONEAGE_HOME): a case is saved.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from chromium import find_browser  # noqa: E402 (its folder is on the path only now)

PATIENCE = 180_000


@dataclass(frozen=True)
class Look:
    """One way of looking at the page."""

    suffix: str
    width: int
    height: int
    scheme: str
    language: str
    example: int
    months: str = ""


LOOKS = (
    Look("", 1280, 900, "light", "en-US", 2, "100"),
    Look("-dark", 1280, 900, "dark", "pt-BR", 3),
    Look("-phone", 390, 844, "light", "es-ES", 1),
    Look("-phone-dark", 390, 844, "dark", "en-US", 5, "200"),
)
# Name of the tab's picture -> the tab's place in the row of tabs.
TABS = {"-batch": 1, "-follow": 2, "-flag": 3, "-models": 4}


def shoot(browser: Any, url: str, look: Look, out: Path, films: list[str], visits: list[str]) -> None:
    """Estimate one drawn hand and take a picture of every tab."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height}, color_scheme=look.scheme, locale=look.language
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator(".ba-ready").wait_for()
    page.locator("#examples button").nth(look.example).click()
    page.locator("#preview img").wait_for()
    if look.months:
        page.fill("#chronological input", look.months)
        page.click("#table input")
        page.get_by_role("option", name="Brush Foundation").click()
    page.click("#estimate-button")
    page.locator("[data-step=step_heat] img").wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=out / f"page{look.suffix}.png", full_page=True)
    for name, place in TABS.items():
        page.locator("#tabs button[role=tab]:visible").nth(place).click()
        if name == "-batch":
            page.set_input_files("#batch-files input[type=file]", films)
            page.locator("#batch-sex input").first.check()
            page.wait_for_timeout(1500)
            page.click("#batch-button")
            page.locator("#batch-rows table").wait_for()
        if name == "-follow":
            page.set_input_files("#follow-files input[type=file]", visits)
            page.wait_for_function("document.querySelector('#follow-ages textarea').value.includes('=')")
            page.click("#follow-table input")
            page.get_by_role("option", name="Brush Foundation").click()
            page.click("#follow-button")
            page.locator(".ba-follow img").wait_for()
        if name == "-flag":
            page.fill("#reader-age input", "96")
            page.check("#consent input")
            page.click("#flag-button")
            page.locator(".ba-done, .ba-texts img").first.wait_for()
            if page.locator(".ba-texts img").count():
                page.click("#flag-button")
                page.locator(".ba-done").wait_for()
        page.wait_for_timeout(2500)
        page.screenshot(path=out / f"page{name}{look.suffix}.png", full_page=True)
    context.close()


def _films(folder: Path) -> list[str]:
    """Draw three hands, and write a file that is no image."""
    import cv2

    from boneage.groups import Sex
    from boneage.phantom.hand import draw

    files = []
    for age, seed in ((60, 21), (100, 22), (140, 24)):
        files.append(folder / f"drawn-{age}-months.png")
        cv2.imwrite(str(files[-1]), draw(age, Sex.FEMALE, seed).image)
    files.append(folder / "notes.png")
    files[-1].write_text("no image", encoding="utf-8")
    return [str(file) for file in files]


def _visits(folder: Path) -> list[str]:
    """Draw three DICOM films of one invented girl."""
    from boneage.groups import Sex
    from boneage.hospital.dicom_out import encoded
    from boneage.hospital.example import example_film

    files = []
    for age in (72, 96, 110):
        files.append(folder / f"drawn-{age}-months.dcm")
        files[-1].write_bytes(encoded(example_film(age, Sex.FEMALE, seed=4)))
    return [str(file) for file in files]


def main(url: str, out: Path) -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        films, visits = _films(Path(folder)), _visits(Path(folder))
        for look in LOOKS:
            shoot(browser, url, look, out, films, visits)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
