"""A configuration's cascade without a store: fitted and assembled as `boneage train` does it, for measuring."""

from __future__ import annotations

from collections.abc import Callable

from boneage.cascade.cascade import Cascade
from boneage.groups import ALL_MODELS, Task
from boneage.learn.crossval import cross_validate, train_final
from boneage.study.finish import assemble
from boneage.study.materials import Materials
from boneage.study.models import Chosen, ModelOutcome, model_task

Progress = Callable[[int, int], None]


def build_cascade(materials: Materials, progress: Progress | None = None) -> Cascade:
    """Fit the ten models with the configuration's own hyperparameters and assemble the cascade.

    The same samples, seeds and functions as in a study with fixed hyperparameters, hence the same cascade; nothing is
    tracked or registered.
    """
    config, outcomes = materials.config, {}
    for done, key in enumerate(ALL_MODELS, start=1):
        task, seed = model_task(materials, key), config.study.seed
        params = config.classifier if key.task is Task.CLASSIFIER else config.regressor
        cv = cross_validate(key, task.train, task.fold, params, config.training, seed=seed)
        watch = task.validation if config.training.final_stop == "validation" and len(task.validation) else None
        final = train_final(key, task.train, cv, params, config.training, watch=watch, seed=seed)
        outcomes[key] = ModelOutcome(key, Chosen(params, cv, 0), final, {}, "")
        if progress:
            progress(done, len(ALL_MODELS))
    return assemble(materials, outcomes, materials.seen)
