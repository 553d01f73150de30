"""The command line: what it prints, how it ends, and that no traceback is ever seen."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

from boneage.cascade.cascade import contradictions
from boneage.cascade.estimate import ESTIMATE_FIELDS, RESEARCH_NOTICE, Estimate
from boneage.cli import main
from boneage.config import Config
from boneage.groups import RANGE_LABELS, group_from_label, group_of


class FakeCascade:
    """Answers with the mean grey level as months."""

    model, version = "fake", "3"

    config = Config()

    def estimate(self, radiograph, sex, age_range=None, *, anyway=False, chronological_months=None):
        age = float(radiograph.pixels.mean())
        group = group_from_label(age_range) if age_range else group_of(age)
        probabilities = tuple(1.0 if number == group else 0.0 for number in (1, 2, 3, 4))
        routing = "given" if age_range else "hard"
        return Estimate(
            sex,
            age_range,
            age,
            age - 5,
            age + 5,
            group,
            probabilities,
            routing,
            model="fake",
            version="3",
            warnings=("the mask is doubtful", *contradictions(radiograph, sex, chronological_months)),
        )


@pytest.fixture
def fake(monkeypatch):
    opened = []

    def open_cascade(uri):
        opened.append(uri)
        return FakeCascade()

    monkeypatch.setattr("boneage.commands.predict.open_cascade", open_cascade)
    return opened


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "hand.png"
    Image.fromarray(np.full((20, 20), 130, np.uint8)).save(path)
    return str(path)


def test_json_is_one_object_per_line_with_the_names_of_the_design(fake, image, capsys):
    assert main(["predict", image, image, "--sex", "female", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    records = [json.loads(line) for line in out.splitlines()]
    assert [list(record) for record in records] == [["image", *ESTIMATE_FIELDS]] * 2
    assert records[0]["bone_age_months"] == 130 and records[0]["age_range"] is None
    assert RESEARCH_NOTICE in err and RESEARCH_NOTICE not in out
    assert fake == [None]


def test_one_bad_image_never_stops_the_others(fake, image, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"text")
    assert main(["predict", str(bad), image, "--sex", "male", "--format", "json"]) == 1
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["image"] == str(bad) and f"{bad} is not an image" in first["error"]
    assert second["bone_age_months"] == 130


def test_csv_reads_back(fake, image, tmp_path, capsys):
    missing = str(tmp_path / "no, such.png")
    assert main(["predict", image, missing, "--sex", "male", "--format", "csv"]) == 1
    good, bad = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert good["bone_age_months"] == "130.0" and json.loads(good["group_probabilities"]) == [0, 0, 1, 0]
    assert json.loads(good["warnings"]) == ["the mask is doubtful"]
    assert bad["image"] == missing and "no file at" in bad["error"]


def test_hard_routing_stands_beside_every_estimate(fake, image, monkeypatch, capsys):
    estimate = FakeCascade.estimate
    monkeypatch.setattr(
        FakeCascade, "estimate", lambda *given, **more: replace(estimate(*given, **more), hard_months=127.25)
    )
    given = ["predict", image, "--sex", "male"]
    assert main([*given, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["hard_months"] == 127.25
    assert main([*given, "--format", "csv"]) == 0
    first, row = csv.reader(io.StringIO(capsys.readouterr().out))
    later = ["error", "hard_months", "warning_codes", "error_code", "regional_ages"]
    assert first == ["image", *ESTIMATE_FIELDS[:-3], *later] and row[-4] == "127.25"
    assert main(given) == 0
    assert "hard routing, as in the paper, gives 127.2 months" in capsys.readouterr().out
    for same in (130.04, None):
        monkeypatch.setattr(
            FakeCascade,
            "estimate",
            lambda *given, same=same, **more: replace(estimate(*given, **more), hard_months=same),
        )
        assert main(given) == 0
        assert "hard routing" not in capsys.readouterr().out


def test_the_table_is_for_people(fake, image, capsys):
    assert main(["predict", image, "--sex", "male", "--range", "115-171", "--chronological", "120"]) == 0
    out = capsys.readouterr().out
    for part in (
        "10 y 10 m",
        "130.0",
        "125.0 - 135.0",
        "115-171 (given)",
        "+10.0",
        "mask is doubtful",
        RESEARCH_NOTICE,
    ):
        assert part in out


def test_chronological_age_adds_the_difference(fake, image, capsys):
    main(["predict", image, "--sex", "male", "--chronological", "120", "--format", "json"])
    record = json.loads(capsys.readouterr().out)
    assert (record["chronological_months"], record["difference_months"]) == (120, 10)


def test_a_named_table_gives_a_z_score_and_says_where_it_comes_from(fake, image, capsys):
    given = ["predict", image, "--sex", "male", "--chronological", "120", "--table", "greulich-pyle"]
    assert main([*given, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["table"] == "Greulich-Pyle V/VI"
    assert record["z_score"] == pytest.approx(10 / record["sd_months"], abs=0.01)
    chances = [record[f"probability_{name}"] for name in ("delayed", "average", "advanced")]
    assert sum(chances) == pytest.approx(1, abs=1e-3)
    assert "not seen" in err
    assert main(given) == 0
    assert "z-score +" in capsys.readouterr().out
    assert main([*given, "--format", "csv"]) == 0
    assert next(csv.DictReader(io.StringIO(capsys.readouterr().out)))["verdict"] == "average"


def test_a_table_without_an_age_is_wrong_usage(fake, image, capsys):
    assert main(["predict", image, "--sex", "male", "--table", "greulich-pyle"]) == 2
    assert "--chronological" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["predict", "x.png", "--sex", "child"],
        ["predict", "x.png", "--sex", "male", "--range", "0-60"],
        ["predict", "x.png", "--sex", "male", "--format", "xml"],
        ["predict", "x.png", "--sex", "male", "--chronological", "ten"],
        ["nonsense"],
        ["registry"],
        ["flags"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_predict_without_a_film_says_what_it_wants(capsys):
    assert main(["predict"]) == 2
    assert "IMAGE... or --list TABLE.csv" in capsys.readouterr().err


@pytest.mark.parametrize("months", ["-1", "nan", "inf", "1201"])
def test_impossible_chronological_ages_end_with_2(fake, image, months, capsys):
    assert main(["predict", image, "--sex", "male", f"--chronological={months}"]) == 2
    assert "--chronological" in capsys.readouterr().err


def test_without_a_sex_a_file_that_says_none_is_wrong_usage(fake, image, capsys):
    assert main(["predict", image]) == 2
    assert "--sex must be female or male" in capsys.readouterr().err


@pytest.fixture
def dicom(tmp_path):
    """A function that writes a DICOM film of a girl of ten, changed as asked."""

    def write(**elements):
        data = pydicom.dcmread(pydicom.data.get_testdata_file("MR_small.dcm", download=False))
        for name in ("PatientBirthDate", "AcquisitionDate", "ContentDate", "StudyDate"):
            setattr(data, name, "")
        for name, value in ({"PatientSex": "F", "PatientAge": "010Y"} | elements).items():
            setattr(data, name, value)
        data.save_as(tmp_path / "film.dcm")
        return str(tmp_path / "film.dcm")

    return write


def test_the_sex_of_a_dicom_file_is_the_default(fake, dicom, image, capsys):
    assert main(["predict", dicom(), image, "--format", "json"]) == 1
    girl, unknown = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert girl["sex"] == "female"
    assert unknown["error"] == f"{image} does not say the patient's sex: choose it (--sex)"
    assert main(["predict", dicom(PatientSex="O"), "--format", "json"]) == 1
    assert "choose it (--sex)" in json.loads(capsys.readouterr().out)["error"]


def test_a_sex_or_age_that_disagrees_with_the_file_is_a_warning(fake, dicom, capsys):
    given = ["predict", dicom(), "--sex", "male", "--chronological", "150"]
    assert main([*given, "--format", "json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert "the file says that the patient is female, but male was given" in warnings
    assert any("was 120 months old when the film was taken, but 150 was given" in line for line in warnings)
    assert main(given) == 0
    assert "warning: the file says that the patient was 120 months old" in capsys.readouterr().out
    assert main(["predict", dicom(), "--sex", "female", "--chronological", "131", "--format", "json"]) == 0
    assert not any("the file says" in line for line in json.loads(capsys.readouterr().out)["warnings"])


@pytest.mark.parametrize("label", RANGE_LABELS)
def test_every_range_is_accepted(fake, image, label, capsys):
    assert main(["predict", image, "--sex", "male", "--range", label, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["age_range"] == label


def test_a_missing_model_is_one_sentence_that_says_what_to_run(image, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    assert main(["predict", image, "--sex", "male"]) == 1
    out, err = capsys.readouterr()
    assert (
        out == ""
        and err.startswith("boneage: ")
        and "boneage registry import --shipped" in err
        and "Traceback" not in err
    )


@pytest.mark.parametrize("command", ["audit", "prepare", "train", "evaluate"])
def test_a_missing_configuration_ends_with_2(command, capsys):
    assert main([command, "no/such.toml"]) == 2
    assert "no configuration at no/such.toml" in capsys.readouterr().err


def test_an_unknown_setting_ends_with_2_and_names_the_nearest(tmp_path, capsys):
    config = tmp_path / "a.toml"
    config.write_text("[study]\nname = 'a'\n")
    assert main(["audit", str(config), "--set", "preprocess.sise=3"]) == 2
    assert "nearest valid key is 'size'" in capsys.readouterr().err


def test_interruption_says_how_to_continue(monkeypatch, capsys, tmp_path):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("boneage.commands.data.write_dataset", interrupted)
    assert main(["phantom", str(tmp_path / "out"), "--count", "2"]) == 130
    assert "same command again to continue" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(monkeypatch, capsys, tmp_path):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("boneage.commands.data.write_dataset", full)
    assert main(["phantom", str(tmp_path / "out")]) == 1
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--seed", "-1"]])
def test_phantom_counts_are_checked(arguments, tmp_path, capsys):
    assert main(["phantom", str(tmp_path / "out"), *arguments]) == 2
    assert "--count must be at least 1" in capsys.readouterr().err


def test_phantom_draws_a_set_that_audit_reads(tmp_path, capsys):
    out = tmp_path / "phantoms"
    assert main(["phantom", str(out), "--count", "4", "--seed", "1"]) == 0
    assert main(["audit", str(out), "--out", str(tmp_path / "problems.csv")]) == 0
    assert "4 usable images" in capsys.readouterr().out
    assert (tmp_path / "problems.csv").is_file()


def test_help_comes_at_once_and_loads_nothing_heavy():
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "boneage.cli", "--help"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 3  # about 0.4 s on a quiet machine
    commands = ["doctor", "phantom", "audit", "prepare", "train", "predict", "evaluate", "registry", "store", "flags"]
    assert all(command in done.stdout for command in commands)


def test_a_reader_that_leaves_early_is_no_error(image, tmp_path):
    code = (
        "import sys, boneage.commands.predict as p; from boneage.cli import main;"
        "from tests.test_cli import FakeCascade; p.open_cascade = lambda uri: FakeCascade();"
        f"sys.exit(main(['predict', *[{image!r}] * 3000, '--sex', 'male', '--format', 'json']))"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -1', sys.executable, code], capture_output=True, text=True, check=False
    )
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(("variable", "shown"), [("", False), ("1", True)])
def test_an_unforeseen_error_is_a_sentence_unless_its_place_is_asked_for(variable, shown, monkeypatch):
    code = (
        "import sys, boneage.commands.stores as f;"
        "f._flags = lambda args: 1 / 0; from boneage.cli import main;"
        "sys.argv = ['boneage', 'flags', 'list']; sys.exit(main())"
    )
    monkeypatch.setenv("BONEAGE_TRACEBACK", variable)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) is shown
    assert "ZeroDivisionError" in done.stderr


def test_flags_are_listed_and_exported(tmp_path, monkeypatch, capsys):
    from boneage.data.flags import FlagRecord, FlagStore
    from boneage.groups import Sex

    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    assert main(["flags", "list"]) == 0
    assert "no case has been saved yet" in capsys.readouterr().out
    film = np.full((20, 20), 90, np.uint8)
    FlagStore(tmp_path / "flagged").add(film, FlagRecord(Sex.MALE, 90.0, reader_age_months=96.0, comment="seen"))
    assert main(["flags", "list"]) == 0
    assert "seen" in capsys.readouterr().out
    monkeypatch.setattr("boneage.hospital.deidentify.installed", lambda: False)
    assert main(["flags", "export", str(tmp_path / "out")]) == 0
    assert "was not looked for" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "out")]) == 0
    assert "1 usable images" in capsys.readouterr().out


def test_names_on_films_are_shown_before_an_export_blacks_them_out(tmp_path, monkeypatch, capsys):
    import cv2

    from boneage.data.flags import FlagRecord, FlagStore
    from boneage.groups import Sex
    from boneage.hospital.deidentify import Cleaned, Text

    films = [np.full((40, 40), grey, np.uint8) for grey in (90, 120)]
    removed = np.zeros((40, 40), bool)
    removed[:9] = True
    name = Text(np.array([[0, 0], [39, 0], [39, 8], [0, 8]], np.float32), "MUSTER", False)

    def look(film):
        found = (name,) if film[0, 0] == 90 else ()
        return Cleaned(np.where(removed, 0, film).astype(np.uint8), found, removed, len(found))

    store = FlagStore(tmp_path / "flagged")
    first, second = (store.add(film, FlagRecord(Sex.MALE, 90.0)).stem for film in films)
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.setattr("boneage.hospital.deidentify.installed", lambda: True)
    monkeypatch.setattr("boneage.hospital.deidentify.look", look)
    out = tmp_path / "out"
    assert main(["flags", "export", str(out)]) == 1
    said = capsys.readouterr().err
    assert "text was found on 1 films" in said and "reach over the hand" in said
    assert [path.relative_to(out).as_posix() for path in out.rglob("*.*")] == [f"text-found/{first}.png"]
    assert main(["flags", "export", str(out), "--text", "black-out"]) == 0
    images = out / "boneage-training-dataset"
    assert np.array_equal(cv2.imread(str(images / f"{first}.png"), 0), np.where(removed, 0, films[0]))
    assert np.array_equal(cv2.imread(str(images / f"{second}.png"), 0), films[1])
    assert main(["flags", "export", str(tmp_path / "kept"), "--text", "keep"]) == 0
    assert np.array_equal(cv2.imread(str(tmp_path / "kept" / "boneage-training-dataset" / f"{first}.png"), 0), films[0])
