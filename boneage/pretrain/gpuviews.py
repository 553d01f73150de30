"""Augment a whole batch of prepared hands at once with tensors, on the device that trains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Accidents:
    """Strength of the augmentation: standard deviations or ranges, and shares of films (0-1).

    Attributes:
        turn: Degrees (normal, cut at 2.5 deviations).
        scale: Largest change of the logarithm of the size.
        aspect: Deviation of the logarithm of the aspect, and of the shear.
        shift: Largest shift, as a share of the side.
        bend: Deviation of a smooth displacement, in pixels; 0 for none.
        gamma: Deviation of the logarithm of gamma.
        contrast: Deviation of the logarithm of the contrast.
        brightness: Deviation of the brightness, as a share of the range.
        coarse: Share of films that lose resolution.
        noisy: Share of films with noise.
        erased: Share of films with a rectangle erased.
    """

    turn: float = 12.0
    scale: float = 0.15
    aspect: float = 0.04
    shift: float = 0.07
    bend: float = 0.0
    gamma: float = 0.2
    contrast: float = 0.12
    brightness: float = 0.05
    coarse: float = 0.3
    noisy: float = 0.2
    erased: float = 0.25


MILD = Accidents()
STRONG = Accidents(turn=15.0, scale=0.2, aspect=0.06, shift=0.08, bend=1.5, gamma=0.3, contrast=0.2, brightness=0.08,
                   coarse=0.4, noisy=0.3, erased=0.5)  # fmt: skip


def drawn(films: Tensor, side: int, accidents: Accidents) -> Tensor:
    """Draw one training view of every film.

    Args:
        films: uint8 (N, S, S), background 0.
        side: Side of the views in pixels.
        accidents: How strong.

    Returns:
        float32 (N, 1, side, side) of 0-255, background 0.
    """
    toned = _tone(films.float()[:, None] / 255, accidents)
    grid = _pose(len(films), side, films.device, accidents)
    view = functional.grid_sample(toned, grid, align_corners=False)
    view = _coarse(view, accidents.coarse)
    noisy = _chance(view, accidents.noisy) * torch.empty(len(view), device=view.device).uniform_(0.008, 0.031)
    view = view + noisy[:, None, None, None] * torch.randn_like(view)
    return _erase(view, accidents.erased).clamp(0, 1) * 255


def plain(films: Tensor, side: int) -> Tensor:
    """Return the views that are served, float32 (N, 1, side, side): films uint8 (N, S, S) shrunk by area."""
    weights = area_weights(films.shape[-1], side).to(films.device)
    return (weights @ films.float() @ weights.T).round()[:, None]


def area_weights(large: int, small: int) -> Tensor:
    """Return the matrix (small, large) that averages by the area that each small pixel covers."""
    edges = torch.arange(small + 1, dtype=torch.float64) * large / small
    starts = torch.arange(large, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], starts + 1) - torch.maximum(edges[:-1, None], starts)
    return (shared.clamp(min=0) * small / large).float()


def _chance(view: Tensor, share: float) -> Tensor:
    return (torch.rand(len(view), device=view.device) < share).float()


def _tone(films: Tensor, accidents: Accidents) -> Tensor:
    """Change gamma, contrast and brightness; black stays black."""
    draw = torch.randn(3, len(films), 1, 1, 1, device=films.device)
    levels = films ** torch.exp(draw[0] * accidents.gamma)
    levels = (levels - 0.5) * torch.exp(draw[1] * accidents.contrast) + 0.5 + draw[2] * accidents.brightness
    return levels.clamp(0, 1) * (films > 0)


def _pose(count: int, side: int, device: torch.device, accidents: Accidents) -> Tensor:
    """Draw where each view's pixels lie in its film, (N, side, side, 2): turn, size, aspect, shear, mirror, shift."""
    normal = torch.randn(3, count, device=device)
    turn = normal[0].clamp(-2.5, 2.5) * math.radians(accidents.turn)
    size = torch.exp(torch.empty(count, device=device).uniform_(-accidents.scale, accidents.scale))
    aspect, shear = torch.exp(normal[1] * accidents.aspect), normal[2] * accidents.aspect
    mirror = torch.randint(0, 2, (count,), device=device) * 2.0 - 1.0
    zero = torch.zeros_like(turn)
    rotation = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], 1).view(-1, 2, 2)
    stretch = torch.stack([mirror * aspect, shear, zero, 1 / aspect], 1).view(-1, 2, 2)
    linear = rotation @ stretch * size[:, None, None]
    shift = torch.empty(count, 2, 1, device=device).uniform_(-2 * accidents.shift, 2 * accidents.shift)
    grid = functional.affine_grid(torch.cat([linear, shift], 2), [count, 1, side, side], align_corners=False)
    if not accidents.bend:
        return grid
    field = torch.randn(count, 2, 6, 6, device=device) * (2 * accidents.bend / side)
    smooth = functional.interpolate(field, size=(side, side), mode="bicubic", align_corners=True)
    return grid + smooth.permute(0, 2, 3, 1)


def _coarse(view: Tensor, share: float) -> Tensor:
    """Shrink some views by one factor of this batch, and grow them back."""
    side = view.shape[-1]
    small = int(side * np.random.default_rng(int(torch.randint(2**31, (1,)))).uniform(0.5, 0.95))
    down = area_weights(side, small).to(view.device)
    up = functional.interpolate(down @ view @ down.T, size=(side, side), mode="bilinear", align_corners=False)
    return torch.lerp(view, up, _chance(view, share)[:, None, None, None])


def _erase(view: Tensor, share: float) -> Tensor:
    """Cover a rectangle of some views with black or one grey."""
    count, side, device = len(view), view.shape[-1], view.device
    extent = torch.empty(2, count, 1, device=device).uniform_(1 / 16, 1 / 4) * side
    corner = torch.rand(2, count, 1, device=device) * (side - extent)
    line = torch.arange(side, device=device)
    rows, columns = ((line >= corner[k]) & (line < corner[k] + extent[k]) for k in (0, 1))
    covered = (rows[:, :, None] & columns[:, None, :])[:, None] & (_chance(view, share) > 0)[:, None, None, None]
    grey = torch.rand(count, 1, 1, 1, device=device) * 0.8 * (torch.rand(count, 1, 1, 1, device=device) < 0.5)
    return torch.where(covered, grey, view)
