"""`boneage methods` reads a store's studies: the newest run of each, hard routing beside soft, and what is missing."""

import pandas as pd
import pytest

from boneage.cli import main
from boneage.study.methods import read_methods
from boneage.tracking.store import ensure_experiment

TRUE = [40.0, 100.0, 130.0, 200.0]


def study(client, name, months, *, hard=None, metrics=None):
    experiment = ensure_experiment(client, "methods")
    run = client.create_run(experiment, tags={"level": "study", "study": name}).info.run_id
    frame = pd.DataFrame({"id": ["a", "b", "c", "d"], "sex": ["male", "female"] * 2, "true_months": TRUE})
    frame["estimated_months"] = months
    if hard:
        frame["hard_months"] = hard
    if months is not None:
        client.log_text(run, frame.to_csv(index=False), "validation/per-image.csv")
    for key, value in (metrics or {}).items():
        client.log_metric(run, key, value)
    client.log_param(run, "backbone.name", "handlite0")
    client.set_terminated(run)
    return run


@pytest.fixture
def studies(store):
    study(store, "soft", [90.0] * 4)
    study(store, "soft", [44.0, 104.0, 134.0, 204.0], hard=[40.0, 100.0, 130.0, 208.0], metrics={"seconds": 120.0})
    study(store, "lee2017", [50.0, 110.0, 140.0, 210.0])
    study(store, "empty", None)
    return store


def test_the_newest_run_of_every_study_is_a_method_and_its_hard_routing_another(studies):
    methods, missing = read_methods(studies)
    by_name = {method.name: method for method in methods}
    assert set(by_name) == {"soft", "soft, hard routing", "lee2017"}
    assert by_name["soft"].films["months"].tolist() == [44.0, 104.0, 134.0, 204.0]
    assert by_name["soft, hard routing"].films.loc["d", "months"] == 208.0
    assert by_name["soft"].facts["train_minutes"] == 2.0
    assert missing == {"empty": "its run has no validation/per-image.csv"}


def test_the_command_prints_the_tables_and_writes_pages(studies, capsys, tmp_path):
    out = tmp_path / "methods.md"
    assert main(["methods", "--no-costs", "--against", "soft", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    rows = [line.split("  ")[0] for line in printed.out.partition("All films")[2].splitlines()[2:5]]
    assert rows == ["soft", "soft, hard routing", "lee2017"]  # the one to compare with, then by error
    assert "0.7554" in printed.out and "Research" in printed.out and "empty is left out" in printed.err
    assert "| lee2017 | 4 | 10.000 |" in out.read_text()
    assert out.with_suffix(".html").read_text().count("<img") == 1
    assert main(["methods", "--no-costs", "--against", "sofd"]) == 1
    assert "'soft'" in capsys.readouterr().err
