"""Batches of augmented hands, made in one helper process beside the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from boneage.pretrain import handaugment
from boneage.pretrain.prepare import Prepared
from boneage.pretrain.sources import Child, Film, drawn_places, weights_by_age

Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Training:
    """What may be trained on: the children, their prepared films, and the film rows of each child."""

    table: Mapping[str, Child]
    prepared: Prepared
    ids: tuple[str, ...]

    def rows(self) -> list[list[int]]:
        """Return the rows of each child's films, in the order of `ids`."""
        found = self.prepared.rows()
        films = [(Film(i, False), Film(i, True)) for i in self.ids]
        return [[found[f] for f in pair if f in found] for pair in films]

    def kids(self) -> list[Child]:
        """Return the children in the order of `ids`."""
        return [self.table[i] for i in self.ids]

    def choose(self, ids: Sequence[str]) -> Training:
        """Return the same films for other children."""
        return replace(self, ids=tuple(str(i) for i in ids))


@dataclass(frozen=True)
class Order:
    """In which order an epoch goes through the children; deterministic from `seed` (seed and epoch).

    Attributes:
        batch: Films a step, one of each child; the last incomplete batch is left out.
        seed: Seed and epoch.
        balance: How much oftener children of rare ages come, 0 (all alike) to 1: see `sources.weights_by_age`.
        strong: Share of views (0-1) that everything happens to that `handaugment.augment` can do.
        begin: Batches that an earlier run of this epoch has already taken.
    """

    batch: int
    seed: tuple[int, int]
    balance: float = 0.0
    strong: float = 1.0
    begin: int = 0

    def batches(self, training: Training) -> list[list[tuple[int, int]]]:
        """Return the batches: pairs of a child's place in `ids` and the row of one of its films."""
        rng = np.random.default_rng(self.seed)
        rows = training.rows()
        places = drawn_places(weights_by_age(training.kids(), self.balance), rng)
        pairs = [(int(child), int(rng.choice(rows[child]))) for child in places]
        shuffled = [pairs[k] for k in rng.permutation(len(pairs))]
        return [shuffled[k * self.batch : (k + 1) * self.batch] for k in range(self.begin, len(pairs) // self.batch)]


class _Epoch(Dataset[Batch]):
    """One epoch's batches; a resumed run repeats it."""

    def __init__(self, training: Training, side: int, order: Order) -> None:
        self.training, self.side, self.order = training, side, order
        self.batches = order.batches(training)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([*self.order.seed, self.order.begin + number])
        chosen = self.batches[number]
        films = [np.asarray(self.training.prepared.images[row]) for _, row in chosen]
        images = [handaugment.augment(film, rng, self.side, strong=self.order.strong) for film in films]
        return to_batch(images, [self.training.table[self.training.ids[child]] for child, _ in chosen])


def to_batch(images: Sequence[np.ndarray], kids: Sequence[Child]) -> Batch:
    """Stack views uint8 (S, S) and their children: images (N, 1, S, S), ages (N,) in months, males (N,)."""
    ages = torch.tensor([kid.age_months for kid in kids], dtype=torch.float32)
    males = torch.tensor([kid.male for kid in kids], dtype=torch.float32)
    return torch.from_numpy(np.stack(images)[:, None]), ages, males


def epoch_batches(training: Training, side: int, order: Order) -> Iterator[Batch]:
    """Yield what is left of one epoch, in batches of augmented views."""
    cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
    loader = DataLoader(
        _Epoch(training, side, order),
        batch_size=None,
        num_workers=1,
        prefetch_factor=8,
        multiprocessing_context="fork",
    )
    yield from loader


def plain_batches(training: Training, side: int, batch: int) -> Iterator[Batch]:
    """Yield every child once as served: its large film where there is one."""
    rows = [found[-1] for found in training.rows()]
    for k in range(0, len(rows), batch):
        images = [handaugment.plain(np.asarray(training.prepared.images[r]), side) for r in rows[k : k + batch]]
        yield to_batch(images, [training.table[i] for i in training.ids[k : k + batch]])
