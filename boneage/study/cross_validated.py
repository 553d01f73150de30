"""Cross-validate the ten models of a study and estimate its training images, each by heads that had not seen it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boneage import stopping
from boneage.cascade.routing import Routed
from boneage.groups import ALL_MODELS, ModelKey
from boneage.learn.crossval import FoldHooks
from boneage.learn.seen_images import SeenImages
from boneage.stopping import Progress
from boneage.study.materials import Materials
from boneage.study.models import Chosen, ModelOutcome, base_parameters, model_task
from boneage.study.out_of_fold import HeldOut, fold_heads, held_out, route_out_of_fold


@dataclass(frozen=True)
class CrossValidated:
    """Ten models in their folds, and the cascade's estimates out of fold.

    Attributes:
        outcomes: the models, none of them trained finally.
        held: the training images that the backbone had not seen; all of them where it had seen every one.
        routed: their estimates.
    """

    outcomes: dict[ModelKey, ModelOutcome]
    held: HeldOut
    routed: Routed


def cross_validate_cascade(materials: Materials, progress: Progress) -> CrossValidated:
    """Fit the ten models with the configured hyperparameters, once per fold, and route every image held out.

    Args:
        materials: of the study.
        progress: called with the models done and their number.

    Raises:
        BoneageError: when a model has fewer training images than folds.
        KeyboardInterrupt: after the fold under way, when Ctrl-C was pressed.
    """
    outcomes = {}
    for done, key in enumerate(ALL_MODELS, start=1):
        outcomes[key] = _cross_validated(materials, key)
        progress(done, len(ALL_MODELS))
    held = held_out(materials)
    if not held.sexes:
        # Every image was seen: a comparison is biased towards that backbone, but it is the only one there is.
        held = held_out(replace(materials, seen=SeenImages(frozenset())))
    folds = [fold_heads(outcomes, materials.config, number) for number in range(materials.config.data.folds)]
    return CrossValidated(outcomes, held, route_out_of_fold(folds, held, materials.config))


def _cross_validated(materials: Materials, key: ModelKey) -> ModelOutcome:
    params = base_parameters(materials.config, key)
    cv = model_task(materials, key).cross_validate(params, FoldHooks(after=lambda _number, _result: stopping.check()))
    return ModelOutcome(key, Chosen(params, cv, 0), cv.folds[cv.best].fit, {}, "")
