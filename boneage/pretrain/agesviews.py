"""Crops of the regions of prepared hands, drawn anew for every pass, and the key points that they are cut by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from boneage.files import write_whole
from boneage.pretrain import handaugment
from boneage.pretrain.loader import Order, Training
from boneage.pretrain.prepare import Prepared
from boneage.pretrain.sources import Child
from boneage.pretrain.toneaugment import retone
from boneage.regions.layout import CROPS, Crop, KeyPoints, cut
from boneage.regions.network import RegionFinder
from boneage.shipped import file_sha256

Progress = Callable[[str], None]
Points = Mapping[int, KeyPoints]  # by row of the prepared films
Batch = tuple[list[Tensor], Tensor, Tensor]


def find_points(films: Prepared, network: Path | None, cache: Path, progress: Progress) -> dict[int, KeyPoints]:
    """Find the key points of every prepared film, or read them from `cache`; a film without them is left out."""
    finder = RegionFinder(network)
    wanted, file = file_sha256(finder.file), cache / "key-points.json"
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if stored.get("network") != wanted or stored.get("films") != len(films.images):
        found: dict[int, KeyPoints] = {}
        for row, image in enumerate(films.images):
            points = finder.points(np.asarray(image))
            if points is not None:
                found[row] = points
            if row % 1000 == 999:
                progress(f"key points of {row + 1} of {len(films.images)} films")
        rows = {row: [points.carpus, points.joints] for row, points in found.items()}
        stored = {"network": wanted, "films": len(films.images), "points": rows}
        write_whole(file, json.dumps(stored))
    pairs = {int(row): (carpus, joints) for row, (carpus, joints) in stored["points"].items()}
    return {row: KeyPoints(tuple(carpus), tuple(map(tuple, joints))) for row, (carpus, joints) in pairs.items()}


def jittered(crop: Crop, rng: np.random.Generator) -> tuple[Crop, float]:
    """Move and scale a crop by chance; returns it and degrees to turn it by."""
    side = crop.side * float(np.exp(rng.normal(0, 0.08)))
    forward = crop.forward + float(rng.normal(0, 0.04)) * crop.side
    return Crop(forward, side, crop.pixels), float(np.clip(rng.normal(0, 7), -20, 20))


def turned(points: KeyPoints, degrees: float) -> KeyPoints:
    """Turn a hand's axis about its carpus."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x, y = np.array(points.carpus) + turn @ points.axis
    return KeyPoints(points.carpus, ((float(x), float(y)),))


def training_crops(
    film: NDArray[np.uint8], points: KeyPoints, rng: np.random.Generator, strong: float
) -> list[NDArray[np.uint8]]:
    """Draw the regions of one training view: other tones, moved crops, mirrored together, accidents now and then."""
    harsh = rng.random() < strong
    view = retone(film, rng) if harsh else retone(film, rng, handaugment.CALM)
    mirrored, found = rng.random() < 0.5, []
    for crop in CROPS.values():
        moved, degrees = jittered(crop, rng)
        part = cut(view, turned(points, degrees), moved)
        if harsh:
            part = handaugment.film_accidents(part, rng)
        found.append(np.ascontiguousarray(part[:, ::-1]) if mirrored else part)
    return found


def to_batch(views: Sequence[Sequence[NDArray[np.uint8]]], kids: Sequence[Child]) -> Batch:
    """Stack crops by region, with ages (N,) in months and males (N,)."""
    crops = [torch.from_numpy(np.stack([view[k] for view in views])[:, None]) for k in range(len(CROPS))]
    ages = torch.tensor([kid.age_months for kid in kids], dtype=torch.float32)
    return crops, ages, torch.tensor([kid.male for kid in kids], dtype=torch.float32)


class _Epoch(Dataset[Batch]):
    """One epoch's batches; a resumed run repeats it."""

    def __init__(self, training: Training, points: Points, order: Order) -> None:
        self.training, self.points, self.order = training, points, order
        self.batches = order.batches(training)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([*self.order.seed, self.order.begin + number])
        views, kids = [], []
        for child, row in self.batches[number]:
            if row in self.points:
                film = np.asarray(self.training.prepared.images[row])
                views.append(training_crops(film, self.points[row], rng, self.order.strong))
                kids.append(self.training.table[self.training.ids[child]])
        return to_batch(views, kids)


def epoch_batches(training: Training, points: Points, order: Order) -> Iterator[Batch]:
    """Yield what is left of one epoch, in batches of crops."""
    cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
    yield from DataLoader(
        _Epoch(training, points, order),
        batch_size=None,
        num_workers=1,
        prefetch_factor=8,
        multiprocessing_context="fork",
    )
