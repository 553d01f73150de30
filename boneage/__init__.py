"""Estimate skeletal age from a left-hand radiograph. Research use only; not a medical device."""

__version__ = "0.1.0"
