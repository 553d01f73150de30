"""Train a network from a pack of prepared films, every view drawn on the device that trains: a GPU, or a CPU slowly.

A pupil sees the same views as its teachers and learns what they say of them, beside the labels. Everything learns from
the children marked `train` alone; unseen children measure, and validation children take no part.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from boneage.pretrain import figures, gpuviews
from boneage.pretrain.ema import Average, resume_training, save_training
from boneage.pretrain.pack import Pack
from boneage.pretrain.torchnet import EndToEnd, NetShape, expectation, months, soft_ages

Progress = Callable[[str], None]
CHECKPOINT_EVERY = 5


@dataclass(frozen=True)
class GpuRecipe:
    """Hyperparameters of a training.

    Attributes:
        shape: Sizes of the network.
        side: Input side in pixels.
        epochs: Passes over every film of the training children for which the learning rate is planned.
        stopped_after: Passes that are made; 0 for all.
        batch: Films a step.
        rate: Highest learning rate; warmed up over 3 % of the passes and annealed by a cosine.
        decay: AdamW's weight decay of kernels.
        average: Decay a step of the moving average that is kept.
        spread: Standard deviation of the soft label, in months.
        straight: Weight of the absolute error, per month.
        strong: Whether the accidents are the strong ones.
        mixed: Share of batches in which films are mixed in pairs.
        taught: Weight (0-1) of what the teachers say against the label.
        seed: Seed of weights, order and views.
    """

    shape: NetShape = field(default_factory=NetShape)
    side: int = 128
    epochs: int = 120
    stopped_after: int = 0
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    average: float = 0.999
    spread: float = 6.0
    straight: float = 0.05
    strong: bool = False
    mixed: float = 0.0
    taught: float = 0.0
    seed: int = 11

    @property
    def passes(self) -> int:
        """Passes that are made."""
        return self.stopped_after or self.epochs

    def rate_at(self, done: float) -> float:
        """Return the learning rate when a share (0-1) of the planned passes is done."""
        warm = min(1.0, 0.02 + done / 0.03)
        return self.rate * warm * (0.005 + 0.995 * (1 + math.cos(math.pi * done)) / 2)


class Films:
    """A pack on a device: `images` uint8 (N, S, S), and per film `ages` in months and `males` of 0 or 1."""

    def __init__(self, pack: Pack, device: torch.device) -> None:
        kids = [pack.kids[int(place)] for place in pack.child]
        self.pack, self.device = pack, device
        self.images = torch.from_numpy(pack.images).to(device)
        self.ages = torch.tensor([kid.age_months for kid in kids], dtype=torch.float32, device=device)
        self.males = torch.tensor([kid.male for kid in kids], dtype=torch.float32, device=device)


class GpuTrainer:
    """One training on a pack: network, average and optimiser, saved whole every few epochs."""

    def __init__(self, recipe: GpuRecipe, films: Films, teachers: Sequence[nn.Module] = ()) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.films, self.epoch = recipe, films, 0
        self.net = EndToEnd(recipe.shape).to(films.device, memory_format=torch.channels_last)
        self.average = Average(self.net, recipe.average)
        kernels = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": recipe.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.rate, fused=films.device.type == "cuda")
        self.accidents = gpuviews.STRONG if recipe.strong else gpuviews.MILD
        self.teachers = [faster(each, films.device) for each in teachers]

    def begin_with(self, net: EndToEnd) -> None:
        """Start from a trained network's weights instead of drawn ones."""
        self.net.load_state_dict(net.state_dict())
        self.average = Average(self.net, self.recipe.average)
        self.average.steps = 1000  # no start to forget

    def train(self, checkpoint: Path, progress: Progress) -> EndToEnd:
        """Train to the end, from a checkpoint where there is one; return the averaged network.

        A log of JSON lines grows beside the checkpoint, which is kept for the next call.
        """
        if checkpoint.is_file():
            self.epoch = int(resume_training(checkpoint, self.net, self.average, self.optimiser)["epoch"])
        rows = torch.from_numpy(self.films.pack.films("train")).to(self.films.device)
        running = faster(self.net, self.films.device)
        while self.epoch < self.recipe.passes:
            began = time.monotonic()
            entry: dict[str, float] = {"epoch": self.epoch + 1, "loss": round(self._run_epoch(running, rows), 4)}
            if self.epoch % CHECKPOINT_EVERY == 0 or self.epoch == self.recipe.passes:
                found = measured([self.average.average], self.films, self.recipe.side, "unseen")
                entry["unseen_mae_months"] = found["mae_months"]
                save_training(checkpoint, self.net, self.average, self.optimiser, epoch=self.epoch)
            entry["seconds"] = round(time.monotonic() - began, 2)
            with checkpoint.with_suffix(".jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            progress(f"{checkpoint.stem}, of {self.recipe.passes} epochs: {json.dumps(entry)}")
        return self.average.average

    def _run_epoch(self, running: nn.Module, rows: Tensor) -> float:
        """Train one epoch, the same one after a resumption; return the mean loss."""
        recipe, losses = self.recipe, []
        torch.manual_seed(recipe.seed * 100_003 + self.epoch)
        order = rows[torch.randperm(len(rows), device=rows.device)]
        steps = max(1, len(rows) // recipe.batch)
        running.train()
        for step in range(steps):
            rate = recipe.rate_at((self.epoch + step / steps) / recipe.epochs)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            losses.append(self._step(running, order[step * recipe.batch : (step + 1) * recipe.batch]))
        self.epoch += 1
        return float(torch.stack(losses).mean())

    def _step(self, running: nn.Module, rows: Tensor) -> Tensor:
        films, recipe = self.films, self.recipe
        views = gpuviews.drawn(films.images[rows], recipe.side, self.accidents)
        ages, males = films.ages[rows], films.males[rows]
        soft = soft_ages(ages, recipe.spread)
        if float(torch.rand(())) < recipe.mixed:
            views, soft, ages, males = _mixed(views, soft, ages, males)
        views = views.to(memory_format=torch.channels_last)
        if self.teachers:
            said = distribution(self.teachers, views, males)
            soft, ages = torch.lerp(soft, said, recipe.taught), torch.lerp(ages, expectation(said), recipe.taught)
        with _half(films.device):
            logits = running(views, males).float()
        entropy = -(soft * torch.log_softmax(logits, dim=1)).sum(1).mean()
        loss: Tensor = entropy + recipe.straight * (months(logits) - ages).abs().mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        self.average.update(self.net)
        return loss.detach()


def faster(net: nn.Module, device: torch.device) -> nn.Module:
    """Compile a network for a GPU, where that halves a step; on a CPU it stays as it is."""
    return torch.compile(net) if device.type == "cuda" else net


@torch.no_grad()
def distribution(nets: Sequence[nn.Module], views: Tensor, males: Tensor) -> Tensor:
    """Return the mean of several networks' distributions over the bins, (N, 39)."""
    with _half(views.device):
        return torch.stack([torch.softmax(each(views, males).float(), 1) for each in nets]).mean(0)


def measured(nets: Sequence[nn.Module], films: Films, side: int, role: str) -> dict[str, float]:
    """Return every figure of several networks' mean over the children of a role, on the packed films as served."""
    rows = films.pack.served(role)
    kids = [films.pack.kids[int(films.pack.child[row])] for row in rows]
    found = []
    for part in torch.from_numpy(rows).to(films.device).split(256):
        views = gpuviews.plain(films.images[part], side).to(memory_format=torch.channels_last)
        found.append(expectation(distribution(nets, views, films.males[part])).cpu())
    return figures.age_figures(kids, torch.cat(found).numpy().astype(np.float64))


def _mixed(views: Tensor, soft: Tensor, ages: Tensor, males: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mix each film with another: views, labels and sexes by the same share, one half or more its own."""
    other = torch.randperm(len(views), device=views.device)
    alpha = torch.full((len(views),), 0.4, device=views.device)
    share = torch.distributions.Beta(alpha, alpha).sample()
    share = torch.maximum(share, 1 - share)
    return (
        torch.lerp(views[other], views, share[:, None, None, None]),
        torch.lerp(soft[other], soft, share[:, None]),
        torch.lerp(ages[other], ages, share),
        torch.lerp(males[other], males, share),
    )


def _half(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if device.type == "cuda" else nullcontext()
