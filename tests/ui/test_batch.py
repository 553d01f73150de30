"""Many radiographs at once."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from page_fakes import URI, FakeCatalogue, hand_pixels, write_png

from boneage.errors import BoneageError
from boneage.groups import Sex
from boneage.ui.batch.estimate import (
    CSV_COLUMNS,
    MAX_FILES,
    Common,
    Item,
    Wish,
    estimate_all,
    items_of,
    read_table,
    to_cells,
    to_csv,
)
from boneage.ui.service import ModelService


@pytest.fixture
def service() -> ModelService:
    return ModelService(FakeCatalogue(), URI)


def table(folder: Path, text: str) -> str:
    file = folder / "table.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    "text",
    [
        "image,sex\nhand.png,F\n",
        "\ufeffFile,Sex\nHAND.PNG,female\n",
        "id,boneage,male\nhand,120,False\n",
        "Image ID,male\nhand,0\n",
    ],
)
def test_tables_of_sexes_are_read_in_the_usual_layouts(tmp_path: Path, text: str) -> None:
    assert read_table(table(tmp_path, text), "en") == {"hand": Wish(Sex.FEMALE)}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "image,sex\nhand,x\n", "image,sex,age_range\nhand,F,0-9\n", "\x00"])
def test_other_tables_are_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    if text == "\x00":
        (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00\x81")
        file = str(tmp_path / "table.csv")
    else:
        file = table(tmp_path, text)
    with pytest.raises(BoneageError, match="columns image and sex"):
        read_table(file, "en")


def test_every_file_has_its_row_and_the_bad_ones_their_reason(service: ModelService, tmp_path: Path) -> None:
    good = write_png(tmp_path / "good.png", hand_pixels())
    (tmp_path / "bad.png").write_bytes(b"no")
    items = items_of([str(good), str(tmp_path / "bad.png"), str(good)], "en")
    wishes = {"good": Wish(Sex.FEMALE, "0-57"), "bad": Wish(Sex.MALE)}
    rows = list(estimate_all(service, items, wishes, Common("", None), "en"))
    assert [row.get("bone_age_months") for row in rows] == [29.0, None, 29.0]
    assert rows[0]["routing"] == "given"
    assert "not an image" in str(rows[1]["error"])
    assert [cells[0] for cells in to_cells(rows, "pt")] == ["good.png", "bad.png", "good.png"]


def test_a_fault_of_ours_spoils_one_row_only(service: ModelService, tmp_path: Path) -> None:
    good = str(write_png(tmp_path / "good.png", hand_pixels()))
    catalogue = service.catalogue
    version, asked = catalogue.version, iter([RuntimeError("secret")])

    def once(uri: str) -> str:
        for fault in asked:
            raise fault
        return version(uri)

    catalogue.version = once  # type: ignore[method-assign]
    rows = list(estimate_all(service, items_of([good, good], "en"), {}, Common("", Sex.FEMALE), "en"))
    # Films are estimated at once, so that either may be the one that meets the fault.
    assert sorted("error" in row for row in rows) == [False, True]
    assert any("server's log" in str(row.get("error")) for row in rows)
    assert any(row.get("bone_age_months") == 86.5 for row in rows)


def test_an_archive_is_read_in_place(service: ModelService, tmp_path: Path) -> None:
    png = write_png(tmp_path / "hand.png", hand_pixels()).read_bytes()
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("a/one.png", png)
        files.writestr("a/two.png", png)
        files.writestr("a/sexes.csv", "image,sex\n")
    items = items_of([str(archive)], "en")
    assert [item.name for item in items] == ["a/one.png", "a/two.png"]
    rows = list(estimate_all(service, items, {}, Common("", Sex.MALE), "en"))
    assert [row["bone_age_months"] for row in rows] == [86.75, 86.75]


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(BoneageError, match="at least one"):
        items_of([], "en")
    with pytest.raises(BoneageError, match=str(MAX_FILES)):
        items_of(["x.png"] * (MAX_FILES + 1), "en")


def test_the_csv_cannot_run_a_formula(service: ModelService) -> None:
    rows = list(estimate_all(service, [Item("none.png", "=HYPERLINK(1).png")], {}, Common("", None), "en"))
    written = list(csv.reader(io.StringIO(to_csv(rows))))
    assert written[0] == list(CSV_COLUMNS)
    assert written[1][0] == "'=HYPERLINK(1).png"
