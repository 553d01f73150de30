"""Fit the input gate's network on training films, with flaws drawn anew at every step.

Its thresholds are chosen afterwards (`thresholds.py`), on films that it never saw; validation images tune nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from boneage.data.transforms import shrink
from boneage.errors import BoneageError
from boneage.gate.films import MAKERS, Source, tilted
from boneage.gate.frames import FRAMES
from boneage.gate.inputs import SIDE, picture
from boneage.gate.negatives import photographs
from boneage.gate.network import KINDS, GateModel, build_network
from boneage.gate.styles import STYLES
from boneage.gate.thresholds import OPEN
from boneage.preprocess.background import MaskFunction

Film = NDArray[np.uint8]
Rng = np.random.Generator
Progress = Callable[[int, int], None]
FEWEST_FILMS = 100
_STOCK_SIDE = 160
_BATCH = 64
# How many films are drawn in another style, and how many in a frame, whatever their kind.
_STYLED, _FRAMED = 0.5, 0.25
_UPRIGHT_FRAMES = tuple(name for name in FRAMES if not name.startswith("tilted"))
# How often each kind is drawn: most often what is hardest to tell, a whole left hand from a right or a cut one.
_WEIGHTS = {
    "usable": 0.29,
    "mirrored": 0.16,
    "inverted": 0.04,
    "not_hand": 0.14,
    "two_hands": 0.05,
    "cut_off": 0.25,
    "turned": 0.07,
}


@dataclass(frozen=True)
class Recipe:
    """How much is fitted.

    Attributes:
        steps: gradient steps of 64 films.
        seed: of flaws and weights.
    """

    steps: int = 2000
    seed: int = 20


@dataclass(frozen=True)
class Stock:
    """Good films at a small size with their masks, uint8 (H, W) each."""

    films: tuple[Film, ...]
    masks: tuple[Film, ...]

    def __add__(self, other: Stock) -> Stock:
        return Stock(self.films + other.films, self.masks + other.masks)

    def hand(self, rng: Rng) -> tuple[Film, Film]:
        """Draw a film and its mask."""
        number = int(rng.integers(len(self.films)))
        return self.films[number], self.masks[number]


def stock(films: Iterable[Film], mask: MaskFunction, progress: Callable[[int], None] | None = None) -> Stock:
    """Shrink good films, uint8 (H, W), and find their hands; progress is called with the number done."""
    kept, masks = [], []
    for done, full in enumerate(films, start=1):
        film = shrink(full, 2 * _STOCK_SIDE)
        kept.append(shrink(film, _STOCK_SIDE))
        masks.append(cv2.resize(mask(film), kept[-1].shape[::-1], interpolation=cv2.INTER_AREA))
        if progress:
            progress(done)
    return Stock(tuple(kept), tuple(masks))


def fit(
    known: Stock, drawn: Stock, strangers: Sequence[Film], recipe: Recipe, progress: Progress | None = None
) -> GateModel:
    """Fit the network; its thresholds are `thresholds.OPEN` until `thresholds.choose` has chosen them on other films.

    Args:
        known: films of the training part, without those that are kept apart for the thresholds.
        drawn: simulated hands.
        strangers: films of other parts of the body.
        recipe: how much is fitted.
        progress: called with (done, total) steps.

    Raises:
        BoneageError: when there are too few films.
    """
    if len(known.films) < FEWEST_FILMS:
        raise BoneageError.of("gate.few_films", fewest=FEWEST_FILMS, count=len(known.films))
    fitted = known + drawn
    # Chest films are few: they count four times as much as a photograph.
    pictures = (*photographs(0), *(film for film in strangers for _ in range(4)))
    arrays = _train(Source(fitted.hand, pictures), fitted, recipe, progress)
    return GateModel(arrays, OPEN, {"simulated": len(drawn.films), **vars(recipe)})


def _train(source: Source, good: Stock, recipe: Recipe, progress: Progress | None) -> tuple[NDArray[np.float32], ...]:
    import keras

    keras.utils.set_random_seed(recipe.seed)
    network, rng = build_network(), np.random.default_rng(recipe.seed)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, recipe.steps - recipe.steps // 20, warmup_target=2e-3, warmup_steps=max(1, recipe.steps // 20)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss)
    for step in range(1, recipe.steps + 1):
        network.train_on_batch(*_batch(source, good, rng))
        if progress:
            progress(step, recipe.steps)
    return tuple(np.asarray(array, np.float32) for array in network.get_weights())


def _batch(source: Source, good: Stock, rng: Rng) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw films, a third as they are and the others of every maker, all with what differs between scanners."""
    kinds = {kind: [maker for maker in MAKERS.values() if maker.kind == kind and not maker.drawn] for kind in KINDS}
    seen, wanted = [], []
    styled = Source(lambda rng: _styled(*source.hand(rng), rng), source.pictures)
    for _ in range(_BATCH):
        kind = str(rng.choice(KINDS, p=[_WEIGHTS[name] for name in KINDS]))
        if kind == "usable" and rng.random() < 0.8:
            film = _styled(*good.hand(rng), rng)[0]
        else:
            film = kinds[kind][int(rng.integers(len(kinds[kind])))].make(styled, rng)
        if rng.random() < _FRAMED:
            film = FRAMES[_UPRIGHT_FRAMES[int(rng.integers(len(_UPRIGHT_FRAMES)))]](film, rng)[0]
        seen.append(_varied(picture(_rough(film, rng)), rng))
        wanted.append(KINDS.index(kind))
    return np.stack(seen), np.array(wanted)


def _styled(film: Film, mask: Film, rng: Rng) -> tuple[Film, Film]:
    """Draw a film in another style, or leave it as it is."""
    if rng.random() >= _STYLED:
        return film, mask
    names = list(STYLES)
    return STYLES[names[int(rng.integers(len(names)))]](film, mask, rng)


def _rough(film: Film, rng: Rng) -> Film:
    """Tilt and blur at random, so that neither the interpolation nor the sharpness of a made film gives it away."""
    if rng.random() < 0.4:
        film = tilted(film, rng, 8.0)
    return shrink(film, rng.uniform(0.5, 1.6) * SIDE) if rng.random() < 0.5 else film


def _varied(seen: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Change exposure and add a little noise within the film."""
    grey = seen[..., 0] ** np.float32(np.exp(rng.normal(0, 0.25)))
    grey = grey * np.float32(rng.uniform(0.8, 1.1)) + np.float32(rng.normal(0, 0.03))
    grey = grey + rng.normal(0, rng.uniform(0, 0.03), grey.shape).astype(np.float32)
    return np.stack([np.clip(grey, 0, 1) * seen[..., 1], seen[..., 1]], axis=-1).astype(np.float32)
