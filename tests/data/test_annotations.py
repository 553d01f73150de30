"""Facts about annotation layouts: found by looking, and what cannot be used is said with its reason."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from boneage.cli import main
from boneage.config import DataConfig, SourceConfig
from boneage.data.annotations import (
    TrainingSet,
    audit_counts,
    load_folder,
    load_source,
    load_test,
    load_training,
    read_row,
    require_training,
)
from boneage.data.archives import DataError
from boneage.data.flags import FlagRecord, FlagStore
from boneage.data.layouts import parse_file_name, parse_sex
from boneage.groups import Sex
from boneage.paths import project_root

SHARED = Path(os.environ.get("BONEAGE_SHARED_DATA", project_root().parent / "shared" / "data"))


def png(shade: int = 0, width: int = 20, height: int = 20) -> bytes:
    buffer = BytesIO()
    pixels = (np.arange(width * height).reshape(height, width) + shade) % 256
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, **files: bytes | str) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def images(folder: str, *names: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": png(shade) for shade, name in enumerate(names)}


LAYOUTS = {
    "RSNA training": (
        "id,boneage,male\n1377,180,False\n1378,12,True\n",
        images("boneage-training-dataset/boneage-training-dataset", "1377.png", "1378.png"),
        {"1377": ("female", 180.0), "1378": ("male", 12.0)},
    ),
    "RSNA validation": (
        "Image ID,male,Bone Age (months)\n1386,TRUE,30\n1392,FALSE,162\n",
        images("boneage-validation-dataset-1", "1386.png") | images("boneage-validation-dataset-2", "1392.png"),
        {"1386": ("male", 30.0), "1392": ("female", 162.0)},
    ),
    "RSNA test truth": (
        "Case ID,Sex,Ground truth bone age (months)\n4360,M,168.9306\n4460,F,0.5\n",
        images("test", "4360.png", "4460.png"),
        {"4360": ("male", 168.9306), "4460": ("female", 0.5)},
    ),
    "harmonised": (
        "image_ID,dir,patient_ID,sex,bone_age\n12,siteA,p1,M,100\n12b,siteB,p2,F,40\n",
        images("siteA", "12.png") | images("siteB", "12b.png"),
        {"12": ("male", 100.0), "12b": ("female", 40.0)},
    ),
    "RHPE": (
        "ID,Male,Boneage,Chronological\n17,True,120,118\n30,False,60,61\n",
        images("train", "00017.png", "00030.png"),
        {"17": ("male", 120.0), "30": ("female", 60.0)},
    ),
    "table": (
        "File;Gender;Age (years)\na.png;Girl;10,5\nb.png;boy;2\n",
        images("films", "a.png", "b.png"),
        {"a.png": ("female", 126.0), "b.png": ("male", 24.0)},
    ),
}


def as_found(table: pd.DataFrame) -> dict[str, tuple[str, float]]:
    return {row["id"]: (row["sex"], row["age_months"]) for row in table.to_dict("records")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_found_by_looking(layout, tmp_path):
    table, files, expected = LAYOUTS[layout]
    found = load_folder(write(tmp_path, **{"table.csv": table}, **files))
    assert found.layout == layout
    assert as_found(found.table) == expected
    assert found.problems.empty
    assert all(read_row(row).dtype == np.uint8 for _, row in found.table.iterrows())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_layout_is_found_inside_an_archive(layout, tmp_path):
    table, files, expected = LAYOUTS[layout]
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("table.csv", table)
        for name, content in files.items():
            out.writestr(name, content)
            out.writestr(f"__MACOSX/{name}", b"junk")
    found = load_folder(archive)
    assert as_found(found.table) == expected
    assert found.table["image"].str.startswith(f"{archive}!").all()
    assert read_row(found.table.iloc[0]).shape[0] == 20


def test_archives_inside_archives_are_read_in_place_and_the_command_names_the_layout(tmp_path, capsys):
    table, files, expected = LAYOUTS["RSNA training"]
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        for name, content in list(files.items())[:1]:
            out.writestr(name, content)
        out.writestr("stray/77.png", png(7))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as out:
        out.writestr("part-2/images.zip", inner.getvalue())
        out.writestr("table.csv", table)
        for name, content in list(files.items())[1:]:
            out.writestr(name, content)
    for place in (tmp_path, tmp_path / "outer.zip"):
        found = load_folder(place)
        assert as_found(found.table) == expected
        assert any("outer.zip!part-2/images.zip!" in image for image in found.table["image"])
        assert [name.rpartition("/")[2] for name in found.unlabelled] == ["77.png"]
        assert [read_row(row).shape for _, row in found.table.iterrows()] == [(20, 20)] * 2
    assert main(["audit", str(tmp_path), "--labels-only"]) == 0
    assert "RSNA training layout" in capsys.readouterr().out


def test_atlas_plates_say_age_and_sex_in_their_names(tmp_path):
    write(tmp_path, **images("plates", "male_132.jpg", "female/36.5.png", "F-11y6m.png"))
    write(tmp_path, **images("plates", "cover.png"))
    found = load_source(SourceConfig(name="atlas", layout="atlas", path="plates"), tmp_path)
    assert as_found(found.table) == {
        "male_132": ("male", 132.0),
        "female/36.5": ("female", 36.5),
        "F-11y6m": ("female", 138.0),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("male_132.jpg", ("male", "132")),
        ("female/132_b.png", ("female", "132")),
        ("x/F 24m.png", ("female", "24")),
        ("male/plate.png", ("male", "")),
        ("1377.png", ("", "1377")),
    ],
)
def test_file_names_are_parsed(name, expected):
    assert parse_file_name(name) == expected


@pytest.mark.parametrize("word", ["True", "TRUE", "1", "M", "Male", "boy", "1.0"])
def test_male_is_written_in_many_ways(word):
    assert parse_sex(word) is Sex.MALE


@pytest.mark.parametrize("word", ["False", "0", "F", "Female", " girl "])
def test_female_is_written_in_many_ways(word):
    assert parse_sex(word) is Sex.FEMALE


def test_a_hospitals_columns_are_named_by_the_configuration(tmp_path):
    write(tmp_path, **{"h/ages.csv": "Accession\tPatient\tGeschlecht\tAlter\nA1\tx\tF\t10\nA2\ty\tM\t3\n"})
    write(tmp_path, **images("h/films", "A1.tif", "A2.dcm"))
    columns = {"id": "Accession", "sex": "Geschlecht", "age_years": "Alter"}
    source = SourceConfig(name="h", layout="table", path="h/ages.csv", images=("h/films",), columns=columns)
    found = load_source(source, tmp_path)
    assert as_found(found.table) == {"A1": ("female", 120.0), "A2": ("male", 36.0)}


def test_a_column_that_is_not_there_is_named(tmp_path):
    write(tmp_path, **{"ages.csv": "a,b,c\n1,F,2\n"})
    source = SourceConfig(name="h", layout="table", path="ages.csv", columns={"sex": "sexe"})
    with pytest.raises(DataError, match="columns.sex names 'sexe'"):
        load_source(source, tmp_path)


def test_a_table_without_ages_cannot_be_used(tmp_path):
    write(tmp_path, **{"test.csv": "Case ID,Sex\n4360,M\n"})
    with pytest.raises(DataError, match="an age"):
        load_source(SourceConfig(name="t", path="test.csv"), tmp_path)


def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path):
    rows = (
        "1,100,True|2,240,True|3,-1,False|4,,True|5,abc,True|6,100,X|7,100,|8,100,True|9,50,True|9,60,True|10,50,True"
    )
    rows += "|11,228,True|12,0,False|13,30,True|13,30,True|14,nan,True"
    table = "id,boneage,male\n" + rows.replace("|", "\n") + "\n"
    names = [f"{number}.png" for number in range(1, 15) if number != 8]
    write(tmp_path, **{"t.csv": table}, **images("i", *names), **images("i/again", "10.png"))
    found = load_folder(tmp_path)
    assert set(found.table["id"]) == {"1", "11", "12", "13"}
    reasons = dict(zip(found.problems["id"], found.problems["reason"], strict=True))
    assert list(found.problems.columns) == ["source", "id", "image", "reason"]
    expected = {
        "2": "age 240 is not within 0-228 months",
        "3": "age -1 is not within",
        "4": "no age",
        "5": "is no number",
        "6": "unknown sex 'X'",
        "7": "no sex",
        "8": "no image '8'",
        "9": "contradict each other",
        "10": "2 images are named '10'",
        "13": "say the same",
        "14": "age",
    }
    assert set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name]


def test_the_first_place_that_has_an_image_wins(tmp_path):
    write(tmp_path, **{"t.csv": "id,boneage,male\n1,10,True\n2,20,True\n3,30,True\n"})
    write(tmp_path, **images("large", "1.jpg"), **images("small", "1.png", "2.png"))
    source = SourceConfig(name="s", path="t.csv", images=("large", "small"))
    found = load_source(source, tmp_path)
    assert [Path(image).parent.name for image in found.table["image"]] == ["large", "small"]
    assert list(found.problems["id"]) == ["3"]


def test_rows_may_be_kept_only_where_one_place_has_their_image(tmp_path):
    write(tmp_path, **{"t.csv": "id,boneage,male\n1,10,True\n2,20,True\n"})
    write(tmp_path, **images("large", "1.jpg"), **images("small", "1.png", "2.png"))
    source = SourceConfig(name="s", path="t.csv", images=("large",), only_with_images_in="large")
    found = load_source(source, tmp_path)
    assert list(found.table["id"]) == ["1"]
    assert found.problems.empty


def test_masks_beside_images_are_no_images(tmp_path):
    write(tmp_path, **{"t.csv": "id,boneage,male\n1,10,True\n"}, **images("a", "1.png"), **images("masks", "1.png"))
    assert len(load_folder(tmp_path).table) == 1


def test_stretched_copies_get_their_aspect_back(tmp_path):
    write(tmp_path, **{"t.csv": "id,boneage,male\n1,10,True\n2,20,True\n3,30,True\n"})
    write(tmp_path, **{"sizes.csv": "id,width,height\n1,1500,2000\n2,2000,1500\n"})
    write(tmp_path, **{f"i/{n}.png": png(0, 100, 100) for n in (1, 2, 3)})
    found = load_source(SourceConfig(name="s", path="t.csv", images=("i",), sizes="sizes.csv"), tmp_path)
    assert [read_row(row).shape for _, row in found.table.iterrows()] == [(256, 192), (192, 256), (100, 100)]


def test_a_copy_that_kept_its_aspect_is_left_alone(tmp_path):
    write(tmp_path, **{"t.csv": "id,boneage,male\n1,10,True\n", "sizes.csv": "id,width,height\n1,1514,2044\n"})
    write(tmp_path, **{"i/1.png": png(0, 758, 1024)})
    found = load_source(SourceConfig(name="s", path="t.csv", images=("i",), sizes="sizes.csv"), tmp_path)
    assert read_row(found.table.iloc[0]).shape == (1024, 758)


def test_of_two_hands_in_one_picture_the_left_half_is_used(tmp_path):
    table, _, _ = LAYOUTS["RHPE"]
    write(tmp_path, **{"t.csv": table}, **{f"i/000{n}.png": png(0, 60, 30) for n in (17, 30)})
    assert read_row(load_folder(tmp_path).table.iloc[0]).shape == (30, 30)


def two_sources(tmp_path: Path, **test: str) -> DataConfig:
    write(tmp_path, **{"a.csv": "id,boneage,male\n1,10,True\n2,20,False\n", "b.csv": "id,boneage,male\n1,30,True\n"})
    write(tmp_path, **images("a", "1.png", "2.png"), **images("b", "1.png"))
    one = SourceConfig(name="one", path="a.csv", images=("a",))
    two = SourceConfig(name="two", path="b.csv", images=("b",), **test)
    return DataConfig(root=str(tmp_path), sources=(one, two))


def test_sources_are_combined_and_clashing_ids_are_prefixed(tmp_path):
    training = load_training(two_sources(tmp_path))
    assert list(training.table["id"]) == ["1", "2", "two/1"]
    assert list(audit_counts(training.table)["total"]) == [1, 1, 1]


def test_a_test_only_source_is_not_even_opened_for_training(tmp_path):
    data = two_sources(tmp_path, role="test")
    (tmp_path / "b.csv").unlink()
    assert set(load_training(data).table["source"]) == {"one"}
    with pytest.raises(DataError, match=r"b\.csv"):
        load_test(data)


def test_nothing_can_be_trained_on_a_test_only_source(tmp_path):
    test = load_test(two_sources(tmp_path, role="test"))
    with pytest.raises(DataError, match="two has role = 'test'"):
        TrainingSet(test.table, test.problems)
    with pytest.raises(TypeError, match="TestSet"):
        require_training(test)
    with pytest.raises(TypeError, match="DataFrame"):
        require_training(test.table)


def test_a_limit_takes_the_same_share_of_every_sex_and_group(tmp_path):
    rows = [(number, (20, 80, 140, 200)[number % 4], number % 8 < 4) for number in range(80)]
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    write(tmp_path, **{"t.csv": f"id,boneage,male\n{lines}\n"}, **images("i", *(f"{row[0]}.png" for row in rows)))
    source = SourceConfig(name="s", path="t.csv", images=("i",))
    data = DataConfig(root=str(tmp_path), sources=(source,), limit=16)
    table = load_training(data).table
    assert len(table) == 16
    assert (table.groupby(["sex", "group"]).size() == 2).all()
    pd.testing.assert_frame_equal(table, load_training(data).table)
    write(tmp_path, **{"fixed.csv": "id\n3\n7\n11\n"})
    fixed = load_training(replace(data, validation_ids="fixed.csv", limit=16)).table
    assert len(fixed) == 16 + 3 and {"3", "7", "11"} <= set(fixed["id"])


def test_a_fixed_validation_set_is_limited_apart_from_the_other_films(tmp_path):
    rows = [(number, (20, 80, 140, 200)[number % 4], number % 8 < 4) for number in range(96)]
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    write(tmp_path, **{"t.csv": f"id,boneage,male\n{lines}\n"}, **images("i", *(f"{row[0]}.png" for row in rows)))
    (tmp_path / "v.csv").write_text("id\n" + "\n".join(map(str, range(64, 96))))
    data = DataConfig(root=str(tmp_path), sources=(SourceConfig(name="s", path="t.csv", images=("i",)),))
    part = replace(data, validation_ids="v.csv", validation_limit=8, limit=32)
    table = load_training(part).table
    fixed = table["id"].astype(int) >= 64
    assert table[fixed].groupby(["sex", "group"]).size().tolist() == [1] * 8
    assert table[~fixed].groupby(["sex", "group"]).size().tolist() == [4] * 8
    assert len(load_training(replace(part, limit=0)).table) == 64 + 8
    more = load_training(replace(part, limit=48)).table
    assert set(table["id"]) < set(more["id"]), "a larger part must hold the smaller one: what is prepared stays useful"
    with pytest.raises(DataError, match=r"validation_limit = 8 .* data\.validation_ids"):
        load_training(replace(part, validation_ids=""))
    with pytest.raises(DataError, match="0 .all images. or more, but -1 and 0"):
        load_training(replace(data, limit=-1))


def test_the_flag_store_is_a_source_directly_and_as_exported(tmp_path):
    store = FlagStore(tmp_path / "flagged")
    film = np.arange(400, dtype=np.uint16).astype(np.uint8).reshape(20, 20)
    store.add(film, FlagRecord(Sex.FEMALE, 100.0, 110.0))
    store.add(255 - film, FlagRecord(Sex.MALE, 50.0))
    store.export(tmp_path / "out")
    direct = load_source(SourceConfig(name="f", layout="flagged", path="flagged"), tmp_path)
    exported = load_folder(tmp_path / "out")
    assert as_found(direct.table) == as_found(exported.table)
    assert sorted(direct.table["age_months"]) == [50.0, 110.0]


def test_a_folder_without_anything_usable_says_what_is_needed(tmp_path):
    write(tmp_path, **{"readme.csv": "a,b\n1,2\n", "x/cover.png": png()})
    with pytest.raises(DataError, match="named like male_132.png"):
        load_folder(tmp_path)
    with pytest.raises(DataError, match="check the path"):
        load_folder(tmp_path / "nowhere")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_real_archives_are_read_as_they_are():
    found = load_folder(SHARED)
    assert found.layout == "RSNA training"
    assert len(found.table) == 12611
    assert found.problems.empty
    counts = audit_counts(found.table).set_index("sex")
    assert list(counts.loc["male"])[1:] == [422, 1425, 4133, 853, 6833]
    assert list(counts.loc["female"])[1:] == [375, 2057, 2996, 350, 5778]
    small = found.table[found.table["image"].str.contains("299px") & found.table["original_width"].notna()]
    for _, row in small.head(20).iterrows():
        height, width = read_row(row).shape
        assert min(height, width) == 299
        assert width / height == pytest.approx(row["original_width"] / row["original_height"], abs=0.02)
