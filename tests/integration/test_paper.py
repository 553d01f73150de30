"""The paper's configuration walked from end to end: u2net's interface, EfficientNetV2L, 500 x 500, hard routing.

Neither u2net's nor ImageNet's weights can be fetched everywhere, so the network starts from random weights and the mask
comes from u2netp where the shared copy is at hand (it has the same interface); figures mean nothing here.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from boneage.config import SourceConfig, load_config
from boneage.paths import project_root

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


@pytest.mark.slow
def test_the_papers_path_runs_from_phantoms_to_a_registered_cascade(tmp_path, monkeypatch):
    u2netp = SHARED / "models" / "u2netp.onnx"
    if not u2netp.is_file():
        pytest.skip("needs a network with U^2-Net's interface: ../shared/models/u2netp.onnx is not there")
    monkeypatch.setenv("BONEAGE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert project_root() == tmp_path
    paper = load_config(ROOT / "configs" / "paper.toml")
    few = (SourceConfig(name="phantoms", layout="phantom", path="phantoms", count=40, seed=5),)
    config = replace(
        paper,
        data=replace(paper.data, sources=few, folds=2),
        preprocess=replace(paper.preprocess, background=str(u2netp)),
        backbone=replace(paper.backbone, weights="none", input_size=224),  # of 500 px films, to be quicker
        training=replace(paper.training, epochs=1),
    )
    from boneage.registry.register import load_cascade
    from boneage.study.job import run_study

    outcome = run_study(config)
    assert outcome.version == 1
    assert len(outcome.validation.per_image) == 8
    table = pd.read_csv(tmp_path / "workspace" / "studies" / "paper" / "report" / "paper.csv").set_index("model")
    whole = table.loc["whole cascade"].iloc[0]
    assert float(whole["ours, final"]) == pytest.approx(outcome.validation.metrics["mae_months"], abs=5e-4)
    assert whole["paper, final"] == 10.808 and table.loc["regressor female 0-57", "paper, folds"] == "3.604 +- 0.181"
    cascade = load_cascade(f"models:/{config.study.prefix}-cascade@challenger")
    assert cascade.backbone.features == 1280
    image = sorted((tmp_path / "workspace" / "phantoms").rglob("*.png"))[0]
    estimate = cascade.estimate(image, "male", "115-171")
    assert 0 <= estimate.bone_age_months <= 228
    assert estimate.group == 3
