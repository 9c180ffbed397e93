"""Known answers and laws of the traits of hearts."""

import numpy as np
import pytest

from discovery.amplitudes import read_amplitudes
from models.beat import FRAME_MS
from models.ecg import twelve_leads
from models.encoding import Encoding
from models.traits import TRAITS, Traits, fit_traits, shown

ENCODING = Encoding(("ASMI", "IMI", "NORM", "SR"))
INFERIOR, ANTERIOR, LATERAL = (TRAITS.index(f"q_{name}") for name in ("inferior", "anterior", "lateral"))
LEAD_II, V2, V3, V4 = 1, 3, 4, 5


def _beats(leads, depth_mv=0.2, until_ms=40.0):
    """One beat with an R of 1 mV after Q waves in some of the eight leads."""
    beats = np.zeros((1, 8, len(FRAME_MS)))
    beats[:, :, (FRAME_MS > until_ms) & (FRAME_MS < until_ms + 50)] = 1.0
    beats[:, leads] = np.where((FRAME_MS > 0) & (FRAME_MS <= until_ms), -depth_mv, beats[:, leads])
    return beats


def _rows(count, **said):
    return ENCODING.rows(*np.full((3, count), [[60.0], [1.0], [1.0]]), [{"SR": 1.0, **said}] * count)


@pytest.mark.parametrize(
    ("leads", "depth", "until", "trait"),
    [
        ([V3, V4], 0.2, 40, ANTERIOR),
        ([V2], 0.2, 40, None),  # one lead is not enough
        ([V2, V3], 0.05, 40, None),  # not deep enough
        ([V2, V3], 0.2, 20, None),  # not long enough
        ([LEAD_II], 0.4, 40, INFERIOR),  # with I at 0, III and aVF are as negative
    ],
)
def test_a_pathological_q_is_long_and_deep_in_two_leads(leads, depth, until, trait):
    found = np.flatnonzero(shown(_beats(leads, depth, until), np.array([100.0]))[0]).tolist()
    assert found == ([] if trait is None else [trait])


def test_time_is_that_of_the_heart_not_of_the_frame():
    beats = _beats([V2, V3], until_ms=25.0)
    assert not shown(beats, np.array([100.0]))[0, ANTERIOR]
    assert shown(beats, np.array([150.0]))[0, ANTERIOR]  # 37 ms in a QRS of 150 ms
    assert not shown(beats, np.array([np.nan]))[0, ANTERIOR]


def test_what_lacks_little_is_nearly_there():
    beats = _beats([V2, V3], depth_mv=0.09)
    assert not shown(beats, np.array([100.0]))[0, ANTERIOR]
    assert shown(beats, np.array([100.0]), nearly_mv=0.02)[0, ANTERIOR]


def test_planted_shares_are_found():
    draw, shares = np.random.default_rng(0), {"ASMI": 0.3, "IMI": 0.01, "NORM": 0.002}
    rows = np.concatenate([_rows(2000, **{code: 1.0}) for code in shares])
    planted = np.repeat(list(shares.values()), 2000)
    found = np.zeros((len(rows), len(TRAITS)), bool)
    found[:, ANTERIOR] = draw.random(len(rows)) < planted
    traits = fit_traits(ENCODING, rows, found)
    for code, share in shares.items():
        assert traits.shares(_rows(1, **{code: 1.0}))[0, ANTERIOR] == pytest.approx(share, rel=0.3, abs=0.003)
    assert traits.shares(rows)[:, ANTERIOR].sum() == pytest.approx(found[:, ANTERIOR].sum(), rel=0.02)


def test_traits_change_no_oftener_than_they_must(monkeypatch):
    shares = {"rare": 0.02, "some": 0.3, "most": 0.9}
    monkeypatch.setattr(
        Traits, "shares", lambda _, rows: np.array([[shares[row]] * len(TRAITS) for row in rows])
    )
    traits, had = Traits(ENCODING, np.zeros(0)), np.array([[True, False, False]])
    becomes = {
        other: traits.changed(had, ["some"], [other])[0].tolist() for other in ("rare", "some", "most")
    }
    assert becomes == {
        "rare": [False, False, False],
        "some": [True, False, False],
        "most": [True, True, True],
    }


def test_traits_are_what_is_measured():
    """The rule is written twice, here in the frame and in `discovery`, which knows no generator: both agree."""
    draw = np.random.default_rng(1)
    smooth = np.exp(-0.5 * (np.arange(-20, 21) / 6) ** 2)
    beats = np.apply_along_axis(np.convolve, 2, draw.normal(0, 0.05, (400, 8, len(FRAME_MS))), smooth, "same")
    beats[:, :, FRAME_MS < 0] = 0.0  # the level from which amplitudes are read
    edges = {"qrs_on": 0.0, "qrs_off": 100.0, "t_off": 400.0, "p_on": -160.0, "p_off": -60.0}
    points = {name: np.full(400, at) for name, at in edges.items()}
    table = read_amplitudes(twelve_leads(beats), points, int(np.argmin(np.abs(FRAME_MS))), 500.0)
    found = shown(beats, np.full(400, 100.0))
    assert found.any(axis=0).all()
    for trait, column in zip(TRAITS, found.T, strict=True):
        assert (table[trait] == column).all()
