from dataclasses import replace

import pytest

from boneage.cascade.estimate import COMPARISON_FIELDS, Estimate
from boneage.clinical.comparison import compare, model_sd
from boneage.clinical.sd_tables import MOST_BYTES, MOST_ROWS, TABLE_NAMES, TableError, built_in_table, open_table
from boneage.groups import Sex
from boneage.notices import say

GIRL = Estimate("female", None, 178.0, 166.0, 190.0, 4, (0.0, 0.0, 0.1, 0.9), "hard")


@pytest.mark.parametrize(("name", "z"), [("brush-foundation", 2.06), ("greulich-pyle", 1.51)])
def test_the_tables_disagree_about_one_girl_as_the_field_notes_say(name, z):
    found = compare(GIRL, 156.0, open_table(name), 0.9)
    assert found.z_score == pytest.approx(z, abs=0.005)
    assert found.verdict == ("advanced" if z > 2 else "average")
    assert found.difference_months == 22 and "not seen" in found.provenance


def test_the_models_own_error_makes_a_verdict_a_probability():
    found = compare(GIRL, 156.0, open_table("brush-foundation"), 0.9)
    delayed, average, advanced = found.probabilities
    assert delayed + average + advanced == pytest.approx(1)
    assert 0.5 < advanced < 0.6 and delayed < 1e-6
    surer = compare(replace(GIRL, low_months=177.0, high_months=179.0), 156.0, open_table("brush-foundation"), 0.9)
    assert surer.probabilities[2] > advanced


def test_a_clipped_interval_does_not_make_the_model_surer():
    assert model_sd(replace(GIRL, bone_age_months=225.0, low_months=205.0, high_months=228.0), 0.9) == pytest.approx(
        20 / 1.6449, rel=1e-3
    )
    assert model_sd(replace(GIRL, low_months=None), 0.9) is None


def test_one_sentence_says_what_the_table_makes_of_it_and_the_provenance_travels_with_the_figures():
    found = compare(GIRL, 156.0, open_table("brush-foundation"), 0.9)
    sentence = found.sentence()
    assert sentence.startswith("z-score +2.06 against Brush Foundation (SD 10.7): advanced; with the model's own")
    assert "not seen" in found.to_json()["table_provenance"]
    assert tuple(found.to_json()) == COMPARISON_FIELDS and found.to_json()["comparison"] == sentence
    outside = compare(replace(GIRL, sex="male"), 220.0, open_table("greulich-pyle"), 0.9)
    assert outside.sentence().startswith("no z-score: the table Greulich-Pyle V/VI covers")


@pytest.mark.parametrize("name", TABLE_NAMES)
@pytest.mark.parametrize("sex", list(Sex))
def test_a_table_is_interpolated_and_never_extrapolated(name, sex):
    table = open_table(name)
    ages, sds = table.months[sex], table.sds[sex]
    middle = (ages[3] + ages[4]) / 2
    assert table.sd_months(sex, middle) == pytest.approx((sds[3] + sds[4]) / 2)
    assert table.sd_months(sex, float(ages[-1])) == sds[-1]
    for outside in (ages[0] - 0.5, ages[-1] + 0.5):
        assert table.sd_months(sex, outside) is None
        assert "not extrapolated" in table.note(sex, outside)


def test_without_a_value_nothing_is_claimed():
    found = compare(replace(GIRL, sex="male"), 220.0, open_table("greulich-pyle"), 0.9)
    assert found.z_score is None and found.verdict is None and found.probabilities is None
    assert found.to_json()["probability_advanced"] is None and found.difference_months == -42


def test_doubtful_rows_are_named():
    table = open_table("greulich-pyle")
    assert "disagree at 180" in table.note(Sex.MALE, 180.0)
    assert "disagree at 180" in table.note(Sex.MALE, 175.0)
    assert table.note(Sex.MALE, 100.0) == ""


def test_ones_own_table_is_read_in_any_order_and_a_bad_one_refused(tmp_path):
    own = tmp_path / "clinic.csv"
    own.write_text("chronological_months,sex,sd_months\n120,female,10\n100,F,8\n")
    assert open_table(str(own)).sd_months(Sex.FEMALE, 110.0) == pytest.approx(9)
    assert open_table(str(own)).note(Sex.MALE, 110.0)
    for content in (
        b"",
        b"a,b\n1,2\n",
        b"chronological_months,sex,sd_months\n1,F,x\n",
        b"chronological_months,sex,sd_months\n1,F,0\n",
        b"chronological_months,sex,sd_months\n1,F,3\n1,F,4\n",
        b"chronological_months,sex,sd_months\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe",
    ):
        own.write_bytes(content)
        with pytest.raises(TableError) as refused:
            open_table(str(own))
        # Its name alone: on the page its folder is the server's.
        assert str(refused.value).startswith("clinic.csv ") and str(tmp_path) not in str(refused.value)
    for wrong in ("tanner", str(tmp_path / "missing.csv")):
        with pytest.raises(TableError, match="brush-foundation"):
            open_table(wrong)


def test_a_table_as_a_spreadsheet_with_a_decimal_comma_saves_it_reads_the_same(tmp_path):
    rows = [("chronological_months", "sex", "sd_months"), ("60", "F", "8.5"), ("72", "F", "9.25"), ("72", "M", "10")]
    plain, local = tmp_path / "plain.csv", tmp_path / "local.csv"
    plain.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    local.write_text("\n".join(";".join(row).replace(".", ",") for row in rows), encoding="utf-8-sig")
    assert open_table(str(local)).sd_months(Sex.FEMALE, 66) == open_table(str(plain)).sd_months(Sex.FEMALE, 66) == 8.875
    assert open_table(str(local)).sd_months(Sex.MALE, 72) == 10


@pytest.mark.parametrize("language", ["en", "pt", "es"])
def test_what_is_far_too_large_for_a_table_is_refused_in_a_sentence(tmp_path, language):

    long, large, fits = (tmp_path / f"{name}.csv" for name in ("long", "large", "fits"))
    head, rows = "chronological_months,sex,sd_months\n", [f"{number},F,8\n" for number in range(MOST_ROWS + 1)]
    long.write_text(head + "".join(rows))
    fits.write_text(head + "".join(rows[:-1]))
    large.write_text(head + "#" * MOST_BYTES)
    assert len(open_table(str(fits)).months[Sex.FEMALE]) == MOST_ROWS
    for file, words in ((long, "has more than 5000 rows"), (large, "is larger than 1 MB")):
        with pytest.raises(TableError, match=words) as refused:
            open_table(str(file))
        said = say(refused.value.sentence, language)
        assert file.name in said and (said == str(refused.value)) is (language == "en")


def test_a_table_from_elsewhere_is_a_name_and_never_a_file(tmp_path):
    own = tmp_path / "clinic.csv"
    own.write_text("chronological_months,sex,sd_months\n100,F,8\n")
    with pytest.raises(TableError, match="must be brush-foundation or greulich-pyle, but"):
        built_in_table(str(own))
    assert built_in_table("greulich-pyle").name == "Greulich-Pyle V/VI"
