"""Cosine annealing with warm-up as plain numbers, one learning rate per step.

The numbers are those of `keras.optimizers.schedules.CosineDecay(0, decay, alpha, warmup_target, warmup_steps)`; a test
holds the two together. As numbers they are an input of the compiled training step and not part of its graph, so that
every trial of a search can reuse the graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from boneage.config import HeadParameters


@dataclass(frozen=True)
class CosineSchedule:
    """From 0 up to `peak` in `warmup_steps`, then along half a cosine to `peak * floor` in `decay_steps`."""

    peak: float
    floor: float
    warmup_steps: int
    decay_steps: int

    @classmethod
    def of(cls, params: HeadParameters, total_steps: int) -> CosineSchedule:
        """Spread the parameters' warm-up and decay over all steps of a fit; at least one step decays."""
        warmup = min(int(round(params.warmup_fraction * total_steps)), max(total_steps - 1, 0))
        return cls(params.initial_learning_rate, params.final_fraction, warmup, max(total_steps - warmup, 1))

    def rates(self) -> np.ndarray:
        """Return the learning rate of every step, float32 (warmup_steps + decay_steps,)."""
        warm = self.peak * np.arange(self.warmup_steps) / max(self.warmup_steps, 1)
        cosine = 0.5 * (1.0 + np.cos(math.pi * np.arange(self.decay_steps) / self.decay_steps))
        return np.concatenate([warm, self.peak * ((1.0 - self.floor) * cosine + self.floor)]).astype(np.float32)

    def keras_arguments(self) -> dict[str, float | int | None]:
        """Return the arguments that make Keras's own `CosineDecay` the same schedule."""
        if not self.warmup_steps:
            return {"initial_learning_rate": self.peak, "decay_steps": self.decay_steps, "alpha": self.floor}
        return {
            "initial_learning_rate": 0.0,
            "decay_steps": self.decay_steps,
            "alpha": self.floor,
            "warmup_target": self.peak,
            "warmup_steps": self.warmup_steps,
        }
