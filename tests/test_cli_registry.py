"""`boneage registry` and `boneage store` on a real store of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import save_bundle
from boneage.cascade.cascade import Cascade
from boneage.cascade.routing import Head
from boneage.cli import main
from boneage.config import Config, HeadParameters, StudyConfig
from boneage.groups import ALL_MODELS
from boneage.learn.heads import initial_weights
from boneage.preprocess.preparer import Preparer
from boneage.registry import register as registry
from boneage.registry.register import Submission, register_cascade
from boneage.registry.validation import COLUMNS
from boneage.registry.versions import show
from boneage.tracking.store import ensure_experiment
from tests.fake_cascade import PLAIN

PARAMS = HeadParameters(width_1=3, width_2=2)


class Network:
    """Something that can be saved where a backbone is saved; nothing here opens it."""

    def save(self, path):
        path.write_bytes(b"a network")

    def save_graph(self, path):
        """It has none, as bundles of before graphs travelled along."""


@pytest.fixture
def versions(store, tmp_path, monkeypatch):
    """Version 1 is wrong by 6 months on its validation images, version 2 by 9 and version 3 by 3."""
    monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
    heads = {key: Head(key, PARAMS, tuple(initial_weights(key.task, 2, PARAMS, 0))) for key in ALL_MODELS}
    ages = np.linspace(10, 200, 20)
    run = store.create_run(ensure_experiment(store, "tiny")).info.run_id
    for number, error in enumerate((6.0, 9.0, 3.0), start=1):
        config = Config(study=StudyConfig(name=f"study-{number}"), preprocess=PLAIN)
        bundle = save_bundle(Cascade(Preparer(PLAIN), Network(), heads, config), tmp_path / f"bundle-{number}")
        rows = [[f"i{i}" for i in range(20)], [f"{i:064x}" for i in range(20)], "male", ages, ages + error]
        table = pd.DataFrame(dict(zip(COLUMNS, rows, strict=True)))
        register_cascade(store, Submission(bundle, run, f"# Card {number}", {"mae_months": error}, table))
    return store


def test_list_on_an_empty_store_says_what_to_run(store, capsys):
    assert main(["registry", "list"]) == 0
    assert "registry import --shipped" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["list", "show", "promote", "rollback"])
def test_a_missing_store_says_what_to_run(action, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    assert main(["registry", action]) == 1
    assert "boneage store init" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_from_challenger_to_champion_and_back(versions, capsys):
    assert main(["registry", "show"]) == 1
    assert "boneage registry promote" in capsys.readouterr().err
    assert main(["registry", "promote", "--version", "1"]) == 0
    assert "version 1 is the champion: there was none before" in capsys.readouterr().out
    assert main(["registry", "promote", "--version", "2"]) == 1
    err = capsys.readouterr().err
    assert "the challenger is worse" in err and "version 1 stays the champion" in err
    assert "FAILED  whole set" in err and "FAILED  each part" in err and "--force" in err
    assert main(["registry", "promote"]) == 0
    out = capsys.readouterr().out
    assert "version 3 is the champion" in out and "passed  whole set" in out and "rollback" in out
    assert main(["registry", "promote"]) == 0
    assert "champion already: nothing was changed" in capsys.readouterr().out
    assert main(["registry", "rollback"]) == 0
    out = capsys.readouterr().out
    assert "version 1 is the champion again" in out and "promote boneage-cascade --version 3" in out
    assert main(["registry", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[1] for row in rows[1:]] == ["3", "2", "1"]
    assert "champion" in rows[3] and "failed" in rows[2]


def test_force_is_kept_in_a_tag(versions, capsys):
    main(["registry", "promote", "--version", "1"])
    assert main(["registry", "promote", "--version", "2", "--force", "the ward asked for it"]) == 0
    assert main(["registry", "show"]) == 0
    out = capsys.readouterr().out
    assert "version 2 (champion)" in out and "the ward asked for it" in out and "# Card 2" in out


def test_compare_prints_both_errors_and_the_interval(versions, capsys):
    assert main(["registry", "compare", "1", "3"]) == 0
    out = capsys.readouterr().out
    assert "A: boneage-cascade version 1, study study-1" in out and "B: boneage-cascade version 3 (challenger)" in out
    assert "20 validation images of A" in out and "verdict: A is worse than B on all images" in out
    whole = next(line for line in out.splitlines() if line.startswith("all "))
    assert whole.split() == ["all", "20", "6.00", "3.00", "+3.00", "+3.00", "to", "+3.00", "worse"]
    assert "A is worse in male, male 0-57, male 58-114, male 115-171, male 172-228" in out


def test_a_version_travels_as_an_archive(versions, tmp_path, capsys):
    place = tmp_path / "out"
    assert main(["registry", "export", "--version", "3", "--out", str(place)]) == 0
    archive = next(place.glob("*.zip"))
    assert main(["registry", "import", str(archive), "--prefix", "other"]) == 0
    assert "other-cascade version 1" in capsys.readouterr().out
    assert main(["registry", "list", "other-cascade"]) == 0
    assert "study-3" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["a.zip", "--shipped"], ["--shipped", "--prefix", "x"]], ids=str)
def test_import_wants_one_thing(arguments, capsys):
    assert main(["registry", "import", *arguments]) == 2
    assert "either the ARCHIVE" in capsys.readouterr().err


def test_set_without_config_is_wrong_usage(capsys):
    assert main(["registry", "promote", "--set", "a.b=1"]) == 2
    assert "--config" in capsys.readouterr().err


def test_store_init_and_relocate_say_what_they_did(store, capsys):
    assert main(["store", "init"]) == 0
    assert "is there already" in capsys.readouterr().out
    # The fixture's store is a copy of one that was made elsewhere.
    assert main(["store", "relocate"]) == 0
    assert "experiments.artifact_location: 1 rewritten" in capsys.readouterr().out
    assert main(["store", "relocate"]) == 0
    assert "nothing had moved" in capsys.readouterr().out


def test_doctor_reports_every_part(versions, capsys):
    main(["registry", "promote", "--version", "1"])
    main(["doctor"])
    out = capsys.readouterr().out
    for part in (
        "python",
        "tensorflow",
        "handmask",
        "handnet",
        "handlite0",
        "EfficientNetV2L",
        "weights list",
        "store",
        "default model",
    ):
        assert part in out
    assert "is version 1" in out


def test_rescoring_takes_only_the_very_images(versions, tmp_path, monkeypatch):
    from PIL import Image

    from boneage.commands import promotion
    from boneage.config import DataConfig, SourceConfig
    from boneage.data.flags import pixels_sha256
    from boneage.errors import BoneageError

    pixels = np.full((40, 40), 90, np.uint8)
    (tmp_path / "films").mkdir()
    Image.fromarray(pixels).save(tmp_path / "films" / "7.png")
    (tmp_path / "films" / "ages.csv").write_text("id,boneage,male\n7,95,True\n")
    source = SourceConfig(name="s", path="films/ages.csv", layout="rsna", images=("films",))
    config = Config(data=DataConfig(root=str(tmp_path), sources=(source,)))

    class Champion:
        def estimate(self, film, sex, *, anyway=False):
            return type("E", (), {"bone_age_months": float(film.mean())})

    monkeypatch.setattr("boneage.commands.promotion.load_cascade", lambda uri, client: Champion())
    wanted = pd.DataFrame([["7", pixels_sha256(pixels), "male", 95.0, 1.0]], columns=list(COLUMNS))
    version = show(versions, "boneage-cascade", 1)
    again = promotion.rescorer(versions, config)
    assert again(version, wanted)["bone_age_months"].tolist() == [90.0]
    with pytest.raises(BoneageError, match="not the one"):
        again(version, wanted.assign(content_sha256="0" * 64))
    with pytest.raises(BoneageError, match="1 of 1 validation images are not here"):
        again(version, wanted.assign(id="8"))


def test_the_import_that_one_is_told_to_run_where_there_is_no_store_makes_one(monkeypatch, capsys):
    from boneage.commands import registry

    monkeypatch.setattr(registry, "open_store", lambda: "a new store")
    monkeypatch.setattr(registry, "import_shipped", lambda client: f"registered in {client}")
    assert main(["registry", "import", "--shipped"]) == 0
    assert capsys.readouterr().out == "registered in a new store\n"
