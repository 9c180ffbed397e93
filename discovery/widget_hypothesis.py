"""A widget that puts one question to a generator: choose it, freeze it, run it, read the finding."""

import functools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from discovery.cautions import cautions_of
from discovery.designs import Design, contrast, grid
from discovery.hypotheses import Finding, Hypothesis, compare, freeze
from discovery.plots import plot_effects, plot_trend
from discovery.style import png
from discovery.sweep import measure_sweep, run_sweep
from discovery.widget_conditions import ConditionsPicker, arranged
from discovery.widget_numbers import escaped, finding_card, hypothesis_code
from discovery.widget_paper import CopyCode
from discovery.widget_question import QuestionPicker
from discovery.widget_worker import NewestWins, sentence
from models.ecg import ECG, Conditions, Generator

CHUNK = 8  # ECGs between two looks at the stop button
TRIAL = 4  # ECGs made and measured to learn how long one takes


def hypothesis_widget(
    generator: Generator,
    measure: Any,
    *,
    conditions: Conditions | None = None,
    folder: str | Path = "runs/hypotheses",
    seed: int = 0,
) -> "HypothesisTester":
    """A widget that tests one hypothesis on generated ECGs, the same hearts in every arm.

    Parameters
    ----------
    generator : Generator
    measure : callable
        `discovery.measure.measure`.
    conditions : Conditions, optional
        What is held where it does not vary.
    folder : path
        Where sweeps are kept, so that the same question asked again goes on where it stopped, and frozen
        hypotheses with them.
    seed : int
        Names the hearts.
    """
    held = conditions or Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
    return HypothesisTester(generator, measure, held, Path(folder), seed)


class HypothesisTester(ipywidgets.VBox):
    """The hypothesis widget's state and controls; `hypothesis_widget` makes one.

    ``question`` and ``held`` may be set; `run` and `stop` do what the buttons do, ``finding`` is the result.
    The work happens in a thread: `settle` waits for it.
    """

    def __init__(self, generator: Generator, measure: Any, held: Conditions, folder: Path, seed: int) -> None:
        self.generator, self.measure, self.folder = generator, measure, folder
        self.finding: Finding | None = None
        self.table: pd.DataFrame | None = None
        self.seconds_each = float("nan")
        self._stop, self._done = threading.Event(), 0
        self._runner = NewestWins(self._test, self._failed)
        self._timer = NewestWins(self._calibrate, self._failed)
        self.question = QuestionPicker(seed)
        self.held = ConditionsPicker(held)
        self.plan, self.status, self.result = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.freeze_button = _button("Freeze", "write the hypothesis to disk before any ECG of it is read")
        self.run_button = _button("Run", "generate, measure and compare", "primary")
        self.stop_button = _button("Stop", "keep what is done, and stop", "danger", disabled=True)
        self.progress = ipywidgets.IntProgress(layout=ipywidgets.Layout(width="260px"))
        self.pictures = arranged([], "kd-row")
        self.code = CopyCode()
        super().__init__(self._arranged())
        self.add_class("kd-card")
        self.question.observe(self._replan, "value")
        self.held.observe(self._replan, "value")
        self.freeze_button.on_click(lambda _: self._try(self.freeze))
        self.run_button.on_click(lambda _: self._try(self.run))
        self.stop_button.on_click(lambda _: self.stop())
        self._replan()
        self._timer.ask(None)

    @property
    def design(self) -> Design:
        """The plan: every arm or level, each asked of the same hearts."""
        asked = self.question.value
        make = contrast if asked.contrast else grid
        return make(self.held.value, repeats=asked.hearts, seed=asked.seed, **{asked.axis: asked.values})

    @property
    def hypothesis(self) -> Hypothesis:
        """The claim as it stands in the controls."""
        asked = self.question.value
        named = ("age", "sex", "heart_rate", "text")
        given = [name for name in named if name != asked.axis and getattr(self.held.value, name) is not None]
        varies = {"contrast": {asked.axis: asked.values}} if asked.contrast else {"trend": asked.axis}
        return Hypothesis(
            outcome=asked.outcome, given=given, smallest=asked.smallest, direction=asked.direction, **varies
        )

    @property
    def sweep_folder(self) -> Path:
        """Where the ECGs of this plan lie."""
        return self.folder / f"{self._key}-n{self.design.repeats}"

    @property
    def _key(self) -> str:
        """What these ECGs are, however many hearts: cells, study and generator."""
        one = Design(self.design.base, self.design.cells, self.design.axes, seed=self.design.seed)
        return f"{one.fingerprint[:10]}-{self.generator.digest[:8]}"

    def _read(self) -> list[Path]:
        """Sweeps of these ECGs that are there already, however many hearts."""
        return sorted(self.folder.glob(f"{self._key}-n*/sweep.json"))

    def _frozen(self, claim: Hypothesis) -> bool:
        """Whether the claim was frozen before any of its ECGs were made."""
        path = self.folder / "frozen" / f"{claim.digest[:16]}.json"
        return path.exists() and all(path.stat().st_mtime <= there.stat().st_mtime for there in self._read())

    def freeze(self) -> Path:
        """Write the hypothesis before its ECGs are read; the path of the file.

        Raises
        ------
        ValueError
            Where ECGs of this plan have been read already.
        """
        read = self._read()
        if read and not self._frozen(self.hypothesis):
            raise ValueError(
                f"hypothesis must be frozen before its ECGs are read, got {read[0].parent.name} there: "
                "choose another study number"
            )
        path = freeze(self.hypothesis, self.folder / "frozen")
        self._replan()
        self._say(f"Frozen as {path.name}: what comes now is confirmatory.")
        return path

    def run(self) -> None:
        """Start the work in its thread and return at once."""
        if self._runner.busy:
            return
        request = (self.design, self.hypothesis, self.sweep_folder)
        self._stop.clear()
        self._done = 0
        self.progress.max, self.progress.value = 2 * len(request[0]), 0
        self.run_button.disabled, self.stop_button.disabled = True, False
        self.freeze_button.disabled = True
        self._say("Generating ...")
        self._runner.ask(request)

    def stop(self) -> None:
        """Ask the work to stop after the ECGs at hand."""
        self._stop.set()
        self.stop_button.disabled = True
        self._say("Stopping ...")

    def settle(self, seconds: float = 60.0) -> bool:
        """True once nothing is at work, False where that takes longer than `seconds`."""
        return self._timer.settle(seconds) and self._runner.settle(seconds)

    def _arranged(self) -> list[ipywidgets.Widget]:
        """The parts from top to bottom."""
        title = f"<h3>Hypothesis <span class='kd-faint'>&ensp;{escaped(self.generator.name)}</span></h3>"
        buttons = [self.freeze_button, self.run_button, self.stop_button, self.progress, self.status]
        held = ipywidgets.HTML('<span class="kd-faint">Held (what varies is taken from above):</span>')
        return [
            ipywidgets.HTML(title), self.question, held, self.held, self.plan,
            arranged(buttons, "kd-row", "kd-buttons"), self.result, self.pictures, self.code,
        ]  # fmt: skip

    def __repr__(self) -> str:
        said = self.finding if self.finding is not None else self.hypothesis.statement
        return f"HypothesisTester({self.generator.name}: {said})"

    def _try(self, verb: Any) -> None:
        """Do what a button says; a refusal becomes a sentence."""
        try:
            verb()
        except (ValueError, TypeError, OSError) as error:
            self._refused(error)

    def _replan(self, change: Any = None) -> None:
        """Show the claim and the plan that the controls describe."""
        try:
            design, claim = self.design, self.hypothesis
        except (ValueError, TypeError) as error:
            self.plan.value = f'<span class="kd-warn">{escaped(sentence(error))}</span>'
            self.run_button.disabled = self.freeze_button.disabled = True
            return
        self.run_button.disabled = self.freeze_button.disabled = self._runner.busy
        frozen = self._frozen(claim)
        stamp = "frozen" if frozen else "exploratory"
        total = len(design) * self.seconds_each
        wait = "measuring how long one takes ..." if np.isnan(total) else f"about {_duration(total)}"
        self.plan.value = (
            f'<span class="kd-stamp kd-{stamp}">{stamp}</span>&ensp;<b>{escaped(claim.statement)}</b><br>'
            f"{len(design.cells)} cells &times; {design.repeats} hearts = {len(design)} ECGs, {wait}"
            + "".join(
                f'<br><span class="kd-warn">{escaped(words)}</span>'
                for words in cautions_of(design, self.generator)
            )
        )
        folders = (self.sweep_folder, self.folder / "frozen" if frozen else None)
        self.code.code = hypothesis_code(self.generator, design, claim, folders)

    def _calibrate(self, request: None) -> None:
        """In a thread: how long one ECG takes, from a second trial, for the first also warms up."""
        asked = [self.held.value] * TRIAL
        for seeds in (range(TRIAL), range(TRIAL, 2 * TRIAL)):
            began = time.perf_counter()
            self.measure(self.generator.generate(asked, list(seeds)))
            self.seconds_each = (time.perf_counter() - began) / TRIAL
        self._replan()

    def _test(self, request: tuple[Design, Hypothesis, Path]) -> None:
        """In a thread: generate, measure, compare, show."""
        design, claim, folder = request
        counted = CountedGenerator(self.generator, self._count)
        store = run_sweep(design, counted, folder, chunk=CHUNK, progress=False, stop=self._stop)
        if not self._stop.is_set():
            self._say("Measuring ...")
            table = measure_sweep(store, self._counted_measure(), progress=False, stop=self._stop)
        if self._stop.is_set():
            self._finish(
                f"Stopped after {min(self._done, len(design))} of {len(design)} ECGs: Run goes on from there."
            )
            return
        self.table = table
        self.finding = compare(table, claim, frozen=self.folder / "frozen" if self._frozen(claim) else None)
        self.result.value = finding_card(self.finding)
        drawn = [plot_effects([self.finding]), plot_trend(table, claim.outcome, claim.axis)]
        self.pictures.children = [_picture(*each) for each in zip(drawn, ("860px", "520px"), strict=True)]
        self.progress.value = self.progress.max
        self._finish("Done.")

    def _count(self, ecgs: int) -> None:
        """Move the progress bar."""
        self._done += ecgs
        self.progress.value = min(self._done, self.progress.max)

    def _counted_measure(self) -> Any:
        """The measuring function, telling the progress bar."""

        @functools.wraps(self.measure)
        def measured(ecg: ECG, *args: Any, **options: Any) -> pd.DataFrame:
            table = self.measure(ecg, *args, **options)
            self._count(len(ecg))
            return table

        return measured

    def _finish(self, words: str) -> None:
        """Give the buttons back."""
        self._say(words)
        self.stop_button.disabled = True
        self.run_button.disabled = self.freeze_button.disabled = False

    def _failed(self, error: Exception) -> None:
        """Say what went wrong in the worker, and give the buttons back."""
        self._finish("")
        self._refused(error)

    def _refused(self, error: Exception) -> None:
        """Say what went wrong."""
        self.status.value = f'<span class="kd-warn" role="alert">{escaped(sentence(error))}</span>'

    def _say(self, words: str) -> None:
        """One sentence beside the buttons."""
        self.status.value = f'<span role="status">{escaped(words)}</span>'


class CountedGenerator:
    """A generator that tells how many ECGs it has made, and is the same otherwise."""

    def __init__(self, generator: Generator, count: Any) -> None:
        self.name, self.digest, self.fs = generator.name, generator.digest, generator.fs
        self._generator, self._count = generator, count
        self.cautions = getattr(generator, "cautions", lambda asked: ())

    def generate(self, conditions: Sequence[Conditions], seeds: Sequence[int]) -> ECG:
        """The ECGs of the generator within."""
        ecg = self._generator.generate(conditions, seeds)
        self._count(len(ecg))
        return ecg


def _button(words: str, tip: str, style: str = "", *, disabled: bool = False) -> ipywidgets.Button:
    """A button as wide as its word."""
    layout = ipywidgets.Layout(width="auto")
    return ipywidgets.Button(
        description=words, tooltip=tip, button_style=style, disabled=disabled, layout=layout
    )


def _picture(figure: Any, width: str) -> ipywidgets.Image:
    """A figure as an image that never grows beyond the card."""
    layout = ipywidgets.Layout(max_width="100%", width=width)
    return ipywidgets.Image(value=png(figure), format="png", layout=layout)


def _duration(seconds: float) -> str:
    """Seconds as a person says them."""
    return (
        f"{seconds:.1f} s"
        if seconds < 10
        else (f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min")
    )
