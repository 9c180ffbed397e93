"""The beats of several strips side by side: when they come, where one hands over to the next, how long waves last."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.beat import Timing
from models.strip import FS

FAR_S = 1e4
"""When beats come that only fill up, and where the first and the last beat of a strip end, s."""


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of strips; a strip with fewer is filled up with beats far beyond its end, which are not kept.

    Parameters
    ----------
    r_s : Tensor, shape (strip, beat)
        R peaks, s.
    borders_s : Tensor, shape (strip, beat + 1)
        Where each beat begins and the last one ends, s.
    kept : Tensor of bool, shape (strip, beat)
        Which beats are of the strip's dominant shape.
    knots_ms : Tensor, shape (strip, 6)
        `Timing.knots` of the dominant beats.
    r_ms : Tensor, shape (strip,)
        From the QRS onset to R.
    """

    r_s: Tensor
    borders_s: Tensor
    kept: Tensor
    knots_ms: Tensor
    r_ms: Tensor

    @property
    def samples(self) -> list[np.ndarray]:
        """Sample of each R."""
        return [np.round(FS * row).astype(int) for row in self.r_s.cpu().numpy()]

    def owners(self, times_s: Tensor) -> Tensor:
        """Which beat each of some ascending times (s) belongs to, (strip, time)."""
        inner = self.borders_s[:, 1:-1].contiguous()
        return torch.searchsorted(inner, times_s.expand(len(inner), -1).contiguous(), right=True)


def side_by_side(
    instants: Sequence[np.ndarray],
    timings: Sequence[Timing],
    kept: Sequence[np.ndarray] | None = None,
    device: torch.device | str = "cpu",
) -> Beats:
    """The beats of strips, in single precision.

    Parameters
    ----------
    instants : sequence of ndarray
        R peaks of each strip, s, reaching beyond both of its ends.
    timings : sequence of Timing
        Of the dominant beats of each strip.
    kept : sequence of ndarray of bool, optional
        Which beats are of the dominant shape; all, if not said.
    device : torch.device or str
    """
    count = max((len(at) for at in instants), default=0)
    r_s = np.full((len(instants), count), FAR_S)
    borders_s = np.full((len(instants), count + 1), FAR_S)
    borders_s[:, 0] = -FAR_S
    of_shape = np.zeros(r_s.shape, bool)
    for row, (at, timing) in enumerate(zip(instants, timings, strict=True)):
        r_s[row, : len(at)] = at
        borders_s[row, 1 : len(at)] = timing.borders(at)
        of_shape[row, : len(at)] = True if kept is None else kept[row]
    parts = r_s, borders_s, np.array([t.knots for t in timings]), np.array([t.r for t in timings])
    r_s, borders_s, knots_ms, r_ms = (
        torch.tensor(part, dtype=torch.float32, device=device) for part in parts
    )
    return Beats(r_s, borders_s, torch.tensor(of_shape, device=device), knots_ms, r_ms)
