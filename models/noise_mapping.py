"""Noise between QRS complexes, brought lead by lead to the distribution it has in records: quantile mapping.

A texture knows where noise is straight and where it is not, but makes strips more alike, or less, than records are.
How steep, how bent and how loud each lead is between complexes is moved to the same quantile of recorded leads.
Source: Panofsky and Brier 1968 (quantile mapping).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import firwin
from torch import Tensor
from torch.nn import functional

from models.strip import FS

FIGURES = ("median slope", "median bend", "size of what is fast")
SHARES = np.linspace(0.005, 0.995, 60)
"""Quantiles that are kept; beyond the outermost a figure is moved as there."""
EDGE = 125
"""Samples at either end that are not looked at: recorders fade in, and pad the end of a file."""
SLOW_HZ, FAST_HZ, TAPS = 5.0, 40.0, 201
"""What is added to beats is split: slower is left, between is made larger or smaller, faster is made sparser, too."""
STEEP_MV, ABOUT_STEEP, FADE = 0.03, 13, 9
"""Beats steeper than that per 4 ms are QRS complexes, and so are so many samples about them; over so many it fades."""
LEAST_MV = 0.0002
"""Added to a figure before its logarithm is taken."""
STEPS = 2
PULL = torch.tensor([[2.0, -0.3], [0.5, -1.5]])[..., None, None]
"""How far each step moves the logarithm of the size of what is between, and the sparsity of what is fast, per
logarithm that slopes and bends are still off."""
LOUDER = torch.tensor([0.2, 0.7])[:, None, None]
"""How far they are moved by the logarithm of how much louder what is fast becomes."""
LIMITS = np.array([[-0.5, 0.4], [-0.5, 1.0]])
"""Of how far both may be moved."""
LEAST_SHARE = 0.05
"""Of a lead's usual size, to which smaller samples are taken when they are made sparser."""


@dataclass(frozen=True, eq=False)
class NoiseMapping:
    """Distributions of the figures of leads.

    Parameters
    ----------
    recorded, drawn : ndarray, shape (len(FIGURES), 8, len(SHARES))
        Quantiles of the logarithms of `figures`, of records and of strips as they are generated without a mapping.
    """

    recorded: np.ndarray
    drawn: np.ndarray

    def mapped(self, strips: Tensor, beats: Tensor) -> Tensor:
        """Strips whose figures are those of the same quantile of records, mV, (batch, 8, sample).

        Parameters
        ----------
        strips, beats : Tensor, shape (batch, 8, sample)
            As they are generated, and nothing but their beats, mV.
        """
        quiet = quiet_of(beats)
        between, fast = _split(strips - beats)
        found, size = _figures(strips, fast, quiet), _size(fast, quiet)
        wanted = self._wanted(found)
        share = torch.log(fast.abs() / size + LEAST_SHARE)
        louder = wanted[2] - found[2]
        off = wanted[:2] - found[:2] - LOUDER.to(louder) * louder
        way = torch.zeros_like(off)  # log size of what is between, sparsity of what is fast less 1
        limits = torch.from_numpy(LIMITS).to(way)[..., None, None]
        made = strips
        for step in range(STEPS):
            if step:
                off = wanted[:2] - _medians(made)
            way = (way + (PULL.to(way) * off).sum(dim=1)).clamp(limits[:, 0], limits[:, 1])
            sparse = fast * torch.exp(way[1, ..., None] * share)
            sparse = sparse * (torch.exp(louder)[..., None] * size / _size(sparse, quiet))
            made = strips + quiet * (torch.expm1(way[0])[..., None] * between + sparse - fast)
        return made

    def _wanted(self, found: Tensor) -> Tensor:
        """Figures, (figure, batch, 8), moved to the same quantile of records."""
        moved = found.double().cpu().numpy()
        for figure, lead in np.ndindex(self.drawn.shape[:2]):
            at = self.drawn[figure, lead]
            moved[figure, :, lead] += np.interp(moved[figure, :, lead], at, self.recorded[figure, lead] - at)
        return torch.from_numpy(moved).to(found)


def figures(strips: Tensor, beats: Tensor) -> Tensor:
    """Logarithms of what `FIGURES` names, of strips and their beats (batch, 8, sample) in mV: (figure, batch, 8)."""
    return _figures(strips, _split(strips - beats)[1], quiet_of(beats))


def fit_mapping(recorded: Iterable[Tensor], drawn: Iterable[Tensor]) -> NoiseMapping:
    """The mapping between `figures` of recorded strips and of generated ones, each in parts."""
    sides = (torch.cat(list(side), dim=1).double().cpu().numpy() for side in (recorded, drawn))
    return NoiseMapping(*(np.moveaxis(np.quantile(side, SHARES, axis=1), 0, 2) for side in sides))


def quiet_of(beats: Tensor) -> Tensor:
    """1 where no lead is in a QRS complex, fading to 0, (batch, 1, sample)."""
    steep = torch.gradient(beats, dim=2)[0].abs().amax(dim=1, keepdim=True)
    inside = functional.max_pool1d(steep, ABOUT_STEEP, 1, ABOUT_STEEP // 2) > STEEP_MV
    return 1 - functional.avg_pool1d(inside.to(beats), FADE, 1, FADE // 2, count_include_pad=False)


def _figures(strips: Tensor, fast: Tensor, quiet: Tensor) -> Tensor:
    """As `figures`, of what of the strips is fast and where they are quiet, too."""
    inner = slice(EDGE, -EDGE)
    loud = torch.log(_size(fast[..., inner], quiet[..., inner])[..., 0] + LEAST_MV)
    return torch.cat([_medians(strips), loud[None]])


def _medians(strips: Tensor) -> Tensor:
    """Logarithms of median slopes and bends, by every third one, (2, batch, 8): of whole strips."""
    inner = strips[..., EDGE:-EDGE]
    before, at, after = inner[..., :-2:3], inner[..., 1:-1:3], inner[..., 2::3]
    slope = at - before
    each = torch.stack([slope, after - at - slope]).abs_()
    return torch.log(each.median(dim=3).values + LEAST_MV)


def _size(rows: Tensor, quiet: Tensor) -> Tensor:
    """Root mean square between QRS complexes, (batch, 8, 1), mV."""
    square = (quiet * rows.square()).sum(dim=2, keepdim=True) / (quiet.sum(dim=2, keepdim=True) + 1)
    return square.sqrt() + 0.01 * LEAST_MV


def _split(added: Tensor) -> tuple[Tensor, Tensor]:
    """What of it is between `SLOW_HZ` and `FAST_HZ`, and what is faster, (batch, 8, sample) each."""
    samples = added.shape[2]
    ends = functional.pad(added, (TAPS // 2, TAPS // 2), mode="replicate")
    length = next_fast_len(ends.shape[2], real=True)
    spectrum = torch.fft.rfft(ends, n=length)
    above, fast = (
        torch.fft.irfft(spectrum * one, n=length)[..., TAPS - 1 : TAPS - 1 + samples]
        for one in _responses(length).to(spectrum)
    )
    return above - fast, fast


@lru_cache(maxsize=4)
def _responses(length: int) -> Tensor:
    """Of filters that leave what is faster than `SLOW_HZ` and than `FAST_HZ`, (2, frequency)."""
    taps = [firwin(TAPS, above, fs=FS, pass_zero=False) for above in (SLOW_HZ, FAST_HZ)]
    return torch.from_numpy(np.fft.rfft(taps, n=length)).to(torch.complex64)
