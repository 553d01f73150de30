"""Films for the mask network, and a few steps of its training."""

import numpy as np
import pytest

from boneage.pretrain import filmaugment
from boneage.pretrain.outlines import Outlined


@pytest.fixture
def film():
    image = np.full((200, 150), 60, np.uint8)
    mask = np.zeros_like(image)
    mask[60:, 40:110] = 255
    image[mask > 0] = 150
    return Outlined("square", image, mask)


def test_augmented_films_are_in_range_and_repeat_with_their_seed(film):
    for seed in range(30):
        image, truth = filmaugment.augment(film, np.random.default_rng(seed), 64)
        again, _ = filmaugment.augment(film, np.random.default_rng(seed), 64)
        assert image.shape == truth.shape == (64, 64) and image.dtype == truth.dtype == np.float32
        assert -1 <= image.min() <= image.max() <= 1 and 0 <= truth.min() <= truth.max() <= 1
        np.testing.assert_array_equal(image, again)


@pytest.mark.parametrize("accident", [filmaugment._plate, filmaugment._strip, filmaugment._frame])
def test_plates_strips_and_frames_never_cover_the_hand(film, accident):
    changed = 0
    for seed in range(20):
        drawn = accident(film.image, film.mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(drawn[film.mask > 127], film.image[film.mask > 127])
        changed += not np.array_equal(drawn, film.image)
    assert changed > 10


def test_a_cast_widens_what_is_kept_brightens_it_and_ends_with_the_film(film):
    for seed in range(20):
        drawn, kept = filmaugment._cast(film.image, film.mask, np.random.default_rng(seed))
        assert np.all(kept >= film.mask) and (kept > 127).sum() > (film.mask > 127).sum()
        added = (kept > 64) & (film.mask == 0)
        assert drawn[added].mean() > film.image[added].mean()
        np.testing.assert_array_equal(kept[:60][:, :30], 0)  # above the cut nothing is added
    empty = np.zeros_like(film.mask)
    np.testing.assert_array_equal(filmaugment._cast(film.image, empty, np.random.default_rng(0))[1], empty)


def test_exported_network_answers_as_the_trained_one(torch, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx", reason="onnx (extra `pretrain`) is not installed")
    from boneage.pretrain import masknet

    torch.manual_seed(0)
    net = masknet.MaskNet((4, 4, 8, 8, 8, 8)).eval()
    masknet.export_onnx(net, tmp_path / "net.onnx", 64)
    film = np.random.default_rng(0).uniform(-1, 1, (1, 1, 64, 64)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "net.onnx")).run(None, {"film": film})
    with torch.no_grad():
        wanted = torch.sigmoid(net(torch.from_numpy(film))).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_short_training_resumes_and_writes_network_and_record(torch, data, tmp_path):
    import json

    pytest.importorskip("onnx", reason="onnx (extra `pretrain`) is not installed")
    from boneage.pretrain.handmask import MaskRecipe, Stage, train_handmask

    stages = (Stage(2, 1e-3, 0.0, 0.0), Stage(2, 1e-3, 0.5, 0.5))
    recipe = MaskRecipe(side=64, stages=stages, batch=2, phantoms=2, save_every=2, widths=(4, 4, 8, 8, 8, 8))
    lines = []
    train_handmask(data, tmp_path, recipe, progress=lines.append)
    path = train_handmask(data, tmp_path, recipe, progress=lines.append)
    assert [line.split(":")[0] for line in lines] == ["step 2 of 4", "step 4 of 4", "resumed after step 4"]
    assert json.loads(path.with_suffix(".json").read_text())["bytes"] == path.stat().st_size
