"""Train one network that reads an age from each region of the hand, and one from all regions together.

It begins with `handlite0`, sees each region cut out and upright, and is told the sex. Batch statistics stay those of
the beginning: regions differ too much from one another for common ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boneage.pretrain import figures, study
from boneage.pretrain.agesnet import SHAPE, RegionalAge, clamped_months, export_onnx
from boneage.pretrain.agesviews import Points, Progress, epoch_batches, find_points, to_batch
from boneage.pretrain.ema import keep_memory
from boneage.pretrain.loader import Order, Training
from boneage.pretrain.timed import TimedTraining, cosine
from boneage.pretrain.torchnet import AgeLoss
from boneage.regions.ages import NAMES, READER, crops_of
from boneage.regions.layout import CROPS
from boneage.shipped import write_record


@dataclass(frozen=True)
class RegionalRecipe:
    """How it is trained.

    Attributes:
        batch: Children a step.
        rate: Highest learning rate of the backbone; the heads' is four times that.
        warm: Share of the time over which the rate is warmed up to; it falls by one cosine to the end.
        decay_weights: AdamW's weight decay of kernels.
        average: Decay a step of the moving average that ships.
        balance: How much oftener children of rare ages come, 0 to 1.
        strong: Share of views with accidents and another maker's processing.
        calm_from: From which share of the time on fewer views are strong.
        calm: Their share then.
        single: Weight of the mean loss of the single regions beside that of the joint age.
        seed: Seed of weights, order and views.
        loss: What is made small.
    """

    batch: int = 32
    rate: float = 4e-4
    warm: float = 0.05
    decay_weights: float = 0.02
    average: float = 0.998
    balance: float = 0.5
    strong: float = 0.5
    calm_from: float = 0.7
    calm: float = 0.25
    single: float = 0.6
    seed: int = 21
    loss: AgeLoss = AgeLoss(newborn_spread=3.0, bins=SHAPE.bins)

    def rate_at(self, share: float) -> float:
        """Return the learning rate when a share of the time (0-1) is used up."""
        return cosine(self.rate, self.warm, share)


class RegionalTrainer(TimedTraining):
    """One training of the network."""

    def __init__(self, recipe: RegionalRecipe, begin: Path | None, seconds: float) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.net = recipe, RegionalAge()
        if begin is not None:
            whole = torch.load(begin, weights_only=True, map_location="cpu")["average"]
            prefix = "backbone."
            body = {name.removeprefix(prefix): value for name, value in whole.items() if name.startswith(prefix)}
            self.net.backbone.load_state_dict(body)
        heads = [*self.net.heads.parameters(), *self.net.joint.parameters()]
        super().__init__(self.net, recipe, heads, 4.0, seconds)

    def run_epoch(self, training: Training, points: Points, save: Callable[[], None]) -> float:
        """Train to the end of the present epoch or of the time; return the mean loss."""
        recipe = self.recipe
        strong = recipe.strong if self.share < recipe.calm_from else recipe.calm
        order = Order(recipe.batch, (recipe.seed, self.epoch), recipe.balance, strong, self.step)
        return self.run(epoch_batches(training, points, order), self.one_step, save)

    def one_step(self, crops: Sequence[Tensor], ages: Tensor, males: Tensor) -> float:
        """Take one step; return the loss of the joint age."""
        logits = self.net([crop.float().to(memory_format=torch.channels_last) for crop in crops], males)
        joint = self.recipe.loss(logits[:, -1], ages)
        alone = torch.stack([self.recipe.loss(logits[:, k], ages) for k in range(len(CROPS))]).mean()
        self.learn(joint + self.recipe.single * alone)
        return joint.item()


def train_ages(
    data: Path, out: Path, begin: Path, minutes: float, *, recipe: RegionalRecipe | None = None, progress: Progress
) -> Path:
    """Train the reader of regional ages for so many minutes and write `handages.onnx` with its record.

    Args:
        data: The folder with the zips and tables.
        out: Where films, key points, checkpoint, network and record go; a second call goes on with the time left.
        begin: `handlite0.pt`, the checkpoint of `python -m boneage.pretrain lite0`, whose backbone it begins with.
        minutes: Time to train, the preparation of the films and the measuring not counted.
        recipe: How to train.
        progress: Called with a line of text after each pass.

    Returns:
        The network's path.
    """
    keep_memory()
    chosen = recipe or RegionalRecipe()
    out.mkdir(parents=True, exist_ok=True)
    parts = study.load_study(data, out / "cache", "equalize", progress)
    points = find_points(parts.train.prepared, None, out / "cache", progress)
    trainer, checkpoint = RegionalTrainer(chosen, begin, minutes * 60), out / "handages.pt"
    if checkpoint.is_file():
        trainer.resume(checkpoint)
        progress(f"goes on after {trainer.spent / 60:.1f} of {minutes:g} minutes")
    while trainer.share < 1:
        loss = trainer.run_epoch(parts.train, points, lambda: trainer.save(checkpoint))
        trainer.save(checkpoint)
        found = measure(trainer.average.average, {"unseen": parts.unseen}, points, mirrored=False)["unseen"]
        line = {"passes": trainer.epoch, "minutes": round(trainer.spent / 60, 1), "loss": round(loss, 3)}
        progress(json.dumps({**line, **{name: row["mae_months"] for name, row in found.items()}}))
    return ship(trainer, parts, points, out)


def measure(
    net: RegionalAge, parts: Mapping[str, Training], points: Points, *, mirrored: bool = True
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure the age of each region, and the joint one, on the children of each part that have key points."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for part, training in parts.items():
        ages, kids = estimate(net, training, points, mirrored=mirrored), training.kids()
        known = np.flatnonzero(~np.isnan(ages[:, 0]))
        some = [kids[k] for k in known]
        found[part] = {name: figures.age_figures(some, ages[known, k]) for k, name in enumerate(NAMES)}
    return found


def estimate(net: RegionalAge, training: Training, points: Points, *, mirrored: bool = True) -> NDArray[np.float64]:
    """Estimate ages in months, float64 (N, regions + 1), of every child; nan where no key points were found."""
    rows, kids = [found[-1] for found in training.rows()], training.kids()
    ages = np.full((len(rows), len(NAMES)), np.nan)
    known = [k for k, row in enumerate(rows) if row in points]
    net.eval()
    for first in range(0, len(known), 32):
        some = known[first : first + 32]
        films = [(np.asarray(training.prepared.images[rows[k]]), points[rows[k]]) for k in some]
        crops, _, males = to_batch([list(crops_of(*film).values()) for film in films], [kids[k] for k in some])
        whole = [crop.float().to(memory_format=torch.channels_last) for crop in crops]
        passes = [whole, [crop.flip(3) for crop in whole]] if mirrored else [whole]
        with torch.no_grad():
            ages[some] = np.mean([clamped_months(net(each, males)).numpy() for each in passes], axis=0)
    return ages


def ship(trainer: RegionalTrainer, parts: study.Study, points: Points, out: Path) -> Path:
    """Write the averaged network as ONNX, and its training record with every figure."""
    path, net, recipe = out / f"{READER}.onnx", trainer.average.average, trainer.recipe
    export_onnx(net, path)
    write_record(
        path,
        {
            "network": READER,
            "input": {name: f"float32 (N, 1, {crop.pixels}, {crop.pixels}), 0-255" for name, crop in CROPS.items()},
            "output": f"months float32 (N, 2, {len(NAMES)}): girls and boys; {', '.join(NAMES)}",
            "begun_with": "handlite0, as trained by `python -m boneage.pretrain lite0`",
            "crops": {name: asdict(crop) for name, crop in CROPS.items()},
            "recipe": asdict(recipe),
            "minutes": round(trainer.spent / 60, 1),
            "passes": trainer.epoch,
            "films": trainer.films,
            "made": f"PyTorch {torch.__version__} with one thread on a CPU",
            "data": study.describe(parts, "equalize"),
            "figures": measure(net, parts.measured(), points),
            "command": "python -m boneage.pretrain ages DATA --out DIR --begin handlite0.pt --minutes M",
        },
    )
    return path
