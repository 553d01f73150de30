"""The audit log: every change of it shows, many may write, and no patient is in it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from boneage.cli import main
from boneage.hospital import audit_trail
from boneage.hospital.audit_trail import VARIABLE, AuditError, Trail
from tests.hospital.films import cascade, film_bytes


@pytest.fixture
def log(tmp_path):
    trail = Trail(tmp_path / "audit")
    for number in range(6):
        trail.add("answered", "mia", film="f" * 8, model="fake", version=str(number), bone_age_months=120.5)
    return trail


def lines(trail):
    return [path.read_text().splitlines() for path in sorted(trail.folder.glob("audit-*.jsonl"))]


def test_a_whole_log_holds(log):
    found = log.check()
    assert (found.lines, found.files) == (6, 1) and found.last == json.loads(lines(log)[0][-1])["hash"]


CHANGES = {
    "changed": lambda rows: [*rows[:2], rows[2].replace("120.5", "121.5"), *rows[3:]],
    "taken out, put in or moved": lambda rows: [*rows[:2], *rows[3:]],
    "taken out, put in": lambda rows: [rows[1], rows[0], *rows[2:]],
    "cut off": lambda rows: rows[:4],
    "no line of this log": lambda rows: [*rows[:5], rows[5][:30]],
}


@pytest.mark.parametrize("words", list(CHANGES))
def test_every_change_shows(log, words):
    (path,) = log.folder.glob("audit-*.jsonl")
    path.write_text("\n".join(CHANGES[words](path.read_text().splitlines())) + "\n")
    with pytest.raises(AuditError, match=words):
        log.check()


def test_files_are_rotated_and_the_chain_goes_on(log, monkeypatch):
    monkeypatch.setattr(audit_trail, "_ROTATE_BYTES", 1000)
    for _ in range(8):
        log.add("refused", "mia", film="e" * 8, kind="cut_off")
    assert len(lines(log)) > 2 and log.check().lines == 14
    next(iter(log.folder.glob("audit-000002.jsonl"))).unlink()
    with pytest.raises(AuditError, match="does not follow"):
        log.check()


def test_a_line_that_a_power_cut_halved_is_no_damage(log):
    (path,) = log.folder.glob("audit-*.jsonl")
    with path.open("a") as file:
        file.write('{"n": 7, "time": "20')
    log.add("flagged", "mia", film="d" * 8)
    assert log.check().lines == 7


def test_many_write_at_once(log):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: Trail(log.folder).add("answered", f"user {number}", film="c"), range(20)))
    assert log.check().lines == 26


def test_other_facts_are_refused(log):
    with pytest.raises(AuditError, match="patient"):
        log.add("answered", "mia", patient="Muster")


def test_predict_logs_with_audit_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("boneage.commands.predict.open_cascade", lambda uri: cascade())
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    film, broken = tmp_path / "Muster.dcm", tmp_path / "broken.dcm"
    film.write_bytes(film_bytes(130))
    broken.write_bytes(film_bytes(130)[:400])
    assert main(["predict", str(film)]) == 0 and not (tmp_path / "audit").exists()
    monkeypatch.delenv(VARIABLE)
    try:
        assert main(["--audit", "predict", str(film), str(broken), "--format", "json"]) == 1
    finally:
        monkeypatch.setenv(VARIABLE, "")
    said = [json.loads(row) for row in lines(Trail(tmp_path / "audit"))[0]]
    assert [one["event"] for one in said] == ["answered", "failed"]
    assert said[0]["bone_age_months"] == 129.99 and said[0]["version"] == "7" and len(said[0]["film"]) == 64
    assert "Muster" not in json.dumps(said) and "4711" not in json.dumps(said)
    assert main(["log", "verify"]) == 0 and "2 lines in 1 files hold" in capsys.readouterr().out
    (path,) = (tmp_path / "audit").glob("audit-*.jsonl")
    path.write_text(path.read_text().replace("129.99", "99.0"))
    assert main(["log", "verify"]) == 1 and "line 1 was changed" in capsys.readouterr().err
