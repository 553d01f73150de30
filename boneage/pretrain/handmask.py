"""Train the `handmask` network: outlines drawn by readers, films with drawn-on accidents, then an ONNX file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from boneage.preprocess import handmask as runtime
from boneage.pretrain import filmaugment, masknet
from boneage.pretrain.ema import Average, resume_training, save_training
from boneage.pretrain.outlines import Films, Outlined, describe, load_films
from boneage.shipped import write_record

Progress = Callable[[str], None]
WARM = 0.15


@dataclass(frozen=True)
class Stage:
    """A part of the training, one learning-rate cycle long.

    Attributes:
        steps: Training steps.
        rate: Highest learning rate.
        phantom_share: Share of the films that are simulated, 0-1.
        cast: Share of the films on which a plaster cast is drawn, 0-1.
    """

    steps: int
    rate: float
    phantom_share: float
    cast: float

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step of this stage: up for 15 % of it, then down by a cosine."""
        done = step / self.steps
        if done < WARM:
            return self.rate * (0.04 + 0.96 * done / WARM)
        return self.rate * max(1e-4, (1 + math.cos(math.pi * (done - WARM) / (1 - WARM))) / 2)


@dataclass(frozen=True)
class MaskRecipe:
    """Hyperparameters of the mask network's training.

    Attributes:
        side: Input in pixels.
        stages: The parts of the training, in order.
        batch: Films a step.
        weight_decay: AdamW's.
        decay: Decay a step of the moving average that ships.
        phantoms: How many simulated hands are drawn.
        seed: Seed of everything random.
        save_every: Steps between checkpoints.
        widths: Channels of the network.
    """

    side: int = runtime.SIDE
    stages: tuple[Stage, ...] = (Stage(1600, 3e-3, 0.1, 0.1), Stage(500, 1e-3, 0.15, 0.15))
    batch: int = 12
    weight_decay: float = 1e-3
    decay: float = 0.995
    phantoms: int = 120
    seed: int = 3
    save_every: int = 100
    widths: tuple[int, ...] = masknet.WIDTHS

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """Return the stage that a step belongs to, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise ValueError(f"a step must be below {self.steps}, but one {step} beyond was given")


class AugmentedFilms(IterableDataset[tuple[np.ndarray, np.ndarray]]):
    """Augmented films one by one, without end; deterministic from the seed and the step that it starts at."""

    def __init__(self, films: Films, recipe: MaskRecipe, start: int) -> None:
        self.films, self.recipe, self.start = films, recipe, start

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([self.recipe.seed, self.start])
        stage, _ = self.recipe.stage_at(self.start)
        accidents = filmaugment.Accidents(cast=stage.cast)
        while True:
            pool = self.films.phantoms if rng.random() < stage.phantom_share else self.films.train
            film, truth = filmaugment.augment(pool[rng.integers(len(pool))], rng, self.recipe.side, accidents)
            yield film[None], truth[None]


class MaskTrainer:
    """One training: network, average and optimiser, saved whole every `save_every` steps."""

    def __init__(self, recipe: MaskRecipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.net = masknet.MaskNet(recipe.widths).to(memory_format=torch.channels_last)
        self.average = Average(self.net, recipe.decay)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)

    def run(self, films: Films, steps: int) -> float:
        """Train at most `steps` steps of the present stage; return their mean loss."""
        stage, within = self.recipe.stage_at(self.step)
        steps = min(steps, stage.steps - within)
        cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
        loader = DataLoader(
            AugmentedFilms(films, self.recipe, self.step),
            self.recipe.batch,
            num_workers=1,
            multiprocessing_context="fork",
        )
        self.net.train()
        total = 0.0
        for _, (film, truth) in zip(range(steps), loader, strict=False):
            stage, within = self.recipe.stage_at(self.step)
            for group in self.optimiser.param_groups:
                group["lr"] = stage.rate_at(within)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.net(film.to(memory_format=torch.channels_last))
            loss = mask_loss(logits.float(), truth)
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimiser.step()
            self.average.update(self.net)
            self.step, total = self.step + 1, total + loss.item()
        return total / steps


def train_handmask(data: Path, out: Path, recipe: MaskRecipe | None = None, *, progress: Progress) -> Path:
    """Train the mask network from the zips of a data folder and write `handmask.onnx` with its record.

    Args:
        data: The folder with the zips, the tables and the outlines.
        out: Where network, record and checkpoint go; a second call resumes from the checkpoint.
        recipe: How to train; the default is what shipped.
        progress: Called with a line of text now and then.

    Returns:
        The network's path.
    """
    chosen = recipe or MaskRecipe()
    out.mkdir(parents=True, exist_ok=True)
    films, trainer = load_films(data, chosen.phantoms, chosen.seed), MaskTrainer(chosen)
    checkpoint = out / "handmask.pt"
    if checkpoint.is_file():
        trainer.step = int(resume_training(checkpoint, trainer.net, trainer.average, trainer.optimiser)["step"])
        progress(f"resumed after step {trainer.step}")
    while trainer.step < chosen.steps:
        loss = trainer.run(films, chosen.save_every)
        save_training(checkpoint, trainer.net, trainer.average, trainer.optimiser, step=trainer.step)
        overlaps = list(score(trainer.average.average, films.validation, chosen.side).values())
        progress(
            f"step {trainer.step} of {chosen.steps}: loss {loss:.4f}, validation IoU mean {np.mean(overlaps):.4f}, "
            f"worst {min(overlaps):.4f}"
        )
    return ship(trainer, films, out)


def ship(trainer: MaskTrainer, films: Films, out: Path) -> Path:
    """Write the averaged network as ONNX, and its training record."""
    path, net, recipe = out / "handmask.onnx", trainer.average.average, trainer.recipe
    validation, small = (score(net, part, recipe.side) for part in (films.validation, films.small))
    masknet.export_onnx(net, path, recipe.side)
    write_record(
        path,
        {
            "network": "handmask",
            "input": f"film float32 (1, 1, {recipe.side}, {recipe.side}), -1 to 1, letterboxed",
            "output": f"hand float32 (1, 1, {recipe.side}, {recipe.side}), 0 to 1",
            "recipe": asdict(recipe),
            "accidents": asdict(filmaugment.Accidents()),
            "data": describe(films),
            "figures": {"validation": _summary(validation), "small_films": _summary(small)},
            "command": "python -m boneage.pretrain handmask DATA --out DIR",
        },
    )
    return path


def _summary(overlaps: dict[str, float]) -> dict[str, Any]:
    values = list(overlaps.values())
    return {
        "iou_mean": round(float(np.mean(values)), 4),
        "iou_worst": round(min(values), 4),
        "iou": {name: round(value, 4) for name, value in overlaps.items()},
    }


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean of cross-entropy, heavier near the outline, and soft Dice; both (N, 1, S, S), truth 0-1."""
    with torch.no_grad():
        small = nn.functional.avg_pool2d(truth, 4)
        near = nn.functional.max_pool2d(small, 3, 1, 1) + nn.functional.max_pool2d(-small, 3, 1, 1)
        weight = 1 + 3 * nn.functional.interpolate(near, scale_factor=4.0)
    bce = (nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight).mean()
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * truth).sum((1, 2, 3)) + 50) / ((p + truth).sum((1, 2, 3)) + 50)
    return bce + dice.mean()


def predict_mask(net: nn.Module, image: np.ndarray, side: int) -> np.ndarray:
    """Run the PyTorch network on a film uint8 (H, W) as the shipped code does: mask uint8 (H, W)."""
    with torch.no_grad():
        output = torch.sigmoid(net(torch.from_numpy(runtime.network_input(image, side)))).numpy()
    return runtime.mask_from_output(output, (image.shape[0], image.shape[1]))


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return intersection over union of two masks of 0-255 cut at 128; two empty masks agree fully."""
    a, b = mask >= 128, truth >= 128
    union = np.count_nonzero(a | b)
    return 1.0 if union == 0 else np.count_nonzero(a & b) / union


def score(net: nn.Module, films: Sequence[Outlined], side: int) -> dict[str, float]:
    """Return the overlap of each film by name."""
    return {film.name: overlap(predict_mask(net, film.image, side), film.mask) for film in films}
