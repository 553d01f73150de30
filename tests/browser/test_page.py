"""What a visitor does, in a real browser."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from page_fakes import hand_pixels, write_dicom, write_png

from boneage.errors import BoneageError
from boneage.groups import Sex


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    from boneage.data.phantom import draw

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


def test_a_phantom_gets_an_estimate_and_is_flagged(page, running, phantom) -> None:
    assert page.locator("#chronological input").input_value() == ""
    assert not page.locator("#flag").is_visible()
    estimate(page, phantom)
    card = page.locator("#card")
    assert "7 years 2 months" in card.inner_text()
    assert "86.5 months" in card.inner_text()
    assert "boneage-cascade, version 3" in card.inner_text()
    assert page.locator("#steps img").count() == 3
    assert page.locator("#notice").is_visible()

    page.click("#flag-button")
    page.get_by_text("Please confirm first").wait_for()
    page.fill("#reader-age input", "92")
    page.fill("#comment input, #comment textarea", "drawn")
    page.check("#consent input")
    # What the inputs say now must not matter any more.
    page.locator("#sex").get_by_label("Male", exact=True).check()
    page.click("#flag-button")
    page.locator(".ba-done").wait_for()
    last = running.around.flags.records().iloc[-1]
    assert (last["sex"], last["reader_age_months"], last["comment"]) == ("female", 92.0, "drawn")
    assert last["sha256"] in page.locator(".ba-done").inner_text()


def test_a_given_range_is_obeyed_and_its_contradiction_said(page, phantom) -> None:
    upload(page, phantom)
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
    assert not page.locator("#flag").is_visible()


def test_dicom_fills_in_sex_and_age(page, tmp_path) -> None:
    upload(page, write_dicom(tmp_path / "film.dcm", hand_pixels(), sex="M", age="010Y"))
    page.get_by_text("Read from the DICOM file").wait_for()
    assert page.locator("#sex").get_by_label("Male", exact=True).is_checked()
    assert page.locator("#chronological input").input_value() == "120"


def test_16_bit_is_not_washed_out(page, tmp_path) -> None:
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), hand_pixels().astype(np.uint16) * 256)
    estimate(page, deep)
    assert page.locator("#steps img").count() == 3


def test_language_follows_the_reader_result_included(page, phantom) -> None:
    estimate(page, phantom)
    choose_language(page, "Português")
    page.get_by_text("Idade óssea · Feminino").wait_for()
    assert "7 anos e 2 meses" in page.locator("#card").inner_text()
    assert page.locator("#estimate-button").inner_text() == "Estimar a idade óssea"
    choose_language(page, "Español")
    page.get_by_text("7 años y 2 meses").wait_for()


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
    files = [write_png(tmp_path / f"hand-{i}.png", hand_pixels()) for i in range(3)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no")
    table = tmp_path / "sexes.csv"
    table.write_text("image,sex\nhand-0,F\nhand-1.png,male\nbroken,F\n", encoding="utf-8")
    page.get_by_role("tab", name="Several images").click()
    page.set_input_files("#batch-files input[type=file]", [str(file) for file in [*files, broken]])
    page.set_input_files("#batch-table input[type=file]", str(table))
    page.get_by_text("sexes").first.wait_for()
    page.wait_for_timeout(500)
    page.click("#batch-button")
    page.get_by_text("2 estimated, 2 failed.").wait_for()
    rows = page.locator("#batch-rows").inner_text()
    assert "hand-2.png" in rows
    assert "no sex" in rows
    with page.expect_download() as got:
        page.click("#batch-download")
    lines = Path(got.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("hand-1.png,male,,86.75")


def test_the_models_tab_shows_versions_and_cards(page) -> None:
    page.get_by_role("tab", name="Models").click()
    page.locator("#models-rows").get_by_text("boneage-cascade").first.wait_for()
    page.locator("#model-card").get_by_text("Card").wait_for()


def test_with_several_models_the_reader_chooses_who_answers(page, running, phantom) -> None:
    running.catalogue.versions["models:/demo-cascade@champion"] = "7"
    try:
        page.locator("#model").wait_for(timeout=60_000)
        page.click("#model input")
        page.get_by_role("option", name="demo-cascade · champion · v7").click()
        estimate(page, phantom)
        assert "demo-cascade, version 7" in page.locator("#card").inner_text()
    finally:
        del running.catalogue.versions["models:/demo-cascade@champion"]


def test_the_report_is_whole_and_names_nobody(page, phantom) -> None:
    estimate(page, phantom)
    with page.expect_download() as got:
        page.click("#report")
    report = Path(got.value.path()).read_text(encoding="utf-8")
    assert "7 years 2 months" in report
    assert report.count("data:image/jpeg;base64,") == 3
    assert "Research use only" in report
    assert "phantom.png" not in report
    assert "http" not in report


def test_a_phone_needs_no_sideways_scrolling(browser, running, phantom) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    opened = context.new_page()
    opened.goto(running.url)
    opened.locator(".ba-ready").wait_for(timeout=60_000)
    estimate(opened, phantom)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
