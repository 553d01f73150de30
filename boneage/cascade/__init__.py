"""From prepared image to estimate: routing, experts, intervals, bundle and evaluation."""
