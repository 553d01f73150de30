"""What the gate refuses, the served model refuses, unless a row asks for it; more comes where it is asked for."""

import asyncio
import base64
import importlib
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from boneage.cascade.estimate import COMPARISON_FIELDS, DIFFERENCE_FIELDS, ESTIMATE_FIELDS, REASON_FIELDS
from boneage.clinical.comparison import compare
from boneage.clinical.sd_tables import open_table
from boneage.gate.gate import Verdict
from boneage.registry.scoring_guard import guard_server
from boneage.registry.serving import estimate_rows


class Refuser:
    def inspect(self, film, laterality=None):
        return Verdict(film, ("the film shows a foot",), (), "not_hand", 0.01)


@pytest.fixture
def guarded(cascade):
    cascade.config = replace(cascade.config, cascade=replace(cascade.config.cascade, gate=True))
    cascade.gate = Refuser()
    return cascade


@pytest.fixture
def row():
    film = np.random.default_rng(0).integers(0, 255, (40, 32), dtype=np.uint8)
    return {"image": base64.b64encode(cv2.imencode(".png", film)[1].tobytes()).decode(), "sex": "female"}


@pytest.mark.parametrize("extra", [{}, {"anyway": False}, {"anyway": None}, {"anyway": "true"}, {"anyway": 1}])
def test_a_refused_film_gets_no_answer(guarded, row, extra):
    with pytest.raises(MlflowException, match="row 0.*shows a foot"):
        estimate_rows(guarded, pd.DataFrame([{**row, **extra}], dtype=object))


def test_anyway_gets_an_answer_with_the_reason_as_a_warning(guarded, row):
    answer = estimate_rows(guarded, pd.DataFrame([{**row, "anyway": True}]))
    assert any("shows a foot" in warning for warning in answer["warnings"][0])
    assert answer["bone_age_months"][0] is not None


def test_reasons_come_where_a_row_asks_for_them(cascade, row):
    plain = estimate_rows(cascade, pd.DataFrame([row]))
    assert list(plain) == list(ESTIMATE_FIELDS)
    assert plain["hard_months"][0] == plain["bone_age_months"][0]
    asked = estimate_rows(cascade, pd.DataFrame([{**row, "reasons": True}, {**row, "reasons": False}]))
    assert asked["bone_age_months"].tolist() == [plain["bone_age_months"][0]] * 2
    assert [expert["range"] for expert in asked["experts"][0]] == ["0-57", "58-114", "115-171", "172-228"]
    assert asked["similar_cases"][0] == [] and asked["experts"][1] is None


def test_a_chronological_age_gets_the_difference_and_a_table_the_z_score_of_the_command(cascade, row):
    aged = {**row, "chronological_months": 120}
    plain = estimate_rows(cascade, pd.DataFrame([aged]))
    assert list(plain) == [*ESTIMATE_FIELDS, *DIFFERENCE_FIELDS]
    assert plain["difference_months"][0] == round(plain["bone_age_months"][0] - 120, 2)
    asked = estimate_rows(cascade, pd.DataFrame([{**aged, "table": "greulich-pyle"}, aged, row], dtype=object))
    assert list(asked) == [*ESTIMATE_FIELDS, *COMPARISON_FIELDS]
    estimate = cascade.estimate(base64.b64decode(row["image"]), "female", chronological_months=120.0)
    expected = compare(estimate, 120.0, open_table("greulich-pyle"), cascade.config.cascade.coverage).to_json()
    assert asked.iloc[0][list(expected)].to_dict() == expected
    assert asked["z_score"][1] is None and asked["difference_months"][1] == plain["difference_months"][0]
    assert asked["difference_months"][2] is None


def test_where_the_table_has_no_row_there_is_no_z_score(cascade, row):
    asked = {**row, "sex": "male", "chronological_months": 1000.0, "table": "greulich-pyle"}
    answer = estimate_rows(cascade, pd.DataFrame([asked]))
    assert answer["z_score"][0] is None and "not extrapolated" in answer["table_note"][0]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"table": "greulich-pyle"}, "belongs to chronological_months"),
        ({"table": "tanner", "chronological_months": 100.0}, "brush-foundation or greulich-pyle, but 'tanner'"),
        ({"table": "/etc/passwd.csv", "chronological_months": 100.0}, "brush-foundation or greulich-pyle, but"),
        ({"chronological_months": -1.0}, "from 0 to 1200, but -1.0"),
        ({"chronological_months": 1200.5}, "from 0 to 1200, but 1200.5"),
        ({"chronological_months": float("inf")}, "from 0 to 1200"),
        ({"chronological_months": [100, 200]}, r"a number of months, but \[100, 200\]"),
        ({"chronological_months": []}, r"a number of months, but \[\]"),
        ({"chronological_months": list(range(1000))}, r"a number of months, but \[0, 1.*\.\.\. was"),
        ({"age_range": ["0-57", "58-114"]}, "age_range must be a text"),
        ({"age_range": {"a": 1}}, "age_range must be a text"),
        ({"table": [], "chronological_months": 100.0}, "table must be a text"),
        ({"chronological_months": "ten"}, "a number of months"),
        ({"chronological_months": True}, "a number of months"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(cascade, row, extra, words):
    with pytest.raises(MlflowException, match=f"row 0: .*{words}"):
        estimate_rows(cascade, pd.DataFrame([{**row, **extra}], dtype=object))


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_a_missing_table_or_age_asks_for_nothing(cascade, row, nothing):
    given = {**row, "table": nothing, "chronological_months": None if nothing == "" else nothing}
    answer = estimate_rows(cascade, pd.DataFrame([given], dtype=object))
    assert answer["difference_months"][0] is None and answer["table"][0] is None


def test_the_signature_names_the_reasons_and_the_comparison():
    from boneage.registry.packaging import _cascade_signature

    signature = _cascade_signature()
    assert {"reasons", "chronological_months", "table"} <= set(signature.inputs.input_names())
    assert signature.inputs.required_input_names() == ["image", "sex"]
    answered = {*ESTIMATE_FIELDS, *REASON_FIELDS, *COMPARISON_FIELDS, "error", "error_code"}
    assert answered == set(signature.outputs.input_names())


def printed(encoded: str) -> str:
    """Base64 as `base64 hand.png` prints it: lines of 76."""
    return "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76)) + "\n"


@pytest.mark.parametrize(
    "write",
    [
        printed,
        lambda encoded: printed(encoded).replace("\n", "\r\n"),
        lambda encoded: f"data:image/png;base64,{encoded}",
        lambda encoded: f"data:image/png;base64,{printed(encoded)}",
        lambda encoded: encoded.rstrip("="),
        lambda encoded: encoded.replace("+", "-").replace("/", "_"),
        base64.b64decode,
    ],
)
def test_base64_is_read_as_tools_print_it(cascade, row, write):
    plain = estimate_rows(cascade, pd.DataFrame([row]))
    pd.testing.assert_frame_equal(estimate_rows(cascade, pd.DataFrame([{**row, "image": write(row["image"])}])), plain)


def test_bad_rows_have_an_error_and_the_others_their_estimates(cascade, row):
    rows = [{**row, "image": "no base64!"}, row, {**row, "sex": "unknown"}, {**row, "image": None}, row]
    found = estimate_rows(cascade, pd.DataFrame(rows, dtype=object))
    single = estimate_rows(cascade, pd.DataFrame([row])).iloc[0].to_dict()
    assert list(found) == [*ESTIMATE_FIELDS, "error", "error_code"]
    for good in (1, 4):
        assert found.iloc[good].to_dict() == {**single, "error": None, "error_code": None}
    assert [found["error"][bad][:11] for bad in (0, 2, 3)] == ["image must ", "sex must be", "image must "]
    assert found["bone_age_months"][0] is None


def test_what_is_too_large_is_refused_before_it_is_read(cascade, row):
    with pytest.raises(MlflowException, match=r"row 0: \[request.large\] the image has 49 MB: at most 48 MB are read"):
        estimate_rows(cascade, pd.DataFrame([{**row, "image": b"x" * (49 * 2**20)}]))


def test_the_scoring_server_refuses_large_bodies_and_unknown_columns(monkeypatch):
    server = importlib.import_module("mlflow.pyfunc.scoring_server")
    for name in ("invocations", "infer_and_parse_data", "_async_catch_mlflow_exception"):
        monkeypatch.setattr(server, name, getattr(server, name))
    guard_server(("image", "sex", "age_range"))
    guard_server(("image", "sex", "age_range"))
    answer = server.invocations(b"x" * (50 * 2**20), "application/json", None, None)
    assert answer.status == 413 and "at most 48 MB are read" in answer.response
    for body in (
        {"dataframe_records": [{"image": "", "sex": ""}, {"image": "", "sex": "", "age_rang": "0-57"}]},
        {"dataframe_split": {"columns": ["image", "sex", "age_rang"], "data": []}},
        {"inputs": {"image": [], "sex": [], "age_rang": []}},
    ):
        with pytest.raises(MlflowException, match="optionally age_range, but age_rang came"):
            server.infer_and_parse_data(body)
    assert len(server.infer_and_parse_data({"dataframe_records": [{"image": "a", "sex": "f"}]})) == 1


def test_no_part_of_a_body_that_is_too_large_is_kept_or_handed_on(monkeypatch):
    server = importlib.import_module("mlflow.pyfunc.scoring_server")
    handed_on = []

    def invocations(data, *given):
        handed_on.append(len(data))
        return server.InvocationsResponse(response="{}", status=200, mimetype="application/json")

    monkeypatch.setattr(server, "invocations", invocations)
    for name in ("infer_and_parse_data", "_async_catch_mlflow_exception"):
        monkeypatch.setattr(server, name, getattr(server, name))
    guard_server(("image", "sex"))
    app = server.init(SimpleNamespace(metadata=SimpleNamespace(get_input_schema=lambda: None)))
    tracemalloc.start()
    status, said = asyncio.run(posted(app, (b"x" * 2**20 for _ in range(200))))
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert (status, handed_on) == (413, []) and b"the request has 200 MB, at most 48 MB" in said
    assert peak < 120, "of 200 MB only the first 48 were ever held"
    assert asyncio.run(posted(app, iter([b"{", b"}"])))[0] == 200 and handed_on == [2]


async def posted(app, pieces):
    """Send a body piece by piece to an application; return status and answer."""
    sent = []

    async def receive():
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b"", "headers": headers}
    await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("test", 80)}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
