"""Decide whether a film shows one whole, upright left hand: the input gate, its network, fit and measure."""
