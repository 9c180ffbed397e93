"""From hearts and strips back to the noise the flows would make them of, and how far that is from normal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import chi2
from torch import nn

from models import flow
from models.beats import side_by_side
from models.checkpoints import Checkpoint
from models.denoiser import HeartNet
from models.heart import Heart, with_traits
from models.preparation import SAMPLES, Material
from models.rendering import high_passed, render
from models.rhythm import DOMINANT, VENTRICULAR
from models.strip import StripScale, track

STEPS = 8
"""Steps of an inversion and of the way forward again."""
CALIBRATION = 128
"""At most so many held-out records tell how far from normal a recorded ECG's noise is."""
USUAL = 0.99
UNCALIBRATED_STRIP = (0.3, 3.0)
"""Mean square of a strip's noise taken for usual where a checkpoint tells none: chosen by us, not learnt."""
RARE = 1e-3


@dataclass(frozen=True, eq=False)
class StripTerms:
    """What the strip network is told of some strips.

    Parameters
    ----------
    beats : ndarray, shape (batch, 8, sample)
        Rendered beats, mV.
    noise_mv : ndarray, shape (batch, 8, BANDS)
    tracks : ndarray, shape (batch, token, number)
        Rhythms as `models.strip.track` gives them.
    rows : ndarray, shape (batch, column)
        Encoded conditions.
    """

    beats: np.ndarray
    noise_mv: np.ndarray
    tracks: np.ndarray
    rows: np.ndarray


def heart_noise(net: HeartNet, white: np.ndarray, rows: np.ndarray, back: bool = True) -> np.ndarray:
    """The noise that the heart's flow carries to whitened hearts; with `back` False, the hearts of noise."""
    device = next(net.parameters()).device
    x, said = _tensor(white, device), _tensor(rows[:, 1:], device)
    there = [lambda velocity, noise: flow.sample(velocity, noise, STEPS)] * len(net.config.parts)
    made = (
        net.inverted(x, said, lambda velocity, hearts: flow.invert(velocity, hearts, STEPS))
        if back
        else net.drawn(x, said, there)
    )
    return made.double().cpu().numpy()


def strip_noise(net: nn.Module, scale: StripScale, residual: np.ndarray, terms: StripTerms) -> np.ndarray:
    """The noise that the strip's flow carries to these residuals (mV), (batch, token, number)."""
    units = scale.to_unit(*map(torch.from_numpy, (residual, terms.beats, terms.noise_mv)))
    return _carried(_velocity(net, scale, terms), _tensor(units, next(net.parameters()).device), True)


def strip_residual(net: nn.Module, scale: StripScale, noise: np.ndarray, terms: StripTerms) -> np.ndarray:
    """The residual (mV) that the strip's flow makes of noise, (batch, 8, sample)."""
    start = _tensor(noise, next(net.parameters()).device)
    tokens = _carried(_velocity(net, scale, terms), start, False)
    return scale.from_unit(*map(torch.from_numpy, (tokens, terms.beats, terms.noise_mv))).numpy()


@dataclass(frozen=True, eq=False)
class Apart:
    """Recorded strips taken apart into what the flows make them of and what the model cannot hold.

    Parameters
    ----------
    heart : ndarray, shape (batch, dimension)
        Noise of the hearts.
    strip : ndarray, shape (batch, token, number)
        Noise of the strips.
    traits : ndarray of bool, shape (batch, len(TRAITS))
        Which the hearts have (`models.traits`).
    beat_rest : ndarray, shape (batch, 8, len(FRAME_MS))
        What the learnt shapes do not show of each beat, mV.
    strip_rest : ndarray, shape (batch, 8, sample)
        What the tokens do not hold of each residual (spikes, beats of another shape), mV.
    squares : dict of str to ndarray
        `heart` and `strip`, mean squares of the noises (of the heart's numbers as far out as their reach says; of the
        strip's where training looked); `left`, share of
        the beat that the shapes do not show.
    """

    heart: np.ndarray
    strip: np.ndarray
    traits: np.ndarray
    beat_rest: np.ndarray
    strip_rest: np.ndarray
    squares: dict[str, np.ndarray]


def take_apart(checkpoint: Checkpoint, material: Material, rows: np.ndarray, told: np.ndarray) -> Apart:
    """Recorded strips taken apart under their own conditions.

    Parameters
    ----------
    checkpoint : Checkpoint
    material : Material
    rows : ndarray, shape (batch, column)
        Encoded conditions.
    told : ndarray
        The same with the columns of the report, where the networks read it; what the networks are told.
    """
    model, noise = checkpoint.heart, material.noise_mv()
    p_present = material.table["p_present"].to_numpy(bool)
    beats, timings = np.asarray(material.beats, float), np.asarray(material.timings, float)
    vectors = model.vectors(beats, timings, noise, p_present)
    known = with_traits(rows, beats, timings)
    expected = known @ model.mean
    white = model.whiten(np.where(np.isnan(vectors), expected, vectors), known)
    hearts = model.hearts(white, known, list(p_present))
    rest = beats - np.stack([heart.beat for heart in hearts])
    reports = told[:, rows.shape[1] :]
    beat_noise = heart_noise(checkpoint.heart_net, white, np.column_stack([known, reports]))
    instants = [rhythm[0] for rhythm in material.rhythms]
    rr_ms = 1000 * material.table["rr_s"].to_numpy(float)
    terms = strip_terms(hearts, rest, instants, [rhythm[1] for rhythm in material.rhythms], rr_ms, told)
    residual = np.asarray(material.rendered, float) + np.asarray(material.residual, float) - terms.beats
    strip = strip_noise(checkpoint.strip_net, checkpoint.scale, residual, terms)
    scale, about = checkpoint.scale, tuple(map(torch.from_numpy, (terms.beats, terms.noise_mv)))
    held = scale.from_unit(scale.to_unit(torch.from_numpy(residual), *about), *about).numpy()
    weight = np.asarray(material.weight, float)
    squares = {
        "heart": (model.numbers(beat_noise) ** 2).mean(axis=1),
        "strip": ((strip**2).mean(axis=2) * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1),
        "left": np.sqrt((rest**2).mean(axis=(1, 2)) / ((beats**2).mean(axis=(1, 2)) + 1e-12)),
    }
    traits = known[:, rows.shape[1] :] > 0.5
    return Apart(beat_noise, strip, traits, rest, residual - held, squares)


def strip_terms(
    hearts: Sequence[Heart],
    rest: np.ndarray,
    instants: Sequence[np.ndarray],
    kinds: Sequence[np.ndarray],
    rr_ms: np.ndarray,
    told: np.ndarray,
) -> StripTerms:
    """What the strip network is told of hearts (and the rest of their beats, mV) on rhythms."""
    beats = [heart.beat + more for heart, more in zip(hearts, rest, strict=True)]
    timings = [heart.timing.within(rr) for heart, rr in zip(hearts, rr_ms, strict=True)]
    # the network is told of ventricular beats neither in sampling nor where training looked
    said = [np.where(kind == VENTRICULAR, DOMINANT, kind) for kind in kinds]
    tracks = np.stack([track(at, kind, SAMPLES) for at, kind in zip(instants, said, strict=True)])
    noise = np.stack([heart.noise_mv for heart in hearts])
    rendered = render(torch.from_numpy(np.stack(beats)), side_by_side(instants, timings), SAMPLES)
    return StripTerms(high_passed(rendered).numpy(), noise, tracks, told)


def calibrate(
    checkpoint: Checkpoint, material: Material, index: np.ndarray, rows: np.ndarray, told: np.ndarray
) -> dict[str, list[float]]:
    """The limits between which 99 % of held-out records lie, by name; a checkpoint keeps them as `inversion`."""
    chosen = np.random.default_rng(6).permutation(index)[:CALIBRATION]
    parts = [
        take_apart(checkpoint, material.select(some).loaded(), rows[some], told[some]).squares
        for some in np.array_split(chosen, -(-len(chosen) // 16))
    ]
    return {
        name: usual(np.concatenate([part[name] for part in parts]), below=name != "strip")
        for name in parts[0]
    }


def surprises(checkpoint: Checkpoint, heart: float, strip: float, left: float) -> list[str]:
    """What is unusual about an inverted record, in sentences; nothing for one like the held-out records.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its fact `inversion`, where it is there, holds the limits between which 99 % of held-out records lie. Where
        not, the heart's noise is judged by the chi-square distribution, the strip's by limits chosen by us.
    heart, strip : float
        Mean squares of the inverted noises.
    left : float
        Share of the beat that the learnt shapes cannot show.
    """
    dimension = checkpoint.heart.dimension
    reach = (0.0, chi2.ppf(1 - RARE, dimension) / dimension)
    known = checkpoint.facts.get("inversion", {"heart": list(reach), "strip": list(UNCALIBRATED_STRIP)})
    sentences = []
    for name, value, what in (
        ("heart", heart, "mean square of the heart's noise"),
        ("strip", strip, "mean square of the strip's noise"),
        ("left", left, "share of the beat that the learnt shapes cannot show"),
    ):
        if name in known and not known[name][0] <= value <= known[name][1]:
            low, high = known[name]
            sentences.append(f"{what} is {value:.3g}, usual is {low:.3g} to {high:.3g}")
    return sentences


def usual(values: np.ndarray, below: bool) -> list[float]:
    """The limits between which 99 % of the values lie; with `below`, any small value is usual."""
    low = 0.0 if below else float(np.quantile(values, (1 - USUAL) / 2))
    high = float(np.quantile(values, USUAL if below else (1 + USUAL) / 2))
    return [round(low, 4), round(high, 4)]


def _velocity(net: nn.Module, scale: StripScale, terms: StripTerms) -> flow.Velocity:
    """The strip network's velocity under these terms."""
    device = next(net.parameters()).device
    about = scale.context(*map(torch.from_numpy, (terms.beats, terms.noise_mv, terms.tracks)))
    about = _tensor(about, device)
    said = _tensor(terms.rows, device)
    return lambda x, t: net(x, t, about, said)


def _carried(velocity: flow.Velocity, x: torch.Tensor, back: bool) -> np.ndarray:
    """Carried through the flow, back to noise or forward to data."""
    carry = flow.invert if back else flow.sample
    return carry(velocity, x, STEPS).double().cpu().numpy()


def _tensor(rows: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """The rows on the device."""
    return torch.as_tensor(rows).to(device, torch.float32)
