"""The functions of the public interface; `import boneage` offers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from boneage.cascade.cascade import Cascade
    from boneage.config import Config
    from boneage.evaluation.evaluate import Evaluation
    from boneage.study.job import StudyOutcome


def load_cascade(uri: str | None = None) -> Cascade:
    """Open a cascade: the store's champion, else the one that ships with the package, or the one of a URI.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, the folder of a bundle, or `shipped`.

    Raises:
        StoreError: when the store that was named is not there or cannot be opened.
        RegistryError: when there is no such model, version or alias; the message says what to run.
        BundleError: when the files are damaged or were changed.
    """
    from boneage.registry.opening import open_cascade

    return open_cascade(uri)


def evaluate(
    data: str | Path | pd.DataFrame,
    cascade: Cascade | None = None,
    *,
    anyway: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a cascade on labelled radiographs: MAE and every other figure of the method, per sex and age group.

    Args:
        data: a folder or table of labelled images in any layout that `boneage audit` reads, or such a table,
            as `boneage.data.annotations.load_folder` returns it.
        cascade: the cascade; by default the one of `load_cascade()`.
        anyway: estimate films that the input gate refuses, too.
        progress: called with (done, total).

    Returns:
        Metrics in months, one row per image, and the images that could not be estimated, with the reason.

    Raises:
        BoneageError: when the data cannot be read, or none of the images can be estimated.
    """
    from boneage.data.annotations import load_folder
    from boneage.evaluation.evaluate import evaluate_cascade

    table = load_folder(Path(data)).table if isinstance(data, str | Path) else data
    return evaluate_cascade(cascade or load_cascade(), table, progress=progress, anyway=anyway)


def run_study(
    config: str | Path | Config,
    overrides: Iterable[str] = (),
    *,
    stage: Callable[[str], Callable[[int, int], None]] | None = None,
) -> StudyOutcome:
    """Train the ten models of a cascade, score it, and register it in the store, as `boneage train CONFIG` does.

    Args:
        config: a configuration, or the path of its TOML file.
        overrides: changes of single settings, `section.key=value`; only with a path.
        stage: returns a progress callable, called with (done, total), for the stage of a name.

    Raises:
        ConfigError: when the configuration is wrong.
        BoneageError: when data, weights or store cannot be used.
    """
    from boneage.config import load_config
    from boneage.study.job import run_study as run

    settings = load_config(config, overrides) if isinstance(config, str | Path) else config
    more: dict[str, Any] = {} if stage is None else {"stage": stage}
    return run(settings, **more)
