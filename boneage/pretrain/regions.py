"""Train the network that finds ossification centres and joint regions on a prepared hand, from outlines of readers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from boneage.preprocess import steps
from boneage.preprocess.preparer import Preparer
from boneage.pretrain import masknet, prepare, sources
from boneage.pretrain.ema import Average, keep_memory, resume_training, save_training
from boneage.regions.network import KINDS, SIDE, network_input
from boneage.shipped import write_record

Progress = Callable[[str], None]
KEPT_FILMS = 100
KEPT_SEED = 31
STORED_SIDE = 384
FOLDER = "region_masks"


@dataclass(frozen=True)
class Outlined:
    """Prepared hands with their outlines.

    Attributes:
        ids: N children.
        films: uint8 (N, S, S).
        masks: uint8 (N, 2, S, S), 0-255, in the order of `KINDS`.
    """

    ids: tuple[str, ...]
    films: NDArray[np.uint8]
    masks: NDArray[np.uint8]

    def choose(self, ids: frozenset[str]) -> Outlined:
        """Return the hands of some children."""
        rows = [row for row, name in enumerate(self.ids) if name in ids]
        return Outlined(tuple(self.ids[row] for row in rows), self.films[rows], self.masks[rows])


@dataclass(frozen=True)
class RegionRecipe:
    """How it is trained: films a step, steps, highest rate, decay of weights and of the average that ships, seed."""

    side: int = SIDE
    batch: int = 8
    steps: int = 1600
    rate: float = 3e-3
    weight_decay: float = 1e-3
    average: float = 0.995
    seed: int = 5
    save_every: int = 200
    widths: tuple[int, ...] = masknet.WIDTHS

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: warmed up over 100, then one cosine."""
        return self.rate * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * (1 + np.cos(np.pi * step / self.steps)) / 2)


def outlined_ids(archive: Path) -> list[str]:
    """List the children whose regions are outlined, in numeric order."""
    with zipfile.ZipFile(archive) as masks:
        names = [Path(name) for name in masks.namelist() if name.endswith(".png")]
    return sorted({name.stem for name in names if name.parent.name == KINDS[0]}, key=int)


def divide(data: Path, ids: list[str]) -> dict[str, frozenset[str]]:
    """Divide the outlined children: `validation` (never trained on), `kept` (100, by sex and age group), `train`."""
    table, never = sources.children(data), sources.validation_ids(data)
    rng, allowed = np.random.default_rng(KEPT_SEED), [name for name in ids if name not in never]
    shuffled = [allowed[k] for k in rng.permutation(len(allowed))]
    by_stratum = sorted(shuffled, key=lambda name: table[name].stratum)
    kept = {by_stratum[k] for k in np.linspace(0, len(by_stratum) - 1, KEPT_FILMS).round().astype(int)}
    return {
        "train": frozenset(allowed) - kept,
        "kept": frozenset(kept),
        "validation": frozenset(name for name in ids if name in never),
    }


def load_outlined(data: Path, archive: Path, cache: Path, progress: Progress) -> Outlined:
    """Prepare every outlined hand with its outlines, or find them in `cache`."""
    ids, file = outlined_ids(archive), cache / "outlined-hands.npz"
    if file.is_file():
        with np.load(file) as stored:
            if list(stored["ids"]) == ids:
                return Outlined(tuple(ids), stored["films"], stored["masks"])
    cache.mkdir(parents=True, exist_ok=True)
    preparer = Preparer(replace(prepare.preparation("equalize"), size=500), threads=1)
    large, sizes = frozenset(sources.large_ids(data)), sources.image_sizes(data)
    films = np.zeros((len(ids), STORED_SIDE, STORED_SIDE), np.uint8)
    masks = np.zeros((len(ids), len(KINDS), STORED_SIDE, STORED_SIDE), np.uint8)
    with zipfile.ZipFile(archive) as stored_masks:
        for row, name in enumerate(ids):
            grey = sources.read_film(data, sources.Film(name, name in large), sizes)
            prepared = preparer.prepare(grey)
            films[row] = prepare.shrink_prepared(prepared.image, STORED_SIDE)
            for k, kind in enumerate(KINDS):
                masks[row, k] = _as_prepared(_read(stored_masks, kind, name), grey.shape, prepared.box)
            if row % 200 == 199:
                progress(f"prepared {row + 1} of {len(ids)} outlined hands")
    np.savez(file, ids=np.array(ids), films=films, masks=masks)
    return Outlined(tuple(ids), films, masks)


def _read(archive: zipfile.ZipFile, kind: str, name: str) -> NDArray[np.uint8]:
    stored = archive.read(f"{FOLDER}/{kind}/{name}.png")
    return np.asarray(cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def _as_prepared(mask: NDArray[np.uint8], film: tuple[int, ...], box: steps.Box) -> NDArray[np.uint8]:
    """Crop, pad and resize a mask of the whole film, at its own scale, as the film was prepared."""
    down, right = mask.shape[0] / film[0], mask.shape[1] / film[1]
    top, bottom, left, end = box
    part = mask[round(top * down) : round(bottom * down), round(left * right) : round(end * right)]
    square = steps.pad_to_square(part)
    return np.asarray(cv2.resize(square, (STORED_SIDE, STORED_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def augment(
    film: NDArray[np.uint8], masks: NDArray[np.uint8], rng: np.random.Generator, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw one training view: turned, scaled, mirrored, in other tones; returns (1, side, side) and (2, side, side)."""
    turn, scale = np.deg2rad(rng.normal(0, 12)), side / film.shape[0] * np.exp(rng.uniform(-0.2, 0.15))
    mirror = -1 if rng.random() < 0.5 else 1
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([mirror, 1.0])
    target = side / 2 - 0.5 + rng.uniform(-0.06, 0.06, 2) * side
    matrix = np.column_stack([linear, target - linear @ np.full(2, film.shape[0] / 2 - 0.5)])
    view = cv2.warpAffine(film, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
    truth = [cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR) for mask in masks]
    if rng.random() < 0.3:
        coarse = int(side * rng.uniform(0.4, 0.9))
        small = cv2.resize(view, (coarse, coarse), interpolation=cv2.INTER_AREA)
        view = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.2:
        view = view + rng.normal(0, rng.uniform(2, 8), view.shape)
    view = 255 * np.clip(view / 255, 0, 1) ** np.exp(rng.normal(0, 0.25))
    return (view[None] / 127.5 - 1).astype(np.float32), (np.stack(truth) / 255).astype(np.float32)


class _Views(IterableDataset[tuple[np.ndarray, np.ndarray]]):
    """Training views without end; deterministic from the seed and the step that it starts at."""

    def __init__(self, hands: Outlined, recipe: RegionRecipe, start: int) -> None:
        self.hands, self.recipe, self.start = hands, recipe, start

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([self.recipe.seed, self.start])
        while True:
            row = int(rng.integers(len(self.hands.ids)))
            yield augment(self.hands.films[row], self.hands.masks[row], rng, self.recipe.side)


class RegionTrainer:
    """One training: network, average and optimiser, saved whole every `save_every` steps."""

    def __init__(self, recipe: RegionRecipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.net = masknet.MaskNet(recipe.widths, len(KINDS)).to(memory_format=torch.channels_last)
        self.average = Average(self.net, recipe.average)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), weight_decay=recipe.weight_decay)

    def run(self, hands: Outlined) -> float:
        """Train `save_every` steps; return their mean loss."""
        cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
        views = _Views(hands, self.recipe, self.step)
        loader = DataLoader(views, self.recipe.batch, num_workers=1, multiprocessing_context="fork")
        self.net.train()
        losses = []
        for _, (film, truth) in zip(range(self.recipe.save_every), loader, strict=False):
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.rate_at(self.step)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.net(film.to(memory_format=torch.channels_last))
            loss = region_loss(logits.float(), truth)
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimiser.step()
            self.average.update(self.net)
            self.step += 1
            losses.append(loss.item())
        return float(np.mean(losses))


def region_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy and soft Dice of each kind of region; both (N, 2, S, S), truth 0-1."""
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * truth).sum((0, 2, 3)) + 50) / ((p + truth).sum((0, 2, 3)) + 50)
    return 4 * nn.functional.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


def dice(net: nn.Module, hands: Outlined, side: int) -> dict[str, NDArray[np.float64]]:
    """Measure the Dice overlap of each hand and kind, float64 (N,), at the size at which outlines are stored."""
    found = np.zeros((len(hands.ids), len(KINDS)))
    net.eval()
    for row, film in enumerate(hands.films):
        with torch.no_grad():
            output = torch.sigmoid(net(torch.from_numpy(network_input(film, side))))[0].numpy()
        for k in range(len(KINDS)):
            mask = cv2.resize(output[k], film.shape, interpolation=cv2.INTER_LINEAR) >= 0.5
            truth = hands.masks[row, k] >= 128
            found[row, k] = 2 * np.count_nonzero(mask & truth) / max(np.count_nonzero(mask) + truth.sum(), 1)
    return {kind: found[:, k] for k, kind in enumerate(KINDS)}


def train_regions(
    data: Path, archive: Path, out: Path, recipe: RegionRecipe | None = None, *, progress: Progress
) -> Path:
    """Train the region network and write `handregions.onnx` with its record.

    Args:
        data: The folder with the films and tables.
        archive: `region_masks.zip`: outlines of ossification centres and joint regions.
        out: Where hands, checkpoint, network and record go; a second call goes on from the checkpoint.
        recipe: How to train.
        progress: Called with a line of text now and then.

    Returns:
        The network's path.
    """
    keep_memory()
    chosen = recipe or RegionRecipe()
    hands = load_outlined(data, archive, out / "cache", progress)
    parts = {name: hands.choose(ids) for name, ids in divide(data, list(hands.ids)).items()}
    trainer, checkpoint = RegionTrainer(chosen), out / "handregions.pt"
    if checkpoint.is_file():
        trainer.step = int(resume_training(checkpoint, trainer.net, trainer.average, trainer.optimiser)["step"])
        progress(f"goes on after step {trainer.step}")
    while trainer.step < chosen.steps:
        loss = trainer.run(parts["train"])
        save_training(checkpoint, trainer.net, trainer.average, trainer.optimiser, step=trainer.step)
        some = parts["kept"].choose(frozenset(parts["kept"].ids[:20]))
        overlaps = {kind: values.mean() for kind, values in dice(trainer.average.average, some, chosen.side).items()}
        progress(f"step {trainer.step} of {chosen.steps}: loss {loss:.3f}, Dice of 20 kept hands {overlaps}")
    return ship(trainer, parts, out)


def ship(trainer: RegionTrainer, parts: dict[str, Outlined], out: Path) -> Path:
    """Write the averaged network as ONNX, and its training record."""
    path, net, recipe = out / "handregions.onnx", trainer.average.average, trainer.recipe
    masknet.export_onnx(net, path, recipe.side, "regions")
    write_record(
        path,
        {
            "network": "handregions",
            "input": f"prepared hand float32 (1, 1, {recipe.side}, {recipe.side}), -1 to 1",
            "output": f"{' and '.join(KINDS)}, float32 (1, 2, {recipe.side}, {recipe.side}), 0 to 1",
            "recipe": asdict(recipe),
            "data": {name: {"hands": len(p.ids), "ids_sha256": sources.ids_sha256(p.ids)} for name, p in parts.items()},
            "figures": {name: _summary(dice(net, parts[name], recipe.side)) for name in ("kept", "validation")},
            "command": "python -m boneage.pretrain regions DATA --outlines FILE --out DIR",
        },
    )
    return path


def _summary(overlaps: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    rows = {
        kind: {"dice_mean": values.mean(), "dice_worst": values.min(), "dice_tenth": np.quantile(values, 0.1)}
        for kind, values in overlaps.items()
    }
    rounded: dict[str, Any] = json.loads(json.dumps(rows), parse_float=lambda text: round(float(text), 4))
    return rounded
