"""PR, QRS and QT as NeuroKit2 finds them lead by lead, without the joint signal: a second opinion on a sample."""

import warnings
from collections.abc import Sequence

import joblib
import numpy as np

INTERVALS = {
    "pr": ("ECG_P_Onsets", "ECG_R_Onsets"),
    "qrs": ("ECG_R_Onsets", "ECG_R_Offsets"),
    "qt": ("ECG_R_Onsets", "ECG_T_Offsets"),
}


def second_opinion(
    signals: np.ndarray, fs: float, leads: Sequence[str], workers: int = 1
) -> dict[str, np.ndarray]:
    """``pr qrs qt`` in ms: the median over the leads of each lead's median over its beats.

    A tenth of a second per ECG and more, fifty times what measuring takes: meant for a sample.

    Parameters
    ----------
    signals : ndarray, shape (batch, lead, sample)
        Millivolts.
    fs : float
        Sampling frequency, Hz.
    leads : sequence of str
        Names of the second axis.
    workers : int
        Processes that share the batch.

    Returns
    -------
    dict of str to ndarray, shape (batch,)
        NaN where NeuroKit2 finds nothing.

    Source
    ------
    Makowski et al. 2021 (NeuroKit2); Emrich et al. 2024 (peak prominence).
    """
    if workers == 1:
        rows = [_of_strip(strip, fs) for strip in signals]
    else:
        pool = joblib.Parallel(n_jobs=workers, max_nbytes=None)
        rows = pool(joblib.delayed(_of_strip)(strip, fs) for strip in signals)
    return dict(zip(INTERVALS, np.array(rows, float).reshape(-1, 3).T, strict=True))


def _of_strip(strip: np.ndarray, fs: float) -> list[float]:
    """PR, QRS and QT of one ECG, ms."""
    found = np.array([_of_lead(lead, fs) for lead in strip if np.ptp(lead) > 0])
    return [_middle(column) for column in found.reshape(-1, 3).T]


def _of_lead(lead: np.ndarray, fs: float) -> list[float]:
    """PR, QRS and QT of one lead, ms, NaN where NeuroKit2 gives up."""
    import neurokit2 as nk  # takes 2 s, most of it matplotlib and scikit-learn

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cleaned = nk.ecg_clean(lead, sampling_rate=int(fs))
            _, peaks = nk.ecg_peaks(cleaned, sampling_rate=int(fs))
            _, waves = nk.ecg_delineate(cleaned, peaks, sampling_rate=int(fs), method="prominence")
            return [
                _middle(np.array(waves[last], float) - np.array(waves[first], float)) * 1000 / fs
                for first, last in INTERVALS.values()
            ]
    except (ValueError, IndexError, KeyError, ZeroDivisionError):
        return [np.nan] * 3


def _middle(values: np.ndarray) -> float:
    """The median of what is known."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
