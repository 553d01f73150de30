"""A site's correction from the command to a new version in the registry."""

import cv2
import numpy as np
import pandas as pd
import pytest

from boneage.cli import main
from boneage.registry.register import load_cascade, register_cascade
from boneage.registry.versions import show


@pytest.fixture
def site(tmp_path, cascade):
    """Make a folder of 60 films whose readings are the estimates plus a bias per sex and some noise."""

    def make(bias):
        rng, rows = np.random.default_rng(0), []
        folder = tmp_path / "site"
        folder.mkdir()
        for number in range(60):
            film = np.clip(rng.normal(40 + 3 * number, 3 + number % 25, (40, 32)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), film)
            sex = "male" if number % 2 else "female"
            reading = cascade.estimate(film, sex).bone_age_months + (bias if number % 2 else -bias) + rng.normal(0, 2)
            rows.append({"id": number, "boneage": round(float(np.clip(reading, 1, 228))), "male": bool(number % 2)})
        pd.DataFrame(rows).to_csv(folder / "readings.csv", index=False)
        return folder

    return make


@pytest.fixture
def registered(store, submit, monkeypatch):
    register_cascade(store, submit(20.0))
    monkeypatch.setattr("boneage.commands.recalibrate.open_cascade", lambda uri: load_cascade(uri, store))
    return ["--model", "models:/tiny-cascade/1"]


def test_a_proven_correction_becomes_a_new_version_that_serves_it(registered, site, store, capsys):
    folder = site(15.0)
    assert main(["recalibrate", str(folder), *registered]) == 0
    assert "registered version 2" in capsys.readouterr().out
    info = show(store, "tiny-cascade", "challenger")
    assert info.version == 2 and info.tags["recalibrated_from"] == "1"
    plain, corrected = (load_cascade(f"models:/tiny-cascade/{version}", store) for version in (1, 2))
    film = np.random.default_rng(3).integers(60, 120, (40, 32), dtype=np.uint8)
    moved = corrected.estimate(film, "male").bone_age_months - plain.estimate(film, "male").bone_age_months
    assert moved == pytest.approx(15, abs=5)
    assert corrected.intervals is not None and corrected.card["recalibrated"]["images"] == 60


def test_a_correction_that_proves_nothing_changes_nothing(registered, site, store, capsys):
    assert main(["recalibrate", str(site(0.0)), *registered]) == 1
    out, err = capsys.readouterr()
    assert "no better beyond its interval" in err and "95 % interval" in out
    assert show(store, "tiny-cascade", "challenger").version == 1


def test_only_a_registered_cascade_gets_a_version(site, capsys):
    assert main(["recalibrate", ".", "--model", "somewhere"]) == 2
    assert "--dry-run" in capsys.readouterr().err
