"""Train the `handnet` backbone end to end on a CPU, without teachers: bone age from a prepared hand, with sex given.

What ships was trained on a GPU (`boneage.pretrain.lessons`); the small comparisons (`variants`) are made with this.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from boneage.pretrain import export, figures, loader, record, study
from boneage.pretrain.ema import Average
from boneage.pretrain.loader import Training
from boneage.pretrain.team import Team, work_together
from boneage.pretrain.torchnet import EndToEnd, NetShape, age_loss, months

Progress = Callable[[str], None]
MEASURED_EVERY = 3


def silent(line: str) -> None:
    """Take a line of progress and do nothing."""


@dataclass(frozen=True)
class Cycle:
    """A part of the training, one learning-rate cycle long.

    Attributes:
        epochs: Passes over the training children.
        rate: Highest learning rate.
        warm: Share of the cycle (0-1) over which the rate is warmed up to.
        annealed: Share of the cycle (0-1) over which it falls by a cosine at the end; it is held between.
        every_film: Show every film (so that children with a large one count twice) instead of one film of each child.
    """

    epochs: int
    rate: float
    warm: float = 0.0
    annealed: float = 1.0
    every_film: bool = False

    def rate_at(self, epoch: float) -> float:
        """Return the learning rate when `epoch` passes of this cycle (and parts of one) are done."""
        done = min(epoch / self.epochs, 1.0)
        warm = min(1.0, 0.05 + done / self.warm) if self.warm else 1.0
        fall = max(0.0, done - (1 - self.annealed)) / self.annealed
        return self.rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * fall)) / 2)


@dataclass(frozen=True)
class HandRecipe:
    """How the backbone is trained.

    Attributes:
        side: Input side in pixels; the first `early_epochs` see only `early_side`, which costs half as much.
        cycles: The parts of the training, in order; each begins with the weights that the one before left.
        batch: Children a step.
        decay_weights: AdamW's weight decay of kernels.
        average: Decay a step of the moving average that ships.
        spread: Standard deviation of the soft label, in months.
        straight: Weight of the absolute error, per month.
        crossed: Weight of the cross-entropy with the soft label.
        augmented: Whether training views are drawn at random.
        contrast: Contrast step of the preparation.
        seed: Seed of weights, order and augmentation.
        shape: Sizes of the network.
    """

    side: int = 128
    early_side: int = 96
    early_epochs: int = 12
    cycles: tuple[Cycle, ...] = (
        Cycle(46, 1.5e-3, warm=0.02, annealed=0.45),
        Cycle(11, 7e-4, every_film=True),
        Cycle(56, 1e-3, every_film=True),
    )
    batch: int = 64
    decay_weights: float = 0.03
    average: float = 0.998
    spread: float = 6.0
    straight: float = 0.05
    crossed: float = 1.0
    augmented: bool = True
    contrast: str = "equalize"
    seed: int = 11
    shape: NetShape = field(default_factory=NetShape)

    @property
    def passes(self) -> int:
        """Passes in all."""
        return sum(cycle.epochs for cycle in self.cycles)

    def cycle_at(self, epoch: float) -> tuple[Cycle, float]:
        """Return the cycle that a pass belongs to, and how many passes of that cycle are done by then."""
        for cycle in self.cycles:
            if epoch < cycle.epochs:
                return cycle, epoch
            epoch -= cycle.epochs
        raise ValueError(f"a pass must be below {self.passes}, but one {epoch} beyond was given")


class Trainer:
    """One training: network, average and optimiser, saved whole after each epoch."""

    def __init__(self, recipe: HandRecipe, team: Team | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.epoch, self.team = recipe, 0, team or Team()
        self.net = EndToEnd(recipe.shape).to(memory_format=torch.channels_last)
        self.average = Average(self.net, recipe.average)
        self.optimiser = torch.optim.AdamW(_groups(self.net, recipe.decay_weights), lr=recipe.cycles[0].rate)

    def run_epoch(self, training: Training) -> float:
        """Train one epoch; return the mean loss."""
        recipe, total = self.recipe, 0.0
        side = recipe.early_side if self.epoch < recipe.early_epochs else recipe.side
        cycle, begun = recipe.cycle_at(self.epoch)
        order = loader.Order(recipe.batch, (recipe.seed, self.epoch), cycle.every_film, recipe.augmented)
        steps = order.steps(training)
        self.net.train()
        batches = loader.epoch_batches(training, side, order, self.team)
        for number, (images, ages, males) in enumerate(batches):
            rate = cycle.rate_at(begun + number / steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            hands = images.float().to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.net(hands, males)
            loss = age_loss(logits, ages, recipe.spread, recipe.straight, recipe.crossed)
            self.optimiser.zero_grad()
            loss.backward()
            self.team.average_gradients(self.net)
            nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
            self.optimiser.step()
            self.average.update(self.net)
            total += loss.item()
        self.epoch += 1
        return total / steps

    def save(self, path: Path) -> None:
        """Save everything that a resumed training needs, replacing the file at once."""
        state = {name: getattr(self, name).state_dict() for name in ("net", "optimiser")}
        average = {"average": self.average.average.state_dict(), "steps": self.average.steps, "epoch": self.epoch}
        torch.save(state | average, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        """Continue from a saved training; its recipe must be the same."""
        state = torch.load(path, weights_only=True)
        for name in ("net", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.average.average.load_state_dict(state["average"])
        self.average.steps, self.epoch = state["steps"], state["epoch"]


def _groups(net: nn.Module, decay: float) -> list[dict[str, object]]:
    """Split parameters: kernels decay, biases and normalisation do not."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def estimate(net: nn.Module, training: Training, side: int, *, exact: bool = False) -> np.ndarray:
    """Estimate the age in months, float64 (N,), of every child as served; `exact` computes in float32, not bfloat16."""
    net.eval()
    found = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        for images, _, males in loader.plain_batches(training, side, 64):
            hands = images.float().to(memory_format=torch.channels_last)
            found.append(months(net(hands, males)).numpy())
    return np.concatenate(found).astype(np.float64)


def train_alone(
    data: Path, out: Path, recipe: HandRecipe | None = None, *, processes: int = 1, progress: Progress = silent
) -> Path:
    """Train the backbone without teachers, on a CPU, and write `handnet.npz` with its record.

    Args:
        data: The folder with the zips and tables.
        out: Where the weights, the record, the log and the checkpoint go; a second call resumes from the checkpoint.
        recipe: How to train; the default is what shipped until 2026-11-26, on a network of half the size.
        processes: How many processes of one thread share each batch: on a busy machine two of them are twice as fast as
            two threads, which wait for each other at every layer.
        progress: Called with a line of text now and then.

    Returns:
        The weights' path.
    """
    chosen = recipe or HandRecipe()
    out.mkdir(parents=True, exist_ok=True)
    study.load_study(data, out / "cache", chosen.contrast, progress)
    if processes == 1:
        _train(Team(), data, out, chosen, progress)
    else:
        work_together(_train, processes, (data, out, chosen, progress))
    return out / "handnet.npz"


def _train(team: Team, data: Path, out: Path, recipe: HandRecipe, progress: Progress) -> None:
    """Train in one process of a team; the first one measures, saves and ships."""
    parts = study.load_study(data, out / "cache", recipe.contrast, progress)
    trainer, checkpoint = Trainer(recipe, team), out / "handnet.pt"
    if checkpoint.is_file():
        trainer.resume(checkpoint)
        progress(f"resumed after epoch {trainer.epoch}")
    while trainer.epoch < recipe.passes:
        start = time.monotonic()
        loss = trainer.run_epoch(parts.train)
        if team.leads:
            trainer.save(checkpoint)
            progress(_measure(trainer, parts, out / "handnet-log.jsonl", loss, time.monotonic() - start))
    if team.leads:
        ship(trainer, parts, out)


def _measure(trainer: Trainer, parts: study.Study, log: Path, loss: float, seconds: float) -> str:
    """Measure the average's error on the unseen children every few epochs; append to the log and return its line."""
    entry = {"epoch": trainer.epoch, "loss": round(loss, 4), "seconds": round(seconds)}
    if trainer.epoch % MEASURED_EVERY == 0:
        guesses = estimate(trainer.average.average, parts.unseen, trainer.recipe.side)
        entry["unseen_mae_months"] = figures.age_figures(parts.unseen.kids(), guesses)["mae_months"]
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    return f"of {trainer.recipe.passes} epochs: {json.dumps(entry)}"


def ship(trainer: Trainer, parts: study.Study, out: Path) -> Path:
    """Write the averaged weights as float16 and the training record with every figure."""
    path = out / "handnet.npz"
    net = trainer.average.average
    export.save_weights(net, path)
    recipe = trainer.recipe
    record.write_record(
        path,
        {
            "network": "handnet",
            "input": "prepared hand, uint8 0-255, shrunk to (side, side, 1); background 0",
            "output": "(side / 16, side / 16, features), 0 and above; its average is the pooled feature",
            "recipe": asdict(recipe),
            "epochs": trainer.epoch,
            "data": study.describe(parts, recipe.contrast),
            "figures": all_figures(net, parts, recipe.side),
            "command": "python -m boneage.pretrain alone DATA --out DIR",
        },
    )
    return path


def all_figures(net: nn.Module, parts: study.Study, side: int) -> dict[str, dict[str, float]]:
    """Measure the end-to-end network on the validation set (all, large alone), the unseen and as many seen children."""
    seen = parts.train.choose(np.random.default_rng(0).permutation(parts.train.ids)[: len(parts.unseen.ids)].tolist())
    sets = {
        "validation": parts.validation,
        "validation_large": parts.validation.choose([i for i in parts.validation.ids if i in parts.large]),
        "unseen": parts.unseen,
        "seen": seen,
    }
    guesses = {name: estimate(net, part, side, exact=True) for name, part in sets.items()}
    return {name: figures.age_figures(part.kids(), guesses[name]) for name, part in sets.items()}
