"""What recorded ECGs say to the claims of the first study: findings made beforehand, no data set needed.

`benchmarks/recorded_evidence.py` makes the file from PTB-XL with the same measurer; it holds no records.
"""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.claims import Hypothesis
from discovery.findings import Finding, Method

BUNDLED = Path(__file__).parent / "recorded_ptbxl.json"
NUMBERS = ("estimate", "low", "high", "p", "effect_size", "p_adjusted")


def label_texts(table: pd.DataFrame, texts: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """The records whose statements are exactly of one of the texts, with that text.

    Parameters
    ----------
    table : DataFrame
        Records with ``statements`` (dict of code to likelihood 0..1).
    texts : dict
        Text -> statements a record must carry (likelihood at least 0.5); a record that answers to several
        texts belongs to none.
    """
    carried = {
        text: table["statements"].map(lambda said, codes=codes: all(said.get(c, 0) >= 0.5 for c in codes))
        for text, codes in texts.items()
    }
    answers = pd.DataFrame(carried)
    labelled = table[answers.sum(axis=1) == 1]
    return labelled.assign(text=answers.loc[labelled.index].idxmax(axis=1))


def save_findings(path: str | Path, findings: list[Finding], source: str) -> Path:
    """Writes findings with the source of their records; returns the path."""
    path = Path(path)
    held = {"source": source, "findings": [finding.to_dict() for finding in findings]}
    path.write_text(json.dumps(held, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def load_findings(path: str | Path = BUNDLED) -> tuple[dict[str, Finding], str]:
    """Findings by the digest of their hypothesis, and the source of their records.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"path must be a file of findings, got {str(path)!r}: "
            "write it with benchmarks/recorded_evidence.py"
        )
    held = json.loads(path.read_text())
    return {values["digest"]: _finding(values) for values in held["findings"]}, held["source"]


def _finding(values: dict[str, Any]) -> Finding:
    """A finding out of its dictionary."""
    claim = values["hypothesis"]
    numbers = {name: math.nan if values[name] is None else float(values[name]) for name in NUMBERS}
    return Finding(
        hypothesis=Hypothesis(**{name: value for name, value in claim.items() if value is not None}),
        n=int(values["n"]),
        verdict=values["verdict"],
        unit=values["unit"],
        missing=values["missing"],
        method=Method(**values["method"]),
        exploratory=bool(values["exploratory"]),
        reason=values["reason"],
        **numbers,
    )
