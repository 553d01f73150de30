"""Facts about the Digital Hand Atlas's layout, headerless tables, sides of hands and images that no row names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from boneage.config import SourceConfig
from boneage.data.annotations import load_folder, load_source
from boneage.data.layouts import parse_folder

PLACES = ("JPEGimages/ASIF/ASIF05/5262.jpg", "JPEGimages/CAUM/CAUM12/7186.jpg", "JPEGimages/HISM/HISM00/6001.jpg")


@pytest.fixture
def atlas(tmp_path):
    for name in PLACES:
        (tmp_path / name).parent.mkdir(parents=True)
        Image.fromarray(np.full((20, 16), 90, np.uint8)).save(tmp_path / name)
    lines = [f"{name},{i},F,5.51,x,{70.5 + i}" for i, name in enumerate(PLACES)]
    (tmp_path / "meta.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_folders_say_sex_and_the_middle_of_the_year(atlas):
    found = load_folder(atlas)
    assert found.layout == "Digital Hand Atlas"
    assert found.table.set_index("id")["age_months"].to_dict() == {"5262": 66.0, "7186": 150.0, "6001": 6.0}
    assert found.table.set_index("id")["sex"].to_dict() == {"5262": "female", "7186": "male", "6001": "male"}
    assert found.problems.empty
    assert found.unlabelled == ()


def test_a_headerless_tables_columns_are_named_by_number(atlas):
    source = SourceConfig(name="dha", path="meta.csv", layout="table", columns={"image": "1", "age_months": "6"})
    found = load_source(source, atlas)
    assert found.problems.empty
    assert list(found.table["age_months"]) == [70.5, 71.5, 72.5]
    assert list(found.table["sex"]) == ["female", "male", "male"]


@pytest.mark.parametrize("name", ["ASIF/5262.jpg", "XYZF05/1.jpg", "ASIF05.jpg", "images/1.jpg"])
def test_other_folders_say_nothing(name):
    assert parse_folder(name) == ("", "")


def test_sides_and_images_without_a_row_are_known(tmp_path):
    for name in ("1", "2", "3"):
        Image.fromarray(np.full((20, 16), 90, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("id,male,boneage,hand\n1,True,60,Right\n2,False,70,\n")
    found = load_folder(tmp_path)
    assert list(found.table["laterality"]) == ["R", ""]
    assert [image.rpartition("/")[2] for image in found.unlabelled] == ["3.png"]
