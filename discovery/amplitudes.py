"""Heights, areas and axes read from median beats at given wave edges."""

import numpy as np

from models.ecg import LEADS

FAR = 10_000.0  # ms; stands for an edge that is absent, so that no sample lies inside
# Kors et al. 1990, regression from I, II, V1..V6 to the Frank leads X, Y, Z.
KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
EIGHT = [0, 1, 6, 7, 8, 9, 10, 11]  # rows of the independent leads among the twelve
TERRITORIES = {
    "inferior": ("II", "III", "aVF"),
    "anterior": ("V2", "V3", "V4"),
    "lateral": ("I", "aVL", "V5", "V6"),
}


def read_amplitudes(
    beats: np.ndarray, points: dict[str, np.ndarray], r_index: int, fs: float
) -> dict[str, np.ndarray]:
    """Amplitudes (mV) and axes (degrees) by column name, from beats of shape (batch, 12, sample)."""
    time = (np.arange(beats.shape[2]) - r_index) * 1000 / fs
    on, off, t_off = points["qrs_on"], points["qrs_off"], points["t_off"]
    beats = beats - _mean(beats, _within(time, on - 21, on - 11))[:, :, None]
    qrs, t_wave = _within(time, on, off), _within(time, off + 20, t_off)
    p_wave = _within(time, points["p_on"], points["p_off"])
    r, s = np.maximum(_largest(beats, qrs), 0), np.maximum(_largest(-beats, qrs), 0)
    j, st, st80 = (_mean(beats, _within(time, off + late - 3, off + late + 3)) for late in (0, 60, 80))
    up, down = _largest(beats, t_wave), _largest(-beats, t_wave)
    t = np.where(up >= down, up, -down)
    columns = {"p_axis_deg": _axis(_level(beats, p_wave)), "qrs_axis_deg": _axis(_area(beats, qrs))}
    columns["t_axis_deg"] = _axis(_area(beats, t_wave))
    columns["qrst_angle_deg"] = _fold(columns["qrs_axis_deg"] - columns["t_axis_deg"])
    columns["spatial_qrst_angle_deg"] = _spatial_angle(_area(beats, qrs), _area(beats, t_wave))
    lead = {name: k for k, name in enumerate(LEADS)}
    columns["sokolow_lyon_mv"] = s[:, lead["V1"]] + np.maximum(r[:, lead["V5"]], r[:, lead["V6"]])
    columns["cornell_mv"] = r[:, lead["aVL"]] + s[:, lead["V3"]]
    columns["r_transition"] = _transition(r[:, lead["V1"] :], s[:, lead["V1"] :])
    for territory, names in TERRITORIES.items():
        columns[f"q_{territory}"] = _q_waves(beats, time, on, r, [lead[name] for name in names])
    for prefix, values in {"r": r, "s": s, "j": j, "st": st, "st80": st80, "t": t}.items():
        columns |= {f"{prefix}_{name.lower()}_mv": values[:, k] for name, k in lead.items()}
    return columns


def _within(time: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Which samples lie from `start` to `stop` (ms) in each row; none where an edge is absent."""
    start, stop = np.nan_to_num(start, nan=FAR), np.nan_to_num(stop, nan=-FAR)
    return (time >= start[:, None]) & (time <= stop[:, None])


def _mean(beats: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean of each lead over the samples inside, NaN where there are none."""
    count = inside.sum(axis=1)[:, None]
    total = np.sum(np.where(inside[:, None], beats, 0), axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _largest(beats: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Largest value of each lead over the samples inside, NaN where there are none."""
    top = np.max(np.where(inside[:, None], beats, -np.inf), axis=2)
    return np.where(np.isfinite(top), top, np.nan)


def _area(beats: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Mean of each lead over a wave: its area, but for a factor all leads share."""
    return _mean(beats, inside)


def _level(beats: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Area of each lead over a wave, above the straight line between its ends."""
    count = inside.shape[1]
    first, last = np.argmax(inside, axis=1), count - 1 - np.argmax(inside[:, ::-1], axis=1)
    ends = [np.take_along_axis(beats, edge[:, None, None], axis=2)[:, :, 0] for edge in (first, last)]
    return _area(beats, inside) - (ends[0] + ends[1]) / 2


def _axis(area: np.ndarray) -> np.ndarray:
    """Direction in the frontal plane, degrees: 0 to the left arm, +90 to the feet."""
    return np.degrees(np.arctan2(2 / np.sqrt(3) * area[:, LEADS.index("aVF")], area[:, LEADS.index("I")]))


def _fold(angle: np.ndarray) -> np.ndarray:
    """An angle between two directions, 0 to 180 degrees."""
    return np.abs((angle + 180) % 360 - 180)


def _spatial_angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle in space between two mean vectors, degrees."""
    one, two = (_frank(area) for area in (first, second))
    size = np.sqrt(sum(x * x for x in one)) * np.sqrt(sum(x * x for x in two))
    cosine = sum(x * y for x, y in zip(one, two, strict=True)) / np.where(size > 0, size, np.nan)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def _frank(area: np.ndarray) -> list[np.ndarray]:
    """X, Y and Z of a vector; added lead by lead, so that a row does not depend on its batch to the last bit."""
    return [
        sum(weight * area[:, lead] for weight, lead in zip(row, EIGHT, strict=True)) for row in KORS.tolist()
    ]


def _transition(r: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Number of the first chest lead whose R exceeds its S, 7 where none does."""
    exceeds = r > s
    first = np.where(exceeds.any(axis=1), np.argmax(exceeds, axis=1) + 1.0, 7.0)
    return np.where(np.isfinite(r).all(axis=1), first, np.nan)


def _q_waves(
    beats: np.ndarray, time: np.ndarray, on: np.ndarray, r: np.ndarray, rows: list[int]
) -> np.ndarray:
    """1 where two leads of a territory begin with a Q of 30 ms and 0.1 mV or more, else 0."""
    found = np.zeros(len(beats))
    for row in rows:
        start = _within(time, on + 4, on + 34)
        negative = np.where(start, beats[:, row] < 0, True).all(axis=1)
        deep = np.min(np.where(_within(time, on, on + 60), beats[:, row], 0), axis=1) <= -0.1
        found += negative & deep
    return np.where(np.isfinite(r[:, rows]).all(axis=1), (found >= 2).astype(float), np.nan)
