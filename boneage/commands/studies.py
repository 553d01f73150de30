"""What a finished study prints, whether it searched (`python -m tuning`) or not (`boneage train`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boneage.commands.common import complain, notice
from boneage.groups import Task

if TYPE_CHECKING:
    import pandas as pd

    from boneage.config import Config
    from boneage.study.job import StudyOutcome


def print_outcome(config: Config, outcome: StudyOutcome) -> None:
    """Print the ten models' figures, then the cascade's on validation and test images, then where to look."""
    from boneage.evaluation.text import report_tables, text_table
    from boneage.paths import study_folder

    if len(outcome.problems):
        folder = study_folder(config.study.name)
        complain(f"{len(outcome.problems)} images were left out; the reasons are in {folder / 'problems.csv'}")
    print(text_table(models_table(outcome)))
    for name, evaluation in (("validation", outcome.validation), ("test", outcome.test)):
        if evaluation is None:
            continue
        for heading, table in report_tables(evaluation.metrics):
            print(f"\n{heading} ({name} images)\n{text_table(table)}")
    if outcome.version is None:
        print("\nno cascade was made, since not all ten models were trained")
        return
    print(f"\nregistered {config.study.prefix}-cascade version {outcome.version} as challenger")
    notice()


def models_table(outcome: StudyOutcome) -> pd.DataFrame:
    """Return one row per model: mean and deviation over the folds, and the final model on the validation images."""
    import pandas as pd

    rows = []
    for key, done in outcome.outcomes.items():
        metric = "accuracy" if key.task is Task.CLASSIFIER else "mae_months"
        rows.append(
            {
                "model": key.name,
                "metric": metric,
                "folds_mean": done.chosen.cv.mean[metric],
                "folds_std": done.chosen.cv.std[metric],
                "final": done.metrics.get(metric),
                "trial": done.chosen.trial,
            }
        )
    return pd.DataFrame(rows)


def promote_version(config: Config, version: int) -> None:
    """Promote a study's new version through the gate; a refusal is said and changes nothing."""
    from boneage.commands.registry import say_promotion, say_refusal
    from boneage.commands.rescore import rescorer
    from boneage.registry.register import PromotionError, RegistryError, promote
    from boneage.tracking.store import open_store

    client, name = open_store(), f"{config.study.prefix}-cascade"
    try:
        say_promotion(name, promote(client, name, version, rescore=rescorer(client, config)))
    except PromotionError as error:
        say_refusal(name, error)
    except RegistryError as error:
        complain(str(error))
