"""Follow-up of one child: the rate with its uncertainty, and films that do not belong together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from boneage.clinical.sd_tables import open_table
from boneage.hospital.follow import follow
from boneage.hospital.follow_out import words
from boneage.hospital.result import HospitalError, Question, judge
from boneage.languages.texts import LANGUAGES
from tests.hospital.films import cascade, film_bytes
from tests.hospital.test_results import refusing

pytest.importorskip("fpdf")
pytest.importorskip("fhir.resources")
TABLE = open_table("brush-foundation")


def film(age, bone_age, half=8.0, **elements):
    taken = f"{2015 + age // 12}{1 + (5 + age) % 12:02d}01"
    made = judge(cascade(), film_bytes(bone_age, number=age, AcquisitionDate=taken, **elements), Question(table=TABLE))
    low, high = made.estimate.bone_age_months - half, made.estimate.bone_age_months + half
    return replace(made, estimate=replace(made.estimate, low_months=low, high_months=high))


@pytest.fixture(scope="module")
def child():
    return [("c.dcm", film(96, 114)), ("a.dcm", film(72, 78)), ("b.dcm", film(84, 96))]


def test_films_are_put_in_order_and_the_rate_is_the_slope(child):
    found = follow(child, None, TABLE)
    assert [row["film"] for row in found.rows()] == ["a.dcm", "b.dcm", "c.dcm"]
    assert found.rate.months_per_year == pytest.approx(18, abs=0.2)
    # three films a year apart, 90 % interval of 8 months: SD 4.86, slope SD 4.86 / sqrt(2) per year
    assert (found.rate.high - found.rate.low) / 2 == pytest.approx(1.96 * 4.864 / 2**0.5, abs=0.1)
    assert found.rows()[0]["z_score"] == pytest.approx(6 / TABLE.sd_months(found.sex, 72), abs=0.02)


def test_an_unsure_film_counts_less(child):
    unsure = [child[0], child[1], ("b.dcm", film(84, 120, half=60))]
    assert follow(unsure, None, None).rate.months_per_year == pytest.approx(18, abs=0.5)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"PatientBirthDate": "20150701"}, "birth date"),
        ({"PatientSex": "M"}, "sex"),
        ({"PatientID": "4712"}, "patient number"),
    ],
)
def test_two_children_are_refused_by_name(child, other, words):
    with pytest.raises(HospitalError, match=rf"a.dcm and z.dcm are of two patients: each says another {words}"):
        follow([child[1], ("z.dcm", film(90, 100, **other))], None, None)


def test_what_else_does_not_belong_together_is_refused_by_name(child):
    with pytest.raises(HospitalError, match="a.dcm and copy.dcm are the same film"):
        follow([child[1], ("copy.dcm", child[1][1])], None, None)
    with pytest.raises(HospitalError, match=r"c.dcm says .* but 72 was given"):
        follow(child, [72, 84, 96], None)
    undated = [(name, replace(one, film=replace(one.film, age_months=None))) for name, one in child]
    with pytest.raises(HospitalError, match="c.dcm does not say the child's age"):
        follow(undated, None, None)
    with pytest.raises(HospitalError, match=r"b.dcm \(60 months\) comes after a.dcm \(72\)"):
        follow(undated, [50, 72, 60], None)
    with pytest.raises(HospitalError, match="two films or more"):
        follow(child[:1], None, None)


def test_a_bone_age_that_falls_is_said_with_both_films(child):
    found = follow([child[1], ("young.dcm", film(84, 40))], None, None)
    assert str(found.doubts[0]).startswith("the bone age falls from a.dcm to young.dcm by more")
    assert follow(child, None, None).doubts == () and str(found.doubts[0]) in found.to_json()["doubts"]


def test_a_refused_film_stays_visible_and_gives_no_point(child):
    one = cascade()
    one.examine = refusing
    refused = judge(one, film_bytes(99, number=5, AcquisitionDate="20220101"), Question())
    found = follow([*child[:2], ("r.dcm", refused)], None, None)
    assert "error" in found.rows()[1] and len(found.visits) == 2
    assert follow([child[0], ("r.dcm", refused)], None, None).rate is None


def test_the_command_writes_chart_report_and_bundle(child, monkeypatch, tmp_path, capsys):
    from boneage.cli import main

    done = iter([one for _, one in child])
    monkeypatch.setattr("boneage.commands.follow.open_cascade", lambda uri: None)
    monkeypatch.setattr("boneage.hospital.result.judge", lambda *_: next(done))
    out = {name: tmp_path / f"{name}.out" for name in ("chart", "pdf", "fhir")}
    films = [str(tmp_path / name) for name, _ in child]
    command = ["follow", *films, "--table", "brush-foundation", "--format", "json", "--language", "pt"]
    assert main([*command, "--chart", str(out["chart"]), "--pdf", str(out["pdf"]), "--fhir-out", str(out["fhir"])]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rate_months_per_year"] == pytest.approx(18, abs=0.2) and len(said["films"]) == 3
    assert out["chart"].read_bytes()[:4] == b"\x89PNG" and out["pdf"].read_bytes()[:5] == b"%PDF-"
    bundle = json.loads(out["fhir"].read_text(encoding="utf-8"))
    assert len(bundle["entry"]) == 4
    rate = bundle["entry"][-1]["resource"]
    assert rate["valueQuantity"]["code"] == "mo/a" and rate["component"][0]["valueRange"]["low"]["value"] < 18


def test_it_is_said_in_every_language(child):
    found = follow(child, None, TABLE)
    said = {language: words(found, language) for language in LANGUAGES}
    assert said["en"][0].startswith(
        "At 6 years: bone age 6 years 6 months; interval 70–86 months; difference +6 months; z-score +0."
    )
    assert "18 meses por año" in said["es"][3] and len({lines[3] for lines in said.values()}) == 3
