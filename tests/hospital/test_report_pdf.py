"""The PDF report: one page in every language and on both papers, fonts within it, and no patient."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from boneage.clinical.adult_height import adult_height
from boneage.clinical.sd_tables import open_table
from boneage.hospital.report_pdf import PAPERS, report_pdf
from boneage.hospital.report_text import report_of
from boneage.hospital.result import Question, judge
from boneage.languages.texts import LANGUAGES
from boneage.notices import note
from tests.hospital.films import cascade, film_bytes
from tests.hospital.test_results import refusing

pytest.importorskip("fpdf")
pytestmark = pytest.mark.usefixtures("no_text")
MADE = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def result():
    made = judge(cascade(), film_bytes(131), Question(table=open_table("brush-foundation")))
    estimate = replace(made.estimate, low_months=119.25, high_months=142.75, warnings=(note("gate.mirrored"),))
    return replace(made, estimate=estimate, height=adult_height(estimate, 120, 138.0, 0.9, (178, 165)))


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("language", list(LANGUAGES))
def test_one_page_with_fonts(result, language, paper):
    data = report_pdf(result, language, paper, MADE)
    assert len(re.findall(rb"/Type /Page\b", data)) == 1 and data.count(b"/FontFile2") == 2
    assert (b"595.28 841.89" if paper == "A4" else b"612.00 792.00") in data
    assert b"Muster" not in data and b"4711" not in data and f"({language}".encode() in data


def test_many_warnings_still_fit_one_page(result):
    crowded = replace(
        result, estimate=replace(result.estimate, warnings=tuple("a warning " * 20 + str(n) for n in range(9)))
    )
    assert len(re.findall(rb"/Type /Page\b", report_pdf(crowded, "es", "Letter", MADE))) == 1


def test_every_part_is_said_in_the_readers_language(result):
    said = {language: report_of(result, language, MADE) for language in LANGUAGES}
    assert said["en"].age.amount == "10 years 11 months" and said["es"].age.amount == "10 años y 11 meses"
    assert "119,3–142,8" in said["pt"].age.lines[1] or "119,2–142,8" in said["pt"].age.lines[1]
    assert said["en"].height.amount == "152.9 cm" and said["pt"].height.amount == "152,9 cm"
    assert said["pt"].warnings.lines[0].startswith("O filme parece mostrar uma mão direita")
    assert "Research use only" in said["en"].notice and "version 7" in said["en"].model
    assert [one.centres is not None and one.compared is not None for one in said.values()] == [True] * 3
    assert len({one.title for one in said.values()}) == 3


def test_a_refusal_is_reported_with_its_reasons():
    one = cascade()
    one.examine = refusing
    refused = judge(one, film_bytes(150), Question())
    report = report_of(refused, "en", MADE)
    assert report.age.amount == "No estimate is given" and "cut off" in report.age.lines[0]
    assert report.groups == () and report.centres is None and report_pdf(refused, "en")[:5] == b"%PDF-"


def test_predict_prints_reports_and_adult_height(monkeypatch, tmp_path, capsys):
    from boneage.cli import main

    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: cascade())
    film = tmp_path / "film.dcm"
    film.write_bytes(film_bytes(131))
    command = ["predict", str(film), "--height", "138", "--father", "178", "--mother", "165", "--pdf", str(tmp_path)]
    assert main([*command, "--language", "es", "--format", "csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()[:2]
    assert "adult_height_cm" in header and ",152.9," in row
    assert len(list(tmp_path.glob("*.pdf"))) == 1
    assert main([*command[:4], "--father", "178"]) == 2
    assert "belong together" in capsys.readouterr().err
    film.write_bytes(film_bytes(131, PatientBirthDate=None))
    assert main(command) == 1 and "--chronological" in capsys.readouterr().out


def test_a_dicom_film_says_the_age_that_a_table_needs(monkeypatch, tmp_path, capsys):
    from boneage.cli import main
    from boneage.hospital import report_pdf as pdf

    said = []
    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: cascade())
    monkeypatch.setattr(pdf, "report_of", lambda *given: said.append(report_of(*given)) or said[-1])
    film = tmp_path / "film.dcm"
    film.write_bytes(film_bytes(131))
    command = ["predict", str(film), "--table", "brush-foundation"]
    assert main([*command, "--pdf", str(tmp_path)]) == 0
    assert said[-1].compared.amount.startswith("z-score") and "10 years" in said[-1].difference.amount
    assert (
        main(command) == 2 and "--chronological" in capsys.readouterr().err
    )  # the number alone is compared with what is given
    film.write_bytes(film_bytes(131, PatientBirthDate=None))
    assert main([*command, "--pdf", str(tmp_path)]) == 1 and "--chronological" in capsys.readouterr().out
