"""The page on the cascade that ships: the same numbers as `boneage predict`, the documented example, a promotion."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from boneage.cli import main
from boneage.groups import Sex
from boneage.phantom.hand import draw

sys.path.insert(0, str(Path(__file__).parents[1] / "ui"))

from gradio_client import Client, handle_file  # noqa: E402
from page_fakes import serving  # noqa: E402 (its folder is on the path only now)

EXAMPLE = Path(__file__).parents[2] / "docs" / "how-to" / "page.md"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped cascade as a folder."""
    from boneage.paths import assets
    from boneage.registry.unpacking import SHIPPED_FILE, unpack

    folder = tmp_path_factory.mktemp("shipped")
    unpack(assets() / SHIPPED_FILE, folder)
    return folder / "bundle"


@pytest.fixture(scope="module")
def url(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from boneage.ui.catalogue import RegistryCatalogue

    with serving(tmp_path_factory.mktemp("page")) as running:
        running.services.service.catalogue = RegistryCatalogue()
        running.services.service.uri = str(bundle)
        yield running.url


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "hand.png"
    cv2.imwrite(str(file), draw(100, Sex.FEMALE, 22).image)
    return file


@pytest.mark.parametrize("age_range", [None, "58-114", "172-228"])
def test_the_api_and_the_command_line_give_the_same_numbers(
    url: str, bundle: Path, film: Path, age_range: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Client(url, verbose=False).predict(
        file=handle_file(str(film)), sex="female", age_range=age_range, chronological_months=96, api_name="/predict"
    )
    extra = ["--range", age_range] if age_range else []
    assert main(["predict", str(film), "--sex", "female", *extra, "--model", str(bundle), "--format", "json"]) == 0
    line = json.loads(capsys.readouterr().out)
    line["image"] = page["image"]
    assert len(page.pop("key")) == 64  # by which a reading is saved with this estimate
    assert {name: line[name] for name in page} == page
    assert set(page) == {"image", "sex", "age_range", "bone_age_months", "low_months", "high_months", "group",
                         "group_probabilities", "routing", "model", "version", "warnings", "hard_months",
                         "warning_codes", "regional_ages"}  # fmt: skip


def test_the_documented_example_works(
    url: str, film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.search(r"```python\n(.+?)```", EXAMPLE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(film.parent)
    exec(compile(code[1].replace("http://127.0.0.1:7860", url), str(EXAMPLE), "exec"), {})
    said = capsys.readouterr().out
    assert "bone_age_months" in said
    assert "saved" in said


def test_a_heat_map_is_made_of_the_shipped_cascade(bundle: Path, film: Path) -> None:
    from boneage.ui.catalogue import RegistryCatalogue
    from boneage.ui.estimate.case import Case, Request, explained, make_shown
    from boneage.ui.service import ModelService

    service = ModelService(RegistryCatalogue(), str(bundle))
    made = make_shown(service, Request(str(film), film.name, Sex.FEMALE), "en", lambda share, words: None)
    assert isinstance(made, Case)
    keys = [picture.key for picture in explained(service, made).pictures]
    assert keys == ["step_original", "step_mask", "step_prepared", "step_heat"]
