"""What a search makes better: one figure per kind of model, chosen in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from boneage.config import Config
from boneage.groups import ModelKey, Task


@dataclass(frozen=True)
class Goal:
    """The figure that decides between trials.

    Attributes:
        metric: its name in a fold's metrics: `accuracy`, `log_loss`, `quadratic_kappa` or `mae_months`.
        higher: whether more is better.
    """

    metric: str
    higher: bool

    @property
    def direction(self) -> str:
        """Return Optuna's word for it."""
        return "maximize" if self.higher else "minimize"

    def better(self, figures: Mapping[str, float], than: Mapping[str, float]) -> bool:
        """Tell whether one set of figures is better than another."""
        sign = 1.0 if self.higher else -1.0
        return sign * figures[self.metric] > sign * than[self.metric]


def goal_of(config: Config, key: ModelKey) -> Goal:
    """Return the goal of a model's kind."""
    if key.task is Task.REGRESSOR:
        return Goal(config.tuning.regressor_objective, higher=False)
    return Goal(config.tuning.classifier_objective, higher=config.tuning.classifier_objective != "log_loss")
