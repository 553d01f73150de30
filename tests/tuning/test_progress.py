"""What a user sees of a search: its state from the storage, a bar per model, Optuna's plots."""

import io

import optuna
import pytest

from tests.tuning.conftest import SPLIT, make_task
from tuning.__main__ import with_budget
from tuning.display import search_page
from tuning.progress import bars, read_state, watching
from tuning.study import UNLIMITED, goal_of, open_study, storage_for, trials_left


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def task():
    return make_task()


@pytest.fixture
def study(home, task):
    """Two finished trials, one under way with three folds behind it."""
    home("watched")
    study = open_study(task.config, task.key, SPLIT, storage_for(task.config))
    for value in (8.5, 7.25):
        trial = study.ask()
        trial.suggest_float("initial_learning_rate", 1e-4, 1e-2, log=True)
        trial.suggest_categorical("batch_size", (16, 32, 64))
        study.tell(trial, value)
    trial = study.ask()
    for fold in range(3):
        trial.report(8.0, fold)
    return study


def test_a_searchs_state_is_read_from_the_storage(study, task):
    state = read_state(study, task.config, task.key)
    assert (state.trials, state.done, state.total) == (2, pytest.approx(2.6), 6)
    assert state.sentence == "2 of 6 trials, best 7.25 months (trial 1)"


def test_a_search_limited_in_time_is_shown_by_its_seconds(study, task):
    config = with_budget(task.config, None, 5.0, 10.0)
    state = read_state(study, config, task.key)
    assert state.total == 30.0
    assert state.sentence == "2 trials, best 7.25 months (trial 1)"
    assert trials_left(study, config.tuning) == UNLIMITED


def test_the_bars_show_every_model_with_its_best_and_the_time_left(study, task):
    stream = Terminal()
    with bars(stream) as show, watching([task], SPLIT, show, every=60.0):
        pass
    said = stream.getvalue()
    assert "regressor-male-2" in said and "43%" in said
    assert "best 7.25 months (trial 1)" in said and "left" in said


def test_there_is_no_bar_where_nobody_looks():
    with bars(io.StringIO()) as show:
        assert show is None


def test_the_page_of_plots_has_history_and_slices_and_needs_no_network(study, task):
    page = search_page({task.key: study}, {task.key: goal_of(task.config, task.key).metric}, "Search")
    assert 'id="regressor-male-2"' in page and "best mae_months 7.25 in trial 1" in page
    assert "Optimization History Plot" in page and "Slice Plot" in page
    assert 'src="http' not in page


def test_a_search_without_a_finished_trial_has_a_page_without_plots():
    page = search_page({"empty": optuna.create_study()}, {"empty": "mae_months"}, "Search")
    assert "empty" in page and "Plot" not in page
