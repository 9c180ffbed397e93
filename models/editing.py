"""A recorded ECG with one condition changed: taken apart, inverted to noise, made again."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.ecg import ECG, LEADS, Conditions, twelve_leads
from models.encoding import AGE_CENTRE, with_rhythm
from models.generator import RHYTHM, SECONDS, BundledGenerator
from models.inversion import Apart, heart_noise, strip_residual, strip_terms, surprises, take_apart
from models.preparation import Material, check_measured, prepare, strips_at_fs
from models.rhythm import DOMINANT, rhythm_kind
from models.strip import FS, beyond_the_ends


@dataclass(frozen=True, eq=False)
class Edited:
    """A recorded ECG, the same with something changed, and how far both may be trusted.

    Parameters
    ----------
    ecg : ECG
        The edited ECG, 10 s at 250 Hz; synthetic.
    recorded : ECG
        The record as it was edited: 10 s at 250 Hz, the twelve leads from the eight independent ones.
    unedited : ECG
        The record encoded and decoded with nothing changed.
    rms_mv : float
        Root mean square of `unedited - recorded` over all leads, mV.
    correlation : float
        Between the two.
    squares : mapping of str to float
        `heart` and `strip`, mean squares of the inverted noises (standard normal: 1); `left`, the share of the
        beat that the learnt shapes cannot show and that is carried over as it is.
    cautions : tuple of str
        What lies off what the generator has learnt, in sentences.
    """

    ecg: ECG
    recorded: ECG
    unedited: ECG
    rms_mv: float
    correlation: float
    squares: Mapping[str, float]
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class _Known:
    """Conditions with every gap at its mean, as numbers."""

    age: float
    female: float
    rr_s: float
    statements: Mapping[str, float]
    report: tuple[float, ...]


def edit(
    ecg: ECG,
    measured: Mapping[str, Any] | pd.Series | pd.DataFrame,
    generator: BundledGenerator,
    seed: int = 0,
    **changes: Any,
) -> Edited:
    """A recorded ECG made again under changed conditions, as in ``edit(ecg, row, generator, age=80)``.

    Heart, rhythm and strip are read off the record, both flows are run backwards under the record's own conditions,
    and forwards under the changed ones. What the model cannot hold (the rest of the beat's shape, wander below
    0.5 Hz, and, while the beats stay where they are, spikes) is carried over. The beats stay where they are unless
    the heart rate or the kind of rhythm changes. Unknown conditions of the record count as the mean.

    Parameters
    ----------
    ecg : ECG
        One recorded ECG with all twelve (or the eight independent) leads; `conditions` say what is known of it.
    measured : mapping, Series or DataFrame of one row
        Its measurements with the beats, as ``discovery.measure.measure(ecg, beats=True)`` gives them.
    generator : BundledGenerator
        As `load_generator` gives it.
    seed : int
        Of the new rhythm, where its kind changes.
    **changes
        `age` (years), `sex`, `heart_rate` (bpm), `text`; none: the record comes back as the model holds it.

    Warns
    -----
    UserWarning
        Where the record lies off what the generator has learnt: the edit is then not to be trusted.

    Raises
    ------
    ValueError
        Where `ecg` is not one ECG, cannot be measured, or `measured` lacks a column.
    TypeError
        Where a change is no condition, or the generator cannot be inverted.
    """
    if not isinstance(generator, BundledGenerator):
        raise TypeError(f"generator must come from load_generator, got {type(generator).__name__}")
    if len(ecg) != 1:
        raise ValueError(f"ecg must hold one ECG, got {len(ecg)}: write ecg[0]")
    asked = ecg.conditions[0].replace(**changes)
    material = _material(ecg, measured)
    rr_s = float(material.table["rr_s"].iloc[0])
    was = _known(generator, ecg.conditions[0].replace(heart_rate=60 / rr_s))
    becomes = _known(generator, asked.replace(heart_rate=changes.get("heart_rate") or 60 / rr_s))
    apart = take_apart(generator.checkpoint, material, *_rows(generator, was))
    high_passed, raw = (material.rendered + material.residual)[0], strips_at_fs(ecg)[0]
    own = material.rhythms[0][:2]
    p_present = bool(material.table["p_present"].iloc[0])
    wander, rest = raw - high_passed, apart.strip_rest[0]
    traits = apart.traits
    unedited = _made(generator, apart, was, own, p_present, traits) + wander + rest
    rhythm = _rhythm(generator, own, was, becomes, seed)
    another = was.statements != becomes.statements
    if another:
        heart = generator.checkpoint.heart
        p_present = heart.p_wave(becomes.statements, 0.5)
        traits = heart.traits.changed(traits, *(_rows(generator, known)[0] for known in (was, becomes)))
    strip = _made(generator, apart, becomes, rhythm, p_present, traits, by_definition=another) + wander
    strip += rest if rhythm is own else 0.0
    squares = {name: float(values[0]) for name, values in apart.squares.items()}
    cautions = tuple(surprises(generator.checkpoint, **squares))
    if cautions:
        warnings.warn(
            f"ecg lies off what {generator.name} has learnt: {'; '.join(cautions)}", UserWarning, stacklevel=2
        )
    told = {"source": f"{generator.name}, edited from {ecg.provenance.get('source', 'a record')}"}
    told |= {"digest": generator.digest, "synthetic": True, "licence": generator.facts["licence"]}
    told |= {"edited": ", ".join(f"{name}={value}" for name, value in changes.items()) or "nothing"}
    recorded = _ecg(raw, ecg, ecg.conditions[0], ecg.provenance)
    back = _ecg(unedited, ecg, ecg.conditions[0], {**told, "edited": "nothing"})
    return Edited(
        _ecg(strip, ecg, asked, told),
        recorded,
        back,
        float(np.sqrt(((back.signals - recorded.signals) ** 2).mean())),
        float(np.corrcoef(back.signals.ravel(), recorded.signals.ravel())[0, 1]),
        squares,
        cautions,
    )


def _material(ecg: ECG, measured: Mapping[str, Any] | pd.Series | pd.DataFrame) -> Material:
    """The record as training material of one strip."""
    if isinstance(measured, pd.DataFrame):
        if len(measured) != 1:
            raise ValueError(f"measured must have one row for one ECG, got {len(measured)}")
        measured = measured.iloc[0]
    table = pd.DataFrame([{**dict(measured), "record": "it"}])
    check_measured(table)
    row = {"record": "it", "fold": 0, "age": None, "sex": None, "statements": {}}
    material = prepare([([row], ecg)], table, progress=False)
    if len(material.table) == 0 or not np.isfinite(material.table["rr_s"].iloc[0]):
        raise ValueError(
            "ecg must have eight clean leads and four or more beats, three of one kind, got one that "
            f"training would leave out ({len(np.atleast_1d(measured['r_peaks_s']))} beats): choose another record"
        )
    return material


def _known(generator: BundledGenerator, asked: Conditions) -> _Known:
    """What is known as numbers; unknown age and sex at the middle of the encoding."""
    report = tuple(generator.reader.columns(asked.text)) if generator.reader else ()
    never = generator.facts.get("never_known", ())
    age = AGE_CENTRE if asked.age is None or "age" in never else asked.age
    female = 0.5 if asked.sex is None or "sex" in never else float(asked.sex == "female")
    said = with_rhythm(generator.understand(asked.text).statements)
    return _Known(age, female, 60 / asked.heart_rate, said, report)


def _rows(generator: BundledGenerator, known: _Known) -> tuple[np.ndarray, np.ndarray]:
    """Encoded conditions, and the same with the report's columns, one row each."""
    one = (np.array([known.age]), np.array([known.female]), np.array([known.rr_s]))
    rows = generator.checkpoint.heart.encoding.rows(*one, [known.statements])
    return rows, np.column_stack([rows, np.array([known.report])])


def _made(
    generator: BundledGenerator,
    apart: Apart,
    known: _Known,
    rhythm: tuple[np.ndarray, np.ndarray],
    p_present: bool,
    traits: np.ndarray,
    by_definition: bool = False,
) -> np.ndarray:
    """The strip that the record's noise becomes under these conditions, high-passed, mV, (8, sample)."""
    part, (rows, told) = generator.checkpoint, _rows(generator, known)
    whole, reports = np.column_stack([rows, traits]), told[:, rows.shape[1] :]
    white = heart_noise(part.heart_net, apart.heart, np.column_stack([whole, reports]), back=False)
    hearts = part.heart.hearts(white, whole, [p_present], by_definition)
    terms = strip_terms(
        hearts, apart.beat_rest, *([one] for one in rhythm), np.array([1000 * known.rr_s]), told
    )
    return (terms.beats + strip_residual(part.strip_net, part.scale, apart.strip, terms))[0]


def _rhythm(
    generator: BundledGenerator,
    own: tuple[np.ndarray, np.ndarray],
    was: _Known,
    becomes: _Known,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The record's own beats; at another rate stretched and repeated; drawn anew for another kind of rhythm."""
    if rhythm_kind(was.statements) != rhythm_kind(becomes.statements):
        draw = np.random.default_rng((seed, RHYTHM))
        made = generator.checkpoint.rhythm.draw(
            60 / becomes.rr_s, becomes.age, becomes.statements, SECONDS, draw
        )
        return made.beats_s, made.kinds
    if was.rr_s == becomes.rr_s:
        return own
    inside = own[0][(own[0] >= 0) & (own[0] <= SECONDS)]
    rr = np.diff(inside) * becomes.rr_s / was.rr_s
    count = int(np.ceil((SECONDS + 2) / rr.mean())) + len(rr)
    start = inside[0] * becomes.rr_s / was.rr_s
    beats = start + np.concatenate([[0.0], np.cumsum(np.resize(rr, count))])
    beats, _ = beyond_the_ends(beats[beats <= SECONDS], SECONDS)
    return beats, np.full(len(beats), DOMINANT)


def _ecg(strip: np.ndarray, ecg: ECG, asked: Conditions, provenance: Mapping[str, Any]) -> ECG:
    """One strip of eight leads as an ECG of twelve."""
    signals = twelve_leads(strip[None]).astype(np.float32)
    kept = {name: rows for name, rows in ecg.annotations.items() if name in ("record", "patient_id", "fold")}
    return ECG(signals, FS, LEADS, (asked,), provenance=provenance, annotations=kept)
