"""Registering, loading, serving: everything needed travels, nothing is unpickled."""

import base64
import json
import os
import shutil

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest

from boneage.cascade.bundle import BundleError, load_bundle
from boneage.errors import BoneageError
from boneage.groups import ALL_MODELS, ModelKey
from boneage.registry.register import load_cascade, register_cascade
from boneage.registry.validation import read_validation
from boneage.registry.versions import RegistryError, head_name, list_versions, show, version_folder
from boneage.tracking.store import StoreError


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def radiograph(grey=120):
    pixels = np.random.default_rng(grey).integers(0, 2 * grey, (48, 40)).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def version(store, submit):
    return register_cascade(store, submit())


def test_a_registered_cascade_is_the_challenger_and_pins_its_ten_heads(ten_heads, store, version):
    info = show(store, "tiny-cascade", "challenger")
    assert info.version == version == 1
    assert info.status == "pending"
    assert info.heads == {key.name: 1 for key in ALL_MODELS}
    assert info.card == "# A card"
    assert info.mae_months == 5.0
    for key in ALL_MODELS:
        head = show(store, head_name("tiny", key), 1)
        assert head.tags["task"] == key.task
        assert head.tags["sex"] == key.sex


def test_each_head_belongs_to_the_run_that_trained_it(ten_heads, store, submit):
    key = ModelKey.parse("regressor-female-4")
    submission = submit()
    run = store.create_run(store.get_run(submission.run_id).info.experiment_id).info.run_id
    register_cascade(store, submit(head_runs={key: run}))
    assert show(store, head_name("tiny", key), 1).run_id == run


def test_the_registered_cascade_is_hardly_larger_than_its_bundle(store, version, bundle):
    folder = version_folder(store, show(store, "tiny-cascade", version))
    size = sum(path.stat().st_size for path in files_of(folder))
    networks = sum(path.stat().st_size for path in files_of(bundle) if path.suffix in {".npz", ".keras"})
    assert size <= 1.15 * networks
    assert not [path for path in files_of(folder) if path.suffix in {".pkl", ".pickle"}]


def test_a_loaded_cascade_carries_its_name_and_version_and_estimates_as_the_bundle_did(store, version, bundle):
    for uri in ("models:/tiny-cascade@challenger", "models:/tiny-cascade/1"):
        loaded = load_cascade(uri)
        assert (loaded.model, loaded.version) == ("tiny-cascade", "1")
        before = load_bundle(bundle).estimate(radiograph(), "female")
        assert loaded.estimate(radiograph(), "female").bone_age_months == before.bone_age_months
    assert load_cascade(str(bundle)).version == ""


def test_nothing_registered_needs_pickle(store, version, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    served = mlflow.pyfunc.load_model("models:/tiny-cascade@challenger")
    estimate = load_cascade("models:/tiny-cascade@challenger").estimate(radiograph(), "male", "58-114").to_json()
    text = base64.b64encode(radiograph()).decode()
    for image in (radiograph(), text):
        row = {"image": image, "sex": "male", "age_range": "58-114"}
        answer = served.predict(pd.DataFrame([row])).to_dict("records")[0]
        assert answer == estimate
        assert (answer["model"], answer["version"]) == ("tiny-cascade", "1")


def test_the_served_model_takes_rows_without_a_range_and_answers_in_valid_json(store, version):
    served = mlflow.pyfunc.load_model("models:/tiny-cascade/1")
    rows = pd.DataFrame({"image": [radiograph(90), radiograph(120)], "sex": ["female", "male"]})
    answers = served.predict(rows).to_dict("records")
    assert [answer["sex"] for answer in answers] == ["female", "male"]
    assert answers[0]["low_months"] is None
    json.dumps(answers, allow_nan=False)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"image": b"no picture", "sex": "male"}, "row 0"),
        ({"image": radiograph(), "sex": "unknown"}, "sex must be"),
        ({"image": radiograph(), "sex": "male", "age_range": "3-7"}, "range must be one of"),
    ],
)
def test_the_served_model_refuses_a_bad_row_in_one_sentence(store, version, row, words):
    served = mlflow.pyfunc.load_model("models:/tiny-cascade/1")
    with pytest.raises(mlflow.exceptions.MlflowException, match=words) as caught:
        served.predict(pd.DataFrame([row]))
    assert caught.value.get_http_status_code() == 400


def test_a_registered_head_answers_for_features(ten_heads, store, version, cascade, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    features = np.random.default_rng(0).random((3, 2), dtype=np.float32)
    for name, width in (("classifier-male", 4), ("regressor-female-2", 1)):
        answer = mlflow.pyfunc.load_model(f"models:/tiny-{name}/1").predict(features)
        assert answer.shape == (3, width)
        expected = cascade.heads[ModelKey.parse(name)].predict(features)
        np.testing.assert_allclose(answer.reshape(expected.shape), expected, rtol=1e-6)


def test_a_tampered_bundle_is_refused(store, version):
    folder = version_folder(store, show(store, "tiny-cascade", 1))
    file = next(path for path in files_of(folder) if path.name == "regressor-male-3.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleError, match="regressor-male-3"):
        load_cascade("models:/tiny-cascade/1")


def test_tampered_validation_estimates_are_refused(store, version):
    info = show(store, "tiny-cascade", 1)
    assert len(read_validation(store, info)) == 20
    file = version_folder(store, info) / "validation.csv"
    file.write_text(file.read_text().replace("female", "male"))
    with pytest.raises(RegistryError, match="changed after registration"):
        read_validation(store, info)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("models:/other-cascade@champion", "registry import --shipped"),
        ("models:/tiny-cascade@champion", "boneage registry promote"),
        ("models:/tiny-cascade/9", "boneage registry list"),
        ("nonsense", "models:/NAME@ALIAS"),
    ],
)
def test_what_is_missing_says_what_to_run(store, version, uri, words):
    with pytest.raises(RegistryError, match=words):
        load_cascade(uri)


def test_a_missing_store_says_what_to_run_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    with pytest.raises(StoreError, match="registry import --shipped"):
        load_cascade()
    assert not (tmp_path / "mlruns").exists()


def test_files_that_are_gone_say_so(store, version):
    shutil.rmtree(version_folder(store, show(store, "tiny-cascade", 1)))
    with pytest.raises(BoneageError, match="boneage store relocate"):
        load_cascade("models:/tiny-cascade/1")


def test_versions_are_listed_newest_first(store, submit):
    assert list_versions(store, "tiny-cascade") == []
    register_cascade(store, submit(5))
    register_cascade(store, submit(4))
    found = list_versions(store, "tiny-cascade")
    assert [(info.version, info.aliases, info.mae_months) for info in found] == [
        (2, ("challenger",), 4.0),
        (1, (), 5.0),
    ]


def test_loading_leaves_the_tracking_uri_alone(store, version):
    before = os.environ["MLFLOW_TRACKING_URI"]
    load_cascade("models:/tiny-cascade/1", client=store)
    assert os.environ["MLFLOW_TRACKING_URI"] == before


@pytest.mark.parametrize(
    ("proof", "words"),
    [(None, "never compared"), ({"films": 20, "largest_difference_months": 0.02}, "up to 0.02 months apart")],
)
def test_a_graph_that_is_not_known_to_give_the_same_ages_is_not_registered(store, submit, bundle, proof, words):
    from boneage.cascade.bundle import BUNDLE_FILE, GRAPH_FILE, _digest, file_sha256

    (bundle / GRAPH_FILE).write_bytes(b"a graph")
    values = json.loads((bundle / BUNDLE_FILE).read_text())
    del values["sha256"]
    values["files"][GRAPH_FILE] = file_sha256(bundle / GRAPH_FILE)
    values["graph"] = proof
    values["sha256"] = _digest(values)
    (bundle / BUNDLE_FILE).write_text(json.dumps(values))
    with pytest.raises(RegistryError, match=words):
        register_cascade(store, submit())
    assert list_versions(store, "tiny-cascade") == []
