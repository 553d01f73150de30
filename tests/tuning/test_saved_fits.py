import numpy as np

from boneage.config import HeadParameters
from boneage.learn.crossval import CVResult, FoldResult
from boneage.learn.fit import FitResult
from boneage.study.models import Chosen
from tuning.objective import load_chosen, save_chosen


def chosen():
    rng = np.random.default_rng(0)
    folds = tuple(
        FoldResult(
            FitResult([rng.random((3, 2), np.float32), rng.random(2, np.float32)], {"loss": [2.0, 1.0]}, 1, 0.5),
            {"mae_months": 7.0 + number},
        )
        for number in range(2)
    )
    return Chosen(HeadParameters(dropout=0.3), CVResult(folds, {"mae_months": 7.5}, {"mae_months": 0.5}, 0), 6)


def test_a_cross_validation_survives_the_file(tmp_path):
    before = chosen()
    after = load_chosen(save_chosen(tmp_path / "deep" / "best.npz", before))
    assert (after.params, after.trial, after.cv.mean, after.cv.best) == (before.params, 6, {"mae_months": 7.5}, 0)
    for old, new in zip(before.cv.folds, after.cv.folds, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(old.fit.weights, new.fit.weights, strict=True))
        assert old.fit.history == new.fit.history and old.metrics == new.metrics


def test_a_missing_or_broken_file_is_made_again(tmp_path):
    path = save_chosen(tmp_path / "best.npz", chosen())
    path.write_bytes(path.read_bytes()[:200])
    assert load_chosen(path) is None
    assert load_chosen(tmp_path / "none.npz") is None
