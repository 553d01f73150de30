"""The training of the region network, on drawn discs: it learns, goes on where it stopped, and never on kept hands."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from boneage.pretrain import regions  # noqa: E402
from boneage.regions.network import KINDS  # noqa: E402

torch.set_num_threads(1)  # of tiny networks: threads only wait for one another
SIDE = 64
SMALL = regions.RegionRecipe(side=SIDE, batch=4, steps=40, save_every=20, widths=(8, 8, 8, 8, 8, 8))


def discs(count: int, seed: int) -> regions.Outlined:
    """Draw bright discs, outlined twice: whole, and their inner half."""
    rng = np.random.default_rng(seed)
    films, masks = np.zeros((count, SIDE, SIDE), np.uint8), np.zeros((count, 2, SIDE, SIDE), np.uint8)
    for row in range(count):
        middle, radius = tuple(int(v) for v in rng.integers(20, 44, 2)), int(rng.integers(10, 16))
        cv2.circle(films[row], middle, radius, 200, -1)
        cv2.circle(masks[row, 1], middle, radius, 255, -1)
        cv2.circle(masks[row, 0], middle, radius // 2, 255, -1)
    return regions.Outlined(tuple(str(k) for k in range(count)), films, masks)


def test_it_learns_discs_and_says_what_it_measured() -> None:
    hands, trainer = discs(24, 1), regions.RegionTrainer(SMALL)
    before = regions.dice(trainer.net, discs(8, 2), SIDE)["articular"].mean()
    first, last = trainer.run(hands), trainer.run(hands)
    assert trainer.step == SMALL.steps
    assert last < first
    assert regions.dice(trainer.net, discs(8, 2), SIDE)["articular"].mean() > max(before, 0.5)


def test_no_validation_child_and_no_kept_one_is_trained_on(tmp_path: Path) -> None:
    ids = [str(k) for k in range(300)]
    with (tmp_path / "boneage-training-dataset.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "boneage", "male"), *((i, int(i) % 220, int(i) % 2 == 0) for i in ids)])
    (tmp_path / "validation_ids.csv").write_text("id\n" + "\n".join(ids[:40]) + "\n", encoding="utf-8")
    parts = regions.divide(tmp_path, ids)
    assert parts["validation"] == frozenset(ids[:40])
    assert len(parts["kept"]) == regions.KEPT_FILMS
    assert parts["train"] == frozenset(ids) - parts["kept"] - parts["validation"]
    assert not parts["kept"] & parts["validation"]


def test_a_mask_is_cropped_and_padded_as_its_film() -> None:
    mask = np.zeros((512, 256), np.uint8)  # of a film of 1024 x 512
    mask[100:200, 50:100] = 255
    found = regions._as_prepared(mask, (1024, 512), (200, 400, 100, 200))  # exactly the outlined part of the film
    assert found.shape == (regions.STORED_SIDE, regions.STORED_SIDE)
    assert (found[:, regions.STORED_SIDE // 2] == 255).all()  # 200 high, 100 wide: padded left and right
    assert (found[:, :90] == 0).all()


def test_outlines_are_listed_in_numeric_order(tmp_path: Path) -> None:
    archive = tmp_path / "masks.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for kind in KINDS:
            for name in ("10", "9"):
                file.writestr(f"region_masks/{kind}/{name}.png", b"")
    assert regions.outlined_ids(archive) == ["9", "10"]
