"""Recorded and generated ECGs on the same footing: one rate, one filter, one resolution, before they are compared."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from models.ecg import ECG, INDEPENDENT_LEADS, twelve_leads

FS = 250.0
SECONDS = 10.0
HIGH_PASS_HZ = 0.5
STEPS_PER_MV = 1000  # 1 uV
NARROW_FS = 100.0
NARROW_HIGH_PASS_HZ = 1.0
PADDING = 750  # samples mirrored at either end before filtering: scipy's few make the first second swing
EDGE_S = 0.5  # at either end of a strip is not compared: recorders fade in, and pad the end of a file
NARROW_SAMPLES = 896  # of 1000: a whole number of the networks' steps, half a second less at either end
LARGEST_RATIO = 5000  # of a fraction of sampling frequencies; 102.4 Hz to 250 Hz is 625 / 256


def alike(ecg: ECG) -> ECG:
    """The batch at 250 Hz, high-passed at 0.5 Hz without phase, rounded to 1 uV; what is missing is 0 mV.

    Whatever is done to one side of a comparison is done to the other: a difference of sampling rate, baseline
    wander or resolution would be found before any difference between hearts. The eight independent leads are
    kept and the other four made of them; `discovery.benchmark` looks at the four separately.

    Raises
    ------
    ValueError
        Where the strips do not last 10 s.
    """
    if abs(ecg.seconds - SECONDS) > 0.01:
        raise ValueError(
            f"ecg must last {SECONDS:g} s, got {ecg.seconds:g} s: the strips compared are of one length"
        )
    eight = np.stack([ecg.lead(name) for name in INDEPENDENT_LEADS], axis=1).astype(np.float64)
    eight = np.nan_to_num(eight, nan=0.0, posinf=0.0, neginf=0.0)
    if ecg.fs != FS:
        ratio = Fraction(FS / ecg.fs).limit_denominator(LARGEST_RATIO)
        eight = resample_poly(eight, ratio.numerator, ratio.denominator, axis=2)
    eight = _of_length(eight, round(SECONDS * FS))
    sections = butter(2, HIGH_PASS_HZ, "highpass", fs=FS, output="sos")
    eight = sosfiltfilt(sections, eight, axis=2, padlen=PADDING)
    rounded = np.round(eight * STEPS_PER_MV).astype(np.float32) / np.float32(STEPS_PER_MV)
    return replace(ecg, signals=twelve_leads(rounded), fs=FS, leads=ECG.__dataclass_fields__["leads"].default)


def narrow(eight: np.ndarray) -> np.ndarray:
    """What the judging networks see: eight leads at 100 Hz, mV, without what is slower than 1 Hz.

    A generator may have been trained on strips that were high-passed already; filtered again by `alike` its
    strips would lack a little more near 0.5 Hz than recorded ones, and be told apart by that alone. Hence 1 Hz.
    Half a second at either end is left out, as in `inside`.

    Parameters
    ----------
    eight : ndarray, shape (batch, 8, 2500)
        Strips of `alike`, mV, 250 Hz.

    Returns
    -------
    ndarray, float32, shape (batch, 8, 896)
    """
    whole = resample_poly(_above_1_hz(eight), 2, 5, axis=2).astype(np.float32)
    start = (whole.shape[2] - NARROW_SAMPLES) // 2
    return np.ascontiguousarray(whole[:, :, start : start + NARROW_SAMPLES])


def detailed(eight: np.ndarray) -> np.ndarray:
    """What the network of the two-sample test sees: as `narrow`, at 250 Hz, so up to 125 Hz instead of 50.

    Returns
    -------
    ndarray, float32, shape (batch, 8, 2250)
    """
    return inside(_above_1_hz(eight)).astype(np.float32)


def inside(strips: np.ndarray) -> np.ndarray:
    """Strips at 250 Hz without half a second at either end.

    Many files of PTB-XL end in a constant, and a filter leaves its traces there: no generator need learn that.
    """
    edge = round(EDGE_S * FS)
    return strips[..., edge:-edge]


def _above_1_hz(eight: np.ndarray) -> np.ndarray:
    """Strips at 250 Hz without what is slower."""
    sections = butter(4, NARROW_HIGH_PASS_HZ, "highpass", fs=FS, output="sos")
    return sosfiltfilt(sections, np.asarray(eight, np.float64), axis=2, padlen=PADDING)


def _of_length(signals: np.ndarray, samples: int) -> np.ndarray:
    """Signals cut, or continued by their last value, to this many samples."""
    short = samples - signals.shape[2]
    return (
        np.pad(signals, ((0, 0), (0, 0), (0, short)), mode="edge") if short > 0 else signals[:, :, :samples]
    )
