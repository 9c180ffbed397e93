"""The controls by which a widget asks for an ECG: age, sex, heart rate, text; each may be unknown."""

from typing import Any

import ipywidgets
import traitlets

from models.ecg import SEXES, Conditions

PRESETS = (
    "sinus rhythm",
    "left bundle branch block",
    "right bundle branch block",
    "first degree AV block",
    "atrial fibrillation",
    "left ventricular hypertrophy",
    "inferior myocardial infarction",
    "anterior myocardial infarction",
    "sinus bradycardia",
    "sinus tachycardia",
)
AGES = (18, 95)
HEART_RATES = (40, 150)
USUAL = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")


class ConditionsPicker(ipywidgets.VBox):
    """Controls for one `Conditions`; observe ``value``, or set it.

    Parameters
    ----------
    value : Conditions
        What the controls show at first; an unknown value starts at the usual one, switched off.
    """

    value = traitlets.Instance(Conditions)

    def __init__(self, value: Conditions = USUAL) -> None:
        self._setting = False
        wide = {"style": {"description_width": "74px"}, "layout": ipywidgets.Layout(width="100%")}
        self.age = ipywidgets.IntSlider(min=AGES[0], max=AGES[1], description="age, years", **wide)
        self.heart_rate = ipywidgets.IntSlider(
            min=HEART_RATES[0], max=HEART_RATES[1], description="rate, bpm", **wide
        )
        self.sex = ipywidgets.ToggleButtons(options=SEXES, style={"button_width": "84px"})
        self.text = ipywidgets.Text(description="text", placeholder="clinical report, in words", **wide)
        self.preset = ipywidgets.Dropdown(
            options=[("choose a text ...", ""), *((words, words) for words in PRESETS)],
            description="presets",
            **wide,
        )
        self.unknown = {
            name: ipywidgets.Checkbox(
                description="unknown",
                indent=False,
                layout=ipywidgets.Layout(width="88px"),
                tooltip=f"leave {name.replace('_', ' ')} to the generator",
            )
            for name in ("age", "heart_rate", "sex", "text")
        }
        columns = [
            arranged([self._line(name) for name in names], "kd-half", kind=ipywidgets.VBox)
            for names in (("age", "heart_rate", "sex"), ("text",))
        ]
        columns[1].children += (self.preset,)
        super().__init__([arranged(columns, "kd-row")], value=value)
        self._show()
        for name in self.unknown:
            getattr(self, name).observe(self._read, "value")
            self.unknown[name].observe(self._read, "value")
        self.preset.observe(self._take_preset, "value")
        self.observe(self._show, "value")

    def _line(self, name: str) -> ipywidgets.Box:
        """One control with its box for unknown."""
        layout = ipywidgets.Layout(width="100%", align_items="center")
        word = [ipywidgets.HTML('<div class="kd-word">sex</div>')] if name == "sex" else []
        return ipywidgets.HBox([*word, getattr(self, name), self.unknown[name]], layout=layout)

    def _read(self, change: Any = None) -> None:
        """Controls to value."""
        if self._setting:
            return
        asked = {name: None if box.value else getattr(self, name).value for name, box in self.unknown.items()}
        for name, box in self.unknown.items():
            getattr(self, name).disabled = box.value
        self.value = Conditions(**asked)

    def _show(self, change: Any = None) -> None:
        """Value to controls; limits give way to a value outside them."""
        self._setting = True
        for name, box in self.unknown.items():
            asked, control = getattr(self.value, name), getattr(self, name)
            box.value = control.disabled = asked is None
            if asked is None and change is not None:
                continue
            asked = getattr(USUAL, name) if asked is None else asked
            if isinstance(control, ipywidgets.IntSlider):
                asked = round(asked)
                control.min, control.max = min(control.min, asked), max(control.max, asked)
            control.value = asked
        self._setting = False

    def _take_preset(self, change: Any) -> None:
        """Put a chosen preset into the text field."""
        if change["new"]:
            self.value = self.value.replace(text=change["new"])
            self.preset.value = ""


def arranged(children: list[ipywidgets.Widget], *classes: str, kind: Any = ipywidgets.Box) -> ipywidgets.Box:
    """Widgets in a box that the style sheet of the card arranges: ``kd-row``, ``kd-half``, ``kd-buttons``."""
    box = kind(children)
    for name in classes:
        box.add_class(name)
    return box
