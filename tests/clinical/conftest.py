"""The stand-in cascade that the tests of several rooms share."""

from tests.fake_cascade import cascade, heads

__all__ = ["cascade", "heads"]
