"""How PTB-XL's recorders kept their ECGs: `python benchmarks/recorder.py ../shared/data/ptb-xl`.

Its strips at 500 Hz are the cubic spline through samples at 400 Hz in steps of 5 uV. These samples lie on lines, cut
toward 0, of 2, 6, 10, 14, 18 or 22 intervals: found out from the records, no source tells of it. A line is drawn on by
four intervals while every sample stays near to it (`NEAR`) and its rise fits into so many bits (`RISE`); where not even
two intervals are a line, the next sample is kept by itself. That rule is a guess, judged by how often lengths come.
It is why a generator of smooth noise is told from records, see `benchmarks/LOG.md`.
"""

import argparse
from dataclasses import replace

import numba
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import resample_poly

from discovery.benchmark import EIGHT
from models.ecg import Conditions
from models.generator import BundledGenerator, load_generator
from models.records import open_ptbxl

STEP_MV = 0.005
KEPT_FS, FS = 400.0, 500.0
LENGTHS = np.array([1, 2, 6, 10, 14, 18, 22])
NEAR = np.array([0, 1, 2, 4, 4, 4, 4])
RISE = np.array([2**15, 32, 16, 8, 8, 8, 8])
"""For each length, in steps: how far from the line, and of a rise from -RISE to RISE - 1."""
RECORDS, MENDED = 200, 4
NOISE_STEPS = 0.5
"""White noise of the recorder that is added to generated strips, which have none above 125 Hz, beside as much as each
lead's own."""


def main() -> None:
    """Prints what the records show, and what the rule makes of generated strips without texture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="folder of PTB-XL")
    parser.add_argument("--records", type=int, default=RECORDS)
    given = parser.parse_args()
    strips = next(open_ptbxl(given.folder).batches(given.records)).signals[:, EIGHT]
    samples, explained = kept(strips)
    print(f"{len(strips)} records: {100 * explained:.3f} % of samples within 1 uV of such a spline")
    made = np.array([[encode(lead) for lead in strip] for strip in plain_strips(given.records)])
    print(f"{len(made)} generated strips without texture, kept by the rule, beside them\n")
    (lengths, rises), (of_made, _) = (segments(part) for part in (samples, made))
    print("intervals  % of records'  % of generated  rise of 95 % within  allowed")
    for length, most in zip(LENGTHS, RISE, strict=True):
        shares = [100 * (part == length).mean() for part in (lengths, of_made)]
        within = np.quantile(np.abs(rises[lengths == length]), 0.95)
        print(f"{length:9d}  {shares[0]:13.1f}  {shares[1]:14.1f}  {within:19.0f}  {most:7d}")
    a_second = (KEPT_FS * len(found) / strips.size for found, strips in ((lengths, samples), (of_made, made)))
    print("lines and single samples a second: {:.0f}, {:.0f}".format(*a_second))


def kept(strips: np.ndarray) -> tuple[np.ndarray, float]:
    """The samples at 400 Hz, in steps, that recorded strips at 500 Hz (mV) were made of.

    Returns
    -------
    samples : ndarray of int, shape (record, lead, sample)
    explained : float
        Share of the strips' samples, but for the first and last tenth of a second, that the spline meets within 1 uV.
    """
    seconds = strips.shape[2] / FS
    then, times = np.arange(int(seconds * KEPT_FS)) / KEPT_FS, np.arange(strips.shape[2]) / FS
    samples, left = np.zeros((*strips.shape[:2], len(then))), strips
    for _ in range(MENDED):
        samples += np.round(CubicSpline(times, left, axis=2)(then) / STEP_MV)
        again = CubicSpline(then, STEP_MV * samples, axis=2, bc_type="natural")(np.minimum(times, then[-1]))
        left = strips - again
    near = np.abs(left)[:, :, 50:-50] < 0.001
    return samples.astype(np.int64), float(near.mean())


def plain_strips(count: int) -> np.ndarray:
    """Generated strips without texture, in steps at 400 Hz, with white noise of a recorder, (strip, lead, sample)."""
    whole = load_generator("ptbxl", device="cpu")
    plain = BundledGenerator(replace(whole.checkpoint, texture=None), "plain", "cpu")
    asked = [Conditions(20 + k % 70, ("female", "male")[k % 2], None, None) for k in range(count)]
    strips = plain.generate(asked, list(range(count))).signals[:, EIGHT].astype(float)
    fast = np.diff(strips, 2, axis=2)
    own = 1.4826 * np.median(np.abs(fast), axis=2, keepdims=True) / np.sqrt(6) / STEP_MV
    steps = resample_poly(strips / STEP_MV, 8, 5, axis=2)
    draw = np.random.default_rng(0)
    offset = draw.uniform(-0.5, 0.5, (*steps.shape[:2], 1))
    return steps + offset + (own + NOISE_STEPS) * draw.standard_normal(steps.shape)


def segments(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals and rise (steps) of every line of strips of samples, (strip, lead, sample)."""
    rows = samples.reshape(-1, samples.shape[2])
    ends = [lines(row) for row in rows]
    rises = [np.diff(row[at]) for row, at in zip(rows, ends, strict=True)]
    return np.concatenate([np.diff(at) for at in ends]), np.concatenate(rises)


def lines(samples: np.ndarray) -> np.ndarray:
    """The ends, the first sample among them, of the fewest lines of `LENGTHS` intervals that give these samples."""
    before = _fewest(samples, LENGTHS)
    ends = [len(samples) - 1]
    while ends[-1] > 0:
        ends.append(before[ends[-1]])
    return np.array(ends[::-1])


@numba.njit
def encode(strip: np.ndarray) -> np.ndarray:
    """A strip (in steps at 400 Hz) as the rule keeps it, in whole steps."""
    samples = np.floor(strip + 0.5).astype(np.int64)
    made = samples.copy()
    here = 0
    while here < len(samples) - 1:
        length = 1
        for place in range(1, len(LENGTHS)):
            longer = LENGTHS[place]
            if here + longer >= len(samples) or not _is_line(samples, here, longer, NEAR[place], RISE[place]):
                break
            length = longer
        slope = (samples[here + length] - samples[here]) / length
        for step in range(1, length):
            made[here + step] = int(samples[here] + slope * step)
        here += length
    return made


@numba.njit
def _is_line(samples: np.ndarray, here: int, length: int, near: int, most: int) -> bool:
    """Whether so many intervals from here are a line, cut toward 0, that comes near to every sample."""
    rise = samples[here + length] - samples[here]
    if not -most <= rise < most:
        return False
    for step in range(1, length):
        if abs(samples[here + step] - int(samples[here] + rise / length * step)) > near:
            return False
    return True


@numba.njit
def _fewest(samples: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Where the last of the fewest lines begins that end at each sample."""
    fewest = np.full(len(samples), len(samples))
    before = np.zeros(len(samples), np.int64)
    fewest[0] = 0
    for here in range(len(samples) - 1):
        for length in lengths:
            there = here + length
            if there < len(samples) and fewest[here] + 1 < fewest[there]:
                if length == 1 or _is_line(samples, here, length, 0, 2**15):
                    fewest[there], before[there] = fewest[here] + 1, here
    return before


if __name__ == "__main__":
    main()
