"""The page's API as `gradio_client` sees it, and what must not be reachable."""

from __future__ import annotations

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fakes import Running, hand_pixels, text_in_the_corner, write_dicom, write_png

from boneage.cascade.estimate import COMPARISON_FIELDS, ESTIMATE_FIELDS, REASON_FIELDS
from boneage.errors import BoneageError
from boneage.groups import Sex
from boneage.ui.estimate.case import Request, make_case
from boneage.ui.flags.save import Reading, flag_case


@pytest.fixture(scope="module")
def client(running: Running) -> Client:
    return Client(running.url, verbose=False)


def predict(client: Client, file: Path, sex: str = "female", **more: object) -> dict[str, object]:
    return dict(client.predict(file=handle_file(str(file)), sex=sex, api_name="/predict", **more))


def test_predict_answers_with_the_names_of_the_command_line(client: Client, running: Running, hand: Path) -> None:
    answer = predict(client, hand)
    assert list(answer) == ["image", *ESTIMATE_FIELDS, "key"]
    direct = running.services.service.cascade().estimate(hand, "female").to_json()
    assert {name: answer[name] for name in ESTIMATE_FIELDS} == direct
    assert answer["image"] == "hand.png"


def test_reasons_come_where_they_are_asked_for(client: Client, hand: Path) -> None:
    answer = predict(client, hand, reasons=True)
    assert list(answer) == ["image", *ESTIMATE_FIELDS, "key", *REASON_FIELDS]
    experts = answer["experts"]
    assert isinstance(experts, list) and [one["range"] for one in experts][0] == "0-57"


def test_a_table_adds_what_the_command_says_of_the_chronological_age(client: Client, hand: Path) -> None:
    answer = predict(client, hand, chronological_months=100, table="greulich-pyle")
    assert list(answer) == ["image", *ESTIMATE_FIELDS, *COMPARISON_FIELDS, "key"]
    assert (answer["table"], answer["difference_months"]) == ("Greulich-Pyle V/VI", -13.5)
    assert str(answer["comparison"]).startswith("z-score -") and "not seen" in str(answer["table_provenance"])


def test_a_table_of_ones_own_is_a_file(client: Client, hand: Path, tmp_path: Path) -> None:
    own = tmp_path / "clinic.csv"
    own.write_text("chronological_months,sex,sd_months\n90,F,8\n110,F,10\n", encoding="utf-8")
    answer = predict(client, hand, chronological_months=100, table_file=handle_file(str(own)))
    assert (answer["table"], answer["sd_months"], answer["z_score"]) == ("clinic.csv", 9, -1.5)
    own.write_text("nothing", encoding="utf-8")
    with pytest.raises(AppError, match="clinic.csv must have the columns") as refused:
        predict(client, hand, chronological_months=100, table_file=handle_file(str(own)))
    assert "/" not in str(refused.value)


def test_the_heat_map_comes_with_how_far_it_can_be_believed(client: Client, hand: Path) -> None:
    answer = predict(client, hand, heat_map=True)
    assert list(answer) == ["image", *ESTIMATE_FIELDS, "key", "heat_map", "faithfulness"]
    assert str(answer["heat_map"]).startswith("data:image/jpeg;base64,")
    found = answer["faithfulness"]["grad-cam"]  # type: ignore[index,call-overload]
    assert found["draws"] == 8 and "no better than chance" in found["sentence"]


def test_calls_of_clients_that_count_their_arguments_go_on_working(client: Client, hand: Path) -> None:
    answer = client.predict(handle_file(str(hand)), "female", "", None, False, True, api_name="/predict")
    assert list(answer) == ["image", *ESTIMATE_FIELDS, "key", *REASON_FIELDS]


def test_a_range_skips_the_classifier(client: Client, hand: Path) -> None:
    answer = predict(client, hand, age_range="172-228", chronological_months=180)
    assert (answer["group"], answer["routing"], answer["age_range"]) == (4, "given", "172-228")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sex": "unknown"}, "female"),
        ({"sex": ""}, "sex"),
        ({"age_range": "0-228"}, "0-57"),
        ({"chronological_months": -3}, "chronological"),
        ({"table": "greulich-pyle"}, "needs the chronological age"),
        ({"table": "tanner", "chronological_months": 90}, "brush-foundation or greulich-pyle"),
        ({"table": "/etc/secret.csv", "chronological_months": 90}, "brush-foundation or greulich-pyle"),
    ],
)
def test_wrong_fields_are_refused_in_one_sentence(client: Client, hand: Path, fields: dict, words: str) -> None:
    with pytest.raises(AppError, match=words):
        predict(client, hand, **fields)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_bad_files_are_refused_without_a_traceback(client: Client, tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(AppError) as refused:
        predict(client, bad)
    assert "bad.png" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert "/" not in str(refused.value).replace("n/a", "")


def test_16_bit_and_dicom_are_read(client: Client, tmp_path: Path) -> None:
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), hand_pixels().astype(np.uint16) * 257)
    assert predict(client, deep)["group"] == 2
    film = write_dicom(tmp_path / "film.dcm", hand_pixels(), sex="F")
    assert any("male" in str(note) for note in predict(client, film, sex="male")["warnings"])  # type: ignore[union-attr]


def test_a_blank_image_gives_a_warning_not_a_division(client: Client, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros((80, 60), np.uint8))
    assert any("blank" in str(note) for note in predict(client, blank)["warnings"])  # type: ignore[union-attr]


def test_flag_saves_the_last_estimate_of_the_session_once(running: Running, hand: Path) -> None:
    client = Client(running.url, verbose=False)
    with pytest.raises(AppError, match="estimate first"):
        client.predict(reader_age_months=100, comment="", consent=True, api_name="/flag")
    predict(client, hand, sex="male")
    with pytest.raises(AppError, match="confirm"):
        client.predict(reader_age_months=100, comment="", consent=False, api_name="/flag")
    with pytest.raises(AppError, match="228"):
        client.predict(reader_age_months=300, comment="", consent=True, api_name="/flag")
    first = client.predict(reader_age_months=100, comment="clear", consent=True, api_name="/flag")
    again = client.predict(reader_age_months=101, comment="clearer", consent=True, api_name="/flag")
    assert (first["updated"], again["updated"]) == (False, True)
    records = running.services.flags.records()
    mine = records[records["sex"] == "male"]
    assert mine[["reader_age_months", "comment", "version"]].to_numpy().tolist() == [[101.0, "clearer", "3"]]
    assert first["folder"] == "flagged/images"
    assert (running.services.flags.folder / "images" / first["saved"]).is_file()


def film_of(tmp_path: Path, number: int) -> Path:
    pixels = hand_pixels()
    pixels[1, :] = 60 + number
    return write_png(tmp_path / f"film-{number}.png", pixels)


def reading_of(running: Running, key: str) -> float:
    rows = running.services.flags.records()
    return float(rows[rows["key"] == key]["reader_age_months"].item())


def test_after_a_failed_estimate_no_reading_is_saved_with_the_film_before(running: Running, tmp_path: Path) -> None:
    client = Client(running.url, verbose=False)
    first = predict(client, film_of(tmp_path, 1))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    with pytest.raises(AppError):
        predict(client, bad)
    before = len(running.services.flags.records())
    with pytest.raises(AppError, match="estimate first"):
        client.predict(reader_age_months=150, comment="", consent=True, api_name="/flag")
    assert len(running.services.flags.records()) == before
    # Named by its key, the film before can still be saved; a key of nothing cannot.
    with pytest.raises(AppError, match="not known here"):
        client.predict(reader_age_months=150, consent=True, key="0" * 64, api_name="/flag")
    kept = client.predict(reader_age_months=80, consent=True, key=first["key"], api_name="/flag")
    assert kept["key"] == first["key"] and reading_of(running, str(first["key"])) == 80


def test_a_key_names_film_model_and_request(client: Client, hand: Path, tmp_path: Path) -> None:
    keys = [
        predict(client, hand)["key"],
        predict(client, hand)["key"],
        predict(client, hand, sex="male")["key"],
        predict(client, hand, age_range="0-57")["key"],
        predict(client, film_of(tmp_path, 2))["key"],
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 4


def test_threads_of_one_client_save_their_readings_with_their_films(client, running: Running, tmp_path: Path) -> None:
    films = [film_of(tmp_path, 10 + number) for number in range(8)]

    def read(number: int) -> tuple[str, float]:
        key = str(predict(client, films[number])["key"])
        client.predict(reader_age_months=100 + number, consent=True, key=key, api_name="/flag")
        return key, 100.0 + number

    with ThreadPoolExecutor(8) as pool:
        read_by_key = dict(pool.map(read, range(8)))
    assert {key: reading_of(running, key) for key in read_by_key} == read_by_key


def test_text_on_a_film_is_shown_before_it_is_blacked_out_and_saved(
    running: Running, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("boneage.ui.flags.texts.look", text_in_the_corner)
    client = Client(running.url, verbose=False)
    film = film_of(tmp_path, 77)
    key = predict(client, film)["key"]
    before = len(running.services.flags.records())
    shown = client.predict(consent=True, key=key, api_name="/flag")
    assert shown["saved"] is None and shown["texts"] == 1 and shown["preview"].startswith("data:image/jpeg")
    assert len(running.services.flags.records()) == before
    # What was found is kept: a film is looked at once.
    monkeypatch.setattr("boneage.ui.flags.texts.look", lambda film: pytest.fail("looked at twice"))
    saved = client.predict(consent=True, key=key, text_seen=True, api_name="/flag")
    assert saved["texts"] == 1
    kept = cv2.imread(str(running.services.flags.folder / "images" / saved["saved"]), cv2.IMREAD_GRAYSCALE)
    original = cv2.imread(str(film), cv2.IMREAD_GRAYSCALE)
    assert (kept[:20, :60] == 0).all() and np.array_equal(kept[20:], original[20:])


def test_adult_height_is_answered_where_height_and_age_are_given(client: Client, hand: Path) -> None:
    answer = predict(client, hand, chronological_months=90, height_cm=125, father_cm=180, mother_cm=165)
    assert answer["target_height_cm"] == 166.0 and answer["height_cm"] == 125
    # 86.5 months, a girl within a year of her age
    assert answer["adult_height_cm"] == pytest.approx(100 * 125 / float(answer["percent_of_adult_height"]), abs=0.2)
    with pytest.raises(AppError, match="chronological age"):
        predict(client, hand, height_cm=125)


def test_a_restart_between_estimate_and_flag_saves_nothing(running: Running, hand: Path) -> None:
    client = Client(running.url, verbose=False)
    key = predict(client, hand)["key"]
    before = len(running.services.flags.records())
    running.services.recent.__init__()  # type: ignore[misc]  # as a server that has just been started: it knows none
    for given in ({"key": key}, {}):
        with pytest.raises(AppError, match="estimate"):
            client.predict(reader_age_months=150, consent=True, api_name="/flag", **given)
    assert len(running.services.flags.records()) == before


def test_fifty_people_flag_at_once_and_nothing_is_lost(running: Running, tmp_path: Path) -> None:
    cases = []
    for number in range(25):
        pixels = hand_pixels()
        pixels[1, :] = 100 + number
        file = tmp_path / f"{number}.png"
        cv2.imwrite(str(file), pixels)
        request = Request(str(file), file.name, Sex.FEMALE)
        cases.append(make_case(running.services.service, request, "en", lambda share, words: None))
    before = len(running.services.flags.records())

    def flag(place: int) -> bool:
        # Every film is flagged by two people: one saves it, the other updates it.
        reading = Reading(90.0, f"by {place}", True)
        return flag_case(running.services.flags, cases[place % 25], reading, None, "en").updated

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(flag, range(50)))
    records = running.services.flags.records()
    assert len(records) - before == 25
    by = records["comment"][records["comment"].str.startswith("by ")].str.removeprefix("by ").astype(int)
    assert set(by % 25) == set(range(25))


def test_a_withheld_estimate_is_an_error_with_its_reason_unless_insisted(running: Running, hand: Path) -> None:
    client = Client(running.url, verbose=False)
    uri = running.services.service.uri
    running.catalogue.gate, running.catalogue.versions[uri] = True, "8"
    try:
        with pytest.raises(AppError, match="no hand was found"):
            predict(client, hand)
        answer = predict(client, hand, anyway=True)
        assert any("in spite of this" in str(note) for note in answer["warnings"])  # type: ignore[union-attr]
    finally:
        running.catalogue.gate, running.catalogue.versions[uri] = False, "3"


def test_eight_visitors_at_once_all_get_an_answer(running: Running, hand: Path) -> None:
    clients = [Client(running.url, verbose=False) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: predict(clients[i % 4], hand), range(8)))
    assert {answer["bone_age_months"] for answer in answers} == {86.5}


def test_a_promotion_takes_effect_at_the_next_estimate(client: Client, running: Running, hand: Path) -> None:
    assert predict(client, hand)["version"] == "3"
    uri = running.services.service.uri
    running.catalogue.versions[uri] = "4"
    try:
        assert predict(client, hand)["version"] == "4"
    finally:
        running.catalogue.versions[uri] = "3"


def test_no_model_says_what_to_run(client: Client, running: Running, hand: Path) -> None:
    running.catalogue.fault = BoneageError("nothing is registered: run `make study`")
    try:
        with pytest.raises(AppError, match="make study"):
            predict(client, hand)
    finally:
        running.catalogue.fault = None


def test_a_fault_of_ours_shows_a_general_sentence(client: Client, running: Running, hand: Path) -> None:
    running.catalogue.fault = RuntimeError("secret detail")
    try:
        with pytest.raises(AppError) as refused:
            predict(client, hand)
    finally:
        running.catalogue.fault = None
    assert "server's log" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_only_the_two_documented_endpoints_are_public(client: Client) -> None:
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/predict", "/flag"}


def test_flagged_cases_and_the_store_are_not_reachable(running: Running) -> None:
    from boneage.paths import project_root

    inside = running.services.flags.folder / "secret.txt"
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.write_text("secret", encoding="utf-8")
    targets = [inside, running.services.flags.folder / "flags.db", project_root() / "mlruns" / ".gitkeep",
               project_root() / "boneage" / "config.py"]  # fmt: skip
    for target in targets:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{running.url}gradio_api/file={target}", timeout=30)
        assert refused.value.code in {403, 404}, target


def test_privacy_settings_are_off(running: Running) -> None:
    import json

    with urllib.request.urlopen(f"{running.url}config", timeout=30) as answer:
        config = json.load(answer)
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    for path in ("monitoring", "gradio_api/monitoring/summary"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{running.url}{path}", timeout=30)
