"""Runs nest study > model > trial > fold, and each says by itself what it is."""

from dataclasses import replace

import pytest

from boneage import plots
from boneage.config import HeadParameters, StudyConfig
from boneage.groups import ModelKey
from boneage.learn.crossval import CVResult
from boneage.tracking.runs import StudyTracker

KEY = ModelKey.parse("regressor-female-4")
TAGS = {"level", "task", "sex", "age_group", "trial", "fold", "study", "split_sha256", "config_sha256"}


class PrunedError(Exception):
    """As Optuna's TrialPruned."""


@pytest.fixture
def tracker(store, config):
    return StudyTracker(store, config, "ab" * 32, stopped=(PrunedError,))


def runs(tracker, query=""):
    return list(tracker.client.search_runs([tracker.experiment_id], query, order_by=["attributes.start_time"]))


@pytest.fixture
def study(tracker, fold):
    """One study with one model, one trial, two folds and a final training; ids by level."""
    with tracker.study_run() as study, tracker.model_run(KEY) as model:
        with tracker.trial_run(KEY, 7, HeadParameters(batch_size=8)) as trial:
            folds = [tracker.log_fold(trial, KEY, number, fold) for number in range(2)]
            figures = {"val_mae_months": 7.4, "val_loss": 7.5}
            tracker.log_cv(trial, CVResult((fold, fold), figures, {"val_mae_months": 0.3}, 1))
        with tracker.final_run(KEY, HeadParameters()) as final:
            tracker.log_fit(final, fold.fit)
    return {"study": study, "model": model, "trial": trial, "fold": folds[1], "final": final}


def test_runs_nest_by_their_parents(tracker, study):
    parents = {level: tracker.client.get_run(run).data.tags.get("mlflow.parentRunId") for level, run in study.items()}
    assert parents == {
        "study": None,
        "model": study["study"],
        "trial": study["model"],
        "fold": study["trial"],
        "final": study["model"],
    }
    names = {level: tracker.client.get_run(run).info.run_name for level, run in study.items()}
    assert names == {
        "study": "study",
        "model": "regressor-female-4",
        "trial": "trial-007",
        "fold": "fold-1",
        "final": "final",
    }


def test_every_level_carries_every_tag(tracker, study):
    for level, run in study.items():
        tags = tracker.client.get_run(run).data.tags
        assert set(tags) >= TAGS
        assert tags["level"] == level
    tags = tracker.client.get_run(study["fold"]).data.tags
    assert (tags["task"], tags["sex"], tags["age_group"]) == ("regressor", "female", "4")
    assert (tags["trial"], tags["fold"], tags["study"]) == ("007", "1", "tiny")
    assert len(runs(tracker, "tags.sex = 'female' and tags.level = 'fold'")) == 2


def test_a_fold_keeps_its_curves_and_the_figures_of_its_best_epoch(tracker, study):
    client = tracker.client
    rates = client.get_metric_history(study["fold"], "learning_rate")
    assert [(point.step, point.value) for point in rates] == [(1, 1e-3), (2, 5e-4), (3, 1e-5)]
    assert [point.value for point in client.get_metric_history(study["fold"], "val_loss")] == [9.5, 7.5, 8.0]
    metrics = client.get_run(study["fold"]).data.metrics
    assert metrics["val_mae_months"] == 7.4
    assert metrics["val_mse_months2"] == 80.0
    assert metrics["best_epoch"] == 2


def test_a_trial_has_parameters_and_the_means_of_its_folds(tracker, study):
    data = tracker.client.get_run(study["trial"]).data
    assert data.params["batch_size"] == "8"
    assert data.metrics["cv_val_mae_months_mean"] == 7.4
    assert data.metrics["cv_val_mae_months_std"] == 0.3
    assert data.metrics["best_fold"] == 1


def test_the_study_keeps_settings_and_environment(tracker, study):
    data = tracker.client.get_run(study["study"]).data
    assert data.params["preprocess.size"] == "32"
    assert data.params["study.seed"] == "2024"
    names = {file.path for file in tracker.client.list_artifacts(study["study"])}
    assert names == {"config.json", "environment.json"}


def test_every_run_says_what_made_it_and_from_which_images(tracker, fold):
    with tracker.study_run() as study:
        tracker.log_dataset(study, "train", "cd" * 32, "training", {"images": 80})
        tracker.log_dataset(study, "validation", "ef" * 32, "validation", {"images": 20})
        tracker.log_dataset(study, "test", "01" * 32, "test", {"images": 9})
        with tracker.model_run(KEY) as model, tracker.trial_run(KEY, 7, HeadParameters(batch_size=8)) as trial:
            one = tracker.log_fold(trial, KEY, 0, fold)
            tracker.log_cv(trial, CVResult((fold, fold), {"val_mae_months": 7.4}, {"val_mae_months": 0.3}, 0))
    for run_id in (model, trial, one):
        run = tracker.client.get_run(run_id)
        given = {each.dataset.name: each.dataset for each in run.inputs.dataset_inputs}
        assert set(given) == {"train", "validation"}, "the test-only images are no input of a training"
        assert given["train"].digest == ("cd" * 32)[:36] and "ab" * 32 in given["train"].source
        assert {"seed", "packages", "python", "machine", "code_version"} <= set(run.data.tags)
        assert run.data.metrics["seconds"] > 0
    assert tracker.client.get_run(one).data.params["batch_size"] == "8"
    assert [file.path for file in tracker.client.list_artifacts(trial)] == ["learning-curves.png"]


def test_figures_texts_and_sets_are_kept(tracker):
    with tracker.study_run() as run:
        tracker.log_text(run, "# hello", "validation/report.md")
        tracker.log_figure(run, plots.confusion_matrix([[1, 0, 0, 0]] * 4, "x"), "confusion.png")
        tracker.log_dataset(run, "train", "cd" * 32, "training", {"images": 80})
        tracker.log_cascade("validation", {"mae_months": 9.5, "within_12_months": float("nan")})
    found = tracker.client.get_run(run)
    assert found.data.metrics["cascade_validation_mae_months"] == 9.5
    assert "cascade_validation_within_12_months" not in found.data.metrics
    assert {file.path for file in tracker.client.list_artifacts(run)} >= {"validation", "confusion.png"}
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.tags[0].value) == ("train", "training")


@pytest.mark.parametrize(
    ("error", "status"), [(PrunedError, "KILLED"), (KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")]
)
def test_a_trial_that_ends_early_says_how(tracker, error, status):
    with tracker.study_run(), pytest.raises(error), tracker.trial_run(KEY, 0, {}) as run:
        raise error
    assert tracker.client.get_run(run).info.status == status


def test_an_interrupted_study_goes_on_in_the_same_runs(store, config, tracker):
    with pytest.raises(KeyboardInterrupt), tracker.study_run() as first, tracker.model_run(KEY) as model:
        raise KeyboardInterrupt
    again = StudyTracker(store, config, "ab" * 32)
    with again.study_run() as second, again.model_run(KEY) as same:
        assert (second, same) == (first, model)
        assert store.get_run(second).info.status == "RUNNING"
    assert store.get_run(first).info.status == "FINISHED"


def test_one_final_training_of_a_model_counts(store, config, tracker):
    with pytest.raises(KeyboardInterrupt), tracker.study_run(), tracker.model_run(KEY):
        with tracker.final_run(KEY) as first:
            pass
        raise KeyboardInterrupt
    again = StudyTracker(store, config, "ab" * 32)
    with again.study_run(), again.model_run(KEY), again.final_run(KEY) as second:
        pass
    assert [store.get_run(run).info.status for run in (first, second)] == ["KILLED", "FINISHED"]


def test_a_finished_study_and_other_settings_make_a_new_run(store, config, tracker):
    ids = set()
    for each in (tracker, StudyTracker(store, config, "ab" * 32), StudyTracker(store, config, "cd" * 32)):
        with each.study_run() as run:
            ids.add(run)
    other = replace(config, study=StudyConfig(name="tiny", seed=1))
    with pytest.raises(KeyboardInterrupt), StudyTracker(store, other, "cd" * 32).study_run() as run:
        raise KeyboardInterrupt
    with StudyTracker(store, config, "cd" * 32).study_run() as last:
        ids |= {run, last}
    assert len(ids) == 5


def test_models_that_no_worker_came_to_end_with_an_interrupted_study(store, tracker):
    with pytest.raises(KeyboardInterrupt), tracker.study_run() as study:
        model = tracker.model_run_id(KEY)
        raise KeyboardInterrupt
    assert [store.get_run(run).info.status for run in (study, model)] == ["KILLED", "KILLED"]


def test_workers_log_under_the_study_of_another_process(store, config, tracker):
    with tracker.study_run() as study:
        model = tracker.model_run_id(KEY)
        worker = StudyTracker(store, config, "ab" * 32, study_run_id=study)
        assert worker.model_run_id(KEY) == model
    with pytest.raises(RuntimeError, match="no study run is open"):
        StudyTracker(store, config, "ab" * 32).model_run_id(KEY)


def test_stale_runs_of_a_killed_process_are_closed(store, config, tracker):
    with tracker.study_run() as study:
        trial = tracker.trial_run(KEY, 1, {})
        run = trial.__enter__()
        fresh = StudyTracker(store, config, "ab" * 32, study_run_id=study)
        assert fresh.end_stale() == 1
        assert store.get_run(run).info.status == "KILLED"
        assert store.get_run(study).info.status == "RUNNING"


def test_a_changed_parameter_of_a_run_that_goes_on_becomes_a_tag(tracker):
    with tracker.study_run(), tracker.model_run(KEY) as run:
        tracker.log_params(run, {"width_1": 6, "loss": "mae"})
        tracker.log_params(run, {"width_1": 8, "loss": "mae"})
    data = tracker.client.get_run(run).data
    assert (data.params["width_1"], data.tags["now.width_1"]) == ("6", "8")
    assert "now.loss" not in data.tags
