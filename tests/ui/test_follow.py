"""The follow-up tab: films with dates typed or from DICOM, the answer in every language, and refusals by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from page_fakes import FakeCatalogue, hand_pixels, write_png

from boneage.errors import BoneageError
from boneage.hospital.follow import typed_age
from boneage.languages.texts import LANGUAGES
from boneage.notices import say
from boneage.ui.follow.films import age_lines, follow_up, read_ages, read_asked
from boneage.ui.follow.tab import _MAKERS, FILES, shown_html
from boneage.ui.service import ModelService
from tests.hospital.films import cascade, film_bytes

for library in ("fpdf", "fhir.resources"):
    pytest.importorskip(library)


def silent(place, name):
    pass


@pytest.fixture(scope="module")
def service():
    made = ModelService(FakeCatalogue(), "models:/boneage-cascade@champion")
    made.catalogue.load = lambda uri: cascade()
    return made


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films of a girl, born on 1 June 2015, at 6, 7 and 8 years; bone ages of 78, 96 and 114 months."""
    folder, made = tmp_path_factory.mktemp("films"), []
    for name, year, bone_age in (("c.dcm", 2023, 114), ("a.dcm", 2021, 78), ("b.dcm", 2022, 96)):
        made.append(folder / name)
        made[-1].write_bytes(film_bytes(bone_age, number=year, AcquisitionDate=f"{year}0601"))
    return [str(file) for file in made]


@pytest.fixture(scope="module")
def found(service, films):
    asked = read_asked(films, age_lines(films, "en"), "", ("", "brush-foundation", ""), "en")
    return follow_up(service, asked, silent)


def test_dicom_films_are_put_in_order_by_what_they_say(found, films):
    assert age_lines(films, "pt").splitlines() == ["c.dcm = 96", "a.dcm = 72", "b.dcm = 84"]
    rows = found.rows()
    assert [row["film"] for row in rows] == ["a.dcm", "b.dcm", "c.dcm"]
    assert rows[0]["z_score"] == pytest.approx(6 / found.table.sd_months(found.sex, 72), abs=0.05)


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_chart_table_rate_and_provenance_are_shown(found, language):
    said = shown_html(found, language)
    assert said.count("data:image/png") == 1 and said.count("<tr>") == 4 and "a.dcm" in said
    assert say(found.table.provenance, language)[:40] in said and LANGUAGES[language]["notice"] in said
    report = _MAKERS["follow_report"](found, language)
    assert f'lang="{language}"' in report and "a.dcm" not in report and LANGUAGES[language]["follow_title"] in report
    assert LANGUAGES[language]["follow_empty"] in shown_html(None, language)


def test_every_download_can_be_made(found):
    made = {key: _MAKERS[key](found, "es") for key in FILES}
    assert made["follow_pdf"][:5] == b"%PDF-" and len(json.loads(made["follow_fhir"])["entry"]) == 3


def test_ages_and_dates_may_be_typed_for_pictures_in_any_order(service, tmp_path):
    files = []
    for name, grey in (("new.png", 60), ("old.png", 20)):
        pixels = hand_pixels()
        pixels[2, :] = grey
        files.append(str(write_png(tmp_path / name, pixels)))
    lines = "new.png = 2021-06-01\n\nold.png = 60,5"
    asked = read_asked(files, lines, "2014-06-01", ("male", "", ""), "en")
    rows = follow_up(service, asked, silent).rows()
    assert [(row["film"], round(row["age_months"], 1)) for row in rows] == [("old.png", 60.5), ("new.png", 84.0)]


@pytest.mark.parametrize(
    ("written", "born", "words"),
    [
        ("soon", "", "soon was given"),
        ("2021-06-01", "", "needs the birth date"),
        ("2021-06-01", "2022-01-01", "needs the birth date"),
        ("-3", "", "-3 was given"),
        ("nan", "", "nan was given"),
        ("2021-02-30", "2014-01-01", "2021-02-30 was given"),
    ],
)
def test_an_age_that_is_none_is_refused(written, born, words):
    with pytest.raises(BoneageError, match=words):
        typed_age(written, born)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "are the same film"), ("pt", "são o mesmo filme"), ("es", "son la misma placa")],
)
def test_refusals_name_the_films_in_the_visitors_language(service, films, tmp_path, language, words):
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(Path(films[0]).read_bytes())
    with pytest.raises(BoneageError) as refused:
        follow_up(service, read_asked([films[0], str(copy)], "", "", ("", "", ""), language), silent)
    assert words in say(refused.value.sentence, language) and "copy.dcm" in str(refused.value)
    with pytest.raises(BoneageError, match="x.dcm"):
        read_ages("x.dcm = 7", "", films, language)
    with pytest.raises(BoneageError) as missing:
        read_asked([], "", "", ("", "", ""), language)
    assert str(missing.value) == LANGUAGES[language]["follow_empty"]
