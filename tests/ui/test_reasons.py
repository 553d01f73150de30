"""The reasons on the page: experts with their weights, similar cases, and a heat map of the number that is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_fakes import FakeCatalogue, FixedBackbone, FixedHead, fixed_cascade, hand_pixels, write_png

from boneage.cascade.case_index import CaseIndex
from boneage.cascade.noise_guard import NoiseGuard
from boneage.cascade.stack import Stack
from boneage.explain import heatmaps as explain
from boneage.explain.faithfulness import faithfulness
from boneage.groups import Sex
from boneage.notices import say
from boneage.ui.api import _heat
from boneage.ui.estimate.case import Case, Request, explained, make_case
from boneage.ui.estimate.pictures import HEAT
from boneage.ui.estimate.report import report_html
from boneage.ui.estimate.result_card import result_card
from boneage.ui.estimate.steps import steps_html
from boneage.ui.service import ModelService

pytestmark = pytest.mark.usefixtures("no_text")


class Known(FakeCatalogue):
    """Loads one cascade that has an index of cases and a guard that finds every film noisy."""

    def load(self, uri: str):
        cascade = fixed_cascade()
        served = replace(cascade.config.cascade, similar_cases=3)
        cascade.config = replace(cascade.config, cascade=served)
        features = np.linspace(0, 200, 20)[:, None]
        names = [f"film-{number}" for number in range(20)]
        cascade.cases = CaseIndex.of("any", names, ["female"] * 20, np.linspace(5, 195, 20), features)
        cascade.noise = NoiseGuard(16, limit=-1.0, widening=1.2)
        return cascade


@pytest.fixture
def service() -> ModelService:
    return ModelService(Known(), "models:/boneage-cascade@champion")


def case_of(service: ModelService, folder: Path, **asked: object) -> Case:
    request = Request(str(write_png(folder / "hand.png", hand_pixels())), "hand.png", Sex.FEMALE)
    return make_case(service, replace(request, **asked), "en", lambda share, words: None)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Most similar"), ("pt", "mais parecidos"), ("es", "más parecidos")]
)
def test_the_card_and_the_report_show_experts_similar_cases_and_the_warning(service, tmp_path, language, words):
    case = case_of(service, tmp_path)
    for html in (result_card(case, language), report_html(case, language)):
        assert words in html and html.count("film-") == 3
    assert "100 %" in result_card(case, language)
    assert any("noisy" in warning for warning in case.estimate.warnings)
    assert "noisy" not in result_card(case, language) or language == "en"


def test_without_an_index_there_is_no_empty_section(tmp_path):
    html = result_card(case_of(ModelService(FakeCatalogue(), "models:/boneage-cascade@champion"), tmp_path), "en")
    assert "similar" not in html and "What each regressor said" in html


def test_the_heat_map_is_that_of_the_given_range(service, tmp_path, monkeypatch):
    asked = []
    made = explain.heat_map
    monkeypatch.setattr(explain, "heat_map", lambda *given: asked.append(given) or made(*given))
    case = explained(service, case_of(service, tmp_path, age_range="115-171"))
    assert asked[0][3] == "115-171" and case.prepared is None
    assert case.pictures[-1].key == "step_heat"


@pytest.mark.parametrize("language", ["en", "pt", "es"])
def test_page_and_report_say_how_far_the_heat_map_can_be_believed(service, tmp_path, language):
    waiting = case_of(service, tmp_path)
    assert "data-faithful" not in steps_html(waiting, language) + report_html(waiting, language)
    # These heads say the same of every film, so nothing on it moves the number: that must be said.
    case = explained(service, waiting)
    found = case.faithfulness
    assert found is not None and (found.hottest_months, found.draws, found.holds) == (0, 8, False)
    for html in (steps_html(case, language), report_html(case, language)):
        assert 'data-faithful="false"' in html and say(found.sentence(), language) in html
    better = replace(case, faithfulness=replace(found, hottest_months=9.0))
    assert 'data-faithful="true"' in steps_html(better, language) and "ba-doubtful" not in steps_html(better, language)


def test_a_map_whose_faithfulness_cannot_be_measured_is_still_shown(service, tmp_path, monkeypatch):
    def fails(*given: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("boneage.ui.estimate.case.faithfulness", fails)
    case = explained(service, case_of(service, tmp_path))
    assert case.pictures[-1].key == HEAT and case.faithfulness is None and case.prepared is None
    assert 'data-step="step_heat"' in steps_html(case, "en") and "data-faithful" not in steps_html(case, "en")
    assert _heat(case) == {"heat_map": case.pictures[-1].address, "faithfulness": {}}


def test_without_a_map_nothing_is_measured(service, tmp_path, monkeypatch):
    def fails(*given: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(explain, "overlay", fails)
    case = explained(service, case_of(service, tmp_path))
    assert case.pictures[-1].key != HEAT and case.faithfulness is None and case.prepared is None
    assert _heat(case) == {"heat_map": None, "faithfulness": {}}


def test_what_the_page_says_of_its_map_is_what_the_command_says(service, tmp_path, monkeypatch):
    monkeypatch.setattr(FixedBackbone, "pooled", lambda self, images: images[:, :32, :32].mean((1, 2))[:, None])
    said = FixedHead.predict

    def moved(head: FixedHead, features: np.ndarray) -> np.ndarray:
        return said(head, features) + (features[:, 0] / 4 if head.answer.ndim == 1 else 0)

    monkeypatch.setattr(FixedHead, "predict", moved)
    case = case_of(service, tmp_path)
    found = explained(service, case).faithfulness
    heat = explain.heat_map(service.cascade(), case.prepared, "female", None, case.features)
    full = faithfulness(service.cascade(), case.prepared, "female", heat)
    assert full.hottest_months > 0 and full.sentence() == found.sentence()


class AllAges:
    """A head for all ages that says 100 months."""

    def predict(self, features: np.ndarray, sexes: list[Sex]) -> np.ndarray:
        return np.full(len(features), 100.0)


@pytest.mark.parametrize(
    ("share", "routing", "words"),
    [
        (1.0, "soft", ("A model of all ages alone gave", "Só um modelo de todas", "Solo un modelo de todas")),
        (1.0, "hard", ("A model of all ages alone gave", "Só um modelo de todas", "Solo un modelo de todas")),
        (0.35, "soft", ("35 % in the age, the four", "35 % na idade; os quatro", "35 % de la edad; los cuatro")),
        (0.35, "hard", ("the range 58–114 months, which", "faixa de 58–114 meses", "rango de 58–114 meses")),
    ],
)
def test_the_card_says_the_share_of_the_head_for_all_ages(tmp_path, share, routing, words):
    class Stacked(FakeCatalogue):
        def load(self, uri: str):
            cascade = fixed_cascade()
            cascade.config = replace(cascade.config, cascade=replace(cascade.config.cascade, routing=routing))
            cascade.stack = Stack(AllAges(), {"female": share})
            return cascade

    service = ModelService(Stacked(), "models:/boneage-cascade@champion")
    case = case_of(service, tmp_path)
    for language, said in zip(("en", "pt", "es"), words, strict=True):
        html = result_card(case, language)
        assert said in html
        assert "65 %" in html or share == 1
    assert "regressors have no share" in result_card(case, "en") or share < 1
