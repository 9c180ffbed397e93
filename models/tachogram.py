"""Instants of the beats of a simulated strip: exactly the rate asked for, varying as the rhythm does."""

from dataclasses import dataclass

import numpy as np

DRAWS = 256
AF_CV = 0.2
ARRHYTHMIA_CV = 0.12
SHORTEST = 0.45
COUPLING = {"PVC": 0.62, "PAC": 0.72}
PAUSE = {"PVC": 1.38, "PAC": 1.05}


@dataclass(frozen=True)
class Beats:
    """Beats of one strip.

    Parameters
    ----------
    instants : ndarray, shape (beat,)
        R peaks, s; some lie outside the strip so that its ends are complete.
    premature : ndarray of bool, shape (beat,)
        Which of them are premature.
    """

    instants: np.ndarray
    premature: np.ndarray

    def inside(self, seconds: float) -> np.ndarray:
        """R peaks within the strip, s."""
        return self.instants[(self.instants >= 0) & (self.instants < seconds)]


def beats(
    heart_rate: float, cv: float, codes: frozenset[str], seconds: float, draw: np.random.Generator
) -> Beats:
    """The beats of one strip; the mean of the RR intervals inside it is 60 / `heart_rate` s exactly.

    Parameters
    ----------
    heart_rate : float
        Beats per minute.
    cv : float
        Standard deviation of RR over its mean, in sinus rhythm.
    codes : frozenset of str
        SCP-ECG codes; AFIB, SARRH, PVC, PAC, BIGU and TRIGU change the pattern.
    seconds : float
        Length of the strip.
    draw : numpy.random.Generator
        Consumed by the same number of draws whatever the conditions.
    """
    rr = 60.0 / heart_rate
    first = draw.uniform(0.05, 0.95) * rr
    whole = int((seconds - first) / rr)
    before, after = int(2.0 / rr) + 2, int(2.0 / rr) + 2
    count = before + whole + after
    pattern = _variation(count, rr, cv, codes, draw)
    pattern, premature = _with_premature(pattern, codes, draw)
    inside = slice(before, before + whole)
    if whole:
        pattern[inside] /= pattern[inside].mean()
    if before:  # the beats next to the strip stay outside it
        pattern[before - 1] = max(pattern[before - 1], first / rr + 1e-3)
    left = (seconds - first) / rr - whole
    pattern[before + whole] = max(pattern[before + whole], left + 1e-3)
    instants = np.concatenate([[0.0], np.cumsum(pattern)]) * rr
    return Beats(instants - instants[before] + first, premature)


def _variation(
    count: int, rr: float, cv: float, codes: frozenset[str], draw: np.random.Generator
) -> np.ndarray:
    """RR intervals over their mean: respiration, Mayer waves and a rest; independent ones in fibrillation."""
    white = draw.standard_normal((2, max(DRAWS, count)))[:, :count]
    breath, phase, mayer_phase = draw.uniform(0.2, 0.3), *draw.uniform(0, 2 * np.pi, 2)
    if "AFIB" in codes:
        return np.clip(np.exp(AF_CV * white[0]), max(SHORTEST, 0.3 / rr if rr > 0.5 else 0.0), 1.9)
    size = ARRHYTHMIA_CV if "SARRH" in codes else cv
    at = np.arange(count) * rr
    waves = 1.1 * np.sin(2 * np.pi * breath * at + phase) + 0.6 * np.sin(2 * np.pi * 0.1 * at + mayer_phase)
    return np.clip(1 + size * (waves + 0.4 * white[1]), 0.6, 1.5)


def _with_premature(
    pattern: np.ndarray, codes: frozenset[str], draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The pattern with premature beats, and which beats (one more than intervals) are premature."""
    offset, every = int(draw.integers(0, 4)), 2 if "BIGU" in codes else 3 if "TRIGU" in codes else 5
    premature = np.zeros(len(pattern) + 1, bool)
    kind = "PAC" if "PAC" in codes and not codes & {"PVC", "BIGU", "TRIGU"} else "PVC"
    if codes & {"PVC", "PAC", "BIGU", "TRIGU"}:
        places = np.arange(2 + offset % every, len(pattern) - 1, every)
        premature[places] = True
        pattern[places - 1] = COUPLING[kind]
        pattern[places] = PAUSE[kind]
    return pattern, premature
