"""A moving average of a network's weights: what is shipped, because batch statistics make single epochs jump."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Keeps `average`, a copy of a network whose weights trail the trained ones."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.average = copy.deepcopy(net).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move the average towards `net`; faster during the first steps, so that it forgets the start."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, other in zip(self.average.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(other, 1 - decay)
            else:
                mine.copy_(other)
