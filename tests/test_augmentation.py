"""The page on generated ECGs as training data: its code runs, and does what it says."""

import re

import numpy as np
from small_sets import simulated

from models.records_written import write_ptbxl
from models.statements import recognise
from models.vocabulary import STATEMENTS

EPOCHS = 2


def test_the_code_of_the_page_learns_from_other_twins_in_every_epoch(root, tmp_path, monkeypatch):
    (page,) = re.findall(r"```python\n(.+?)```", (root / "docs" / "augmentation.md").read_text(), re.DOTALL)
    (tmp_path / "data").mkdir()
    write_ptbxl(
        tmp_path / "data" / "ptb-xl",
        [simulated(12)],
        lambda text: recognise(text, STATEMENTS).statements,
    )
    monkeypatch.chdir(tmp_path)
    shown, labels = [], []

    def learn(strips, said):
        shown.append(strips)
        labels.append(said)

    exec(
        compile(page.replace("range(15)", f"range({EPOCHS})"), "docs/augmentation.md", "exec"),
        {"learn": learn},
    )
    first, second = shown
    half = len(first) // 2
    assert 6 < half <= 12 and first.shape == (2 * half, 12, 2500)
    assert np.array_equal(first[:half], second[:half]), "the records are the same in every epoch"
    assert (np.abs(first[half:] - second[half:]).max(axis=(1, 2)) > 0.01).all(), "their twins are not"
    assert all(0 < said.sum() < half * 2 and np.array_equal(said[:half], said[half:]) for said in labels)
    steps = 1000 * first[:, 6:]  # of the limb leads four are made of the others
    assert np.allclose(steps, np.round(steps), atol=0.01), "both in steps of 1 uV"
