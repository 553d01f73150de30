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


class _Epoch(Dataset[Batch]):
    """One epoch's batches; deterministic from seed, epoch and batch number, so that a resumed run repeats it."""

    def __init__(self, training: Training, side: int, batch: int, seed: tuple[int, int], team: Team) -> None:
        self.training, self.side, self.seed = training, side, (*seed, team.number)
        self.rows = training.rows()
        order = np.random.default_rng(seed).permutation(len(training.ids))
        whole = [order[k : k + batch] for k in range(0, len(order) - batch + 1, batch)]
        self.batches = [rows[team.number :: team.size] for rows in whole]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        rng = np.random.default_rng([*self.seed, number])
        chosen = self.batches[number]
        images = [
            handaugment.augment(np.asarray(self.training.prepared.images[rng.choice(self.rows[k])]), rng, self.side)
            for k in chosen
        ]
        kids = [self.training.table[self.training.ids[k]] for k in chosen]
        return to_batch(images, kids)


def to_batch(images: Sequence[np.ndarray], kids: Sequence[Child]) -> Batch:
    """Stack views uint8 (S, S) and their children: images (N, 1, S, S), ages (N,) in months, males (N,)."""
    ages = torch.tensor([kid.age_months for kid in kids], dtype=torch.float32)
    males = torch.tensor([kid.male for kid in kids], dtype=torch.float32)
    return torch.from_numpy(np.stack(images)[:, None]), ages, males


def epoch_batches(training: Training, side: int, batch: int, seed: tuple[int, int], team: Team) -> Iterator[Batch]:
    """Yield one epoch of augmented batches, this process's share of each; the last incomplete one is left out."""
    cv2.setNumThreads(1)  # before the fork: a forked OpenCV waits for ever on threads that only its parent has
    loader = DataLoader(
        _Epoch(training, side, batch, seed, team),
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
