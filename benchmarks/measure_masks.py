"""How well and how fast the shipped mask network finds the hand, asked as it is served: through rembg, on one core.

    python benchmarks/measure_masks.py DATA [--overlays DIR --films 20]

Overlap with the outlines of the 15 validation films that `boneage/assets/handmask.json` names, for their 299 px copies,
their 1024 px ones and, as far as DATA/originals has them, their originals; milliseconds an image by the films' size,
the median of three times each. `--overlays` draws masks over films that the network was not trained on, half of them
large, for a person to look at. Those pictures are radiographs: they never belong in the repository.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from boneage.paths import assets
from boneage.preprocess.background import MaskFunction, mask_session
from boneage.pretrain import outlines, sources
from boneage.pretrain.handmask import overlap
from boneage.pretrain.outlines import Outlined
from boneage.ui.estimate.pictures import overlay, shrink

SEED, ROUNDS = 26, 3
MEAN, WORST, SECONDS = 0.97, 0.92, 0.08
CELL, CAPTION, COLUMNS = 480, 24, 5


@dataclass(frozen=True)
class Films:
    """Films of one size; those without an outline serve for the time alone."""

    what: str
    films: list[Outlined]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--overlays", type=Path, metavar="DIR", help="write contact sheets here")
    parser.add_argument("--films", type=int, default=20, help="films on them (default 20)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    mask = mask_session("handmask", threads=1)
    record = json.loads((assets() / "handmask.json").read_text(encoding="utf-8"))["data"]
    mask(np.eye(300, dtype=np.uint8) * np.uint8(255))  # the first call imports and warms
    for part in parts(args.data, record["validation_ids"]):
        say_overlap(part, mask)
        say_time(part, mask)
    if args.overlays:
        draw_overlays(args.data, frozenset(record["train_ids"]), args.overlays, args.films, mask)
    return 0


def parts(data: Path, ids: list[str]) -> list[Films]:
    """Return the validation films by size: 299 px (unstretched), 1024 px, and every original that is there."""
    drawn = outlines.read_outlines(data)
    originals = []
    for path in sorted((data / "originals").glob("*.png"), key=lambda path: int(path.stem)):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
        shape = (image.shape[0], image.shape[1])
        known = path.stem in ids and path.stem in drawn
        truth = outlines.draw_mask(drawn[path.stem], shape) if known else np.zeros((0, 0), np.uint8)
        originals.append(Outlined(path.stem, image, truth))
    return [
        Films("299 px copies, unstretched", outlines.load_outlined(data, ids, large=False)),
        Films("1024 px copies", outlines.load_outlined(data, ids, large=True)),
        Films("originals", originals),
    ]


def say_overlap(part: Films, mask: MaskFunction) -> None:
    found = {film.name: overlap(mask(film.image), film.mask) for film in part.films if film.mask.size}
    if not found:
        print(f"{part.what}: no outline of a validation film")
        return
    worst = min(found, key=lambda name: found[name])
    print(
        f"{part.what}: IoU of {len(found)} validation outlines: mean {np.mean(list(found.values())):.4f} "
        f"(goal {MEAN}), worst {found[worst]:.4f} ({worst}; goal {WORST})"
    )


def say_time(part: Films, mask: MaskFunction) -> None:
    if not part.films:
        return
    times = np.array([[timed(film.image, mask) for _ in range(ROUNDS)] for film in part.films])
    cpu, wall = np.median(times, axis=1).T
    sides = [max(film.image.shape) for film in part.films]
    print(
        f"{part.what}: {len(sides)} films, longer side {min(sides)} to {max(sides)} px: {1000 * cpu.mean():.0f} ms of "
        f"one core an image, slowest {1000 * cpu.max():.0f} (goal {1000 * SECONDS:.0f}); "
        f"wall {1000 * wall.mean():.0f}, slowest {1000 * wall.max():.0f}"
    )


def timed(film: np.ndarray, mask: MaskFunction) -> tuple[float, float]:
    """Return the seconds of all this process's threads and of the clock for one mask."""
    cpu, wall = time.process_time(), time.perf_counter()
    mask(film)
    return time.process_time() - cpu, time.perf_counter() - wall


def draw_overlays(data: Path, trained: frozenset[str], out: Path, count: int, mask: MaskFunction) -> None:
    """Write `large.png` and `small.png`, masks as they come from the network, before the largest object is selected."""
    out.mkdir(parents=True, exist_ok=True)
    rng, sizes = np.random.default_rng(SEED), sources.image_sizes(data)
    large = [name for name in sources.large_ids(data) if name not in trained]
    small = sorted(set(sources.children(data)) - trained - set(large), key=int)
    for what, ids, number in (("large", large, count // 2), ("small", small, count - count // 2)):
        chosen = sorted((str(name) for name in rng.choice(ids, number, replace=False)), key=int)
        cells = []
        for name in chosen:
            film = sources.read_film(data, sources.Film(name, what == "large"), sizes)
            cells.append(cell(name, overlay(shrink(film), mask(film) >= 128)))
        Image.fromarray(sheet(cells)).save(out / f"{what}.png")
        print(f"{out / what}.png: {', '.join(chosen)}")


def cell(name: str, picture: np.ndarray) -> np.ndarray:
    """Fit a picture, uint8 (H, W, 3), under its id."""
    scale = CELL / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    fitted = np.full((CELL + CAPTION, CELL, 3), 255, np.uint8)
    fitted[CAPTION : CAPTION + size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.putText(fitted, name, (4, CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)


def sheet(cells: list[np.ndarray]) -> np.ndarray:
    """Put cells side by side, five to a line."""
    cells = cells + [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)])


if __name__ == "__main__":
    sys.exit(main())
