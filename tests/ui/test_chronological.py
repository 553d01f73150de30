"""Chronological age on the page: the table that was chosen, what it makes of the difference, and kind refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from page_fakes import FakeCatalogue, hand_pixels, write_png

from boneage.clinical.comparison import compare
from boneage.clinical.sd_tables import TABLE_NAMES, SdTable, TableError, built_in_table
from boneage.groups import Sex
from boneage.ui.errors import PageError
from boneage.ui.estimate.case import Case, Request, make_case
from boneage.ui.estimate.chronological import OWN_TABLE, chosen_table, table_choices
from boneage.ui.estimate.report import report_html
from boneage.ui.estimate.result_card import result_card
from boneage.ui.service import ModelService

pytestmark = pytest.mark.usefixtures("no_text")
HEAD = "chronological_months,sex,sd_months\n"


def case_of(folder: Path, months: float | None, table: SdTable | None, interval: bool = True) -> Case:
    service = ModelService(FakeCatalogue(), "models:/boneage-cascade@champion")
    film = write_png(folder / "hand.png", hand_pixels())
    case = make_case(
        service, Request(str(film), "hand.png", Sex.MALE, None, months, table=table), "en", lambda *_: None
    )
    if not interval or table is None or months is None:
        return case
    estimate = replace(case.estimate, low_months=76.75, high_months=96.75)
    return replace(case, estimate=estimate, comparison=compare(estimate, months, table, 0.9))


def words_of(html: str) -> str:
    return unescape(re.sub("<[^>]+>", " ", html))


def test_without_a_table_the_difference_stands_alone(tmp_path):
    for months in (None, 100):
        case = case_of(tmp_path, months, None)
        assert case.comparison is None and "ba-compared" not in result_card(case, "en")
        assert "table" not in case.to_json()


@pytest.mark.parametrize(
    ("language", "sentence", "verdict", "origin"),
    [
        ("en", "z-score −1.46 (standard deviation 9.1 months): average", "delayed", "Transcribed by third parties"),
        ("pt", "escore z −1,46 (desvio padrão 9,1 meses): na média", "atrasada", "Transcrita por terceiros"),
        ("es", "puntuación z −1,46 (desviación estándar 9,1 meses): en el promedio", "retrasada", "Transcrita por"),
    ],
)
def test_card_and_report_show_z_score_probabilities_and_provenance(tmp_path, language, sentence, verdict, origin):
    case = case_of(tmp_path, 100, built_in_table("brush-foundation"))
    assert case.comparison is not None and case.comparison.probabilities is not None
    for html in (result_card(case, language), report_html(case, language)):
        said = words_of(html)
        assert sentence in said and origin in said and "Brush Foundation" in said
        for chance in case.comparison.probabilities:
            assert f"{100 * chance:.0f} %" in said
        assert f'aria-label="{verdict}: ' in html


@pytest.mark.parametrize(
    ("language", "words"), [("en", "No z-score"), ("pt", "Sem escore z"), ("es", "Sin puntuación")]
)
def test_beyond_the_table_there_is_no_z_score_and_it_says_why(tmp_path, language, words):
    said = words_of(result_card(case_of(tmp_path, 230, built_in_table("greulich-pyle")), language))
    assert words in said and "Greulich-Pyle V/VI" in said and "204" in said
    assert "extrapol" in said and "±" not in said


def test_without_an_interval_there_are_no_probabilities_and_it_says_so(tmp_path):
    case = case_of(tmp_path, 100, built_in_table("brush-foundation"), interval=False)
    said = words_of(result_card(case, "en"))
    assert "z-score −1.46" in said and "the probabilities are not known" in said and "How probable" not in said


def test_the_json_is_that_of_the_command(tmp_path):
    case = case_of(tmp_path, 100, built_in_table("brush-foundation"))
    assert case.comparison is not None
    said = {"image": "hand.png", **case.estimate.to_json(), **case.comparison.to_json()}
    assert case.to_json() == {**said, "key": case.key}


def test_what_is_chosen_is_opened(tmp_path):
    own = tmp_path / "clinic.csv"
    own.write_text(f"{HEAD}100,M,8\n", encoding="utf-8")
    for nothing in (None, ""):
        # A file that stays behind a list set back to "none" is not meant.
        assert chosen_table(nothing, str(own), None, "en") is None
    found = [chosen_table(name, None, 100, "en") for name in TABLE_NAMES]
    assert [table and table.name for table in found] == [name for name, _ in table_choices("en")[1:-1]]
    mine = chosen_table(OWN_TABLE, str(own), 100, "en")
    assert mine is not None and mine.name == "clinic.csv"


@pytest.mark.parametrize("language", ["en", "pt", "es"])
def test_what_cannot_be_compared_is_refused_kindly(tmp_path, language):
    with pytest.raises(PageError, match="z"):
        chosen_table("greulich-pyle", None, None, language)
    with pytest.raises(PageError, match="CSV"):
        chosen_table(OWN_TABLE, None, 100, language)
    bad = tmp_path / "bad.csv"
    bad.write_text("no table", encoding="utf-8")
    with pytest.raises(TableError, match="^bad.csv must have the columns"):
        chosen_table(OWN_TABLE, str(bad), 100, language)
    with pytest.raises(TableError, match="brush-foundation"):
        chosen_table(str(bad), None, 100, language)


def test_a_hostile_name_of_a_table_is_only_text(tmp_path):
    own = tmp_path / "<img src=x onerror=alert(1)>.csv"
    own.write_text(f"{HEAD}90,M,8\n110,M,9\n", encoding="utf-8")
    case = case_of(tmp_path, 100, chosen_table(OWN_TABLE, str(own), 100, "en"))
    for html in (result_card(case, "en"), report_html(case, "en")):
        assert "<img src=x" not in html and "&lt;img src=x" in html
