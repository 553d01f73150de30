import optuna
import pytest

from boneage.config import HeadParameters
from boneage.groups import Task
from tuning.spaces import first_trial, suggest


@pytest.mark.parametrize("task", list(Task))
def test_the_first_trial_is_the_papers_architecture_and_lies_in_the_space(task):
    params = suggest(optuna.trial.FixedTrial(first_trial(task, HeadParameters())), task, HeadParameters())
    assert (params.width_1, params.width_2, params.dropout) == (1024, 512, 0.2)
    assert params == HeadParameters()


def test_the_configured_learning_rate_starts_the_search_even_from_outside_the_space():
    start = first_trial(Task.REGRESSOR, HeadParameters(initial_learning_rate=1.0, batch_size=40, width_1=64))
    assert start["initial_learning_rate"] == pytest.approx(1e-2)
    assert start["batch_size"] == 32
    assert start["width_1"] == 1024


def test_only_regressors_search_a_loss():
    assert "loss" in first_trial(Task.REGRESSOR, HeadParameters())
    assert "loss" not in first_trial(Task.CLASSIFIER, HeadParameters())


def test_what_is_not_searched_comes_from_the_configuration():
    base = HeadParameters(standardize=True)
    assert suggest(optuna.trial.FixedTrial(first_trial(Task.REGRESSOR, base)), Task.REGRESSOR, base).standardize


def test_random_trials_stay_within_the_space():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        params = suggest(study.ask(), Task.REGRESSOR, HeadParameters())
        assert 1e-4 <= params.initial_learning_rate <= 1e-2
        assert params.loss in ("mae", "mse", "huber")
        assert params.width_1 in (256, 512, 1024) and params.width_2 in (128, 256, 512)
