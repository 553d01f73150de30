"""A finished fold, as cross-validation hands it to tracking, and a study that registers a tiny cascade."""

from tests.fake_fold import fold
from tests.registry.conftest import backbones, bundle, cascade, config, submit, ten_heads, without_heads

__all__ = ["backbones", "bundle", "cascade", "config", "fold", "submit", "ten_heads", "without_heads"]
