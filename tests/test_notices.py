"""Every notice says the same in every language, and every code in the program is one of them."""

import ast
import copy
import pickle
import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

from boneage.errors import BoneageError
from boneage.gate.network import KINDS
from boneage.groups import Sex
from boneage.languages.texts import LANGUAGES, NOTICES
from boneage.notices import OTHER_CODE, Notice, Severity, code_of, coded, fault, note, refusal, say, warning

ROOT = Path(__file__).parents[1]
ENGLISH = NOTICES["en"]
COMMANDS = tomllib.loads((ROOT / "boneage/languages/en/commands.toml").read_text(encoding="utf-8"))
SHARED = {code: sentence for code, sentence in ENGLISH.items() if code not in COMMANDS}
MADE = re.compile(r'(?:\b(?:Notice|note|warning|refusal|fault)|Error\.of)\(\s*(f?)"([a-z_]+\.[a-z_{}0-9]+)"')
CLASS = re.compile(r"^class (\w+)\(([\w, ]+)\)", re.MULTILINE)
NOTICE = re.compile(
    r"\w+(\.of\('|\((fault|refusal|warning|write_fault|sqlite_fault|open_fault|_not_there)\(|\(error\.sentence|\(verdict\)"
    r"|\(result\.reason\))"
)


def placeholders(sentence):
    return {(name, spec) for _, name, spec, _ in Formatter().parse(sentence) if name}


def example(code):
    """Return a notice with a plausible value for each parameter: its format tells a number from a word."""
    values = {name: 0.5 if spec else "hand.png" for name, spec in placeholders(ENGLISH[code])}
    return warning(code, **values)


def made_in_the_code():
    for path in [*(ROOT / "boneage").rglob("*.py"), *(ROOT / "tuning").rglob("*.py")]:
        for pattern, code in MADE.findall(path.read_text(encoding="utf-8")):
            yield from (code.replace("{kind}", kind) for kind in (KINDS if pattern else ("",)))


def test_a_language_is_one_folder_with_the_same_codes_and_placeholders():
    for language, sentences in NOTICES.items():
        assert set(sentences) == (set(ENGLISH) if language == "en" else set(SHARED)) and set(LANGUAGES) == set(
            NOTICES
        ), language
        for code, sentence in sentences.items():
            assert placeholders(sentence) == placeholders(ENGLISH[code]), (language, code)


def test_what_only_commands_say_stands_once():
    shared = tomllib.loads((ROOT / "boneage/languages/en/notices.toml").read_text(encoding="utf-8"))
    assert shared.keys() | COMMANDS.keys() == ENGLISH.keys() and not shared.keys() & COMMANDS.keys()
    assert fault("call.tls_pair").say("pt") == "--tls-cert and --tls-key belong together: give both"


@pytest.mark.parametrize("code", list(SHARED))
def test_every_code_is_said_in_every_language(code):
    found = example(code)
    said = {language: say(found, language) for language in NOTICES}
    words = re.sub(r"\{[^}]*\}|\W", "", SHARED[code])
    assert len(set(said.values())) == (len(NOTICES) if words else 1), said
    assert said["en"].lower() == str(found).lower() and not any("{" in sentence for sentence in said.values())


def test_every_code_in_the_program_has_a_sentence_and_every_sentence_a_use():
    used = set(made_in_the_code())
    known = {code for code in used if code in ENGLISH}
    assert used - known <= {"gate.usable", "gate.mirrored", "gate.inverted"}, used - known
    assert set(ENGLISH) == known


def test_numbers_and_sexes_follow_the_language():
    noisy = warning("noise.widened", level=3.26, quantile=0.99, limit=2.0, wider=12)
    assert "3.3 grey levels" in noisy and "3,3 níveis de cinza" in noisy.say("pt")
    assert "(masculino)" in note("table.outside", table="T", sex=Sex.MALE, first=6.0, last=12.0).say("es")


def test_a_notice_within_a_notice_is_translated_too():
    said = say(warning("gate.overridden", reason=refusal("gate.no_mask")), "es")
    assert said == "Estimado a pesar de esto: no se halló ninguna mano en la placa"


def test_a_sentence_begins_with_a_capital_unless_it_begins_with_a_file():
    assert say(warning("mask.parts"), "en").startswith("The")
    assert say(fault("image.empty", name="hand.png"), "en").startswith("hand.png")
    assert say("something new happened", "pt") == "Something new happened"


def test_a_notice_keeps_what_it_is_through_copies_and_processes():
    made = refusal("gate.two_hands", sure=0.9)
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert isinstance(again, Notice) and again == made
        assert (again.code, again.severity, again.parameters) == ("gate.two_hands", Severity.REFUSAL, {"sure": 0.9})
    assert made.to_json() == {
        "code": "gate.two_hands", "severity": "refusal", "parameters": {"sure": 0.9}, "sentence": str(made),
    }  # fmt: skip


def test_errors_carry_the_code_beside_the_sentence():
    known, plain = BoneageError(fault("image.empty", name="hand.png")), BoneageError("something else")
    assert (known.code, str(known)) == ("image.empty", "hand.png is empty (0 bytes): save or export the image again")
    assert plain.code == OTHER_CODE == code_of("anything") and plain.sentence == "something else"


def test_a_code_without_a_sentence_is_an_error_where_it_is_made():
    with pytest.raises(KeyError):
        warning("no.such_code")
    with pytest.raises(KeyError):
        warning("mask.no_hand")


def raised():
    """Return (place, source of the message) of every error for users that the program raises."""
    texts = {
        path: path.read_text(encoding="utf-8") for room in ("boneage", "tuning") for path in (ROOT / room).rglob("*.py")
    }
    found = [(name, set(bases.split(", "))) for text in texts.values() for name, bases in CLASS.findall(text)]
    kinds = {"BoneageError"}
    while more := {name for name, bases in found if bases & kinds} - kinds:
        kinds |= more
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            name = ast.unparse(node.func).removesuffix(".of") if isinstance(node, ast.Call) and node.args else ""
            if name in kinds - {"PageError"}:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node)


def test_every_error_for_users_has_a_code():
    """Its message is a notice: made on the spot, by a function that returns one, or handed on from another error."""
    everywhere = list(raised())
    assert len(everywhere) > 250
    assert not [(place, call) for place, call in everywhere if not NOTICE.match(call)]


def test_every_warning_and_error_in_a_log_has_its_code():
    for room in ("boneage", "tuning"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for call in re.findall(r"\b(?:log|LOG)\.(?:warning|error|exception)\((.*)\)", text):
                assert "coded(" in call or "OTHER_CODE" in call, (path, call)


def test_a_log_line_begins_with_the_code_of_what_it_says():
    assert coded(BoneageError(fault("image.empty", name="a.png"))).startswith("[image.empty] a.png is empty")
    assert coded(refusal("gate.no_mask")) == "[gate.no_mask] no hand was found on the film"
    assert coded(KeyError()) == "[other] KeyError" and coded(OSError(28, "no space")) == "[other] [Errno 28] no space"


def test_a_notice_within_an_error_within_a_notice_is_translated_and_survives_another_process():
    inner = BoneageError(fault("image.empty", name="a.png"))
    made = pickle.loads(pickle.dumps(fault("cases.unreadable", file="cases.npz", reason=inner)))
    assert "cases.npz no es un índice de casos (a.png está vacío" in made.say("es")
    assert code_of(made.parameters["reason"]) == "image.empty"
