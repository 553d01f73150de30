"""Packs, the views drawn on a device, and lessons with teachers, on a handful of discs whose size is their age."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from boneage.pretrain.sources import Child


@pytest.fixture(scope="module")
def pack_folder(torch, tmp_path_factory):
    from boneage.pretrain import pack

    ages = np.linspace(10, 220, 24)
    images = np.zeros((26, 256, 256), np.uint8)
    films = [(str(k), False) for k in range(24)] + [("0", True), ("23", True)]
    for image, (name, _) in zip(images, films, strict=True):
        cv2.circle(image, (128, 128), int(ages[int(name)] / 2), 200, -1)
    roles = ["validation" if k == 0 else "unseen" if k == 23 else "train" for k in range(24)]
    children = [(Child(str(k), float(ages[k]), k % 2), roles[k]) for k in range(24)]
    return pack.write_pack(tmp_path_factory.mktemp("pack"), images, films, children, {"counts": {"train": 22}})


@pytest.fixture(scope="module")
def packed(pack_folder):
    from boneage.pretrain import pack

    return pack.read_pack(pack_folder)


@pytest.fixture
def small(torch):
    from boneage.pretrain.gpu import GpuRecipe
    from boneage.pretrain.torchnet import NetShape

    shape = NetShape(widths=(8, 8, 16, 16), blocks=(0, 1, 1, 1), features=16, squeeze=4, drop_path=0.1)
    return GpuRecipe(shape=shape, side=32, epochs=3, batch=8, average=0.5)


@pytest.fixture
def films(packed, torch):
    from boneage.pretrain.gpu import Films

    return Films(packed, torch.device("cpu"))


def test_a_pack_keeps_films_children_and_roles(packed):
    assert packed.images.shape == (26, 160, 160)
    assert packed.images[5].max() in range(195, 206)
    assert len(packed.films("train")) == 22
    assert packed.large[packed.served("validation")].tolist() == [True]
    assert [packed.kids[packed.child[row]].id for row in packed.films("unseen")] == ["23", "23"]


def test_what_may_be_trained_on_holds_no_validation_or_unseen_child(packed):
    trained = {packed.kids[packed.child[row]].id for row in packed.films("train")}
    assert not trained & {"0", "23"} and len(trained) == 22


def test_plain_views_are_those_that_are_served(torch, packed):
    from boneage.pretrain import gpuviews

    ours = gpuviews.plain(torch.from_numpy(packed.images[:3]), 128)[:, 0].numpy()
    served = [cv2.resize(film, (128, 128), interpolation=cv2.INTER_AREA) for film in packed.images[:3]]
    assert np.abs(ours - np.stack(served)).max() <= 1


def test_drawn_views_differ_and_stay_in_range(torch, packed):
    from boneage.pretrain import gpuviews

    torch.manual_seed(0)
    views = gpuviews.drawn(torch.from_numpy(packed.images[:8]), 32, gpuviews.STRONG)
    assert views.shape == (8, 1, 32, 32) and views.min() >= 0 and views.max() <= 255
    again = gpuviews.drawn(torch.from_numpy(packed.images[:8]), 32, gpuviews.STRONG)
    assert (views - again).abs().mean() > 1


def test_a_resumed_lesson_ends_where_an_uninterrupted_one_does(films, small, tmp_path, monkeypatch):
    from boneage.pretrain import gpu

    monkeypatch.setattr(gpu, "CHECKPOINT_EVERY", 1)
    straight = gpu.GpuTrainer(small, films).train(tmp_path / "straight.pt", lambda line: None)
    seen = []

    def stop(line):
        seen.append(line)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpu.GpuTrainer(small, films).train(tmp_path / "cut.pt", stop)
    resumed = gpu.GpuTrainer(small, films).train(tmp_path / "cut.pt", seen.append)
    assert len(seen) == 3
    for (name, one), other in zip(straight.state_dict().items(), resumed.state_dict().values(), strict=True):
        np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


def test_lessons_hand_on_networks_and_skip_what_is_finished(films, small, tmp_path):
    from boneage.pretrain.lessons import Lesson, learn

    plan = {
        "teacher": Lesson(small),
        "pupil": Lesson(replace(small, taught=1.0, strong=True, mixed=1.0), ("teacher",)),
        "last": Lesson(replace(small, stopped_after=1, taught=0.5), ("teacher", "pupil"), "pupil"),
    }
    lines: list[str] = []
    net = learn(films, tmp_path, plan, progress=lines.append)
    assert [line.split(",")[0] for line in lines] == ["teacher"] * 3 + ["pupil"] * 3 + ["last"]
    assert not net.training
    learn(films, tmp_path, plan, progress=lines.append)
    assert len(lines) == 7


def test_a_thinned_pack_trains_on_fewer_children_and_measures_on_all(packed):
    thinned = packed.thinned(10)
    assert {thinned.kids[thinned.child[row]].id for row in thinned.films("train")} == {"1", "11", "21"}
    for role in ("unseen", "validation"):
        assert len(thinned.films(role)) == len(packed.films(role)) == 2


def test_a_rehearsal_goes_the_whole_way_and_its_network_opens(pack_folder, torch, tmp_path, capsys):
    import json

    from boneage.learn.handnet import build_handnet
    from boneage.pretrain.__main__ import main
    from boneage.pretrain.lessons import LESSONS

    assert main(["handnet", str(pack_folder), "--out", str(tmp_path), "--device", "cpu", "--rehearse"]) == 0
    record = json.loads((tmp_path / "rehearsal" / "handnet.json").read_text(encoding="utf-8"))
    assert [lesson["recipe"]["epochs"] for lesson in record["lessons"].values()] == [1] * len(LESSONS)
    assert sorted(path.stem for path in (tmp_path / "rehearsal").glob("*.net")) == sorted(LESSONS)
    assert record["figures"]["validation"]["mae_months"] > 0
    assert build_handnet(weights=tmp_path / "rehearsal" / "handnet.npz").count_params() > 6_000_000
    assert "of no use as a backbone" in capsys.readouterr().out


def test_a_pupil_learns_what_its_teacher_says(films, small, torch):
    from boneage.pretrain.gpu import GpuTrainer
    from boneage.pretrain.torchnet import EndToEnd, months

    teacher = EndToEnd(small.shape).eval()
    with torch.no_grad():
        teacher.head.out.bias[10] += 20.0  # always says 60 months
    pupil = GpuTrainer(replace(small, taught=1.0, rate=2e-2, epochs=30), films, [teacher])
    rows = torch.from_numpy(films.pack.films("train"))
    for _ in range(30):
        pupil._run_epoch(pupil.net, rows)
    with torch.no_grad():
        said = months(pupil.average.average(films.images[:4, None, ::5, ::5].float(), films.males[:4]))
    assert (said - 60).abs().max() < 15


def test_the_shipped_record_tells_the_lessons(torch):
    import json

    from boneage.learn.handnet import SHIPPED, SIZES
    from boneage.pretrain.lessons import LESSONS

    record = json.loads(SHIPPED.path().with_suffix(".json").read_text(encoding="utf-8"))
    assert list(record["lessons"]) == list(LESSONS) and list(LESSONS)[-1] == "handnet"
    for name, lesson in LESSONS.items():
        told = record["lessons"][name]["recipe"]
        assert (told["seed"], told["epochs"], told["taught"]) == (
            lesson.recipe.seed, lesson.recipe.epochs, lesson.recipe.taught)  # fmt: skip
        assert tuple(told["shape"]["widths"]) == SIZES.widths
