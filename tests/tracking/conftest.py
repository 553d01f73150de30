"""A finished fold, as cross-validation hands it to tracking."""

from tests.fake_fold import fold

__all__ = ["fold"]
