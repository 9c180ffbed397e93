"""The median beat on ECG paper with the edges that were measured on it, so that a person can check them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from discovery.delineate import Delineation
from discovery.style import BLACK, FAINT, GREEN, INK, SKY, VERMILLION, halo, ruled
from models.ecg import LEADS

SPEED = 50.0  # mm/s: twice the usual, for edges are what is looked at
LARGER = 2  # times the gain of the strip
PANELS = ("all leads", "II", "V2", "V5", "V1", "I", "V6", "aVF", "V3", "V4", "III", "aVL", "aVR")
ORIGIN_MM, APART_MM, TITLE_MM, BAR_MM = 15.0, 4.0, 6.0, 4.0
HIGHEST_MM, LOWEST_MM = 22.0, 14.0  # farther waves are cut: QRS is not what is looked at
BEAT_FS = 500.0
AROUND_MS = 80.0  # shown before the first edge and after the last
EDGES = ("p_on_ms", "p_off_ms", "qrs_on_ms", "qrs_off_ms", "t_off_ms")
# what a coloured bar beneath a beat spans: name, first and last boundary, colour
SPANS = (
    ("PR", "p_on_ms", "qrs_on_ms", SKY),
    ("QRS", "qrs_on_ms", "qrs_off_ms", VERMILLION),
    ("ST-T", "qrs_off_ms", "t_off_ms", GREEN),
)
SPAN_LABELS_MM = {"PR": 0.7, "QRS": 4.5, "ST-T": 10.1}


class BeatPanel:
    """One measured median beat laid out: how much room it wants, and how it is drawn there.

    Parameters
    ----------
    found : Delineation
        Of one ECG.
    row : mapping
        Its measured values; `p_on_ms` to `t_off_ms` are drawn, those that are known.
    width_mm : float
        Of the paper: as many panels are drawn as it holds, all leads together first, then II, V2, V5 ...
    gain : float
        mm/mV of the strip; the beat is drawn twice as large.
    """

    def __init__(self, found: Delineation, row: Mapping[str, Any], width_mm: float, gain: float) -> None:
        self.edges = {name: float(row[name]) for name in EDGES if name in row and np.isfinite(row[name])}
        self.gain, self.width = LARGER * gain, width_mm
        self.beats = int(found.beat_kept[0].sum())
        time = (np.arange(found.median_beat.shape[2]) - found.r_index) * 1000 / BEAT_FS
        first, last = min(self.edges.values()) - AROUND_MS, max(self.edges.values()) + AROUND_MS
        shown = (time >= first) & (time <= last)
        self.time = time[shown]
        beat = found.median_beat[0].astype(float)
        before = (time >= self.edges["qrs_on_ms"] - 21) & (time <= self.edges["qrs_on_ms"] - 11)
        level = beat[:, before].mean(axis=1, keepdims=True)
        heights = (beat[:, shown] - level) * self.gain
        self.heights = np.clip(heights, -LOWEST_MM, HIGHEST_MM)
        self.up, self.down = float(np.nanmax(self.heights)), float(-np.nanmin(self.heights))
        self.cut = bool(np.nanmax(heights) > self.up or -np.nanmin(heights) > self.down)

    @property
    def height(self) -> float:
        """Height of the squares, a whole number of 5 mm."""
        return 5.0 * math.ceil((self.up + self.down + BAR_MM + 5.5) / 5)

    @property
    def pitch(self) -> float:
        """Distance from one panel to the next, mm."""
        return float(np.ptp(self.time)) * SPEED / 1000 + APART_MM

    def draw(self, paper: Axes, left: float, bottom: float) -> None:
        """Draw the squares, the panels and the heading above them, with the lower left corner there."""
        ruled(paper, left, bottom, self.width, self.height)
        words = f"Median beat, of {self.beats} alike   {SPEED:g} mm/s   {self.gain:g} mm/mV"
        if self.cut:
            words += f"   cut at {HIGHEST_MM / self.gain:+.1f} and {-LOWEST_MM / self.gain:+.1f} mV"
        paper.text(left, bottom + self.height + 1.4, words, fontsize=8.5, color=INK, va="bottom")
        bar = bottom + 1.0 + BAR_MM / 2
        for name, _, _, colour in self._spans():
            paper.text(left + SPAN_LABELS_MM[name], bar, name, color=colour, fontsize=6, fontweight="bold",
                       va="center", zorder=4, path_effects=halo())  # fmt: skip
        count = max(1, int((self.width - ORIGIN_MM) / self.pitch))
        for k, name in enumerate(PANELS[:count]):
            self._draw_one(paper, name, left + ORIGIN_MM + k * self.pitch, bottom)

    def _spans(self) -> list[tuple[str, str, str, str]]:
        """The spans whose two edges are known."""
        return [span for span in SPANS if span[1] in self.edges and span[2] in self.edges]

    def _draw_one(self, paper: Axes, name: str, left: float, bottom: float) -> None:
        """Draw one panel: its leads, a hairline at every edge, and the spans beneath."""
        zero = left - float(self.time[0]) * SPEED / 1000
        level, top = bottom + BAR_MM + 2.0 + self.down, bottom + self.height
        bar = bottom + 1.0 + BAR_MM / 2
        leads = range(len(LEADS)) if name not in LEADS else [LEADS.index(name)]
        pen = {"color": FAINT, "linewidth": 0.55} if len(leads) > 1 else {"color": BLACK, "linewidth": 0.85}
        for lead in leads:
            x = zero + self.time * SPEED / 1000
            paper.plot(x, level + self.heights[lead], **pen, zorder=3, solid_joinstyle="round")
        for _, first, last, colour in self._spans():
            x = zero + np.array([self.edges[first], self.edges[last]]) * SPEED / 1000
            paper.fill_between(x, bar - 1.0, bar + 1.0, color=colour, linewidth=0, zorder=3)
        for edge, at in self.edges.items():
            x = zero + at * SPEED / 1000
            colour = VERMILLION if edge.startswith("qrs") else SKY if edge.startswith("p_") else GREEN
            paper.vlines(x, bar, top, colors=colour, linewidths=0.6, zorder=2.5)
        paper.text(left + 0.5, top - 1.0, name, fontsize=9, fontweight="bold", va="top", zorder=4,
                   path_effects=halo())  # fmt: skip
