"""What a visitor does, in a real browser."""

from __future__ import annotations

import time
import zipfile
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_fakes import URI, hand_pixels, text_in_the_corner, write_dicom, write_png

from boneage.cli import main
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_radiograph
from boneage.errors import BoneageError
from boneage.groups import Sex


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    from boneage.phantom.hand import draw

    return write_png(tmp_path_factory.mktemp("phantom") / "phantom.png", draw(90, Sex.FEMALE, 5).image)


def upload(page, file: Path) -> None:
    page.set_input_files("#file input[type=file]", str(file))


def estimate(page, file: Path, sex: str = "Female") -> None:
    upload(page, file)
    page.locator("#preview img").wait_for()
    page.locator("#sex").get_by_label(sex, exact=True).check()
    page.click("#estimate-button")
    page.locator(".ba-age").wait_for()


def choose_language(page, name: str) -> None:
    page.click("#language input")
    page.get_by_role("option", name=name).click()


def test_a_phantom_gets_an_estimate_and_is_flagged(page, running, phantom, capsys, monkeypatch) -> None:
    monkeypatch.setattr("boneage.ui.flags.texts.look", text_in_the_corner)
    assert page.locator("#chronological input").input_value() == ""
    assert not page.locator("#flag-open").is_visible()
    estimate(page, phantom)
    card = page.locator("#card")
    assert "7 years 2 months" in card.inner_text()
    assert "86.5 months" in card.inner_text()
    assert "boneage-cascade, version 3" in card.inner_text()
    page.locator("#steps [data-step=step_heat] img").wait_for()
    assert page.locator("#steps img").count() == 4
    assert page.locator("#notice").is_visible()

    page.click("#flag-open")
    page.click("#flag-button")
    page.get_by_text("Please confirm first").wait_for()
    page.fill("#reader-age input", "92")
    page.fill("#comment input, #comment textarea", "drawn")
    page.check("#consent input")
    # What the inputs say now must not matter any more.
    page.get_by_role("tab", name="Estimate").click()
    page.locator("#sex").get_by_label("Male", exact=True).check()
    page.get_by_role("tab", name="Save a case").click()
    page.click("#flag-button")
    page.locator(".ba-texts img").wait_for()  # a name on the film is shown, and only then blacked out
    assert len(running.services.flags.records()) == 0
    page.click("#flag-button")
    page.locator(".ba-done").wait_for()
    assert "blacked out (pieces: 1)" in page.locator(".ba-done").inner_text()
    last = running.services.flags.records().iloc[-1]
    assert (last["sex"], last["reader_age_months"], last["comment"]) == ("female", 92.0, "drawn")
    assert last["sha256"] in page.locator(".ba-done").inner_text()
    assert "Saved cases: 1" in page.locator("#flag-cases").inner_text()
    assert main(["flags", "--folder", str(running.services.flags.folder), "list"]) == 0
    assert last["sha256"] in capsys.readouterr().out


def test_two_tabs_save_each_reading_with_its_own_film(page, running, tmp_path) -> None:
    films = []
    for number in range(2):
        pixels = hand_pixels()
        pixels[:, 0] = 70 + number
        films.append(write_png(tmp_path / f"tab-{number}.png", pixels))
    other = page.context.new_page()
    other.goto(running.url)
    other.get_by_text("Ready: boneage-cascade").wait_for()
    tabs = (page, other)
    for tab, film, sex in zip(tabs, films, ("Female", "Male"), strict=True):
        estimate(tab, film, sex)
        tab.click("#flag-open")
    for tab, age in zip(tabs, ("61", "162"), strict=True):
        tab.fill("#reader-age input", age)
        tab.check("#consent input")
    for tab in tabs:
        tab.click("#flag-button")
        tab.locator(".ba-done").wait_for()
    rows = running.services.flags.records().set_index("sha256")
    found = [rows.loc[pixels_sha256(read_radiograph(film).pixels)] for film in films]
    assert [(row["sex"], row["reader_age_months"]) for row in found] == [("female", 61.0), ("male", 162.0)]
    assert found[0]["key"] != found[1]["key"]


def test_a_given_range_is_obeyed_and_its_contradiction_said(page, phantom) -> None:
    upload(page, phantom)
    page.locator("#preview img").wait_for()
    page.locator("#sex").get_by_label("Male", exact=True).check()
    page.click("#age-range input")
    page.get_by_role("option", name="172–228").click()
    page.fill("#chronological input", "120")
    page.click("#estimate-button")
    page.locator(".ba-age").wait_for()
    words = page.locator("#card").inner_text()
    assert "Classification was skipped" in words
    assert "would have chosen 58–114 months" in words
    assert "ahead of 10 years" in words


def choose_table(page, name: str) -> None:
    page.click("#table input")
    page.get_by_role("option", name=name).click()


def compared(context, url: str, phantom, table: str, sex: str):
    """Open the page in a context of its own and estimate a hand beside a chronological age and a table."""
    opened = context.new_page()
    opened.goto(url)
    opened.locator(".ba-ready").wait_for(timeout=60_000)
    upload(opened, phantom)
    opened.locator("#preview img").wait_for()
    opened.fill("#chronological input", "100")
    choose_table(opened, table)
    opened.locator("#sex").get_by_label(sex, exact=True).check()
    opened.click("#estimate-button")
    opened.locator(".ba-compared").wait_for()
    return opened


def test_a_chosen_table_gives_a_z_score_in_every_language_and_in_the_report(page, phantom) -> None:
    choose_table(page, "Brush Foundation")
    upload(page, phantom)
    page.locator("#preview img").wait_for()
    page.locator("#sex").get_by_label("Male", exact=True).check()
    page.click("#estimate-button")
    page.get_by_text("A z-score needs the chronological age").first.wait_for()
    page.fill("#chronological input", "100")
    page.click("#estimate-button")
    compared = page.locator(".ba-compared")
    compared.wait_for()
    words = compared.inner_text()
    assert "z-score −1.46 (standard deviation 9.1 months): average" in words
    assert "Transcribed by third parties" in words
    page.locator("[data-faithful]").wait_for()
    with page.expect_download() as got:
        page.click("#report")
    report = Path(got.value.path()).read_text(encoding="utf-8")
    assert "z-score −1.46" in report and "Transcribed by third parties" in report
    choose_language(page, "Español")
    compared.get_by_text("puntuación z −1,46").wait_for()
    assert "Transcrita por terceros" in compared.inner_text()


def test_a_table_of_ones_own_is_asked_for_read_and_a_bad_one_refused(page, phantom, tmp_path) -> None:
    own = tmp_path / "clinic.csv"
    own.write_text("nothing", encoding="utf-8")
    assert not page.locator("#table-file").is_visible()
    choose_table(page, "My own table (CSV)")
    page.locator("#table-file").wait_for()
    page.set_input_files("#table-file input[type=file]", str(own))
    page.locator("#table-file").get_by_text("clinic").first.wait_for()
    page.fill("#chronological input", "100")
    upload(page, phantom)
    page.locator("#preview img").wait_for()
    page.fill("#chronological input", "100")
    page.locator("#sex").get_by_label("Male", exact=True).check()
    page.click("#estimate-button")
    page.get_by_text("clinic.csv must have the columns").first.wait_for()
    assert "Traceback" not in page.content()
    page.locator("#table-file").get_by_label("Clear", exact=False).first.click()
    own.write_text("chronological_months,sex,sd_months\n50,M,8\n90,M,10\n", encoding="utf-8")
    page.set_input_files("#table-file input[type=file]", str(own))
    page.locator("#table-file").get_by_text("clinic").first.wait_for()
    page.wait_for_timeout(500)
    page.click("#estimate-button")
    page.locator(".ba-compared").wait_for()
    words = page.locator(".ba-compared").inner_text()
    assert "No z-score" in words and "covers 50-90 months (male) and is not extrapolated" in words


def test_beside_the_heat_map_it_says_how_far_to_believe_it(page, phantom) -> None:
    estimate(page, phantom)
    said = page.locator("[data-faithful=false]")
    said.wait_for()
    # These heads say the same of every film, so the map is no better than chance.
    assert (
        "8 random regions of the same size by 0.0 on average: on this film the heat map is no better than chance."
        in (said.inner_text())
    )
    choose_language(page, "Português")
    said.get_by_text("não é melhor que o acaso").wait_for()


def test_a_bad_file_shows_a_sentence_and_the_page_goes_on(page, tmp_path, phantom) -> None:
    bad = tmp_path / "notes.png"
    bad.write_text("these are notes", encoding="utf-8")
    upload(page, bad)
    toast = page.get_by_text("notes.png is not an image that can be read")
    toast.first.wait_for()
    assert "Traceback" not in page.content()
    page.locator("#file").get_by_label("Clear", exact=False).first.click()
    estimate(page, phantom)


def test_without_a_sex_it_asks_for_one(page, phantom) -> None:
    upload(page, phantom)
    page.locator("#preview img").wait_for()
    page.click("#estimate-button")
    page.get_by_text("Choose the sex first").first.wait_for()


def test_a_new_file_takes_the_old_result_away(page, phantom, tmp_path) -> None:
    estimate(page, phantom)
    page.locator("#file").get_by_label("Clear", exact=False).first.click()
    page.locator(".ba-empty").wait_for()
    assert not page.locator("#flag-open").is_visible()
    assert page.locator("#steps img").count() == 0


def test_dicom_fills_in_sex_and_age(page, tmp_path) -> None:
    upload(page, write_dicom(tmp_path / "film.dcm", hand_pixels(), sex="M", age="010Y"))
    page.get_by_text("Read from the DICOM file").wait_for()
    assert page.locator("#sex").get_by_label("Male", exact=True).is_checked()
    assert page.locator("#chronological input").input_value() == "120"


def test_16_bit_is_not_washed_out(page, tmp_path) -> None:
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), hand_pixels().astype(np.uint16) * 256)
    estimate(page, deep)
    shown = page.locator("[data-step=step_original] img").last.get_attribute("src")
    pixels = cv2.imdecode(np.frombuffer(b64decode(shown.partition(",")[2]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(pixels.astype(int) - hand_pixels()).mean() < 12


def test_language_follows_the_reader_result_included(page, phantom) -> None:
    estimate(page, phantom)
    choose_language(page, "Português")
    page.get_by_text("Idade óssea · Feminino").wait_for()
    assert "7 anos e 2 meses" in page.locator("#card").inner_text()
    assert page.locator("#estimate-button").inner_text() == "Estimar a idade óssea"
    choose_language(page, "Español")
    page.get_by_text("7 años y 2 meses").first.wait_for()


def test_the_browser_brings_its_language(browser, running) -> None:
    context = browser.new_context(locale="pt-BR")
    opened = context.new_page()
    opened.goto(running.url)
    opened.get_by_text("Somente para pesquisa").wait_for(timeout=60_000)
    context.close()


def test_an_example_is_one_click_away(page) -> None:
    page.locator("#examples button").first.click()
    page.locator("#preview img").wait_for()
    assert page.locator("#sex").get_by_label("Male", exact=True).is_checked()


def test_where_nothing_is_promoted_it_says_what_to_run_and_notices_later(page, running, phantom) -> None:
    running.catalogue.fault = BoneageError("nothing is promoted yet: run `boneage registry promote`")
    try:
        page.reload()
        page.locator(".ba-missing").wait_for(timeout=60_000)
        assert page.locator(".ba-missing code").inner_text() == "boneage registry promote"
        upload(page, phantom)
        page.locator("#sex").get_by_label("Male", exact=True).check()
        page.click("#estimate-button")
        page.get_by_text("run `boneage registry promote`").first.wait_for()
    finally:
        running.catalogue.fault = None
    page.locator(".ba-ready").wait_for(timeout=60_000)


def test_a_batch_with_a_broken_file_has_one_row_a_file(page, tmp_path) -> None:
    files = [write_png(tmp_path / f"hand-{i}.png", hand_pixels()) for i in range(4)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no")
    table = tmp_path / "sexes.csv"
    table.write_text("image,sex\nhand-0,F\nhand-1.png,male\nhand-3,F\nbroken,F\n", encoding="utf-8")
    page.get_by_role("tab", name="Several images").click()
    page.set_input_files("#batch-files input[type=file]", [str(file) for file in [*files, broken]])
    page.set_input_files("#batch-table input[type=file]", str(table))
    page.get_by_text("sexes").first.wait_for()
    page.wait_for_timeout(500)
    page.click("#batch-button")
    page.get_by_text("3 estimated, 2 failed.").wait_for()
    rows = page.locator("#batch-rows").inner_text()
    assert "hand-2.png" in rows
    assert "no sex" in rows
    with page.expect_download() as got:
        page.click("#batch-download")
    lines = Path(got.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6
    assert lines[2].startswith("hand-1.png,male,,86.75")


def test_the_models_tab_shows_versions_and_cards(page) -> None:
    page.get_by_role("tab", name="Models").click()
    page.locator("#models-rows").get_by_text("boneage-cascade").first.wait_for()
    page.locator("#model-card").get_by_text("Card of version 3").wait_for()
    panel = page.locator(".ba-panel").inner_text()
    assert "champion, version 3" in panel
    assert "8.25 months" in panel
    assert (
        page.locator("#models-rows a").first.get_attribute("href").startswith("http://127.0.0.1:5000/#/experiments/1")
    )


def test_with_several_models_the_reader_chooses_who_answers(page, running, phantom) -> None:
    running.catalogue.versions["models:/demo-cascade@champion"] = "7"
    try:
        page.locator("#model").wait_for(timeout=60_000)
        page.click("#model input")
        page.get_by_role("option", name="champion (version 7) of demo-cascade").click()
        estimate(page, phantom)
        assert "demo-cascade, version 7" in page.locator("#card").inner_text()
    finally:
        del running.catalogue.versions["models:/demo-cascade@champion"]


def test_the_report_is_whole_and_names_nobody(page, phantom) -> None:
    estimate(page, phantom)
    page.locator("[data-step=step_heat] img").wait_for()
    with page.expect_download() as got:
        page.click("#report")
    report = Path(got.value.path()).read_text(encoding="utf-8")
    assert "7 years 2 months" in report
    assert (
        report.count("data:image/jpeg;base64,") == 7
    )  # film, prepared image, heat map, the film again beside three drawn hands
    assert "Research use only" in report
    assert "phantom.png" not in report
    assert "http" not in report


def test_a_phone_needs_no_sideways_scrolling(browser, running, phantom) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    opened = compared(context, running.url, phantom, "Greulich-Pyle", "Female")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_a_promotion_appears_by_itself_and_answers(page, running, phantom) -> None:
    running.catalogue.versions[URI] = "4"
    try:
        page.get_by_text("Ready: boneage-cascade, version 4").wait_for()
        estimate(page, phantom)
        assert "boneage-cascade, version 4" in page.locator("#card").inner_text()
        page.get_by_role("tab", name="Models").click()
        page.locator(".ba-panel").get_by_text("champion, version 4").wait_for()
    finally:
        running.catalogue.versions[URI] = "3"


def test_champion_and_challenger_answer_side_by_side(page, running, phantom) -> None:
    running.catalogue.versions["models:/boneage-cascade@challenger"] = "5"
    try:
        page.locator("#model").wait_for()
        page.click("#model input")
        page.get_by_role("option", name="side by side").click()
        estimate(page, phantom)
        rivals = page.locator(".ba-rival")
        assert [rivals.nth(i).inner_text().splitlines()[0] for i in range(2)] == [
            "champion, version 3",
            "challenger, version 5",
        ]
        page.get_by_role("tab", name="Models").click()
        page.locator(".ba-panel").nth(1).wait_for()
    finally:
        del running.catalogue.versions["models:/boneage-cascade@challenger"]


def test_which_models_answered_links_to_their_runs(page, phantom) -> None:
    estimate(page, phantom)
    answered = page.locator(".ba-answered:not(.ba-reasons)")
    words = answered.inner_text()
    for name in ("boneage-cascade, version 3", "boneage-classifier-female", "boneage-regressor-female-2", "champion"):
        assert name in words
    hrefs = {link.get_attribute("href") for link in answered.locator("a").all()}
    assert hrefs == {"http://127.0.0.1:5000/#/experiments/1/runs/0123456789abcdef"}


def test_a_withheld_estimate_says_why_and_can_be_had_anyway(page, running, phantom) -> None:
    running.catalogue.gate, running.catalogue.versions[URI] = True, "6"
    try:
        upload(page, phantom)
        page.locator("#preview img").wait_for()
        page.locator("#sex").get_by_label("Female", exact=True).check()
        page.click("#estimate-button")
        page.locator(".ba-withheld").wait_for()
        assert "No hand was found on the film" in page.locator(".ba-withheld").inner_text()
        assert not page.locator("#flag-open").is_visible()
        page.click("#anyway")
        page.locator(".ba-age").wait_for()
        assert "in spite of this" in page.locator(".ba-warnings").inner_text().lower()
        assert not page.locator("#anyway").is_visible()
    finally:
        running.catalogue.gate, running.catalogue.versions[URI] = False, "3"


def test_a_picture_opens_large_and_closes_by_keyboard(page, phantom) -> None:
    estimate(page, phantom)
    page.locator("#steps .ba-zoom").first.focus()
    page.keyboard.press("Enter")
    image = page.locator("#ba-dialog img")
    image.wait_for()
    before = image.bounding_box()["height"]
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert image.bounding_box()["height"] > 1.9 * before
    page.keyboard.press("Escape")
    image.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.className") == "ba-zoom"


def test_the_keyboard_alone_is_enough(page, phantom) -> None:
    upload(page, phantom)
    page.locator("#preview img").wait_for()
    page.locator("#sex input").first.focus()
    page.keyboard.press("Space")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.closest('[id]').id"))
        if reached[-1] == "estimate-button":
            break
    assert reached[-1] == "estimate-button"
    page.keyboard.press("Enter")
    page.locator(".ba-age").wait_for()


def test_every_picture_has_words_and_every_field_a_name(page, phantom) -> None:
    estimate(page, phantom)
    page.locator("[data-step=step_heat] img").wait_for()
    assert all(image.get_attribute("alt") for image in page.locator("#steps img, #preview img").all())
    nameless = page.evaluate(_NAMELESS)
    assert nameless == []


_NAMELESS = """() => [...document.querySelectorAll('input, textarea, select, button, a')].filter(
  (one) => one.offsetParent && !one.matches('[type=file]')
).filter((one) => !(
  (one.labels && [...one.labels].some((label) => label.textContent.trim())) || one.getAttribute('aria-label')
  || one.getAttribute('aria-labelledby') || one.textContent.trim() || one.title || one.placeholder
)).map((one) => one.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_aa(browser, running, phantom, scheme) -> None:
    context = browser.new_context(locale="en-US", color_scheme=scheme)
    opened = compared(context, running.url, phantom, "Brush Foundation", "Male")
    opened.locator("[data-step=step_heat] img").wait_for(timeout=60_000)
    opened.wait_for_timeout(1000)
    for tab in ("Estimate", "Follow-up", "Save a case", "Models", "Several images"):
        opened.get_by_role("tab", name=tab).click()
        opened.wait_for_timeout(800)
        assert opened.evaluate(_FAINT) == [], tab
    context.close()


# Every visible text against the first opaque ground behind it: 4.5, or 3 where it is large (WCAG 2, AA).
_FAINT = """() => {
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  };
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > .99) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !one.offsetParent || one.closest('script, style, button[disabled]'))
      continue;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    if (style.visibility === 'hidden' || box.width < 2 || box.height < 2) continue;
    const [a, b] = [light(numbers(style.color)), light(ground(one))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + .05) / (b + .05);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${one.textContent.trim().slice(0, 40)}`);
  }
  return faint;
}"""


def test_the_page_asks_no_other_server(browser, running, phantom) -> None:
    context = browser.new_context(locale="en-US")
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(running.url)
    opened.locator(".ba-ready").wait_for(timeout=60_000)
    estimate(opened, phantom)
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith((running.url, "data:", "blob:"))] == []


def test_nothing_of_a_visit_stays_on_the_disk(browser, running, phantom, tmp_path) -> None:
    context = browser.new_context(locale="en-US")
    opened = context.new_page()
    opened.goto(running.url)
    opened.locator(".ba-ready").wait_for(timeout=60_000)
    mine = write_png(tmp_path / "only-mine.png", hand_pixels(330, 250))
    estimate(opened, mine)
    opened.get_by_role("tab", name="Several images").click()
    opened.set_input_files("#batch-files input[type=file]", str(mine))
    opened.locator("#batch-sex").get_by_label("Male", exact=True).check()
    opened.wait_for_timeout(500)
    opened.click("#batch-button")
    opened.locator("#batch-download").wait_for()
    assert len(list(running.cache.glob("*/only-mine.png"))) == 1
    assert len(list(running.cache.glob("*/boneage-estimates.csv"))) == 1
    context.close()
    deadline = time.monotonic() + 60
    while any(running.cache.glob("*/*mine*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = [file.name for file in running.cache.glob("*/*")]
    assert "only-mine.png" not in left
    assert "boneage-estimates.csv" not in left


def test_results_for_a_hospital_are_made_when_asked_for(page, tmp_path) -> None:
    pytest.importorskip("highdicom")
    from boneage.hospital.dicom_out import encoded
    from boneage.hospital.example import example_film

    films = [tmp_path / "film.dcm", tmp_path / "later.dcm"]
    for film, age in zip(films, (90, 102), strict=True):
        film.write_bytes(encoded(example_film(age, Sex.FEMALE)))
    page.get_by_role("button", name="Adult height (optional)").click()
    page.fill("#height-now input", "125")
    estimate(page, films[0])
    assert "Bayley and Pinneau" in page.locator(".ba-height").inner_text()
    assert page.locator("#hands img").count() == 4 and "drawn at the estimate" in page.locator("#hands").inner_text()
    with page.expect_download() as got:
        page.click("#pdf")
    assert got.value.suggested_filename == "boneage-report.pdf"
    assert Path(got.value.path()).read_bytes()[:5] == b"%PDF-"
    with page.expect_download() as got:
        page.click("#dicom")
    assert zipfile.ZipFile(got.value.path()).namelist() == ["report.dcm", "picture.dcm"]
    with page.expect_download() as got:
        page.click("#fhir")
    assert '"derivedFrom"' in Path(got.value.path()).read_text(encoding="utf-8")

    page.get_by_role("tab", name="Follow-up").click()
    page.set_input_files("#follow-files input[type=file]", [str(film) for film in films])
    page.wait_for_function("document.querySelector('#follow-ages textarea').value.includes('later.dcm = 102')")
    page.click("#follow-button")
    page.locator(".ba-follow img").wait_for()
    assert "8 years 6 months" in page.locator(".ba-follow table").inner_text()
    choose_language(page, "Português")
    page.locator(".ba-follow").get_by_text("Idade óssea").first.wait_for()
    with page.expect_download() as got:
        page.click("#follow-pdf")
    assert Path(got.value.path()).read_bytes()[:5] == b"%PDF-"
