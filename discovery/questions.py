"""Hypotheses written by hand in a YAML file, and those frozen in a folder."""

import difflib
from dataclasses import fields
from pathlib import Path

import yaml

from discovery.claims import Hypothesis, read_frozen

FIELDS = tuple(item.name for item in fields(Hypothesis))
EXAMPLE = """\
- outcome: qtcf_ms
  contrast: {sex: [female, male]}
  given: [age, heart_rate]
  smallest: 5
  direction: "+"
"""


def read_hypotheses(path: str | Path) -> list[Hypothesis]:
    """The hypotheses of a YAML file: a list of mappings with the fields of `Hypothesis`.

    Raises
    ------
    ValueError
        Where the file is not such a list, or a hypothesis breaks a rule; the message says which.
    FileNotFoundError
        Where there is no file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"hypotheses must be a YAML file, got {path}, which is not there")
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} must be YAML, got {error}") from error
    if not isinstance(plain, list) or not plain or not all(isinstance(item, dict) for item in plain):
        kind = type(plain).__name__
        raise ValueError(f"{path} must hold a list of hypotheses, got {kind}: for example\n{EXAMPLE}")
    return [_hypothesis(item, number, path) for number, item in enumerate(plain, start=1)]


def read_folder(folder: str | Path) -> list[Hypothesis]:
    """The hypotheses that `freeze` wrote to a folder, oldest first; none where there is none."""
    paths = sorted(Path(folder).glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [read_frozen(path) for path in paths]


def _hypothesis(plain: dict, number: int, path: Path) -> Hypothesis:
    """One hypothesis of a file; its number stands in the message where it breaks a rule."""
    for name in plain:
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name), FIELDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(FIELDS)}"
            raise ValueError(f"hypothesis {number} of {path} must have known fields, got {name!r}: {hint}")
    if "outcome" not in plain:
        raise ValueError(
            f"hypothesis {number} of {path} must name an outcome, got {', '.join(plain) or 'none'}"
        )
    try:
        return Hypothesis(**plain)
    except (ValueError, TypeError) as error:
        raise ValueError(f"hypothesis {number} of {path}: {error}") from error
