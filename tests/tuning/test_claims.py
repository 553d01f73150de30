"""Facts about a search that workers share through a database, on SQLite and without any fitting."""

from types import SimpleNamespace

import optuna
import pytest

from boneage.config import from_mapping
from boneage.databases import DatabaseError
from boneage.groups import ModelKey
from tuning import claims
from tuning.study import storage_for, storage_url

STATES = optuna.trial.TrialState
BUDGET = 5


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Two workers on one model; the runs that they would end are counted."""
    ended = []
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{tmp_path / 'trials.db'}")
    monkeypatch.setattr(claims, "close_dead", lambda *_: ended.append(1))
    config = from_mapping({"preprocess": {"background": "none"}, "tuning": {"trials": BUDGET, "pruner": "none"}})
    task = SimpleNamespace(config=config, key=ModelKey.parse("regressor-female-2"))
    tracker = SimpleNamespace(split_sha256="split")
    both = [claims.SharedSearch(task, tracker, storage_for(config)) for _ in range(2)]
    both[0].ended = ended
    return both


def test_claims_never_exceed_the_budget_and_starting_points_come_once(workers):
    first, second = workers
    taken = [trial for worker in (first, second) * BUDGET if (trial := worker.claim()) is not None]
    assert [trial.number for trial in taken] == list(range(BUDGET))
    assert first.claim() is None and not second.finished()
    points = [trial.system_attrs.get("fixed_params") for trial in first.study.trials]
    given = [str(point) for point in points if point]
    assert given and len(given) == len(set(given))
    for trial in taken:
        first.study.tell(trial.number, 1.0)
    assert second.finished() and second.claim() is None


def test_a_failed_trial_leaves_its_place_in_the_budget_to_another(workers):
    first, second = workers
    taken = [first.claim() for _ in range(BUDGET)]
    with pytest.raises(RuntimeError, match="out of memory"):
        _run(first, taken[0], RuntimeError("out of memory"))
    again = second.claim()
    assert again.number not in [trial.number for trial in taken]
    assert _asked(second, again) == _asked(first, taken[0])
    assert first.claim() is None


def test_a_pruned_trial_counts(workers):
    first, _ = workers
    for _number in range(BUDGET):
        _run(first, first.claim(), optuna.TrialPruned())
    assert first.finished()
    assert {trial.state for trial in first.study.trials[:BUDGET]} == {STATES.PRUNED}


def test_a_worker_that_died_while_it_claimed_gives_its_trial_back(workers):
    first, second = workers
    lost = first.study.ask()
    assert _asked(second, second.claim()) != _asked(first, lost), "others wait before it"
    assert first.study.trials[lost.number].state == STATES.FAIL
    assert first.ended, "its open runs are looked for"
    taken = 1
    while second.claim() is not None:
        taken += 1
    assert taken == BUDGET


def test_a_password_in_a_configuration_is_refused_and_not_repeated():
    config = from_mapping({"tuning": {"storage": "postgresql://me:s3cret@host/db"}})
    with pytest.raises(DatabaseError, match="OPTUNA_STORAGE") as caught:
        storage_url(config)
    assert "s3cret" not in str(caught.value)


def _asked(worker, trial):
    """Return the hyperparameters that a trial was asked with."""
    return worker.study.trials[trial.number].system_attrs["fixed_params"]


def _run(worker, trial, error):
    """Run a trial whose cross-validation ends in an error."""

    def objective(*_):
        def fail(_trial):
            raise error

        return fail

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "Objective", objective)
        patch.setattr(claims, "best_file", lambda *_: None)
        worker.run(trial)
