"""A simulator of 12-lead ECGs whose intervals, axes, rhythm and effects are known exactly: truth for testing.

Nothing in it is learnt from records, and nothing found in it is a finding about patients.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from models import tachogram
from models.ecg import ECG, Conditions, check_request, twelve_leads
from models.forms import FORMS
from models.hearts import LATENT, PHYSIOLOGY, Effects, Heart, Known, check_effects, fill, grow
from models.statements import Understanding, recognise
from models.vectorcardiogram import Lobe, draw_wave, frontal_axis_deg, pulses, seen

VERSION = 1
LIMITS = {
    "rate_exponent": (0, 1),
    "spread": (0, 3),
    "noise_uv": (0, 1e4),
    "wander_mv": (0, 10),
    "mains_uv": (0, 1e4),
    "seconds": (1, 600),
    "fs": (50, 5000),
}
P_LESS = frozenset({"AFIB", "AFLT"})
R_PLACE = 0.42
"""The R peak's instant, as a fraction of QRS."""
PREMATURE_QRS = (
    Lobe(0.0, 0.62, (-0.15, 0.75, -0.75), 0.6),
    Lobe(0.32, 1.0, (-0.35, 0.95, -0.95), 0.45),
)
PREMATURE_T = (Lobe(0.0, 1.0, (0.20, -0.45, 0.45), 0.6, 1.5, 1.4),)
PREMATURE_QRS_S, PREMATURE_QT_S = 0.150, 0.420
MOST_BPM = 330


@dataclass(frozen=True)
class Simulator:
    """A generator of 12-lead ECGs with known truth.

    Parameters
    ----------
    effects : mapping, optional
        Exactly the effects of age, sex, rate and text that are planted, as in ``{"qt_ms": {"sex:female":
        12, "age:decade": 2, "rate:10bpm": -1, "text:LBBB": 40}}``; age counts from 50 years, rate from 70
        bpm. ``{"qt_ms": {"fixed": 480}}`` gives every heart this value. Outcomes: pr_ms, qrs_ms, qt_ms,
        p_ms, qrs_axis_deg, qrs_gain, t_gain, rr_cv. Default: `models.hearts.PHYSIOLOGY`.
    forms : bool
        Whether statements change rhythm, shape and intervals as they do in patients. A planted ``text:``
        effect replaces the statement's own effect on that outcome.
    rate_exponent : float
        QT follows RR to this power; 0 for a QT that does not know the rate.
    spread : float
        Differences between persons, 1 as usual, 0 for the same heart under every seed.
    noise_uv, wander_mv, mains_uv : float
        Muscle and electrode noise (standard deviation, microvolts), baseline wander (standard deviation,
        millivolts), and 50 Hz mains (amplitude, microvolts).
    seconds, fs : float
        Length of the strips, s, and sampling frequency, Hz.

    Raises
    ------
    ValueError
        Where an effect names an unknown outcome or condition, or a size is out of range.

    Notes
    -----
    More fields than the house allows: each is one thing to switch off in a test.
    """

    effects: Effects | None = None
    forms: bool = True
    rate_exponent: float = 1 / 3
    spread: float = 1.0
    noise_uv: float = 15.0
    wander_mv: float = 0.04
    mains_uv: float = 0.0
    seconds: float = 10.0
    fs: float = 500.0

    def __post_init__(self) -> None:
        effects = check_effects(PHYSIOLOGY if self.effects is None else self.effects)
        object.__setattr__(self, "effects", effects)
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value}")
            object.__setattr__(self, name, float(value))

    @classmethod
    def null(
        cls, *, rate_exponent: float = 1 / 3, noise_uv: float = 15.0, seconds: float = 10.0
    ) -> "Simulator":
        """A simulator in which age, sex and text change nothing, and heart rate nothing but RR and QT.

        With ``rate_exponent=0`` not even QT follows the rate.
        """
        return cls({}, False, rate_exponent, noise_uv=noise_uv, seconds=seconds)

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def name(self) -> str:
        """The name in tables and files."""
        return "simulator"

    @property
    def digest(self) -> str:
        """Changes whenever the same seeds would give other ECGs."""
        text = json.dumps([VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def understand(self, text: str) -> Understanding:
        """What the simulator takes a text for."""
        return recognise(text, FORMS)

    def generate(self, conditions: Sequence[Conditions], seeds: Sequence[int]) -> ECG:
        """One ECG per (conditions, seed) pair; the same pair gives the same ECG, to the bit, in any batch.

        Parameters
        ----------
        conditions : sequence of Conditions
            Conditions left open are chosen by the seed.
        seeds : sequence of int
            One person and one strip each: the same seed under other conditions is the same heart.

        Returns
        -------
        ECG
            With the truth in its annotations: ``known_pr_ms``, ``known_qrs_ms``, ``known_qt_ms``,
            ``known_p_ms``, ``known_rate_bpm``, ``known_qrs_axis_deg``, ``known_p_present``, ``known_age``,
            ``known_female``, and ``known_r_s``, the instants of the R peaks, padded with NaN.
        """
        check_request(conditions, seeds)
        strips = [self._strip(asked, int(seed)) for asked, seed in zip(conditions, seeds, strict=True)]
        samples = round(self.seconds * self.fs)
        eight = np.array([signal for signal, _ in strips], np.float32).reshape(-1, 8, samples)
        peaks = int(self.seconds * MOST_BPM / 60) + 2
        names = [*_truth_names(), "known_r_s"]
        truths = {name: np.array([truth[name] for _, truth in strips], float) for name in names[:-1]}
        padded = np.full((len(strips), peaks), np.nan)
        for row, (_, truth) in enumerate(strips):
            padded[row, : len(truth["known_r_s"])] = truth["known_r_s"][:peaks]
        return ECG(
            signals=twelve_leads(eight),
            fs=self.fs,
            conditions=tuple(conditions),
            seeds=tuple(seeds),
            provenance={"source": self.name, "synthetic": True, "digest": self.digest},
            annotations=truths | {"known_r_s": padded},
        )

    def _strip(self, asked: Conditions, seed: int) -> tuple[np.ndarray, dict[str, float | np.ndarray]]:
        """The eight independent leads of one ECG, mV, and its truth."""
        person, rhythm, noise = (np.random.default_rng([seed, stream]) for stream in range(3))
        known = fill(asked, person.uniform(size=6))
        heart = grow(
            known, self.spread * person.standard_normal(LATENT), self.effects, self.rate_exponent, self.forms
        )
        codes = known.codes if self.forms else frozenset()
        beats = tachogram.beats(known.heart_rate, heart.values["rr_cv"], codes, self.seconds, rhythm)
        signal = _beats_seen(heart, beats, codes, self.seconds, self.fs)
        if codes & P_LESS:
            signal += _atria(codes, known.heart_rate, signal.shape[1], self.fs, rhythm)
        signal += _disturbance(self, signal.shape[1], noise)
        return signal, _truth(heart, beats.inside(self.seconds), known, codes)


def heart_parts(heart: Heart, at: np.ndarray) -> dict[str, np.ndarray]:
    """The dipole of one beat by parts, mV: P, QRS and repolarisation, each (3, sample); QRS begins at 0 s.

    Each part is exactly zero outside its known ends (repolarisation displaced in its ST begins within QRS).
    """
    pr, p, qrs, qt = (heart.values[name] / 1000 for name in ("pr_ms", "p_ms", "qrs_ms", "qt_ms"))
    zero, at = np.zeros((1, 1)), np.asarray(at)[None]
    return {
        "p": pulses(heart.p, zero - pr, p, at)[:, 0],
        "qrs": pulses(heart.qrs, zero, qrs, at)[:, 0],
        "repolarisation": pulses(heart.repolarisation, zero + qrs, qt - qrs, at)[:, 0],
    }


def _beats_seen(
    heart: Heart, beats: tachogram.Beats, codes: frozenset[str], seconds: float, fs: float
) -> np.ndarray:
    """All beats of a strip as the eight leads see them, mV, (8, sample)."""
    pr, p, qrs, qt = (heart.values[name] / 1000 for name in ("pr_ms", "p_ms", "qrs_ms", "qt_ms"))
    ventricular = beats.premature & bool(codes & {"PVC", "BIGU", "TRIGU"})
    strip = np.zeros((3, round(seconds * fs)))
    onsets = beats.instants[~ventricular] - R_PLACE * qrs
    draw_wave(strip, heart.qrs, onsets, qrs, fs)
    draw_wave(strip, heart.repolarisation, onsets + qrs, qt - qrs, fs)
    if not codes & P_LESS:
        draw_wave(strip, heart.p, onsets - pr, p, fs)
    if ventricular.any():
        onsets = beats.instants[ventricular] - R_PLACE * PREMATURE_QRS_S
        draw_wave(strip, PREMATURE_QRS, onsets, PREMATURE_QRS_S, fs)
        draw_wave(strip, PREMATURE_T, onsets + PREMATURE_QRS_S, PREMATURE_QT_S - PREMATURE_QRS_S, fs)
    return seen(strip)


def _atria(
    codes: frozenset[str], heart_rate: float, samples: int, fs: float, draw: np.random.Generator
) -> np.ndarray:
    """Fibrillatory or flutter waves as the eight leads see them, mV."""
    at = np.arange(samples) / fs
    if "AFLT" in codes:
        waves = max(1, round(300 / heart_rate)) * heart_rate / 60
        cycle = (waves * at + draw.uniform()) % 1
        saw = np.where(cycle < 0.75, cycle / 0.75, (1 - cycle) / 0.25) - 0.5
        return seen(np.array([[0.03], [-0.22], [-0.10]]) * _smooth(saw, 0.02, fs))
    total = np.zeros((3, samples))
    for size, low, high in ((0.05, 5.0, 7.0), (0.03, 4.0, 9.0), (0.02, 6.0, 9.0)):
        drift = _smooth(draw.standard_normal(samples), 0.8, fs) * np.sqrt(0.8 * fs)
        phase = 2 * np.pi * np.cumsum(draw.uniform(low, high) + 0.5 * drift) / fs + draw.uniform(0, 6.28)
        swell = 1 + 0.4 * np.sin(2 * np.pi * draw.uniform(0.1, 0.5) * at + draw.uniform(0, 6.28))
        direction = np.array([-0.30, 0.55, -0.80]) + 0.35 * draw.standard_normal(3)
        total += size * direction[:, None] * swell * (np.sin(phase) + 0.3 * np.sin(2 * phase))
    return seen(total)


def _disturbance(simulator: Simulator, samples: int, draw: np.random.Generator) -> np.ndarray:
    """Noise, baseline wander and mains of the eight leads, mV, float32."""
    at = np.arange(samples) / simulator.fs
    white = draw.standard_normal((8, samples + 2), dtype=np.float32)
    swell = 1 + 0.3 * np.sin(2 * np.pi * draw.uniform(0.05, 0.3) * at + draw.uniform(0, 2 * np.pi))
    swell *= simulator.noise_uv / 1000 / np.sqrt(1.5 * 1.045)
    noise = (white[:, 1:-1] + np.float32(0.5) * (white[:, :-2] + white[:, 2:])) * swell.astype(np.float32)
    turns = 2 * np.pi * draw.uniform([[0.05], [0.12], [0.2]], [[0.12], [0.22], [0.33]]) * at
    slow = np.concatenate([np.sin(turns), np.cos(turns)])
    wander = (simulator.wander_mv / np.sqrt(3) * draw.standard_normal((8, 6))) @ slow
    hum = np.sin(2 * np.pi * 50 * at + draw.uniform(0, 2 * np.pi)) * draw.uniform(0.5, 1, (8, 1))
    return noise + (wander + simulator.mains_uv / 1000 * hum).astype(np.float32)


def _smooth(signal: np.ndarray, width_s: float, fs: float) -> np.ndarray:
    """A moving average."""
    width = max(1, round(width_s * fs))
    return np.convolve(signal, np.ones(width) / width, "same")


def _truth_names() -> list[str]:
    """Names of the annotations with one number per ECG."""
    names = "pr_ms qrs_ms qt_ms p_ms rate_bpm qrs_axis_deg p_present age female"
    return [f"known_{name}" for name in names.split()]


def _truth(
    heart: Heart, peaks: np.ndarray, known: Known, codes: frozenset[str]
) -> dict[str, float | np.ndarray]:
    """What is known of one strip."""
    p_present = not codes & P_LESS
    rate = 60 / np.mean(np.diff(peaks)) if len(peaks) > 1 else np.nan
    numbers = (
        heart.values["pr_ms"] if p_present else np.nan,
        heart.values["qrs_ms"],
        heart.values["qt_ms"],
        heart.values["p_ms"] if p_present else np.nan,
        rate,
        frontal_axis_deg(heart.qrs),
        float(p_present),
        known.age,
        float(known.sex == "female"),
    )
    return dict(zip(_truth_names(), numbers, strict=True)) | {"known_r_s": peaks}
