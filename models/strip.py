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
CONTEXT = TOKEN + LEAD_COUNT + len(TRACK_NAMES)
CLIP = 8.0
HIGH_PASS_HZ = 0.5


@dataclass(frozen=True)
class StripScale:
    """How residuals are brought to unit variance, fitted on the training strips.

    Parameters
    ----------
    envelope : ndarray, shape (3,)
        Weights of noise squared, beat squared and beat slope squared in the residual's expected square.
    token : ndarray, shape (TOKEN,)
        Standard deviation of each number of a residual token.
    beat : ndarray, shape (TOKEN,)
        Standard deviation of each number of a rendered beat's token.
    """

    envelope: np.ndarray
    token: np.ndarray
    beat: np.ndarray

    def expected(self, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Expected size of the residual at each sample, mV, (batch, 8, sample)."""
        return np.sqrt(
            sum(w * part for w, part in zip(self.envelope, envelope_parts(beats, noise_mv), strict=True))
        )

    def to_unit(self, residual: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual strips (mV) as tokens of about unit variance."""
        scaled = np.clip(residual / self.expected(beats, noise_mv), -CLIP, CLIP)
        return to_tokens(scaled) / self.token

    def from_unit(self, tokens: np.ndarray, beats: np.ndarray, noise_mv: np.ndarray) -> np.ndarray:
        """Residual strips (mV) from tokens; undoes `to_unit` up to its clipping."""
        strips = to_strips(tokens * self.token, LEAD_COUNT, beats.shape[2])
        return np.clip(strips, -CLIP, CLIP) * self.expected(beats, noise_mv)

    def context(self, beats: np.ndarray, noise_mv: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        """What the network is told about every token: the rendered beats, the expected size, the rhythm."""
        count = tokens_of(beats.shape[2])
        level = np.repeat(np.log(noise_mv / 0.02)[:, None], count, axis=1)
        return np.concatenate([to_tokens(beats) / self.beat, level, tracks], axis=2)


def envelope_parts(beats: np.ndarray, noise_mv: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares of noise, beat and beat slope (per 4 ms), each (batch, 8, sample)."""
    slope = np.gradient(beats, axis=2)
    return np.broadcast_to(noise_mv[:, :, None] ** 2, beats.shape), beats**2, slope**2


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
    return sosfiltfilt(butter(2, HIGH_PASS_HZ, "highpass", fs=FS, output="sos"), strips, axis=2)


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
