"""The same request gives the same number or sentence through every door, and a failure leaves nothing behind."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gradio_client import Client

from boneage.cascade.estimate import Estimate
from boneage.registry.opening import open_shipped
from tests.conformance import doors
from tests.conformance.doors import DOORS, Behind, Said
from tests.conformance.films import requests, wrong_requests

sys.path.insert(0, str(Path(__file__).parents[1] / "ui"))
from page_fakes import serving  # noqa: E402 (its folder is on the path only now)

REQUESTS = list(requests())
GOOD = REQUESTS[0]


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """The shipped cascade behind a page that is up."""
    folder, films = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("films")
    cascade = open_shipped()
    with pytest.MonkeyPatch.context() as patch, serving(folder) as running:
        patch.setattr(running.services.service, "cascade", lambda uri="": cascade)
        yield Behind(cascade, running.services.service, Client(running.url, verbose=False), films)


@pytest.fixture(scope="module")
def expected(behind):
    """What `Cascade.estimate` says of every request."""
    return {asked.name: doors.by_python(behind, asked) for asked in REQUESTS}


def same(said: Said, wanted: Said) -> bool:
    """Tell whether two doors say the same; what a gate's refusal is wrapped in differs, its reasons do not."""
    if wanted.error:
        core = wanted.error.removeprefix("no estimate is given: ").partition(". Whoever")[0].lower()
        return all(part in said.error.lower() for part in core.split("; "))
    return said == wanted


def test_the_requests_are_of_every_kind(expected):
    answered = [name for name, said in expected.items() if said.months]
    assert len(answered) >= 8 and len(expected) - len(answered) >= 7
    assert len({said.error for said in expected.values() if said.error}) >= 7
    assert any(said.warnings for said in expected.values())


@pytest.mark.parametrize("door", list(DOORS))
def test_every_door_says_what_python_says(behind, expected, door):
    for asked in REQUESTS:
        if door == "batch" and asked.chronological_months is not None:
            asked = replace(asked, chronological_months=None)
            wanted = doors.by_python(behind, asked)
        else:
            wanted = expected[asked.name]
        said = DOORS[door](behind, asked)
        assert same(said, wanted), (asked.name, said, wanted)
        if wanted.error:
            assert "Traceback" not in said.error and str(behind.folder) not in said.error
    assert DOORS[door](behind, GOOD) == expected[GOOD.name], "after failures"


@pytest.mark.parametrize("door", list(DOORS))
def test_wrong_words_are_refused_by_every_door(behind, door):
    for asked in wrong_requests():
        if door == "batch":
            continue  # its sex is chosen from a list, and its table is checked when it is read
        given = asked.sex if asked.sex == "child" else asked.age_range
        assert given in DOORS[door](behind, asked).error, asked


def test_one_bad_film_never_ends_a_batch(behind, expected):
    plain = [asked for asked in REQUESTS if asked.chronological_months is None and asked.sex == "female"]
    for said, asked in zip(doors.batch(behind, plain), plain, strict=True):
        assert same(said, expected[asked.name]), asked.name
    films = [behind.file(asked) for asked in plain]
    answers = list(behind.cascade.estimate_many(films, "female", [asked.age_range for asked in plain]))
    for answer, asked in zip(answers, plain, strict=True):
        wanted = expected[asked.name].months
        assert isinstance(answer, Estimate) == bool(wanted)
        if wanted:
            assert round(answer.bone_age_months, 2) == wanted[0]
