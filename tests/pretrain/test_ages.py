"""The training of regional ages, on tiny crops: it learns, goes on where it stopped, and its ONNX says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch (extra `pretrain`) is not installed")
torch.set_num_threads(1)  # of tiny networks: threads only wait for one another

from boneage.pretrain import ages, agesnet, agesviews  # noqa: E402
from boneage.pretrain.loader import Training  # noqa: E402
from boneage.pretrain.prepare import Prepared  # noqa: E402
from boneage.pretrain.sources import Child, Film  # noqa: E402
from boneage.regions import layout  # noqa: E402
from boneage.regions.ages import NAMES, RegionalAges, of_sex  # noqa: E402
from boneage.regions.layout import KeyPoints  # noqa: E402

POINTS = KeyPoints((0.5, 0.7), ((0.4, 0.4), (0.6, 0.4)))


@pytest.fixture
def small_crops(monkeypatch):
    """Look at every region at 56 pixels, which halve to an odd side as those that ship do."""
    small = {name: replace(crop, pixels=56) for name, crop in layout.CROPS.items()}
    for module in ("boneage.pretrain.agesviews", "boneage.pretrain.agesnet", "boneage.regions.ages"):
        monkeypatch.setattr(f"{module}.CROPS", small)


@pytest.fixture
def training():
    """Sixteen drawn children whose grey level is their age."""
    kids = {str(k): Child(str(k), float(12 * k), k % 2) for k in range(16)}
    images = np.stack([np.full((256, 256), 20 + 12 * k, np.uint8) for k in range(16)])
    films = Prepared(tuple(Film(name, False) for name in kids), images)
    return Training(kids, films, tuple(kids))


def test_a_step_moves_the_network_and_a_stopped_training_goes_on(small_crops, training, tmp_path: Path):
    recipe = ages.RegionalRecipe(batch=8, balance=0.0)
    trainer = ages.RegionalTrainer(recipe, None, 600.0)
    before = trainer.net.backbone.stem.norm.running_mean.clone()
    trainer.run_epoch(training, dict.fromkeys(range(16), POINTS), lambda: None)
    assert (trainer.epoch, trainer.films) == (1, 16)
    assert torch.equal(before, trainer.net.backbone.stem.norm.running_mean)  # statistics stay as they began
    trainer.save(tmp_path / "ages.pt")
    again = ages.RegionalTrainer(recipe, None, 600.0)
    again.resume(tmp_path / "ages.pt")
    assert (again.epoch, again.films, again.spent) == (1, 16, trainer.spent)
    assert torch.equal(again.net.joint.out.weight, trainer.net.joint.out.weight)


def test_the_exported_network_says_what_the_trained_one_says(small_crops, training, tmp_path: Path):
    net = agesnet.RegionalAge().eval()
    for head in (*net.heads.values(), net.joint):
        torch.nn.init.normal_(head.out.weight, std=1.0)
    agesnet.export_onnx(net, tmp_path / "ages.onnx")
    points = {row: POINTS for row in range(16) if row != 3}
    found = ages.estimate(net, training, points)
    assert found.shape == (16, len(NAMES)) and np.isnan(found[3]).all() and not np.isnan(found[4]).any()
    reader = RegionalAges(reader=tmp_path / "ages.onnx")
    columns = reader.read(np.asarray(training.prepared.images[4]), POINTS)
    assert np.abs(of_sex(columns[None], ["female"])[0] - found[4]).max() < 0.2  # weights are stored as float16
    assert found[4].std() > 0.1


def test_crops_of_a_view_are_mirrored_together_and_stay_in_range(small_crops):
    film = np.zeros((256, 256), np.uint8)
    cv2.circle(film, (128, 179), 30, 200, -1)
    cv2.circle(film, (90, 100), 8, 255, -1)
    drawn = [agesviews.training_crops(film, POINTS, np.random.default_rng(seed), 0.0) for seed in range(20)]
    left = sum(view[2][:, :28].sum(dtype=int) > view[2][:, 28:].sum(dtype=int) for view in drawn)
    assert 3 < left < 17  # half of the views are mirrored
    assert {crop.shape for view in drawn for crop in view} == {(56, 56)}


def test_a_turned_axis_keeps_its_carpus_and_its_length():
    turned = agesviews.turned(POINTS, 90.0)
    assert turned.carpus == POINTS.carpus
    assert np.allclose(np.hypot(*turned.axis), np.hypot(*POINTS.axis))
    assert np.allclose(turned.axis @ POINTS.axis, 0)


def test_an_odd_side_is_padded_alike_in_an_exported_graph(tmp_path: Path):
    import onnxruntime

    from boneage.pretrain.litenet import SameConv

    conv, film = SameConv(1, 1, 5, 2).eval(), torch.rand(1, 1, 7, 7)
    torch.onnx.export(conv, (film,), str(tmp_path / "conv.onnx"), opset_version=17, dynamo=False, input_names=["film"])
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "conv.onnx")).run(None, {"film": film.numpy()})
    assert found.shape == (1, 1, 4, 4)
    assert np.abs(found - conv(film).detach().numpy()).max() < 1e-5
