"""Assemble the cascade of ten trained models, score it on unseen images, and report it beside the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from boneage import plots
from boneage.cascade.cascade import Cascade
from boneage.cascade.case_index import CaseIndex
from boneage.cascade.parity import Films
from boneage.evaluation.evaluate import Evaluation, add_routings, evaluate_estimates, training_medians
from boneage.evaluation.metrics_table import account
from boneage.evaluation.published import PAPER, Figure
from boneage.evaluation.report import account_html, account_tables, markdown_report
from boneage.evaluation.stress import DISTURBANCES, stress, stress_figures, stress_summary
from boneage.files import write_whole
from boneage.groups import RANGE_LABELS, ModelKey, Sex, Task
from boneage.paths import workspace
from boneage.preprocess.pipeline import Preparer, prepare_table
from boneage.study.materials import Materials, Part, Stage, sample, silent
from boneage.study.models import ModelOutcome
from boneage.study.noise_guard import film_levels, fit_noise_guard
from boneage.study.out_of_fold import learn_from_folds

if TYPE_CHECKING:
    from boneage.tracking.runs import StudyTracker

Outcomes = Mapping[ModelKey, ModelOutcome]
_EXPERT = "expert_mae_months"


def assemble(materials: Materials, outcomes: Outcomes) -> Cascade:
    """Assemble the cascade: ten final heads on the shared backbone, with intervals from the folds."""
    config, learnt = materials.config, learn_from_folds(materials, outcomes)
    rows = materials.part.table.loc[list(materials.splits.train)]
    card: dict[str, Any] = {
        "study": config.study.name,
        "note": config.study.note,
        "training_median_months": training_medians(list(rows["sex"]), rows["age_months"].to_numpy()),
        "images": {"train": len(materials.splits.train), "validation": len(materials.splits.validation)},
        "left_out": len(materials.problems),
        "split_sha256": materials.splits.sha256,
        "backbone_saw_images": materials.seen.describe(materials.part.content_sha256.values()),
        "out_of_fold": {
            "images": learnt.images,
            "temperatures": learnt.temperatures,
            "global_shares": dict(learnt.stack.shares) if learnt.stack else {},
        },
    }
    cascade = Cascade(
        preparer=Preparer(config.preprocess),
        backbone=materials.backbone,
        heads=learnt.heads,
        config=config,
        card=card,
        intervals=learnt.intervals,
        stack=learnt.stack,
        regional=learnt.regional,
        cases=index_cases(materials) if config.cascade.similar_cases > 0 else None,
    )
    if config.cascade.noise_guard:
        cascade.noise = fit_noise_guard(materials, cascade, learnt)
        card["noise_guard"] = cascade.noise.to_mapping() if cascade.noise else "none: too few images out of fold"
    return cascade


def index_cases(materials: Materials) -> CaseIndex:
    """Index the training images, and never a validation image, by the features that estimates are made from."""
    ids = materials.splits.train
    sexes, samples = list(materials.part.table.loc[list(ids), "sex"]), materials.part.samples(ids)
    return CaseIndex.of(materials.backbone.sha256, ids, sexes, samples.ages, samples.features)


def proof_films(materials: Materials) -> Films:
    """Return the validation films, to compare the served graph with Keras on.

    Films and features are those of the study's caches: nothing passes Keras again, and each film the graph once a view.
    """
    ids = tuple(materials.splits.validation)
    table = materials.part.table.loc[list(ids)].rename_axis("id").reset_index()
    prepared = prepare_table(table, materials.config.preprocess, workspace() / "prepared")
    return Films(prepared.stack(ids), list(table["sex"]), materials.part.served(ids))


def score(cascade: Cascade, part: Part, ids: Sequence[str]) -> Evaluation:
    """Score a cascade on images by their cached features and films: as they are served, without another pass."""
    features = part.served(tuple(ids))
    table = part.table.loc[list(ids)].reset_index()
    sexes = list(table["sex"])
    ranges = [RANGE_LABELS[group - 1] for group in table["group"]]
    levels = film_levels(table, cascade.config.preprocess, cascade.noise.side) if cascade.noise else None
    evaluation = evaluate_estimates(
        table,
        cascade.estimate_features(features, sexes, levels=levels),
        cascade.card["training_median_months"],
        cascade.estimate_features(features, sexes, ranges),
    )
    add_routings(evaluation.per_image, cascade, features)
    return evaluation


def report(evaluation: Evaluation, name: str, cascade: Cascade, tracker: StudyTracker, folder: Path) -> None:
    """Log a set's figures and pictures on the study's run and write its report into a folder."""
    run_id = tracker.study_run_id or ""
    tracker.log_cascade(name, evaluation.metrics)
    facts = (
        f"Study: {cascade.card['study']} ({cascade.card['note']})",
        f"Images: {len(evaluation.per_image)}; of the study's images, training and validation, the backbone had seen "
        f"{cascade.card['backbone_saw_images']}",
        f"Routing: {cascade.config.cascade.routing}",
    )
    text = markdown_report(evaluation, f"Cascade on the {name} images", facts)
    write_whole(folder / f"{name}.md", text)
    write_whole(folder / f"{name}.csv", evaluation.per_image.to_csv(index=False))
    tracker.log_text(run_id, text, f"{name}/report.md")
    tracker.log_text(run_id, evaluation.per_image.to_csv(index=False), f"{name}/per-image.csv")
    for figure_name, figure in _figures(evaluation, name).items():
        figure.savefig(folder / f"{name}-{figure_name}.png", dpi=110)
        tracker.log_figure(run_id, figure, f"{name}/{figure_name}.png")


def card_stress(cascade: Cascade, materials: Materials, stage: Stage = silent) -> dict[str, Any]:
    """Run the stress test of the model card on as many validation films as `study.stress_films` says.

    Returns:
        `stress`: `films` and `figures` (`boneage.evaluation.stress.stress_figures`); empty where no film is asked for.
    """
    count = materials.config.study.stress_films
    if count < 1:
        return {}
    films = sample(materials.part.table.loc[list(materials.splits.validation)].reset_index(), count)
    summary = stress_summary(stress(cascade, films, tuple(DISTURBANCES), stage("stress")))
    figures = {name: round(value, 4) for name, value in stress_figures(summary).items()}
    return {"stress": {"films": len(films), "figures": figures}}


def _figures(evaluation: Evaluation, name: str) -> dict[str, Any]:
    rows = evaluation.per_image
    true, estimated = rows["true_months"].to_numpy(), rows["estimated_months"].to_numpy()
    sexes, counts = list(rows["sex"]), np.zeros((4, 4), int)
    np.add.at(counts, (rows["true_group"].to_numpy() - 1, rows["group"].to_numpy() - 1), 1)
    return {
        "predicted-against-true": plots.predicted_against_true(true, estimated, f"Cascade, {name} images", sexes),
        "confusion-matrix": plots.confusion_matrix(counts, f"Routing, {name} images"),
        "bland-altman": plots.bland_altman(true, estimated, f"Cascade, {name} images"),
    }


def paper_table(outcomes: Outcomes, validation: Evaluation, test: Evaluation | None) -> pd.DataFrame:
    """Return the paper's table with ours beside it: model, figure, ours over folds and final, the paper's likewise.

    Args:
        outcomes: the ten models.
        validation: the whole cascade on the validation part.
        test: the whole cascade on the test-only sources, None where there are none.
    """
    sets, rows = iter((validation, test)), []
    for figure in PAPER:
        if figure.metric == "mae_months":
            scored = next(sets)
            what, name, folds = "whole cascade", "MAE (months)", ""
            final = None if scored is None else scored.metrics["mae_months"]
        else:
            what, name, folds, final = _of_model(outcomes, figure)
        rows.append(
            {
                "model": what,
                "figure": name,
                "ours, folds": folds,
                "ours, final": "" if final is None else f"{final:.3f}",
                "paper, folds": "" if figure.folds is None else f"{figure.folds[0]:.3f} +- {figure.folds[1]:.3f}",
                "paper, final": f"{figure.value:.3f}",
                "the paper's images": figure.what.removeprefix("paper, "),
            }
        )
    return pd.DataFrame(rows)


def paper_page(
    title: str, facts: Sequence[str], outcomes: Outcomes, validation: Evaluation, test: Evaluation | None
) -> str:
    """Write one HTML page: the paper's table beside ours, then every figure of the validation and test images.

    Args:
        title: the heading.
        facts: sentences that say which study and which images.
        outcomes: the ten models.
        validation: the whole cascade on the validation part.
        test: the whole cascade on the test-only sources, None where there are none.
    """
    tables = [("Beside the paper", paper_table(outcomes, validation, test))]
    for name, scored in (("validation images", validation), ("test-only images", test)):
        if scored is not None:
            found = account_tables(account(scored.per_image), scored.per_image, scored.metrics)
            tables += [(f"{heading}: {name}", table) for heading, table in found]
    return account_html(title, facts, tables, {})


def _of_model(outcomes: Outcomes, figure: Figure) -> tuple[str, str, str, float | None]:
    """Return a model's name, the figure's name, ours over the folds and our final one (None where there is none)."""
    name, _, sex_and_group = figure.metric.partition("_") if _EXPERT not in figure.metric else (
        "mae_months", "", figure.metric.removeprefix(f"{_EXPERT}_"))  # fmt: skip
    sex, _, group = sex_and_group.partition("_")
    key = ModelKey(Task.REGRESSOR if group else Task.CLASSIFIER, Sex(sex), int(group) if group else None)
    what = f"regressor {sex} {RANGE_LABELS[int(group) - 1]}" if group else f"classifier {sex}"
    done = outcomes[key]
    cv = done.chosen.cv
    folds = f"{cv.mean[name]:.3f} +- {cv.std[name]:.3f}" if name in cv.mean else ""
    return what, "MAE (months)" if group else name, folds, done.metrics.get(name)
