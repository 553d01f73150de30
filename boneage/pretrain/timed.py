"""Train a network for so much time: rate and plan follow the share of it that is used up, and a stopped run goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from boneage.pretrain.ema import Average, resume_training, save_training

CHECKPOINT_SECONDS = 180.0


class Rates(Protocol):
    """What a recipe says of its learning rate and weights."""

    @property
    def decay_weights(self) -> float:
        """Return AdamW's weight decay of kernels."""

    @property
    def average(self) -> float:
        """Return the decay a step of the moving average that ships."""

    def rate_at(self, share: float) -> float:
        """Return the learning rate when a share of the time (0-1) is used up."""


class TimedTraining:
    """Network, average, optimiser, and how far they are; saved whole every few minutes.

    Args:
        net: What is trained.
        recipe: Its rate by time, weight decay and averaging.
        heads: The parameters that learn `factor` times as fast as the others.
        factor: How much faster.
        seconds: The plan's time.
    """

    def __init__(
        self, net: nn.Module, recipe: Rates, heads: Iterable[nn.Parameter], factor: float, seconds: float
    ) -> None:
        self.seconds, self.rates = seconds, recipe
        self.spent, self.epoch, self.step, self.films = 0.0, 0, 0, 0
        self.average = Average(net.to(memory_format=torch.channels_last), recipe.average)
        self.optimiser = torch.optim.AdamW(_groups(net, [*heads], recipe.decay_weights, factor), lr=recipe.rate_at(0))
        self._trained = net

    @property
    def share(self) -> float:
        """Share of the plan's time (0-1) that is used up."""
        return min(self.spent / self.seconds, 1.0)

    def run(self, batches: Iterator[Any], step: Callable[..., float], save: Callable[[], None]) -> float:
        """Take a step with each batch, to their end or that of the time; return the mean of what `step` returns.

        Args:
            batches: What is left of the present epoch; the last part of a batch is one value a child.
            step: Takes one step with the parts of a batch.
            save: Called now and then.
        """
        losses, begun, saved, spent = [], time.monotonic(), self.spent, self.spent
        self._trained.train()
        for batch in batches:
            losses.append(step(*batch))
            self.step += 1
            self.films += len(batch[-1])
            self.spent = spent + time.monotonic() - begun
            if self.spent >= self.seconds:
                return float(np.mean(losses))
            if self.spent - saved > CHECKPOINT_SECONDS:
                save()
                saved = self.spent
        self.epoch, self.step = self.epoch + 1, 0
        return float(np.mean(losses)) if losses else float("nan")

    def learn(self, loss: Tensor) -> None:
        """Take one step of the optimiser and of the average."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates.rate_at(self.share) * group["factor"]
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._trained.parameters(), 5.0)
        self.optimiser.step()
        self.average.update(self._trained)

    def save(self, path: Path) -> None:
        """Save everything that a resumed training needs, replacing the file at once."""
        counts = {"spent": self.spent, "films": self.films, "epoch": self.epoch, "step": self.step}
        save_training(path, self._trained, self.average, self.optimiser, **counts)

    def resume(self, path: Path) -> None:
        """Continue from a saved training; its recipe must be the same."""
        counts = resume_training(path, self._trained, self.average, self.optimiser)
        self.spent = counts["spent"]
        self.films, self.epoch, self.step = (int(counts[name]) for name in ("films", "epoch", "step"))


def cosine(rate: float, warm: float, share: float) -> float:
    """Return a rate, warmed up over a share of the time and falling by one cosine, at a share (0-1) of the time."""
    return rate * min(1.0, 0.05 + share / warm) * (0.01 + 0.99 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)


def _groups(net: nn.Module, heads: list[nn.Parameter], decay: float, factor: float) -> list[dict[str, object]]:
    """Split parameters: kernels decay, biases and normalisation do not; heads learn `factor` times as fast."""
    known = {id(parameter) for parameter in heads}
    body = [parameter for parameter in net.parameters() if id(parameter) not in known]
    return [
        {"params": [p for p in part if (p.ndim > 1) == kernels], "weight_decay": decay * kernels, "factor": times}
        for part, times in ((body, 1.0), (heads, factor))
        for kernels in (True, False)
    ]
