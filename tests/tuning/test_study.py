import tomllib

import optuna
import pytest

from boneage.config import from_mapping, head_parameters
from boneage.groups import ModelKey
from tuning.study import export_best, open_study, pruner_of, queue_next, study_name, trials_left

KEY = ModelKey.parse("regressor-female-2")
CLASSIFIER = ModelKey.parse("classifier-male")


@pytest.fixture
def storage(tmp_path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal")))


def config(**tuning):
    return from_mapping({"study": {"name": "small"}, "tuning": tuning})


def test_a_study_that_is_opened_again_continues(storage):
    first = open_study(config(), KEY, "split", storage)
    first.optimize(lambda trial: trial.suggest_float("initial_learning_rate", 1e-4, 1e-2, log=True), n_trials=2)
    again = open_study(config(), KEY, "split", storage)
    assert len(again.trials) == 2
    assert trials_left(again, config(trials=5).tuning) == 3


def test_other_data_or_settings_open_another_study():
    names = {
        study_name(config(), KEY, "split"),
        study_name(config(), KEY, "other split"),
        study_name(config(), CLASSIFIER, "split"),
        study_name(from_mapping({"study": {"name": "small"}, "preprocess": {"crop": True}}), KEY, "split"),
    }
    assert len(names) == 4
    assert study_name(config(trials=3), KEY, "split") == study_name(config(trials=9), KEY, "split")


def test_the_papers_architecture_is_asked_first(storage):
    trial = open_study(config(), CLASSIFIER, "split", storage).ask()
    assert trial.suggest_categorical("width_1", (256, 512, 1024)) == 1024


def test_known_good_settings_follow_the_papers_one_by_one(storage):
    study = open_study(config(), KEY, "split", storage)
    widths = []
    for _ in range(3):
        queue_next(study, config(), KEY)
        trial = study.ask()
        widths.append(trial.suggest_categorical("width_2", (128, 256, 512)))
        study.tell(trial, 1.0)
    assert widths == [512, 128, 256]


def test_new_weights_open_another_study(monkeypatch):
    before = study_name(config(), KEY, "split")
    monkeypatch.setattr("tuning.study.weights_identity", lambda backbone: "others")
    assert study_name(config(), KEY, "split") != before


def test_the_default_pruner_can_act_after_two_folds():
    pruner = pruner_of(config().tuning.pruner)
    study = optuna.create_study(pruner=pruner)
    for offset, pruned in ((0.0, False), (5.0, True)):
        trial = study.ask()
        for fold, figure in enumerate((8.0, 9.0)):
            trial.report(figure + offset, fold)
        assert trial.should_prune() is pruned
        study.tell(trial, 8.5 + offset)


def test_a_trial_left_running_by_a_killed_process_is_asked_again(storage):
    study = open_study(config(), KEY, "split", storage)
    trial = study.ask()
    rate = trial.suggest_float("initial_learning_rate", 1e-4, 1e-2, log=True)
    again = open_study(config(), KEY, "split", storage)
    assert not again.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert trials_left(again, config(trials=4).tuning) == 4
    assert again.ask().suggest_float("initial_learning_rate", 1e-4, 1e-2, log=True) == rate


def test_classifiers_maximise_and_regressors_minimise(storage):
    assert open_study(config(), CLASSIFIER, "s", storage).direction == optuna.study.StudyDirection.MAXIMIZE
    assert open_study(config(), KEY, "s", storage).direction == optuna.study.StudyDirection.MINIMIZE


def test_best_parameters_are_saved_as_toml_that_a_configuration_accepts(tmp_path):
    params = from_mapping({"regressor": {"dropout": 0.4, "loss": "huber"}}).regressor
    path = export_best(tmp_path / "deep" / "best.toml", config(), {KEY: params})
    read = tomllib.loads(path.read_text())
    assert head_parameters(read["models"][KEY.name]) == params


def test_models_left_out_of_a_run_keep_their_best_parameters(tmp_path):
    base = from_mapping({}).regressor
    path = export_best(tmp_path / "best.toml", config(), {KEY: base})
    export_best(path, config(), {CLASSIFIER: base})
    assert set(tomllib.loads(path.read_text())["models"]) == {KEY.name, CLASSIFIER.name}
    export_best(path, config(trials=3), {CLASSIFIER: base})
    assert set(tomllib.loads(path.read_text())["models"]) == {CLASSIFIER.name}
