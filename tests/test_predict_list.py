"""`boneage predict --list` and `--resume`: a table in, one row a film out, and on from where it was stopped."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from boneage.cli import main
from tests.test_cli import FakeCascade


@pytest.fixture
def asked(monkeypatch):
    """The ages of the films that were really estimated, on several threads."""
    seen = []

    class Counting(FakeCascade):
        shared = True

        def estimate(self, radiograph, sex, *given, **more):
            seen.append(int(radiograph.pixels[0, 0]))
            return super().estimate(radiograph, sex, *given, **more)

    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: Counting())
    return seen


@pytest.fixture
def listed(tmp_path):
    """Twelve films beside their table; one is missing."""
    (tmp_path / "films").mkdir()
    rows = ["image,sex,chronological_months"]
    for number in range(12):
        if number != 5:
            Image.fromarray(np.full((20, 20), 100 + number, np.uint8)).save(tmp_path / "films" / f"{number}.png")
        rows.append(f"films/{number}.png,{'FM'[number % 2]},{'' if number == 3 else 90 + number}")
    (tmp_path / "list.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "list.csv"


def test_a_list_is_estimated_in_its_order_with_what_each_row_says(asked, listed, capsys):
    assert main(["predict", "--list", str(listed), "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["image"] for row in rows] == [f"films/{number}.png" for number in range(12)]
    assert [row["sex"] for row in rows][:3] == ["female", "male", "female"] and "no file at" in rows[5]["error"]
    assert [row["difference_months"] for row in rows][2:5] == ["10.0", "", "10.0"]
    assert sorted(asked) == [100 + number for number in range(12) if number != 5]


@pytest.mark.parametrize("cut", [0, -40, None])
def test_what_was_stopped_goes_on_to_the_very_file_that_was_wanted(asked, listed, tmp_path, cut, capsys):
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    given = ["predict", "--list", str(listed), "--resume"]
    assert main([*given, str(whole)]) == 1
    lines = whole.read_bytes().splitlines(keepends=True)
    asked.clear()
    if cut is not None:
        # Killed after seven rows, or in the midst of the eighth.
        part.write_bytes(b"".join(lines[:9])[: cut or None])
    assert main([*given, str(part)]) == 1
    assert part.read_bytes() == whole.read_bytes()
    assert len(asked) == {0: 4, -40: 5, None: 11}[cut]
    assert "1 of them not estimated" in capsys.readouterr().out


def test_a_file_of_other_films_is_refused_and_left_as_it_is(asked, listed, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["predict", "--list", str(listed), "--resume", str(out)]) == 1
    before = out.read_bytes()
    listed.write_text(listed.read_text().replace("films/1.png", "films/11.png"))
    assert main(["predict", "--list", str(listed), "--resume", str(out)]) == 2
    assert "other images" in capsys.readouterr().err and out.read_bytes() == before
    assert main(["predict", "--list", str(listed), "--reasons", "--resume", str(out)]) == 2
    assert "other columns" in capsys.readouterr().err and out.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sex,age\nF,3\n", "needs a column image"),
        ("image,sex\n", "lists no film"),
        ("image,sex\na.png,F\nb.png,x\n", "line 3"),
        ("image,sex,age_range\na.png,F,0-12\n", "age_range must be one of"),
        ("image,sex,chronological_months\na.png,F,ten\n", "number of months"),
    ],
)
def test_a_table_that_is_no_list_is_said(tmp_path, text, words, capsys):
    (tmp_path / "list.csv").write_text(text)
    assert main(["predict", "--list", str(tmp_path / "list.csv")]) == 1
    assert words in capsys.readouterr().err


def test_images_or_a_list_but_one_of_them(tmp_path, capsys):
    assert main(["predict", "--sex", "male"]) == 2
    assert main(["predict", "a.png", "--list", "b.csv"]) == 2
    assert "either IMAGE... or --list" in capsys.readouterr().err


def test_semicolons_and_the_pages_column_names_are_read_too(asked, tmp_path, capsys):
    Image.fromarray(np.full((20, 20), 130, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("\ufeffID;Male\na.png;true\n")
    assert main(["predict", "--list", str(tmp_path / "list.csv"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["sex"] == "male"
