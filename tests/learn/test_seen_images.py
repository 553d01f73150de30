import hashlib

from boneage.config import BackboneConfig
from boneage.learn.seen_images import SeenImages, save_seen, seen_images

HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(4)]


def test_a_run_says_which_of_its_images_the_backbone_had_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("boneage.learn.seen_images.assets", lambda: tmp_path)
    save_seen(HASHES[:2], tmp_path / "handnet_seen.npz")
    seen = seen_images(BackboneConfig())
    assert [seen.saw(name) for name in HASHES] == [True, True, False, False]
    assert seen.describe(HASHES) == "2 of 4"
    assert seen.describe(HASHES[:2]) == "all"
    assert seen.describe(HASHES[2:]) == "none"


def test_only_the_embedded_weights_have_seen_radiographs(tmp_path, monkeypatch):
    monkeypatch.setattr("boneage.learn.seen_images.assets", lambda: tmp_path)
    save_seen(HASHES, tmp_path / "handnet_seen.npz")
    assert seen_images(BackboneConfig(name="ResNet50", weights="imagenet")) == SeenImages(frozenset())
    assert seen_images(BackboneConfig(weights="none")) == SeenImages(frozenset())
