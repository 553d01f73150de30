"""Train EfficientNet-Lite0 for bone age on one CPU core, from ImageNet weights, in as much time as there is.

The plan is made in minutes, not in passes: sides and learning rate follow the share of the time that is used up, so the
same command ends well whether it has half an hour or a night. Time spent is kept in the checkpoint; a stopped command
goes on with what is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from boneage.pretrain import figures, loader, study
from boneage.pretrain.ema import keep_memory
from boneage.pretrain.litenet import LiteAge, LiteShape, read_imagenet
from boneage.pretrain.loader import Training
from boneage.pretrain.timed import TimedTraining, cosine
from boneage.pretrain.torchnet import AgeLoss, months
from boneage.shipped import write_record

Progress = Callable[[str], None]
OLDEST_MONTHS = 228.0


@dataclass(frozen=True)
class Part:
    """A part of the plan: from which share of the time on (0-1), and the sides in pixels to train and to measure at.

    `strong` is the share of views with accidents and another maker's processing; fewer at the end, so that the network
    comes to rest on films as they are.

    Hands look larger in training views than when served, so a network is at its best a little above the side that it
    was trained at.
    """

    begins: float
    side: int
    measured: int
    strong: float = 1.0


@dataclass(frozen=True)
class LiteRecipe:
    """How it is trained.

    Attributes:
        parts: The sides, by share of the time.
        batch: Children a step.
        rate: Highest learning rate of the backbone; the head's is twice that.
        warm: Share of the time over which the rate is warmed up to; it falls by one cosine to the end.
        decay_weights: AdamW's weight decay of kernels.
        average: Decay a step of the moving average that ships.
        loss: What is made small.
        balance: How much oftener children of rare ages come, 0 to 1.
        contrast: Contrast step of the preparation.
        seed: Seed of weights, order and views.
        shape: Sizes of the head.
    """

    parts: tuple[Part, ...] = (
        Part(0.0, 160, 192),
        Part(0.2, 192, 224),
        Part(0.4, 224, 256),
        Part(0.7, 224, 256, strong=0.3),
    )
    batch: int = 32
    rate: float = 8e-4
    warm: float = 0.04
    decay_weights: float = 0.02
    average: float = 0.998
    loss: AgeLoss = AgeLoss(newborn_spread=3.0, bins=LiteShape().bins)
    balance: float = 0.5
    contrast: str = "equalize"
    seed: int = 14
    shape: LiteShape = LiteShape()

    def part_at(self, share: float) -> Part:
        """Return the part of the plan that a share of the time (0-1) belongs to."""
        return [part for part in self.parts if part.begins <= share][-1]

    def rate_at(self, share: float) -> float:
        """Return the learning rate when a share of the time (0-1) is used up."""
        return cosine(self.rate, self.warm, share)


class LiteTrainer(TimedTraining):
    """One training of the network."""

    def __init__(self, recipe: LiteRecipe, imagenet: Path | None, seconds: float) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.net = recipe, LiteAge(recipe.shape)
        if imagenet is not None:
            self.net.backbone.load_state_dict(read_imagenet(imagenet))
        heads = [*self.net.hidden.parameters(), *self.net.out.parameters()]
        super().__init__(self.net, recipe, heads, 2.0, seconds)

    def run_epoch(self, training: Training, save: Callable[[], None]) -> float:
        """Train to the end of the present epoch or of the time; return the mean loss. `save` is called now and then."""
        recipe, part = self.recipe, self.recipe.part_at(self.share)
        order = loader.Order(recipe.batch, (recipe.seed, self.epoch), recipe.balance, part.strong, self.step)
        return self.run(loader.epoch_batches(training, part.side, order), self.one_step, save)

    def one_step(self, images: Tensor, ages: Tensor, males: Tensor) -> float:
        """Take one step with images (N, 1, S, S) of 0-255, ages (N,) in months and males (N,); return the loss."""
        hands = images.float().to(memory_format=torch.channels_last)
        loss: Tensor = self.recipe.loss(self.net(hands, males), ages)
        self.learn(loss)
        return loss.item()


def estimate(net: LiteAge, training: Training, side: int, *, mirrored: bool = True) -> np.ndarray:
    """Estimate the age in months, float64 (N,), of every child as served: the mean with the mirrored film."""
    net.eval()
    found = []
    with torch.no_grad():
        for images, _, males in loader.plain_batches(training, side, 32):
            hands = images.float().to(memory_format=torch.channels_last)
            views = [hands, hands.flip(3)] if mirrored else [hands]
            ages = torch.stack([months(net(view, males), net.shape.bins) for view in views])
            found.append(ages.mean(0).clamp(0, OLDEST_MONTHS).numpy())
    return np.concatenate(found).astype(np.float64)


def train_lite0(
    data: Path, out: Path, imagenet: Path, minutes: float, *, recipe: LiteRecipe | None = None, progress: Progress
) -> Path:
    """Train the backbone and its head for so many minutes and write `handlite0.npz` with its record.

    Args:
        data: The folder with the zips and tables.
        out: Where films, checkpoint, log, weights and record go; a second call goes on with the time that is left.
        imagenet: The published ImageNet weights, a `.pth` file.
        minutes: Time to train, the preparation of the films and the measuring not counted.
        recipe: How to train.
        progress: Called with a line of text after each pass.

    Returns:
        The weights' path.
    """
    keep_memory()
    chosen = recipe or LiteRecipe()
    out.mkdir(parents=True, exist_ok=True)
    parts = study.load_study(data, out / "cache", chosen.contrast, progress)
    trainer, checkpoint = LiteTrainer(chosen, imagenet, minutes * 60), out / "handlite0.pt"
    if checkpoint.is_file():
        trainer.resume(checkpoint)
        progress(f"goes on after {trainer.spent / 60:.1f} of {minutes:g} minutes")
    while trainer.share < 1:
        loss = trainer.run_epoch(parts.train, lambda: trainer.save(checkpoint))
        trainer.save(checkpoint)
        progress(_measure(trainer, parts, out / "handlite0-log.jsonl", loss))
    return ship(trainer, parts, out)


def _measure(trainer: LiteTrainer, parts: study.Study, log: Path, loss: float) -> str:
    """Measure the average's error on the unseen children; append to the log and return its line."""
    part = trainer.recipe.part_at(trainer.share)
    guesses = estimate(trainer.average.average, parts.unseen, part.measured, mirrored=False)
    found = figures.age_figures(parts.unseen.kids(), guesses)
    entry = {
        "epoch": trainer.epoch,
        "films": trainer.films,
        "minutes": round(trainer.spent / 60, 1),
        "side": part.side,
        "loss": round(loss, 4),
        "unseen_mae_months": found["mae_months"],
        "unseen_bias_months": found["bias_months"],
    }
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    return json.dumps(entry)


def ship(trainer: LiteTrainer, parts: study.Study, out: Path) -> Path:
    """Write the averaged weights as float16 and the training record with every figure."""
    from boneage.pretrain import liteexport

    path = out / "handlite0.npz"
    net = trainer.average.average
    liteexport.save_weights(net, path)
    recipe = trainer.recipe
    side = recipe.parts[-1].measured
    write_record(
        path,
        {
            "network": "handlite0",
            "input": "prepared hand, uint8 0-255, shrunk to (side, side, 1); background 0",
            "output": "(side / 32, side / 32, 1280), 0 to 6; its average is the pooled feature",
            "begun_with": liteexport.IMAGENET,
            "side": side,
            "recipe": asdict(recipe),
            "minutes": round(trainer.spent / 60, 1),
            "passes": trainer.epoch,
            "films": trainer.films,
            "made": f"PyTorch {torch.__version__} with one thread on a CPU",
            "data": study.describe(parts, recipe.contrast),
            "figures": all_figures(net, parts, side),
            "command": "python -m boneage.pretrain lite0 DATA --out DIR --imagenet FILE --minutes M",
        },
    )
    return path


def all_figures(net: LiteAge, parts: study.Study, side: int) -> dict[str, dict[str, float]]:
    """Measure on the validation set (all, large alone) and the unseen children, with the mirrored film."""
    return {
        name: figures.age_figures(part.kids(), estimate(net, part, side)) for name, part in parts.measured().items()
    }
