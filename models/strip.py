"""What a strip adds to its rendered beats, as the strip network sees it: envelope, tokens, context."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.codec import HOP, to_strips, to_tokens, tokens_of
from models.ecg import INDEPENDENT_LEADS
from models.medians import median
from models.rhythm import ATRIAL, VENTRICULAR

FS = 250.0
TRACK_NAMES = (
    "sin", "cos", "sin2", "cos2", "since_r", "to_r", "rr", "rr_before", "rr_after", "ventricular", "atrial",
)  # fmt: skip
LEAD_COUNT = len(INDEPENDENT_LEADS)
TOKEN = LEAD_COUNT * HOP
BAND_OF = np.repeat(np.arange(6), (1, 1, 2, 3, 3, 10))
"""Noise band of each of a token's `HOP` frequencies (6.25 Hz apart): up to 6, 12, 25, 44, 62 and 125 Hz."""
BANDS = int(BAND_OF[-1]) + 1
_SPREAD = torch.eye(BANDS)[BAND_OF].T
"""Numbers of bands, times this, are numbers of their frequencies, (BANDS, HOP)."""
NOISE_LIMITS_MV = (2e-4, 0.5)
MOST_LEVELLED = 2.0
"""How much a drawn residual may be scaled at most to have the noise that was asked for."""
CONTEXT = TOKEN + LEAD_COUNT * BANDS + len(TRACK_NAMES)
CLIP = 8.0


@dataclass(frozen=True, eq=False)
class Sizes:
    """How large the tokens of residuals are expected to be.

    Parameters
    ----------
    noise_mv : Tensor, shape (batch, 8, BANDS)
        The noise that was asked for.
    expected_mv : Tensor, shape (batch, token, TOKEN)
    active : Tensor, shape (batch, token, 8)
        How active each lead is: see `activities`.
    """

    noise_mv: Tensor
    expected_mv: Tensor
    active: Tensor


@dataclass(frozen=True)
class StripScale:
    """How residuals are brought to unit variance, fitted on the training strips.

    A strip's noise has its own size in every lead and band (`BAND_OF`): a network that saw only its total
    would make smooth records rough.

    Parameters
    ----------
    envelope : ndarray, shape (BANDS, 4)
        Weights in the residual's expected square of the squares of noise, beat, beat slope, and beat slope of all
        frequencies together.
    token : ndarray, shape (TOKEN,)
        Standard deviation of each number of a residual token.
    beat : ndarray, shape (TOKEN,)
        Standard deviation of each number of a rendered beat's token.
    activity : ndarray, shape (knot,)
        Places, in ascending order, at which `quiet` is given: see `activities`.
    quiet : ndarray, shape (BANDS, knot)
        Logarithm of what the expected size is to be multiplied by where a lead is so active: between the waves
        records are quieter than their typical noise, in the QRS complex they vary more.
    """

    envelope: np.ndarray
    token: np.ndarray
    beat: np.ndarray
    activity: np.ndarray
    quiet: np.ndarray

    def sizes(self, beats: Tensor, noise_mv: Tensor) -> Sizes:
        """What is expected of residuals of these beats with this noise."""
        parts = envelope_parts(beats, noise_mv)
        weights = _like(self.envelope, beats)[BAND_OF].T  # (part, HOP)
        square = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        active = activities(parts)
        share = _of_bands(torch.exp(self._quiet(active)))
        return Sizes(noise_mv, (torch.sqrt(square) * share).flatten(2), active)

    def to_unit(self, residual: Tensor, beats: Tensor, noise_mv: Tensor) -> Tensor:
        """Residual strips (mV) as tokens of about unit variance."""
        units = (to_tokens(residual) / self.sizes(beats, noise_mv).expected_mv).clamp(-CLIP, CLIP)
        return units / _like(self.token, beats)

    def from_unit(self, tokens: Tensor, beats: Tensor, noise_mv: Tensor) -> Tensor:
        """Residual strips (mV) from tokens; undoes `to_unit` up to its clipping."""
        return to_strips(self._sized(tokens, self.sizes(beats, noise_mv)), LEAD_COUNT, beats.shape[2])

    def drawn(self, tokens: Tensor, sizes: Sizes, samples: int) -> Tensor:
        """Residual strips (mV) from drawn tokens, with exactly the noise that was asked for in every lead and band.

        A network meets it within an eighth, and errs alike in all leads, which recorded strips do not.
        """
        sized = self._sized(tokens, sizes).unflatten(2, (LEAD_COUNT, HOP))
        share = sizes.noise_mv / _levels(sized).clamp(min=NOISE_LIMITS_MV[0])
        share = _of_bands(share.clamp(1 / MOST_LEVELLED, MOST_LEVELLED))[:, None]
        return to_strips((sized * share).flatten(2), LEAD_COUNT, samples)

    def _sized(self, tokens: Tensor, sizes: Sizes) -> Tensor:
        """Residual tokens, mV."""
        return (tokens * _like(self.token, tokens)).clamp(-CLIP, CLIP) * sizes.expected_mv

    def _quiet(self, active: Tensor) -> Tensor:
        """`quiet` where leads are so active, linear between its places, (batch, token, 8, BANDS)."""
        places, quiet = _like(self.activity, active), _like(self.quiet, active).T
        above = torch.searchsorted(places, active).clamp(1, len(places) - 1)
        low, high = places[above - 1], places[above]
        share = ((active - low) / (high - low)).clamp(0.0, 1.0)
        return torch.lerp(quiet[above - 1], quiet[above], share[..., None])

    def context(self, beats: Tensor, noise_mv: Tensor, tracks: Tensor) -> Tensor:
        """What the network is told about every token: the rendered beats, the expected size, the rhythm."""
        level = torch.log(noise_mv / 0.01).flatten(1)[:, None].expand(-1, tokens_of(beats.shape[2]), -1)
        return torch.cat([to_tokens(beats) / _like(self.beat, beats), level, tracks], dim=2)


def envelope_parts(beats: Tensor, noise_mv: Tensor) -> tuple[Tensor, ...]:
    """Squares of noise, beat, beat slope (per 4 ms) and its mean over frequencies, each (batch, token, 8, HOP).

    `noise_mv` has the shape (batch, 8, BANDS).
    """
    noise = _of_bands(noise_mv**2)[:, None]
    beat, slope = _energy(beats), _energy(torch.gradient(beats, dim=2)[0])
    return noise.expand_as(beat), beat, slope, slope.mean(3, keepdim=True).expand_as(slope)


def activities(parts: Sequence[Tensor]) -> Tensor:
    """Logarithm of a token's square of the beat slope over the strip's mean, (batch, token, 8)."""
    slope = parts[3][..., 0]
    return torch.log((slope + 1e-12) / (slope.mean(dim=1, keepdim=True) + 1e-12))


def noise_levels(residual: Tensor, weight: Tensor) -> Tensor:
    """Typical size of residual strips (mV) per lead and band, (batch, 8, BANDS), where `weight` is not 0."""
    tokens = to_tokens(residual).unflatten(2, (LEAD_COUNT, HOP))
    levels = residual.new_full((len(residual), LEAD_COUNT, BANDS), 0.01)
    for row, used in enumerate(weight > 0):
        if used.any():
            levels[row] = _levels(tokens[row : row + 1, used])[0]
    return levels.clamp(*NOISE_LIMITS_MV)


def _levels(tokens: Tensor) -> Tensor:
    """Robust SD of tokens (batch, token, 8, HOP) over each lead and band, (batch, 8, BANDS)."""
    bands = tokens.abs().transpose(1, 2).split(np.bincount(BAND_OF).tolist(), dim=-1)
    return 1.4826 * torch.stack([median(band.flatten(2)) for band in bands], dim=-1)


def _energy(strips: Tensor) -> Tensor:
    """Squares of tokens, spread over neighbouring tokens and frequencies: the phase of a wave is left out."""
    square = to_tokens(strips).unflatten(2, (LEAD_COUNT, HOP)) ** 2
    wide = torch.cat([square[:, :1], square, square[:, -1:]], dim=1)
    wide = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    wide = torch.cat([wide[..., :1], wide, wide[..., -1:]], dim=-1)
    return (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 16


def _of_bands(numbers: Tensor) -> Tensor:
    """Numbers of each band, (..., BANDS), as numbers of each frequency, (..., HOP)."""
    return numbers @ _SPREAD.to(numbers)


def _like(numbers: np.ndarray, tensor: Tensor) -> Tensor:
    """The numbers on the tensor's device and in its precision."""
    return torch.as_tensor(numbers).to(tensor)


def track(beats_s: np.ndarray, kinds: np.ndarray, samples: int) -> np.ndarray:
    """The rhythm as seen from every token, shape (token, len(TRACK_NAMES)).

    `beats_s` reaches beyond both ends of the strip.
    """
    centres = np.arange(tokens_of(samples)) * HOP / FS
    after = np.clip(np.searchsorted(beats_s, centres, side="right"), 1, len(beats_s) - 1)
    since, until = centres - beats_s[after - 1], beats_s[after] - centres
    rr = np.diff(beats_s)
    here = rr[after - 1]
    before, following = rr[np.maximum(after - 2, 0)], rr[np.minimum(after, len(rr) - 1)]
    phase = 2 * np.pi * np.clip(since / here, 0, 1)
    nearest = np.where(since < until, after - 1, after)
    columns = [
        np.sin(phase), np.cos(phase), np.sin(2 * phase), np.cos(2 * phase),
        np.minimum(since, 2.0), np.minimum(until, 2.0),
        np.log(here), np.log(before / here), np.log(following / here),
        kinds[nearest] == VENTRICULAR, kinds[nearest] == ATRIAL,
    ]  # fmt: skip
    return np.clip(np.column_stack(columns).astype(float), -2.0, 2.0)


def beyond_the_ends(beats_s: np.ndarray, seconds: float) -> tuple[np.ndarray, int]:
    """Recorded beats continued at their median RR interval past both ends, and how many were put before."""
    rr = np.median(np.diff(beats_s))
    before = beats_s[0] - rr * np.arange(int(np.ceil((beats_s[0] + 1.0) / rr)), 0, -1)
    after = beats_s[-1] + rr * np.arange(1, int(np.ceil((seconds + 1.0 - beats_s[-1]) / rr)) + 1)
    return np.concatenate([before, beats_s, after]), len(before)
