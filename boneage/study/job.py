"""Run a study: materials, ten models, one cascade; evaluated, bundled, registered."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from boneage import stopping
from boneage.cascade.bundle import save_bundle
from boneage.cascade.cascade import Cascade
from boneage.config import Config
from boneage.errors import BoneageError
from boneage.evaluation.evaluate import Evaluation
from boneage.evaluation.metrics_table import account
from boneage.files import write_whole
from boneage.groups import ALL_MODELS, ModelKey, Task
from boneage.paths import study_folder
from boneage.registry.checks import stress_tags
from boneage.registry.model_card import model_card
from boneage.registry.register import Submission, register_cascade
from boneage.registry.validation import validation_table
from boneage.stopping import Progress
from boneage.study.finish import assemble, card_stress, paper_page, paper_table, proof_films, report, score
from boneage.study.materials import Materials, Part, Stage, gather, silent
from boneage.study.models import (
    Choose,
    Chosen,
    ModelOutcome,
    ModelTask,
    base_parameters,
    choose_configured,
    model_task,
    part_of_whole,
    train_model,
    whole_heads,
)
from boneage.tracking.runs import StudyTracker
from boneage.tracking.store import open_store
from boneage.tracking.values import set_sha256

TrainAll = Callable[[Sequence[ModelTask], Choose, StudyTracker, Stage], dict[ModelKey, ModelOutcome]]

Sweep = Callable[[StudyTracker], int]


@dataclass(frozen=True)
class StudyOutcome:
    """Results of a study; `version` is None when not all ten models were trained.

    Attributes:
        outcomes: the trained models.
        validation: the cascade's figures on the validation part, None without a cascade.
        test: its figures on the test-only sources, None where there are none.
        version: the registered version of `<prefix>-cascade`.
        problems: what was left out of the data, and why.
    """

    outcomes: dict[ModelKey, ModelOutcome]
    validation: Evaluation | None
    test: Evaluation | None
    version: int | None
    problems: pd.DataFrame


def run_study(
    config: Config,
    *,
    keys: Sequence[ModelKey] = ALL_MODELS,
    choose: Choose = choose_configured,
    train_all: TrainAll | None = None,
    stopped: tuple[type[BaseException], ...] = (),
    sweep: Sweep = StudyTracker.end_stale,
    stage: Stage = silent,
) -> StudyOutcome:
    """Run a study from its sources to a registered cascade.

    Args:
        config: the settings.
        keys: which models; a cascade is made only of all ten.
        choose: how hyperparameters are chosen (the configuration's own by default; `tuning` passes a search).
        train_all: how the models are spread over processes; one after the other by default.
        stopped: exceptions that end a trial early on purpose.
        sweep: ends the runs that dead processes left open; another one where other machines may be at work.
        stage: gives a progress callable per stage.

    Raises:
        BoneageError: when the data, weights or store cannot be used.
        KeyboardInterrupt: after the image, batch or fold under way, when Ctrl-C was pressed within
            `stopping.gracefully`; what was open in the store is ended.
    """
    if whole_heads(config) and train_all is not None:
        raise BoneageError.of("study.whole_searched", loss=config.classifier.loss)
    client, begun = open_store(), time.monotonic()
    materials = gather(config, stage)
    gathered = time.monotonic() - begun
    folder = study_folder(config.study.name)
    folder.mkdir(parents=True, exist_ok=True)
    materials.problems.to_csv(folder / "problems.csv", index=False)
    tracker = StudyTracker(client, config, materials.splits.sha256, stopped=stopped)
    with tracker.study_run() as run_id:
        sweep(tracker)
        _log_materials(materials, tracker, run_id)
        tracker.log_metrics(run_id, {"materials_seconds": gathered})
        tasks = [model_task(materials, key) for key in keys]
        try:
            outcomes = (train_all or one_by_one)(tasks, choose, tracker, stage)
        except KeyboardInterrupt:
            sweep(tracker)  # a run that was just being opened is in nobody's hands yet
            raise
        if set(outcomes) != set(ALL_MODELS):
            return StudyOutcome(outcomes, None, None, None, materials.problems)
        return _finish(materials, outcomes, tracker, stopping.watched(stage))


def one_by_one(
    tasks: Sequence[ModelTask], choose: Choose, tracker: StudyTracker, stage: Stage
) -> dict[ModelKey, ModelOutcome]:
    """Train the models in this process, one after the other; parts of a sex's head for all ages are not fitted anew."""
    progress = stage("models")
    outcomes: dict[ModelKey, ModelOutcome] = {}
    for done, task in enumerate(tasks, start=1):
        whole = outcomes.get(ModelKey(Task.CLASSIFIER, task.key.sex)) if whole_heads(task.config) else None
        outcomes[task.key] = part_of_whole(task, whole, tracker) if whole else train_model(task, choose, tracker)
        progress(done, len(tasks))
    return outcomes


def build_cascade(materials: Materials, progress: Progress = lambda _done, _total: None) -> Cascade:
    """Fit the ten models with the configuration's own hyperparameters and assemble the cascade, without a store.

    The same samples, seeds and functions as in a study with fixed hyperparameters, hence the same cascade.
    """
    outcomes = {}
    for done, key in enumerate(ALL_MODELS, start=1):
        task, params = model_task(materials, key), base_parameters(materials.config, key)
        cv = task.cross_validate(params)
        outcomes[key] = ModelOutcome(key, Chosen(params, cv, 0), task.train_final(params, cv), {}, "")
        progress(done, len(ALL_MODELS))
    return assemble(materials, outcomes)


def _log_materials(materials: Materials, tracker: StudyTracker, run_id: str) -> None:
    """Log what the models are made of: dataset inputs, the split, the problems and who saw which images."""
    hashes, seen = materials.part.content_sha256, materials.seen
    tracker.client.set_tag(run_id, "backbone_saw_images", seen.describe(hashes[i] for i in materials.splits.train))
    tracker.client.set_tag(
        run_id, "backbone_saw_validation_images", seen.describe(hashes[i] for i in materials.splits.validation)
    )
    sets = {"train": (materials.splits.train, "training"), "validation": (materials.splits.validation, "validation")}
    for name, (ids, context) in sets.items():
        _log_set(tracker, run_id, (name, context), materials.part, ids)
    if materials.test is not None:
        _log_set(tracker, run_id, ("test", "test"), materials.test, tuple(materials.test.table.index))
    tracker.log_text(run_id, materials.problems.to_csv(index=False), "problems.csv")
    counted = {"backbone_passes": materials.backbone.passes, "images_left_out": len(materials.problems)}
    counted["masks_in_doubt"] = len(materials.doubtful)
    tracker.log_metrics(run_id, counted)


def _log_set(tracker: StudyTracker, run_id: str, named: tuple[str, str], part: Part, ids: Sequence[str]) -> None:
    """Log some images of a part as a dataset input called by name and context, hashed by what they hold."""
    sha256, profile = describe_set(part, ids)
    tracker.log_dataset(run_id, named[0], sha256, named[1], profile)


def describe_set(part: Part, ids: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Return the hash of the contents of some images, and their count, in all and per sex and group."""
    rows = part.table.loc[list(ids)]
    profile = Counter(f"{sex}-{group}" for sex, group in zip(rows["sex"], rows["group"], strict=True))
    contents = (part.content_sha256[name] for name in ids)
    sha256 = set_sha256(zip(contents, rows["sex"], rows["age_months"], strict=True))
    return sha256, {"images": len(ids), **profile}


def _finish(
    materials: Materials, outcomes: dict[ModelKey, ModelOutcome], tracker: StudyTracker, stage: Stage
) -> StudyOutcome:
    config, folder = materials.config, study_folder(materials.config.study.name) / "report"
    cascade = assemble(materials, outcomes)
    stopping.check()
    validation = score(cascade, materials.part, materials.splits.validation)
    report(validation, "validation", cascade, tracker, folder)
    cascade.card["validation"] = {name: round(value, 4) for name, value in validation.metrics.items()}
    test = score(cascade, materials.test, list(materials.test.table.index)) if materials.test else None
    if test is not None:
        report(test, "test", cascade, tracker, folder)
        cascade.card["test"] = {name: round(value, 4) for name, value in test.metrics.items()}
    cascade.card |= card_stress(cascade, materials, stage)
    facts = [f"{len(validation.per_image)} validation images", f"backbone saw: {cascade.card['backbone_saw_images']}"]
    page = paper_page(f"Study {config.study.name}", facts, outcomes, validation, test)
    table = paper_table(outcomes, validation, test).to_csv(index=False)
    for name, text in (("paper.html", page), ("paper.csv", table)):
        write_whole(folder / name, text)
        tracker.log_text(tracker.study_run_id or "", text, name)
    with tempfile.TemporaryDirectory() as temporary:
        submission = Submission(
            bundle=save_bundle(cascade, Path(temporary) / "cascade", proof_films(materials)),
            run_id=tracker.study_run_id or "",
            card=model_card(cascade, validation.metrics, figures=account(validation.per_image)),
            metrics=validation.metrics,
            validation=validation_table(validation.per_image, materials.part.content_sha256),
            head_runs={key: done.run_id for key, done in outcomes.items()},
            prefix=config.study.prefix,
            tags={"backbone_saw_images": cascade.card["backbone_saw_images"], **stress_tags(cascade.card)},
        )
        version = register_cascade(tracker.client, submission)
    return StudyOutcome(outcomes, validation, test, version, materials.problems)
