"""The page's words: complete in every language, all of them used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from boneage.languages import texts

UI = Path(texts.__file__).parents[1] / "ui"
# Keys that are put together from a part and a name (`status_` + the status).
BUILT = re.compile(
    r"region_(carpals|radius_ulna|short_bones)$|follow_column_|follow_(report|pdf|fhir)$|"
    r"(years|months)_(one|many)|models_|status_(pending|passed|failed)|column_|female|male|language_name"
    r"|role_(cascade|classifier|regressor|all_ages)$|figure_|step_(original|mask|prepared|refused|heat|film)_alt$|verdict_(delayed|average|advanced)$|zoom_(closer|wider|close)$"
    r"|centres?_[a-z]+$"
)


@pytest.mark.parametrize("language", list(texts.LANGUAGES))
def test_every_language_has_every_text(language: str) -> None:
    assert set(texts.LANGUAGES[language]) == set(texts.LANGUAGES["en"])
    assert all(words.strip() for words in texts.LANGUAGES[language].values())


@pytest.mark.parametrize("language", list(texts.LANGUAGES))
def test_every_language_fills_the_same_placeholders(language: str) -> None:
    for key, words in texts.LANGUAGES[language].items():
        wanted = {name for _, name, _, _ in Formatter().parse(texts.LANGUAGES["en"][key]) if name}
        assert {name for _, name, _, _ in Formatter().parse(words) if name} == wanted, key


def test_no_text_is_unused_and_none_is_missing() -> None:
    files = (*UI.rglob("*.py"), *(UI.parent / "hospital").rglob("*.py"), Path(texts.__file__))
    code = "".join(file.read_text(encoding="utf-8") for file in files).replace("'", '"')
    unused = [key for key in texts.LANGUAGES["en"] if not BUILT.match(key) and f'"{key}"' not in code]
    assert unused == []
    asked = set(re.findall(r'(?:text|say|_say|heading)\(\s*"([a-z_]+)"', code))
    assert asked <= set(texts.LANGUAGES["en"])


@pytest.mark.parametrize(
    ("months", "language", "words"),
    [
        (0, "en", "0 months"),
        (1, "en", "1 month"),
        (12, "en", "1 year"),
        (112.4, "en", "9 years 4 months"),
        (25, "pt", "2 anos e 1 mês"),
        (119.6, "es", "10 años"),
        (-13, "es", "1 año y 1 mes"),
    ],
)
def test_ages_are_said_as_people_say_them(months: float, language: str, words: str) -> None:
    assert texts.age_in_words(months, language) == words


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("de,es;q=0.7,en;q=0.3", "es"),
        ("en;q=0.2,es;q=0.9", "es"),
        ("fr", "en"),
        ("", "en"),
        ("pt;q=no", "pt"),
    ],
)
def test_the_browser_chooses_the_language(header: str, language: str) -> None:
    assert texts.preferred_language(header) == language


def test_decimals_are_written_as_the_language_writes_them() -> None:
    assert texts.number(112.25, "en") == "112.2"
    assert texts.number(112.5, "pt") == "112,5"
    assert texts.number(90.0, "es") == "90"
