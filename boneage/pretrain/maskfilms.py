"""What the mask network is trained on and measured with: outlined films, phantoms, and the accidents drawn on them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset

from boneage.groups import MAX_AGE_MONTHS, Sex
from boneage.phantom import hand as phantom
from boneage.preprocess import handmask as runtime
from boneage.pretrain import filmaugment, masknet, outlines, sources

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
    """How the network is trained.

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


@dataclass(frozen=True)
class Films:
    """What is trained on and measured with."""

    train: tuple[outlines.Outlined, ...]
    phantoms: tuple[outlines.Outlined, ...]
    validation: tuple[outlines.Outlined, ...]
    coarse: tuple[outlines.Outlined, ...]
    split: outlines.OutlineSplit


def load_films(data: Path, recipe: MaskRecipe) -> Films:
    """Read the outlined films and draw the phantoms; `coarse` are 100 px films of outlines that are not trained on."""
    large, never = frozenset(sources.large_ids(data)), sources.validation_ids(data)
    split = outlines.split_outlines(list(outlines.read_outlines(data)), large, never)
    return Films(
        tuple(outlines.load_outlined(data, split.train)),
        draw_phantoms(recipe),
        tuple(outlines.load_outlined(data, split.validation, large=True)),
        tuple(outlines.load_outlined(data, split.validation + split.withheld, large=False)),
        split,
    )


def draw_phantoms(recipe: MaskRecipe) -> tuple[outlines.Outlined, ...]:
    """Draw simulated hands of all ages with their masks."""
    drawn = []
    for number, age in enumerate(np.linspace(6, MAX_AGE_MONTHS, recipe.phantoms)):
        sex = tuple(Sex)[number % 2]
        hand = phantom.draw(float(age), sex, seed=recipe.seed * 10_000 + number)
        drawn.append(outlines.Outlined(f"phantom-{number}", hand.image, hand.mask.astype(np.uint8) * 255))
    return tuple(drawn)


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


def describe(films: Films) -> dict[str, Any]:
    """Say what was trained on and what was kept for validation."""
    return {
        "outlines": "hand outlines drawn by readers, minhnt33/gr-bone-age, MIT",
        "films_of_train": len(films.train),
        "phantoms": len(films.phantoms),
        "train_ids": list(films.split.train),
        "validation_ids": list(films.split.validation),
        "withheld_ids": list(films.split.withheld),
        "left_out_ids": sorted(outlines.TWO_HANDS),
        "ids_sha256": {"train": sources.ids_sha256(films.split.train)},
        "validation_rule": "of the outlines with a 1024 px film: validation_ids.csv first, then ascending ids, 15",
    }
