"""Processes that prepare and train together, as `torchrun` starts them; one alone where it does not."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, nn

PATIENCE = timedelta(hours=2)
"""How long processes wait for one another: the first one evaluates and writes while the others wait."""


@dataclass(frozen=True)
class Crew:
    """Which of the processes this one is, of how many, and on which device.

    Parameters
    ----------
    rank : int
        0 writes; the others only compute.
    size : int
    device : torch.device
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, count: int) -> int:
        """Rows of a batch that fall to this process; at least one."""
        return max((count + self.size - 1 - self.rank) // self.size, 1)

    def join(self) -> None:
        """Meet the others: from here on gradients are averaged over all (gloo on CPUs, nccl on GPUs)."""
        if self.size > 1 and not distributed.is_initialized():
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            distributed.init_process_group(backend, timeout=PATIENCE)

    def part(self) -> None:
        """Leave once everybody is done."""
        if self.size > 1 and distributed.is_initialized():
            distributed.barrier()
            distributed.destroy_process_group()

    def wrapped(self, net: nn.Module) -> nn.Module:
        """The network whose gradients are the mean over the crew's."""
        if self.size == 1:
            return net
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(net, device_ids=devices)

    def each(self, jobs: list[tuple[Path, Callable[[], None]]]) -> None:
        """Do all jobs whose file or folder is not there yet, shared among the crew; return when all are there.

        No collective is needed: a job is done when its path exists, which its last act brings about.
        """
        for place, (path, job) in enumerate(jobs):
            if place % self.size == self.rank and not path.exists():
                job()
        while not all(path.exists() for path, _ in jobs):
            time.sleep(0.2)


def find_crew(device: str | None = None) -> Crew:
    """The crew of this process: what `torchrun` wrote into the environment, else one process alone.

    Parameters
    ----------
    device : str, optional
        "cpu", "cuda" or "cuda:1"; the GPU where there is one, unless said otherwise. Of several processes on one
        machine each takes its own GPU.

    Raises
    ------
    ValueError
        Where the device is not there.
    """
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ValueError(f"device must be there, got {device!r}: PyTorch sees no GPU here, write cpu")
        if size > 1:
            device = f"cuda:{os.environ.get('LOCAL_RANK', rank)}"
            torch.cuda.set_device(device)
    return Crew(rank, size, torch.device(device))
