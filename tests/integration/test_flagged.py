"""The loop to future training: cases flagged on the page are a source, and a study trains on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from boneage.config import load_config
from boneage.data.annotations import load_training
from boneage.data.flags import FlagRecord, FlagStore
from boneage.groups import AGE_GROUPS, Sex

CONFIG = """
[study]
name = "flagged"
prefix = "flagged"
[data]
root = "."
folds = 2
[[data.sources]]
name = "flagged"
layout = "flagged"
path = "flagged"
[preprocess]
background = "none"
size = 96
[backbone]
name = "handnet"
weights = "asset"
[classifier]
width_1 = 16
width_2 = 8
[regressor]
width_1 = 16
width_2 = 8
[training]
epochs = 1
"""
EACH = 5


@pytest.fixture
def home(tmp_path: Path, store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which readers have flagged a few drawn hands of every sex and group, with an age of their own."""
    from boneage.phantom.hand import draw

    monkeypatch.chdir(tmp_path)
    flags = FlagStore(tmp_path / "flagged")
    for sex in Sex:
        for group in AGE_GROUPS:
            for number in range(EACH):
                age = group.low + (number + 0.5) * (group.high - group.low) / EACH
                # A seed of its own each: the same hand at two ages would be taken for one film stored twice.
                film = draw(age, sex, 1000 * (sex is Sex.MALE) + 100 * group.number + number).image
                flags.add(film, FlagRecord(sex, min(age + 20, 228.0), reader_age_months=age, model="m", version="1"))
    (tmp_path / "flagged.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_a_study_trains_on_flagged_cases_with_the_readers_ages(home: Path, store) -> None:
    from boneage.cli import main

    config = home / "flagged.toml"
    table = load_training(load_config(config).data).table
    assert len(table) == 2 * len(AGE_GROUPS) * EACH
    assert set(table["age_months"]) == set(FlagStore(home / "flagged").records()["reader_age_months"])
    assert main(["train", str(config)]) == 0
    found = store.search_model_versions("name = 'flagged-cascade'")
    assert [one.version for one in found] == [1]
    assert main(["flags", "export", str(home / "out"), "--text", "keep"]) == 0
    assert (home / "out" / "boneage-training-dataset.csv").is_file()
