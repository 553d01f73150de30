"""Daily counts and their comparison: drift is found where there is one, and rarely where there is none."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from boneage.cascade.case_index import CaseIndex
from boneage.cli import main
from boneage.hospital.drift import DailyCounts, DriftError, Seen, bins_of, compare, training_counts
from boneage.hospital.result import Question, judge
from tests.hospital.films import cascade, film_bytes
from tests.hospital.test_results import refusing


def drawn(rng, shift=0.0, films=150):
    groups = rng.choice(["female 2", "female 3", "male 3"], films)
    differences = np.clip(np.round((rng.normal(0, 10, films) + shift) / 6), -4, 4)
    return {"group": Counter(groups), "difference": Counter(f"{value:g}" for value in differences)}


def test_a_shift_is_found_and_chance_seldom_taken_for_one():
    rng = np.random.default_rng(1)
    shifted = compare(drawn(rng, shift=8.0), drawn(rng))
    by_name = {one.measure: one for one in shifted}
    assert by_name["difference"].drifted and not by_name["group"].drifted
    assert by_name["difference"].p_corrected >= by_name["difference"].p
    false = sum(any(one.drifted for one in compare(drawn(rng), drawn(rng))) for _ in range(60))
    assert false <= 8  # 5 % of 60 are 3


def test_few_films_say_nothing_and_no_film_is_an_error():
    rng = np.random.default_rng(2)
    (group, difference) = compare(drawn(rng, films=10), drawn(rng))
    assert group.p is None and "too few films" in difference.sentence()
    with pytest.raises(DriftError, match="no film"):
        compare({}, drawn(rng))


@pytest.fixture(scope="module")
def results():
    one = cascade()
    refuser = cascade()
    refuser.examine = refusing
    good = judge(one, film_bytes(131), Question())
    return replace(good, noise=2.5), judge(refuser, film_bytes(131), Question())


def test_a_film_is_counted_by_bins_alone(results):
    assert bins_of(Seen.of(results[0])) == {
        "outcome": "estimated", "side": "00: –512", "noise": "03: 2–3", "group": "female 3", "difference": "06: 6–12",
        "field": "05: 1–",
    }  # fmt: skip
    assert bins_of(Seen.of(results[1])) == {"outcome": "refused: cut_off", "side": "00: –512"}


@pytest.fixture
def counted(results, tmp_path):
    counts = DailyCounts(tmp_path / "counts")
    for day in range(1, 26):
        counts.add(Seen.of(results[0]), date(2026, 10, day))
        counts.add(Seen.of(results[day % 2]), date(2026, 11, day))
    return counts


def test_days_add_up(counted):
    assert counted.between(date(2026, 10, 3), date(2026, 10, 7))["outcome"] == {"estimated": 5}
    assert counted.between(date(2026, 10, 25), date(2026, 11, 2))["outcome"] == {"estimated": 2, "refused: cut_off": 1}


def test_the_command_compares_periods(counted, tmp_path, capsys, monkeypatch):
    command = ["drift", str(counted.folder), "--period", "2026-11-01..2026-11-30"]
    page = tmp_path / "drift.html"
    assert main([*command, "--against", "2026-10-01..2026-10-31", "--format", "json", "--html", str(page)]) == 1
    said = {one["measure"]: one for one in json.loads(capsys.readouterr().out)}
    assert said["outcome"]["drifted"] and not said["side"]["drifted"] and said["group"]["p"] is None
    assert page.read_text(encoding="utf-8").count("data:image/png") == 6
    assert main([*command, "--against", "2026-13-01"]) == 2
    monkeypatch.setattr("boneage.hospital.drift.project_root", lambda: counted.folder.parent)
    assert main(["drift", *command[2:], "--against", "2026-10-01..2026-10-31"]) == 1  # the page's counts
    assert "Estimated, or refused by kind: DRIFTED" in capsys.readouterr().out


def test_the_models_own_images_are_a_reference(monkeypatch, counted, store, capsys):
    one = cascade()
    one.card = {"validation": {f"images_{sex}_{group}": 30.0 for sex in ("female", "male") for group in (1, 2, 3, 4)}}
    monkeypatch.setattr("boneage.commands.drift.open_cascade", lambda uri: one)
    assert main(["drift", str(counted.folder), "--period", "2026-10-01..2026-10-31", "--mlflow"]) == 1
    assert "Sex and age group: DRIFTED" in capsys.readouterr().out
    experiment = store.get_experiment_by_name("boneage-drift")
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.data.metrics["group_p_corrected"] < 0.05 and run.data.tags["period"].startswith("2026-10-01")
    one.cases = CaseIndex.of("x", list("abc"), ["female", "male", "male"], np.array([20, 100, 110]), np.eye(3))
    assert training_counts(one) == {"group": {"female 1": 1, "male 2": 2}}
    with pytest.raises(DriftError, match="does not say"):
        training_counts(cascade())
