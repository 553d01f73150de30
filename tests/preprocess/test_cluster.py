"""Facts about preparing on a Ray cluster, on a local one of two machines of which one is killed."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from boneage.config import PreprocessConfig
from boneage.data.archives import DataError
from boneage.preprocess.cluster import ClusterError, connect, run_on_cluster
from boneage.preprocess.parallel import Failure
from boneage.preprocess.pipeline import prepare_table
from tests.preprocess.test_pipeline import table_of

CONFIG = PreprocessConfig(background="none", size=64)


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="Ray (extra `cluster`) is not installed")
    from ray.cluster_utils import Cluster

    machines = Cluster()
    try:
        for _ in range(2):
            machines.add_node(num_cpus=1, object_store_memory=80_000_000)
        ray.init(address=machines.address, log_to_driver=False, logging_level="ERROR")
        yield machines
    except Exception as error:  # Ray raises bare Exceptions where its daemons do not come up within half a minute
        pytest.skip(f"no local Ray cluster comes up here: {str(error)[:80]}")
    finally:
        ray.shutdown()
        machines.shutdown()


def _slow_square(number):
    time.sleep(0.3)
    if number == 5:
        raise DataError("five is refused")
    return np.full(1000, number * number)


@pytest.mark.slow
def test_a_machine_killed_midway_loses_nothing(cluster):
    second = cluster.list_all_nodes()[-1]
    results = {}
    for number, result in run_on_cluster(_slow_square, range(30), lambda n: n, cluster.address):
        results[number] = result
        if len(results) == 6:
            cluster.remove_node(second, allow_graceful=False)
    assert set(results) == set(range(30))
    assert results.pop(5) == Failure("five is refused")
    assert all((result == number * number).all() for number, result in results.items())


@pytest.mark.slow
def test_films_are_prepared_as_without_a_cluster(cluster, tmp_path):
    table = table_of(tmp_path / "films", 6)
    (tmp_path / "films" / "2.png").write_text("no picture")
    (tmp_path / "films" / "3.png").unlink()
    there = prepare_table(table, CONFIG, tmp_path / "there", ray=cluster.address)
    here = prepare_table(table, CONFIG, tmp_path / "here", workers=1)
    assert there.ids == here.ids == ("0", "1", "4", "5")
    assert list(there.problems["reason"]) == list(here.problems["reason"])
    assert there.content_sha256 == here.content_sha256
    for name in there.ids:
        np.testing.assert_array_equal(there.load(name), here.load(name))


@pytest.mark.slow
def test_features_are_those_of_the_backbone_itself(cluster, tmp_path):
    from boneage.config import BackboneConfig
    from boneage.learn.backbones import open_backbone
    from boneage.learn.features import SpreadBackbone

    backbone = open_backbone(BackboneConfig(name="handnet", weights="none", batch_size=2), 64)
    images = np.random.default_rng(0).integers(0, 255, (5, 64, 64)).astype(np.uint8)
    spread = SpreadBackbone(backbone, cluster.address)
    np.testing.assert_allclose(spread.pooled(images), backbone.pooled(images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_real_preparation_and_features_survive_a_machine_killed_midway(cluster, tmp_path):
    """Simulated films through the shipped mask network and backbone: the same as prepared here, to the last pixel."""
    from boneage.config import BackboneConfig
    from boneage.data.annotations import load_folder
    from boneage.learn.backbones import open_backbone
    from boneage.learn.features import SpreadBackbone, extract
    from boneage.phantom.dataset import write_dataset

    write_dataset(tmp_path / "films", 24, 5)
    table, config = load_folder(tmp_path / "films").table, PreprocessConfig(background="handmask", crop=True, size=160)
    here = prepare_table(table, config, tmp_path / "here", workers=1)
    there = prepare_table(table, config, tmp_path / "there", progress=_killer(cluster, 8), ray=cluster.address)
    assert there.ids == here.ids and len(there.ids) == 24 and there.problems.empty
    for name in there.ids:
        np.testing.assert_array_equal(there.load(name), here.load(name))

    backbone = open_backbone(BackboneConfig(name="handnet", weights="asset", batch_size=2), 160)
    spread = SpreadBackbone(backbone, cluster.address)
    far = extract(there, there.ids, spread, ("original",), tmp_path / "far", _killer(cluster, 1))
    near = extract(here, here.ids, backbone, ("original",), tmp_path / "near")
    np.testing.assert_allclose(far.matrix(there.ids), near.matrix(here.ids), rtol=1e-4, atol=1e-4)


def _killer(cluster, count):
    """Add a machine; return a progress callable that kills it once `count` or more are done but not all."""
    machines = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000)]

    def progress(done, total):
        if machines and count <= done < total:
            cluster.remove_node(machines.pop(), allow_graceful=False)

    return progress


def test_a_cluster_that_does_not_answer_is_said(monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray (extra `cluster`) is not installed")

    def nobody(**_options):
        raise ConnectionError("Could not find any running Ray instance.\nMore lines")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", nobody)
    with pytest.raises(ClusterError, match="no Ray cluster answers at 'auto'.*ray start --head") as caught:
        connect("auto")
    assert "More lines" not in str(caught.value)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match="boneage\\[cluster\\]"):
        connect("auto")
