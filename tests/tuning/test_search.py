"""A search that is stopped or killed ends where an uninterrupted one does, and the same seed gives the same figures."""

import os
import signal

import optuna
import pytest

from boneage import stopping
from boneage.learn import crossval
from boneage.learn.fit import DivergedError
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store
from tests.tuning.conftest import SPLIT, make_task
from tuning.objective import best_file, choose_by_search, load_chosen
from tuning.study import open_study, storage_for


def search(task):
    """Search one model in the present home; return what was chosen and the study."""
    tracker = StudyTracker(open_store(), task.config, SPLIT, stopped=(optuna.TrialPruned,))
    with tracker.study_run(), tracker.model_run(task.key):
        tracker.end_stale()
        chosen = choose_by_search(task, tracker)
    return chosen, open_study(task.config, task.key, SPLIT, storage_for(task.config))


def table(study):
    """Return parameters and value of every finished trial, in the order in which they were finished."""
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return [(trial.params, trial.value) for trial in study.get_trials(states=states)]


def same(first, second):
    assert len(first) == len(second)
    for (params, value), (other_params, other_value) in zip(first, second, strict=True):
        assert params == other_params
        assert value == pytest.approx(other_value, abs=1e-6)


@pytest.fixture
def counted(monkeypatch):
    """Count fits; `counted.at` calls a function when so many have been made."""

    class Counter:
        fits = 0
        at = {}

    fit_head = crossval.fit_head

    def fit(*args, **kwargs):
        Counter.fits += 1
        result = fit_head(*args, **kwargs)
        Counter.at.pop(Counter.fits, lambda: None)()
        return result

    monkeypatch.setattr(crossval, "fit_head", fit)
    return Counter


def test_two_homes_with_one_seed_give_the_same_trials_and_the_same_figures(home):
    home("first")
    chosen, study = search(make_task())
    home("second")
    again, second = search(make_task())
    same(table(study), table(second))
    assert len({str(sorted(params.items())) for params, _ in table(study)}) == 6
    assert again.params == chosen.params
    assert again.cv.mean == pytest.approx(chosen.cv.mean, abs=1e-6)


@pytest.mark.parametrize("stops", [(7,), (12, 14, 27)], ids=["in a starting point", "three times"])
def test_a_search_stopped_by_ctrl_c_ends_as_if_it_had_not_been(home, counted, stops):
    home("whole")
    chosen, whole = search(make_task())
    uninterrupted, counted.fits = counted.fits, 0
    home("stopped")
    said = []
    for stop in stops:
        counted.at[stop] = lambda: os.kill(os.getpid(), signal.SIGINT)
        before = counted.fits
        with pytest.raises(KeyboardInterrupt), stopping.gracefully(said.append):
            search(make_task())
        assert before < counted.fits == stop, "it stops after the fold under way"
    assert len(said) == len(stops) and "fold" in said[0]
    again, study = search(make_task())
    assert counted.fits == uninterrupted, "finished folds are not fitted again"
    same(table(study), table(whole))
    assert again.params == chosen.params
    assert again.cv.mean == pytest.approx(chosen.cv.mean, abs=1e-6)
    client = open_store()
    experiment = client.get_experiment_by_name("small").experiment_id
    assert not client.search_runs([experiment], "attributes.status = 'RUNNING'")
    killed = client.search_runs([experiment], "attributes.status = 'KILLED' and tags.level = 'trial'")
    assert len(killed) == len(stops)
    folds = client.search_runs([experiment], "tags.level = 'fold' and attributes.status = 'FINISHED'", max_results=500)
    assert len(folds) >= 6 * 5


def test_a_stop_between_models_begins_nothing(home):
    home("idle")
    with pytest.raises(KeyboardInterrupt), stopping.gracefully(lambda _: None):
        os.kill(os.getpid(), signal.SIGINT)
        search(make_task())
    assert not stopping.asked(), "the next search is not stopped by the last one's Ctrl-C"


def test_a_second_ctrl_c_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), stopping.gracefully(lambda _: None):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second one must interrupt here")


def test_a_diverging_trial_ends_alone(home, monkeypatch):
    home("wild")
    fit_head, calls = crossval.fit_head, []

    def fit(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise DivergedError("the loss was never a finite number")
        return fit_head(*args, **kwargs)

    monkeypatch.setattr(crossval, "fit_head", fit)
    _, study = search(make_task(trials=2))
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE"]


@pytest.mark.parametrize("goal", ["accuracy", "log_loss", "quadratic_kappa"])
def test_the_chosen_objective_decides_between_trials(home, goal):
    home(goal)
    task = make_task("classifier-male", trials=2, classifier_objective=goal)
    chosen, study = search(task)
    values = [trial.value for trial in study.trials]
    assert study.best_value == (min(values) if goal == "log_loss" else max(values))
    assert chosen.cv.mean[goal] == pytest.approx(study.best_value)
    assert load_chosen(best_file(task, study)).trial == study.best_trial.number


def test_a_budget_in_time_ends_a_search_after_its_first_result(home):
    home("short")
    _, study = search(make_task(trials=0, seconds=1e-3))
    assert len(study.trials) == 1
