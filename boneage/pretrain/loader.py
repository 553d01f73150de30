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
from boneage.pretrain.balance import drawn_places, weights_by_age
from boneage.pretrain.prepare import Prepared
from boneage.pretrain.sources import Child, Film
from boneage.pretrain.team import Team

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
    """In which order an epoch goes through the films; deterministic from `seed` (seed and epoch).

    Attributes:
        batch: Films a step; the last incomplete batch is left out.
        seed: Seed and epoch.
        every_film: Whether each film comes once, instead of one film of each child.
        augmented: Whether each view is drawn at random (`handaugment.augment`) or is the plain one that is served.
        balance: How much oftener children of rare ages come, 0 (all alike) to 1: see `boneage.pretrain.balance`.
        retoned: Whether drawn views also look as if processed by other makers (`toneaugment.retone`).
        begin: Batches that an earlier run of this epoch has already taken.
    """

    batch: int
    seed: tuple[int, int]
    every_film: bool = False
    augmented: bool = True
    balance: float = 0.0
    retoned: bool = False
    begin: int = 0

    def steps(self, training: Training) -> int:
        """Return how many batches are left of the epoch."""
        return len(self.batches(training))

    def batches(self, training: Training) -> list[list[tuple[int, int]]]:
        """Return the batches: pairs of a child's place in `ids` and the row of its film."""
        rng = np.random.default_rng(self.seed)
        rows = training.rows()
        if self.every_film:
            pairs = [(child, row) for child, own in enumerate(rows) for row in own]
        elif self.balance:
            places = drawn_places(weights_by_age(training.kids(), self.balance), rng)
            pairs = [(int(child), int(rng.choice(rows[child]))) for child in places]
        else:
            pairs = [(child, int(rng.choice(own))) for child, own in enumerate(rows)]
        shuffled = [pairs[k] for k in rng.permutation(len(pairs))]
        return [shuffled[k * self.batch : (k + 1) * self.batch] for k in range(self.begin, len(pairs) // self.batch)]


class _Epoch(Dataset[Batch]):
    """One epoch's batches, this process's share of each; a resumed run repeats it."""

    def __init__(self, training: Training, side: int, order: Order, team: Team) -> None:
        self.training, self.side, self.seed = training, side, (*order.seed, team.number)
        self.order = order
        self.batches = [pairs[team.number :: team.size] for pairs in order.batches(training)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([*self.seed, self.order.begin + number])
        chosen = self.batches[number]
        films = self.training.prepared.images
        images = [self._view(np.asarray(films[row]), rng) for _, row in chosen]
        return to_batch(images, [self.training.table[self.training.ids[child]] for child, _ in chosen])

    def _view(self, film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.order.augmented:
            return handaugment.plain(film, self.side)
        if self.order.retoned:
            return handaugment.augment_strongly(film, rng, self.side)
        return handaugment.augment(film, rng, self.side)


def to_batch(images: Sequence[np.ndarray], kids: Sequence[Child]) -> Batch:
    """Stack views uint8 (S, S) and their children: images (N, 1, S, S), ages (N,) in months, males (N,)."""
    ages = torch.tensor([kid.age_months for kid in kids], dtype=torch.float32)
    males = torch.tensor([kid.male for kid in kids], dtype=torch.float32)
    return torch.from_numpy(np.stack(images)[:, None]), ages, males


def epoch_batches(training: Training, side: int, order: Order, team: Team) -> Iterator[Batch]:
    """Yield one epoch of augmented batches, this process's share of each."""
    cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
    loader = DataLoader(
        _Epoch(training, side, order, team),
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
