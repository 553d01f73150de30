import tomllib

import optuna
import pytest

from boneage.config import from_mapping, head_parameters
from boneage.groups import ModelKey
from boneage.study.models import base_parameters
from tuning import spaces
from tuning.spaces import suggest
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


def search(storage, trials=1):
    """Do trials of a study as `suggest` draws them."""
    study = open_study(config(), KEY, "split", storage)
    for _ in range(trials):
        trial = study.ask()
        suggest(trial, KEY.task, base_parameters(config(), KEY))
        study.tell(trial, 9.0)
    return study


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda patch: patch.setitem(spaces.CHOICES, "width_1", (512, 1024)), "search space"),
        (lambda patch: patch.setitem(spaces.RANGES, "final_fraction", (1e-3, 0.5)), "search space"),
        (lambda patch: patch.setattr("tuning.study.ENGINE_VERSION", 99), "engine that fits"),
        (lambda patch: patch.setattr("boneage.preprocess.preparer.STEPS_VERSION", 99), "preparation of the films"),
        (lambda patch: patch.setattr("tuning.study.weights_identity", lambda backbone: "others"), "backbone"),
    ],
)
def test_a_release_that_changes_figures_begins_a_new_study_and_says_so(storage, monkeypatch, caplog, change, what):
    search(storage, 2)
    assert "begins anew" not in caplog.text
    change(monkeypatch)
    assert len(search(storage).get_trials(states=(optuna.trial.TrialState.COMPLETE,))) == 1
    assert "begins anew" in caplog.text and "(2) depend" in caplog.text and f"(changed: {what})" in caplog.text
    caplog.clear()
    search(storage)
    assert "begins anew" not in caplog.text


def test_a_release_that_changes_nothing_that_matters_goes_on(storage, monkeypatch, caplog):
    search(storage, 2)
    monkeypatch.setattr("boneage.__version__", "99.0.0")
    assert len(search(storage).get_trials(states=(optuna.trial.TrialState.COMPLETE,))) == 3
    assert "begins anew" not in caplog.text


def test_the_study_of_an_earlier_release_is_kept_and_not_taken(storage, caplog):
    optuna.create_study(study_name=f"small/{KEY}/0123456789ab", storage=storage).add_trial(
        optuna.trial.create_trial(value=1.0)
    )
    assert search(storage).best_value == 9.0
    assert "begins anew" in caplog.text and "was not kept" in caplog.text


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
