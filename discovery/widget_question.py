"""The controls by which a widget takes a question: an outcome, what varies, how many hearts."""

from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from discovery.quantities import MEASURED, QUANTITIES
from discovery.widget_conditions import PRESETS, arranged

OUTCOMES = ("qtcf_ms", "qt_ms", "pr_ms", "qrs_ms", "rate_bpm", "qrs_axis_deg")
DIRECTIONS = (("either way", ""), ("higher", "+"), ("lower", "-"), ("no effect", "0"))
SMALLEST = {"ms": 5.0, "mV": 0.1, "bpm": 2.0, "deg": 10.0}
LEVELS = 5
NUMBERS = {"age": (80.0, 30.0), "heart_rate": (100.0, 60.0)}
LIMITS = {"age": (0.0, 120.0), "heart_rate": (20.0, 300.0)}
PLAIN = {"sex": "sex", "age": "age", "heart_rate": "heart rate", "text": "text"}


@dataclass(frozen=True)
class Question:
    """What is asked: `values` are two arms (first minus second), or the levels of a trend."""

    outcome: str
    axis: str
    values: tuple[Any, ...]
    contrast: bool
    smallest: float
    direction: str | None
    hearts: int
    seed: int


class QuestionPicker(ipywidgets.VBox):
    """Controls for one `Question`; observe ``value``, set the controls.

    Parameters
    ----------
    seed : int
        The study number, which names the hearts.
    """

    value = traitlets.Instance(Question)

    def __init__(self, seed: int = 0) -> None:
        others = [name for name in MEASURED if name not in OUTCOMES]
        outcomes = [(_title(name), name) for name in (*OUTCOMES, *others)]
        self.outcome = ipywidgets.Dropdown(options=outcomes, description="outcome", **_wide("330px"))
        self.kind = ipywidgets.ToggleButtons(
            options=[("difference", True), ("trend", False)], style={"button_width": "92px"}
        )
        self.axis = ipywidgets.Dropdown(options=_axes(True), description="varies", **_wide("230px"))
        self.first, self.second = (
            ipywidgets.BoundedFloatText(min=0, max=300, description=word, **_wide("150px", "52px"))
            for word in ("first", "minus")
        )
        self.first_text, self.second_text = (
            ipywidgets.Combobox(options=PRESETS, value=text, description=word, **_wide("330px", "52px"))
            for word, text in (("first", "left bundle branch block"), ("minus", "sinus rhythm"))
        )
        self.sexes = ipywidgets.HTML("female minus male")
        self.smallest = ipywidgets.FloatText(
            value=5.0, description="smallest that matters", **_wide("240px", "150px")
        )
        self.unit = ipywidgets.HTML("ms")
        self.direction = ipywidgets.Dropdown(options=DIRECTIONS, description="expected", **_wide("210px"))
        self.hearts = ipywidgets.BoundedIntText(
            value=32, min=4, max=4096, description="hearts", **_wide("160px")
        )
        self.seed = ipywidgets.BoundedIntText(
            value=seed, min=0, max=2**31 - 1, description="study", **_wide("160px")
        )
        what = [self.outcome, self.kind, self.axis, self.sexes, self.first, self.second]
        how = [self.smallest, self.unit, self.direction, self.hearts, self.seed]
        rows = [what, [self.first_text, self.second_text], how]
        boxes = [arranged(children, "kd-row", "kd-buttons") for children in rows]
        super().__init__(boxes, value=self._asked())
        self.outcome.observe(self._new_outcome, "value")
        self.kind.observe(self._new_kind, "value")
        self.axis.observe(self._new_axis, "value")
        controls = (self.first, self.second, self.first_text, self.second_text, self.smallest)
        for control in (*controls, self.direction, self.hearts, self.seed):
            control.observe(self._read, "value")
        self._new_axis()

    def _asked(self) -> Question:
        """Controls to question."""
        axis, pair = self.axis.value, (self.first.value, self.second.value)
        if axis == "sex":
            values: tuple[Any, ...] = ("female", "male")
        elif axis == "text":
            values = (self.first_text.value, self.second_text.value)
        else:
            values = (
                pair
                if self.kind.value
                else tuple(np.linspace(min(pair), max(pair), LEVELS).round(1).tolist())
            )
        return Question(
            self.outcome.value, axis, values, self.kind.value, self.smallest.value,
            self.direction.value or None, self.hearts.value, self.seed.value,
        )  # fmt: skip

    def _read(self, change: Any = None) -> None:
        """Controls to value."""
        self.value = self._asked()

    def _new_outcome(self, change: Any) -> None:
        """Another outcome has another unit, and another smallest effect."""
        self._propose()
        self._read()

    def _new_kind(self, change: Any) -> None:
        """A trend needs numbers."""
        axis = self.axis.value
        self.axis.options = _axes(self.kind.value)
        self.axis.value = axis if axis in dict(_axes(self.kind.value)).values() else "age"
        self._new_axis()

    def _new_axis(self, change: Any = None) -> None:
        """Show the controls that belong to what varies."""
        axis, difference = self.axis.value, self.kind.value
        if (
            axis in NUMBERS
            and change is not None
            or axis in NUMBERS
            and self.first.value == self.second.value
        ):
            self.first.min, self.first.max = self.second.min, self.second.max = LIMITS[axis]
            self.first.value, self.second.value = NUMBERS[axis]
        self.first.description, self.second.description = ("first", "minus") if difference else ("from", "to")
        for control, shown in (
            (self.sexes, axis == "sex"),
            (self.first, axis in NUMBERS), (self.second, axis in NUMBERS),
            (self.first_text, axis == "text"), (self.second_text, axis == "text"),
        ):  # fmt: skip
            control.layout.display = None if shown else "none"
        self._propose()
        self._read()

    def _propose(self) -> None:
        """The unit of the effect, and a smallest effect of a sensible size."""
        unit = QUANTITIES[self.outcome.value].unit
        effect = SMALLEST.get(unit, 0.1)
        if self.kind.value:
            self.unit.value, self.smallest.value = unit, effect
        else:
            per = QUANTITIES[self.axis.value].unit
            self.unit.value, self.smallest.value = f"{unit} per {per}", round(effect / 50.0, 3)


def _axes(difference: bool) -> list[tuple[str, str]]:
    """What may vary."""
    return [(PLAIN[name], name) for name in (("sex", "age", "heart_rate", "text") if difference else NUMBERS)]


def _title(column: str) -> str:
    """Label and unit of a measured column, as plain text."""
    quantity = QUANTITIES[column]
    return f"{quantity.label} ({quantity.unit})" if quantity.unit else quantity.label


def _wide(width: str, words: str = "64px") -> dict[str, Any]:
    """Style and layout of a control."""
    return {"style": {"description_width": words}, "layout": ipywidgets.Layout(width=width)}
