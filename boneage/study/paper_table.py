"""Write a study's metrics beside the paper's (METHOD.md part 7) as one HTML page: every row of the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from boneage.evaluation.evaluate import Evaluation
from boneage.evaluation.html import account_html, account_tables
from boneage.evaluation.metrics_table import account
from boneage.evaluation.published import PAPER, Figure
from boneage.groups import RANGE_LABELS, ModelKey, Sex, Task
from boneage.study.models import ModelOutcome

Outcomes = Mapping[ModelKey, ModelOutcome]
_EXPERT = "expert_mae_months"


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
    tables = [("Beside the paper (METHOD.md, part 7)", paper_table(outcomes, validation, test))]
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
