"""Train the `handnet` backbone end to end: bone age from a prepared hand, with sex given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from boneage.pretrain import loader
from boneage.pretrain.ema import Average
from boneage.pretrain.loader import Training
from boneage.pretrain.torchnet import EndToEnd, NetShape, age_loss, months

Progress = Callable[[str], None]


@dataclass(frozen=True)
class HandRecipe:
    """How the backbone is trained; `spread` in months, `straight` the weight of the absolute error."""

    side: int = 128
    epochs: int = 45
    batch: int = 64
    rate: float = 2e-3
    decay_weights: float = 0.03
    average: float = 0.998
    spread: float = 6.0
    straight: float = 0.05
    equalise: bool = True
    seed: int = 11
    shape: NetShape = field(default_factory=NetShape)


class Trainer:
    """One training: network, average, optimiser and schedule, saved whole after each epoch."""

    def __init__(self, recipe: HandRecipe, steps_per_epoch: int) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.epoch = recipe, 0
        self.net = EndToEnd(recipe.shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.net, recipe.average)
        self.optimiser = torch.optim.AdamW(_groups(self.net, recipe.decay_weights), lr=recipe.rate)
        total = recipe.epochs * steps_per_epoch
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.rate, total_steps=total, pct_start=0.08, div_factor=20, final_div_factor=100
        )

    def run_epoch(self, training: Training) -> float:
        """Train one epoch; return the mean loss."""
        recipe, total, count = self.recipe, 0.0, 0
        self.net.train()
        for images, ages, males in loader.epoch_batches(training, recipe.side, recipe.batch, (recipe.seed, self.epoch)):
            hands = images.float().to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.net(hands, males)
            loss = age_loss(logits, ages, recipe.spread, recipe.straight)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
            self.optimiser.step()
            self.schedule.step()
            self.average.update(self.net)
            total, count = total + loss.item(), count + 1
        self.epoch += 1
        return total / max(count, 1)

    def save(self, path: Path) -> None:
        """Save everything that a resumed training needs, replacing the file at once."""
        state = {name: getattr(self, name).state_dict() for name in ("net", "optimiser", "schedule")}
        average = {"average": self.average.average.state_dict(), "steps": self.average.steps, "epoch": self.epoch}
        torch.save(state | average, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        """Continue from a saved training; its recipe must be the same."""
        state = torch.load(path, weights_only=True)
        for name in ("net", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.average.average.load_state_dict(state["average"])
        self.average.steps, self.epoch = state["steps"], state["epoch"]


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Split parameters: kernels decay, biases and normalisation do not."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def estimate(net: nn.Module, training: Training, side: int) -> np.ndarray:
    """Estimate the age in months, float64 (N,), of every child as served."""
    net.eval()
    found = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for images, _, males in loader.plain_batches(training, side, 64):
            hands = images.float().to(memory_format=torch.channels_last)
            found.append(months(net(hands, males)).numpy())
    return np.concatenate(found).astype(np.float64)
