"""What a strip adds to its rendered beats, as the strip network sees it: envelope, tokens, context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfiltfilt

from models.beat import Timing, render_strip
from models.codec import HOP, to_strips, to_tokens, tokens_of
from models.ecg import INDEPENDENT_LEADS
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
NOISE_LIMITS_MV = (2e-4, 0.5)
MOST_LEVELLED = 2.0
"""How much a drawn residual may be scaled at most to have the noise that was asked for."""
CONTEXT = TOKEN + LEAD_COUNT * BANDS + len(TRACK_NAMES)
CLIP = 8.0
HIGH_PASS_HZ = 0.5
_SECTIONS = butter(2, HIGH_PASS_HZ, "highpass", fs=FS, output="sos")
PADDING = 750
"""Samples mirrored at either end before filtering; with scipy's few the first and last second would swing."""


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

    def expected(self, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Expected size of the residual's tokens, mV, (batch, token, TOKEN)."""
        parts = envelope_parts(beats, noise_mv)
        square = sum(w[BAND_OF] * part for w, part in zip(self.envelope.T, parts, strict=True))
        active = activities(parts)
        share = np.stack([np.exp(np.interp(active, self.activity, band)) for band in self.quiet], axis=-1)
        return (np.sqrt(square) * share[..., BAND_OF]).reshape(*square.shape[:2], TOKEN)

    def to_unit(self, residual: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual strips (mV) as tokens of about unit variance."""
        return np.clip(to_tokens(residual) / self.expected(beats, noise_mv), -CLIP, CLIP) / self.token

    def from_unit(self, tokens: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual strips (mV) from tokens; undoes `to_unit` up to its clipping."""
        return to_strips(self._sized(tokens, beats, noise_mv), LEAD_COUNT, beats.shape[2])

    def drawn(self, tokens: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual strips (mV) from drawn tokens, with exactly the noise that was asked for in every lead and band.

        A network meets it within an eighth, and errs alike in all leads, which recorded strips do not.
        """
        sized = self._sized(tokens, beats, noise_mv)
        leads = sized.reshape(*sized.shape[:2], LEAD_COUNT, HOP)
        share = np.clip(
            noise_mv / np.maximum(_levels(leads), NOISE_LIMITS_MV[0]), 1 / MOST_LEVELLED, MOST_LEVELLED
        )
        return to_strips(
            (leads * share[:, None, :, BAND_OF]).reshape(sized.shape), LEAD_COUNT, beats.shape[2]
        )

    def _sized(self, tokens: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual tokens, mV."""
        return np.clip(tokens * self.token, -CLIP, CLIP) * self.expected(beats, noise_mv)

    def context(self, beats: np.ndarray, noise_mv: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        """What the network is told about every token: the rendered beats, the expected size, the rhythm."""
        count = tokens_of(beats.shape[2])
        level = np.log(noise_mv / 0.01).reshape(len(noise_mv), 1, -1).repeat(count, axis=1)
        return np.concatenate([to_tokens(beats) / self.beat, level, tracks], axis=2)


def envelope_parts(beats: np.ndarray, noise_mv: np.ndarray) -> tuple[np.ndarray, ...]:
    """Squares of noise, beat, beat slope (per 4 ms) and its mean over frequencies, each (batch, token, 8, HOP).

    `noise_mv` has the shape (batch, 8, BANDS).
    """
    noise = noise_mv[:, None, :, BAND_OF] ** 2
    beat, slope = _energy(beats), _energy(np.gradient(beats, axis=2))
    return np.broadcast_to(noise, beat.shape), beat, slope, slope.mean(3, keepdims=True) + 0 * slope


def activities(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Logarithm of a token's square of the beat slope over the strip's mean, (batch, token, 8)."""
    slope = parts[3][..., 0]
    return np.log((slope + 1e-12) / (slope.mean(axis=1, keepdims=True) + 1e-12))


def noise_levels(residual: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Typical size of residual strips (mV) per lead and band, (batch, 8, BANDS), where `weight` is not 0."""
    tokens = to_tokens(residual).reshape(len(residual), -1, LEAD_COUNT, HOP)
    levels = np.full((len(residual), LEAD_COUNT, BANDS), 0.01)
    for row, used in enumerate(weight > 0):
        if used.any():
            levels[row] = _levels(tokens[row : row + 1, used])[0]
    return np.clip(levels, *NOISE_LIMITS_MV)


def _levels(tokens: np.ndarray) -> np.ndarray:
    """Robust SD of tokens (batch, token, 8, HOP) over each lead and band, (batch, 8, BANDS)."""
    size = np.abs(tokens)
    bands = [np.median(size[..., BAND_OF == band], axis=(1, 3)) for band in range(BANDS)]
    return 1.4826 * np.stack(bands, axis=-1)


def _energy(strips: np.ndarray) -> np.ndarray:
    """Squares of tokens, spread over neighbouring tokens and frequencies: the phase of a wave is left out."""
    square = to_tokens(strips).reshape(len(strips), -1, LEAD_COUNT, HOP) ** 2
    wide = np.pad(square, ((0, 0), (1, 1), (0, 0), (1, 1)), mode="edge")
    wide = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 16


def render(
    beats: Sequence[np.ndarray],
    timings: Sequence[Timing],
    instants: Sequence[np.ndarray],
    samples: int,
    others: Sequence[Mapping] | None = None,
) -> np.ndarray:
    """Rendered strips of several hearts on their rhythms, mV, (batch, 8, samples) at `FS`, high-passed.

    `others`, where given, holds for each strip the beats of another shape, as in `models.beat.render_strip`.
    """
    others = others or [{}] * len(beats)
    parts = zip(beats, timings, instants, others, strict=True)
    return high_passed(
        np.stack([render_strip(beat, timing, at, FS, samples, more) for beat, timing, at, more in parts])
    )


def high_passed(strips: np.ndarray) -> np.ndarray:
    """Strips at `FS` without baseline wander below `HIGH_PASS_HZ`; no phase is shifted."""
    return sosfiltfilt(_SECTIONS, strips, axis=2, padlen=min(PADDING, strips.shape[2] - 1))


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
