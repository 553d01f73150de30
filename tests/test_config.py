from pathlib import Path

import pytest

from boneage.config import Config, ConfigError, config_sha256, from_mapping, load_config, to_mapping

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_says_its_command(path):
    load_config(path)
    head = path.read_text().splitlines()[:8]
    assert all(any(word in line for line in head) for word in ("Command:", "Time", "core"))


def test_the_defaults_of_a_head_are_the_papers_architecture():
    for params in (Config().classifier, Config().regressor):
        assert (params.width_1, params.width_2, params.dropout) == (1024, 512, 0.2)


def test_the_paper_config_is_the_paper():
    config = load_config(next(path for path in CONFIGS if path.stem == "paper"))
    assert config.preprocess.background == "u2net"
    assert (config.preprocess.contrast, config.preprocess.size) == ("equalize", 500)
    assert not config.preprocess.pad and not config.preprocess.crop
    assert (config.backbone.name, config.backbone.weights) == ("EfficientNetV2L", "imagenet")
    assert (config.data.folds, config.data.validation_fraction, config.cascade.routing) == (5, 0.2, "hard")
    assert [source.role for source in config.data.sources].count("test") == 1


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"trainin": {}}, ["trainin", "top level", "training"]),
        ({"training": {"epoch": 3}}, ["'epoch'", "[training]", "'epochs'"]),
        ({"training": {"epochs": "3"}}, ["'epochs'", "[training]", "valid integer", "'3'"]),
        ({"training": {"epochs": 3.5}}, ["'epochs'", "[training]", "3.5"]),
        ({"cascade": {"routing": "sharp"}}, ["'routing'", "[cascade]", "'hard' or 'soft'", "sharp"]),
        ({"data": {"sources": [{"name": "a", "rolle": "test"}]}}, ["'rolle'", "data.sources.0", "'role'"]),
        ({"data": {"sources": [{"role": "test"}]}}, ["'name'", "missing", "data.sources.0"]),
        ({"classifier": {"widths_1": 3}}, ["'widths_1'", "[classifier]", "'width_1'"]),
    ],
)
def test_a_wrong_key_is_named_with_its_section_and_the_nearest_valid_one(tree, words):
    with pytest.raises(ConfigError) as caught:
        from_mapping(tree)
    for word in words:
        assert word in str(caught.value)


def test_overrides_are_typed_like_toml(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('[study]\nname = "a"\n')
    config = load_config(file, ["training.epochs=3", "study.name=b", "data.root=some/where", "preprocess.crop=true"])
    assert (config.training.epochs, config.study.name) == (3, "b")
    assert (config.data.root, config.preprocess.crop) == ("some/where", True)
    with pytest.raises(ConfigError, match="section.key=value"):
        load_config(file, ["epochs"])
    with pytest.raises(ConfigError, match="nearest valid key is 'epochs'"):
        load_config(file, ["training.epoch=3"])


def test_a_missing_or_broken_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="no configuration"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[study")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "broken.toml")


def test_the_hash_follows_the_settings_and_survives_a_round_trip():
    config = Config()
    assert config_sha256(from_mapping(to_mapping(config))) == config_sha256(config)
    assert config_sha256(from_mapping({"training": {"epochs": 61}})) != config_sha256(config)
