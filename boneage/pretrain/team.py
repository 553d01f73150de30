"""Processes of one thread each that share every batch and average their gradients."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, multiprocessing, nn

from boneage.processes import start_worker


@dataclass(frozen=True)
class Team:
    """This process's place among those that train together: `number` of `size`."""

    number: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that measures and saves."""
        return self.number == 0

    def average_gradients(self, net: nn.Module) -> None:
        """Replace each gradient by the mean over the team, so that every process takes the same step."""
        if self.size == 1:
            return
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def work_together(work: Callable[..., None], size: int, arguments: tuple[Any, ...]) -> None:
    """Run `work(team, *arguments)` in `size` processes of one thread each and wait for them.

    Args:
        work: A function at the top of a module.
        size: How many processes.
        arguments: What they get; everything must be picklable.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    multiprocessing.spawn(_member, (work, size, address, arguments), nprocs=size)


def _member(number: int, work: Callable[..., None], size: int, address: str, arguments: tuple[Any, ...]) -> None:
    start_worker()
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=number, world_size=size)
    try:
        work(Team(number, size), *arguments)
    finally:
        distributed.destroy_process_group()
