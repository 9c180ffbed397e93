"""ECGs made of waves with sharp ends, so that every interval is known; for the tests of the measurer."""

import numpy as np

from models.ecg import ECG, INDEPENDENT_LEADS, twelve_leads

# How large P, Q, R, S and T are in I, II, V1..V6, mV.
P = np.array([0.08, 0.13, 0.05, 0.06, 0.06, 0.06, 0.05, 0.05])
Q = np.array([-0.05, -0.08, 0.0, 0.0, 0.0, -0.05, -0.1, -0.1])
R = np.array([0.7, 1.1, 0.2, 0.4, 0.8, 1.4, 1.3, 1.0])
S = np.array([-0.15, -0.2, -0.9, -1.2, -0.9, -0.5, -0.25, -0.1])
T = np.array([0.2, 0.3, -0.05, 0.4, 0.45, 0.4, 0.32, 0.25])


def pulse(time, start, stop, peak=0.5):
    """A hill between two moments: zero outside, smooth inside, highest at a part of the way."""
    phase = np.clip((time - start) / (stop - start), 0, 1)
    phase = np.where(phase < peak, phase / peak / 2, 0.5 + (phase - peak) / (1 - peak) / 2)
    return 0.5 - 0.5 * np.cos(2 * np.pi * phase)


def beat(time, pr=160.0, qrs=90.0, qt=380.0, p_ms=100.0, t_mv=1.0, p_mv=1.0):
    """Eight leads around one QRS onset at time 0 ms, shape (8, sample)."""
    waves = [
        (P * p_mv, pulse(time, -pr, -pr + p_ms)),
        (Q, pulse(time, 0, 0.35 * qrs)),
        (R, pulse(time, 0.15 * qrs, 0.75 * qrs)),
        (S, pulse(time, 0.55 * qrs, qrs)),
        (T * t_mv, pulse(time, qt - 200, qt, 0.6)),
    ]
    return sum(np.outer(size, shape) for size, shape in waves)


def known_ecg(n=1, rate=70.0, fs=500.0, seconds=10.0, noise_mv=0.01, seed=0, jitter_ms=0.0, **intervals):
    """A batch of ECGs with the same intervals and other noise in each; QRS onsets at a steady rate."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * fs)) * 1000 / fs
    strips = []
    for _ in range(n):
        onsets = np.arange(random.uniform(-900, -300), seconds * 1000 + 1000, 60_000 / rate)
        onsets = onsets + random.normal(0, jitter_ms, len(onsets)) if jitter_ms else onsets
        strip = sum(beat(time - onset, **intervals) for onset in onsets)
        strips.append(strip + random.normal(0, noise_mv, strip.shape))
    return ECG(twelve_leads(np.array(strips, np.float32)), fs)


def eight_leads(ecg):
    """The same batch with its independent leads only."""
    rows = [ecg.leads.index(lead) for lead in INDEPENDENT_LEADS]
    return ECG(ecg.signals[:, rows], ecg.fs, INDEPENDENT_LEADS)
