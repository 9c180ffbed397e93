"""What a strip adds is made in tokens of 80 ms, too long for a QRS complex: what they spread about it is taken back."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

BEAT, SLOPE, ABOUT = 9, 5, 21
"""Samples over which squares of beats and of their slopes are averaged; of slopes once more, and twice over 80 ms."""
LIMITS = (0.5, 2.0)


@dataclass(frozen=True, eq=False)
class Sharpness:
    """How large what strips add is, sample by sample, in records and as drawn.

    Parameters
    ----------
    recorded, drawn : ndarray, shape (4,)
        Weights of `sizes_about` in the expected square; that of the strip's own level is 1.
    """

    recorded: np.ndarray
    drawn: np.ndarray

    def sharpened(self, residual: Tensor, beats: Tensor) -> Tensor:
        """Drawn residuals as large about QRS complexes as recorded ones are, mV, (batch, 8, sample)."""
        parts = sizes_about(residual, beats)
        recorded, drawn = (
            sum(weight * part for weight, part in zip(weights.tolist(), parts, strict=True))
            for weights in (self.recorded, self.drawn)
        )
        return residual * (recorded / drawn).sqrt().clamp(*LIMITS)


def sizes_about(residual: Tensor, beats: Tensor) -> tuple[Tensor, ...]:
    """Squares of a strip's level, of its beat, its slope (per 4 ms), and that within 80 ms, (batch, 8, sample) each."""
    level = 1.4826 * residual.abs().median(dim=2, keepdim=True).values
    slope = torch.gradient(beats, dim=2)[0].square()
    about = mean_about(mean_about(slope, ABOUT), ABOUT)
    return level.square().expand_as(beats), mean_about(beats.square(), BEAT), mean_about(slope, SLOPE), about


def mean_about(rows: Tensor, samples: int) -> Tensor:
    """Mean over so many samples about each; ends are held."""
    ends = functional.pad(rows, (samples // 2 + 1, samples // 2), mode="replicate").cumsum(
        dim=2, dtype=torch.double
    )
    return ((ends[..., samples:] - ends[..., :-samples]) / samples).to(rows)
