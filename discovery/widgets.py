"""The widgets for notebooks: the ECG explorer; hypotheses and maps have rooms of their own."""

from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from discovery.delineate import delineate
from discovery.plots import plot_ecg
from discovery.style import png
from discovery.tracings import conditions_in_words
from discovery.widget_conditions import USUAL, ConditionsPicker, arranged
from discovery.widget_hypothesis import HypothesisTester, hypothesis_widget
from discovery.widget_map import MapBrowser, map_widget
from discovery.widget_numbers import escaped, explorer_code, numbers_table, statements_line
from discovery.widget_paper import BeatOverlay, CopyCode, ECGPaper, show_kept
from discovery.widget_worker import NewestWins, sentence
from models.ecg import ECG, Conditions, Generator

__all__ = ["Explorer", "HypothesisTester", "MapBrowser", "explorer", "hypothesis_widget", "map_widget"]

BEAT_FS = 500.0  # Hz, of `discovery.delineate.Delineation.median_beat`
FIRST_PICTURE_S = 10.0  # the longest a notebook waits for the picture it keeps


@dataclass(frozen=True, eq=False)
class Shown:
    """One ECG as an explorer holds it: the signal, its measurements, its median beat (lead, sample) in mV."""

    ecg: ECG
    row: pd.Series
    beat: np.ndarray
    r_index: int
    r_peaks: np.ndarray

    @property
    def request(self) -> tuple[Conditions, int]:
        """What makes this ECG again."""
        return self.ecg.conditions[0], self.ecg.seeds[0]


def explorer(
    generator: Generator, measure: Any, conditions: Conditions | None = None, *, seed: int = 0
) -> "Explorer":
    """A widget that asks a generator for one ECG at a time, draws it, and measures it beside what was asked.

    Parameters
    ----------
    generator : Generator
        Where it has a verb ``understand(text)``, the widget says what was understood.
    measure : callable
        `discovery.measure.measure`, or another that gives one row per ECG with the same columns.
    conditions : Conditions, optional
        What is asked first; a woman of 50 in sinus rhythm at 70 bpm where left out.
    seed : int
        Which heart is shown first.
    """
    return Explorer(generator, measure, conditions or USUAL, seed)


class Explorer(ipywidgets.VBox):
    """The explorer's state and controls; `explorer` makes one.

    ``asked.value`` (Conditions) and ``seed.value`` may be set; ``shown`` holds what is on the paper,
    ``pinned`` what it is compared with. Generating and measuring happen in a thread: `settle` waits for it.
    """

    def __init__(self, generator: Generator, measure: Any, conditions: Conditions, seed: int) -> None:
        self.generator, self.measure = generator, measure
        self.shown: Shown | None = None
        self.pinned: Shown | None = None
        self._worker = NewestWins(self._make, self._failed)
        self.asked = ConditionsPicker(conditions)
        self.seed = ipywidgets.BoundedIntText(
            value=seed, min=0, max=2**53 - 1, description="heart (seed)",
            style={"description_width": "86px"}, layout=ipywidgets.Layout(width="200px"),
        )  # fmt: skip
        self.another = ipywidgets.Button(
            description="Another heart", tooltip="the same request, the next seed"
        )
        self.pin = ipywidgets.Button(
            description="Pin as A", tooltip="keep this ECG and compare others with it"
        )
        self.unpin = ipywidgets.Button(description="Unpin", disabled=True, tooltip="stop comparing")
        self.statements, self.status = ipywidgets.HTML(), ipywidgets.HTML()
        self.numbers, self.legend = ipywidgets.HTML(), ipywidgets.HTML()
        self.paper, self.overlay, self.code = ECGPaper(), BeatOverlay(), CopyCode()
        super().__init__(self._arranged())
        self.add_class("kd-card")
        self.asked.observe(self._ask, "value")
        self.seed.observe(self._ask, "value")
        self.another.on_click(lambda _: self.seed.set_trait("value", self.seed.value + 1))
        self.pin.on_click(lambda _: self._pin(self.shown))
        self.unpin.on_click(lambda _: self._pin(None))
        self._ask()

    def settle(self, seconds: float = 60.0) -> bool:
        """True once the ECG that was asked last is shown, False where that takes longer than `seconds`."""
        return self._worker.settle(seconds)

    def _arranged(self) -> list[ipywidgets.Widget]:
        """The parts from top to bottom."""
        title = f"<h3>ECG explorer <span class='kd-faint'>&ensp;{escaped(self.generator.name)}</span></h3>"
        for button in (self.another, self.pin, self.unpin):
            button.layout.width = "auto"
        buttons = [self.seed, self.another, self.pin, self.unpin, self.status]
        hearts = arranged(buttons, "kd-row", "kd-buttons")
        numbers = arranged([self.numbers], "kd-half", kind=ipywidgets.VBox)
        beats = arranged([self.legend, self.overlay], "kd-half", kind=ipywidgets.VBox)
        below = arranged([numbers, beats], "kd-row")
        return [ipywidgets.HTML(title), self.asked, self.statements, hearts, self.paper, below, self.code]

    def _ask(self, change: Any = None) -> None:
        """Hand the request to the worker."""
        self.status.value = '<span class="kd-faint" role="status">working ...</span>'
        self._worker.ask((self.asked.value, self.seed.value))

    def _make(self, request: tuple[Conditions, int]) -> None:
        """In the worker: understand, generate, draw, measure, show; give up where a newer request waits."""
        conditions, seed = request
        understand = getattr(self.generator, "understand", None)
        understanding = understand(conditions.text or "") if understand else None
        self.statements.value = statements_line(understanding)
        ecg = self.generator.generate([conditions], [seed])
        if self._worker.superseded:
            return
        self.paper.show(ecg, caption=conditions_in_words(conditions, text=True))
        row = self.measure(ecg).iloc[0]
        found = delineate(ecg.signals, ecg.fs, ecg.leads)
        if self._worker.superseded:
            return
        r_peaks = found.r_peaks[0][found.beat_kept[0]]
        self.shown = Shown(ecg, row, found.median_beat[0], found.r_index, r_peaks)
        self.paper.mark(row, r_peaks)
        self._tell()
        cautions = getattr(self.generator, "cautions", lambda _: ())(conditions)
        ready = escaped("; ".join(cautions)) or "ready"
        self.status.value = (
            f'<span class="{"kd-warn" if cautions else "kd-faint"}" role="status">{ready}</span>'
        )

    def _pin(self, shown: Shown | None) -> None:
        """Compare with this ECG from now on, or with none."""
        self.pinned = shown
        self.unpin.disabled = shown is None
        self._tell()

    def _tell(self) -> None:
        """Show the numbers, the beats and the code of B, and of A where one is pinned."""
        b, a = self.shown, self.pinned
        if b is None:
            return
        self.numbers.value = numbers_table(b.row, a.row if a else None)
        self.overlay.show(b.beat, a.beat if a else None, fs=BEAT_FS, r_index=b.r_index)
        words = [escaped(conditions_in_words(one.request[0], text=True)) for one in (a, b) if one]
        if a:
            first, second = f"A &mdash; {words[0]}", f"B - - - {words[1]}"
            self.legend.value = f'<span class="kd-a">{first}</span><br><span class="kd-b">{second}</span>'
        else:
            hint = '<span class="kd-faint">pin an ECG to compare others with it</span>'
            self.legend.value = f'<span class="kd-a">Median beat</span>&ensp;{hint}'
        self.code.code = explorer_code(self.generator, b.request, a.request if a else None)

    def _failed(self, error: Exception) -> None:
        """Say in the widget what went wrong."""
        self.status.value = f'<span class="kd-warn" role="alert">{escaped(sentence(error))}</span>'

    def __repr__(self) -> str:
        return f"Explorer({self.generator.name}, {self.asked.value}, seed {self.seed.value})"

    def _ipython_display_(self) -> None:
        """The widget, and a picture of its first ECG for notebooks that are opened again without a kernel."""
        show_kept(self, self.paper, self._picture)

    def _picture(self) -> bytes | None:
        """What is shown, as PNG bytes; None where there is nothing yet."""
        self.settle(FIRST_PICTURE_S)
        if self.shown is None:
            return None
        row = {**self.shown.row.to_dict(), "r_peaks_s": self.shown.r_peaks}
        return png(plot_ecg(self.shown.ecg, 0, boundaries=row))
