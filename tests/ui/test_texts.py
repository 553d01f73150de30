"""The page's words: complete in every language, all of them used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from boneage.ui.languages import texts
from boneage.ui.languages.sentences import SENTENCES
from boneage.ui.languages.translate import sentence_in

UI = Path(texts.__file__).parent
# Keys that are put together from a part and a name (`status_` + the status).
BUILT = re.compile(
    r"(years|months)_(one|many)|models_|status_(pending|passed|failed)|column_|female|male|language_name"
    r"|role_(cascade|classifier|regressor|all_ages)$|figure_|step_(original|mask|prepared|heat)_alt$|verdict_(delayed|average|advanced)$|zoom_(closer|wider|close)$"
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
    code = "".join(file.read_text(encoding="utf-8") for file in UI.glob("*.py")).replace("'", '"')
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


def test_known_sentences_keep_their_numbers_in_every_language() -> None:
    for pattern, *translations in SENTENCES:
        groups = re.compile(pattern).groups
        assert re.compile(pattern).fullmatch("") is None
        for words in translations:
            assert words.count("{}") == groups, pattern


def test_an_unknown_sentence_is_shown_in_english() -> None:
    assert sentence_in("pt", "something new happened") == "Something new happened"


def _sentences_of_real_files(folder: Path) -> list[str]:
    """Make the rooms below say what they say of bad files."""
    import cv2
    import numpy as np
    from page_fakes import fixed_cascade

    from boneage.data.images import read_radiograph
    from boneage.data.radiograph import ImageError

    cascade = fixed_cascade()
    said = list(cascade.prepare(np.zeros((64, 64), np.uint8)).warnings)
    said += cascade.estimate(np.eye(64, dtype=np.uint8) * 200, "male", "172-228").warnings
    tiny = cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()
    whole = cv2.imencode(".png", np.arange(4096, dtype=np.uint8).reshape(64, 64))[1].tobytes()
    for content in (b"", b"text", tiny, whole[: len(whole) // 2]):
        with pytest.raises(ImageError) as refused:
            read_radiograph(content, name="hand.png")
        said.append(str(refused.value))
    return said


def _sentences_of_the_gate() -> list[str]:
    """Make the gate refuse for reasons of size and contrast; its other reasons are named in a table of its own."""
    import numpy as np

    from boneage.gate import gate

    plain = [np.zeros((40, 30), np.uint8), np.zeros((300, 200), np.uint8)]
    said = [gate._plain_reason(film)[1] for film in plain]  # type: ignore[index]
    said += [sentence for words in gate._SENTENCES.values() for sentence in (words, f"{words} (83% sure)")]
    return [*said, f"estimated in spite of this: {said[0]}"]


def _sentences_of_the_noise_guard() -> list[str]:
    from boneage.cascade.noise_guard import NoiseGuard

    return [NoiseGuard(128, 5.25, factor).warning(9.5) for factor in (1.0, 1.25)]


def _sentences_of_the_tables(folder: Path) -> list[str]:
    from boneage.clinical.sd_tables import TableError, built_in_table, read_table
    from boneage.groups import Sex

    table, own = built_in_table("greulich-pyle"), folder / "clinic.csv"
    said = [table.provenance, table.note(Sex.MALE, 225.5), table.note(Sex.MALE, 180.0)]
    head = "chronological_months,sex,sd_months\n"
    for content in ("", "a\n1\n", head, f"{head}1,F,x\n", f"{head}1,F,0\n"):
        own.write_text(content, encoding="utf-8")
        with pytest.raises(TableError) as refused:
            read_table(own)
        said.append(str(refused.value))
    own.write_text(f"{head}1,F,3\n", encoding="utf-8")
    said += [read_table(own).provenance, read_table(own).note(Sex.MALE, 1.0)]
    with pytest.raises(TableError) as refused:
        built_in_table("tanner")
    return [*said, str(refused.value)]


def _sentences_of_faithfulness() -> list[str]:
    from boneage.explain.faithfulness import Faithfulness

    return [Faithfulness(hottest, 3.25, None, 0.15, 8).sentence() for hottest in (12.5, 3.0)]


def test_tables_and_faithfulness_speak_every_language(tmp_path: Path) -> None:
    for sentence in (*_sentences_of_the_tables(tmp_path), *_sentences_of_faithfulness()):
        translated = {sentence_in(language, sentence) for language in texts.LANGUAGES}
        assert len(translated) == len(texts.LANGUAGES), sentence
    worse = sentence_in("pt", _sentences_of_faithfulness()[1])
    assert "3,0 meses" in worse and worse.endswith("o mapa de calor não é melhor que o acaso")
    assert "(masculino)" in sentence_in("es", _sentences_of_the_tables(tmp_path)[1])


def _sentences_of_the_registry(store) -> list[str]:
    from boneage.errors import BoneageError
    from boneage.registry.versions import show
    from boneage.tracking.store import open_existing

    said = []

    def refused(ask) -> None:
        with pytest.raises(BoneageError) as error:
            ask()
        said.append(str(error.value))

    refused(lambda: show(store, "boneage-cascade"))
    store.create_registered_model("boneage-cascade")
    store.create_model_version("boneage-cascade", source="/nowhere")
    refused(lambda: show(store, "boneage-cascade"))
    refused(lambda: open_existing("sqlite:////nowhere/mlflow.db"))
    return said


def test_the_reasons_of_the_gate_and_the_registry_are_known_in_every_language(store) -> None:
    said = (*_sentences_of_the_gate(), *_sentences_of_the_noise_guard(), *_sentences_of_the_registry(store))
    for sentence in said:
        translated = {sentence_in(language, sentence) for language in texts.LANGUAGES}
        assert len(translated) == len(texts.LANGUAGES), sentence


def test_a_sentence_within_a_sentence_is_translated_too() -> None:
    said = sentence_in("es", "estimated in spite of this: no hand was found on the film")
    assert said == "Estimado a pesar de esto: no se halló ninguna mano en la placa"


def test_what_the_rooms_below_say_is_known_in_every_language(tmp_path: Path) -> None:
    said = _sentences_of_real_files(tmp_path)
    assert len(said) >= 6
    for sentence in said:
        translated = {sentence_in(language, sentence) for language in texts.LANGUAGES}
        assert len(translated) == len(texts.LANGUAGES), sentence


def test_a_sentence_begins_with_a_capital_unless_it_begins_with_a_file() -> None:
    assert sentence_in("en", "the mask fell into several parts: the largest was used").startswith("The")
    assert sentence_in("en", "hand.png is empty (0 bytes): save or export the image again").startswith("hand.png")
