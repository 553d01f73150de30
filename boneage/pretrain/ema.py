"""What every training keeps: a moving average of the weights, its state on disk, and its memory between steps.

The average is what is shipped, because batch statistics make single epochs jump.
"""

from __future__ import annotations

import copy
import ctypes
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from boneage.files import replacing


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
        mine, other = _values(self.average), _values(net)
        torch._foreach_lerp_([value for value, _ in zip(mine, other, strict=True)], other, 1 - decay)


def save_training(path: Path, net: nn.Module, average: Average, optimiser: Optimizer, **counts: float) -> None:
    """Save everything that a resumed training needs, with counts such as the epoch, replacing the file at once."""
    parts = {"net": net, "average": average.average, "optimiser": optimiser}
    state = {name: part.state_dict() for name, part in parts.items()}
    with replacing(path) as stream:
        torch.save({**state, "steps": average.steps, **counts}, stream)


def resume_training(path: Path, net: nn.Module, average: Average, optimiser: Optimizer) -> dict[str, float]:
    """Continue a saved training of the same recipe; return its counts."""
    state = torch.load(path, weights_only=True, map_location=next(net.parameters()).device)
    net.load_state_dict(state.pop("net"))
    average.average.load_state_dict(state.pop("average"))
    optimiser.load_state_dict(state.pop("optimiser"))
    average.steps = state.pop("steps")
    return dict(state)


def _values(net: nn.Module) -> list[Tensor]:
    """Return every floating parameter and running statistic, in one order."""
    found = [*net.parameters(), *net.buffers()]
    return [value.detach() for value in found if value.is_floating_point()]


_TRIM, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1


def keep_memory() -> bool:
    """Tell the C library to keep freed memory for the next step; return whether it understood.

    Asking the system for it anew takes longer than some layers do: a step frees and asks for some gigabytes in large
    pieces. By default glibc maps each anew, and the system fills it with zeros first: at 224 pixels a side that was two
    fifths of a step's time.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM, _MOST) and mallopt(_TOP_PAD, 2**28))
