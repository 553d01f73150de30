"""Whoever only estimates waits for neither TensorFlow nor MLflow: every door of serving, in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from boneage.groups import ALL_MODELS, Sex
from boneage.phantom.hand import draw
from boneage.registry import register as registry
from boneage.registry.archive import import_shipped
from boneage.registry.versions import show

ROOT = Path(__file__).parents[1]
DOORS = """
import contextlib, io, os, sys
film, out = sys.argv[1:]
HEAVY = "tensorflow keras torch mlflow sqlalchemy rembg skimage sklearn scipy numba optuna".split()

def light(door):
    found = [name for name in HEAVY if name in sys.modules]
    if found:
        sys.exit(f"{door} imports {found}")

from boneage.cli import main
for arguments in (
    ["predict", film, "--sex", "female", "--format", "json"],
    ["explain", film, "--sex", "female", "--no-occlusion", "--out", out],
    ["registry", "list", "--all"],
    ["registry", "show"],
    ["flags", "--folder", out, "list"],
):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        if main(arguments):
            sys.exit(f"{arguments}: {said.getvalue()}")
    light(arguments[0])
    if arguments[0] == "predict" and "pandas" in sys.modules:
        sys.exit("one estimate needs no pandas")
    print(said.getvalue())

import boneage
# A page and a served model that open an old cascade by Keras share one GPU.
assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true" and os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
assert type(boneage.load_cascade().backbone).__name__ == "GraphBackbone"
light("load_cascade")

import pandas as pd
from boneage.registry.serving import estimate_rows, open_served
cascade = open_served(os.environ["BUNDLE"])
row = {"image": open(film, "rb").read(), "sex": "female", "reasons": True}
print(estimate_rows(cascade, pd.DataFrame([row]))["bone_age_months"][0])
light("the served model")

from boneage.ui.catalogue import RegistryCatalogue
from boneage.ui.service import ModelService
import boneage.ui.launch, boneage.ui.page
service = ModelService(RegistryCatalogue(), "models:/boneage-cascade@champion")
assert service.refresh().phase == "ready", service.status
light("the page")
"""


@pytest.fixture
def film(tmp_path):
    drawn = draw(120.0, Sex.FEMALE, seed=1).image
    cv2.imwrite(str(tmp_path / "film.png"), drawn)
    return tmp_path / "film.png"


def test_no_door_of_serving_imports_tensorflow_or_mlflow(store, film, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_register_heads", lambda *args: dict.fromkeys(ALL_MODELS, 1))
    import_shipped(store)
    bundle = registry.bundle_folder(store, show(store))
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.tracking_uri, "BUNDLE": str(bundle)}
    command = [sys.executable, "-c", DOORS, str(film), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"version": "1"' in done.stdout and "champion" in done.stdout and done.stdout.count("regressor-male-4") >= 1
