"""The README's code runs as it stands, and what it points to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_the_code_runs_and_prints_a_finding(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "QTc" in printed and "interval" in printed and "n = 4" in printed
    assert (tmp_path / "runs/age-sex/sweep.json").is_file()


@pytest.mark.parametrize("path", re.findall(r"!\[.*?\]\((.*?)\)", TEXT) + ["models/weights/ptbxl.md"])
def test_what_is_shown_is_there(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)`", TEXT))))
def test_the_commands_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_rooms_named_exist():
    lines = TEXT.splitlines()
    first = next(row for row, line in enumerate(lines) if line.strip().startswith("models/ "))
    last = next(row for row, line in enumerate(lines) if line.strip().startswith("notebooks/ "))
    left, right = lines[first].index("models/") + 2, lines[first].index("discovery/") + 2
    for line in lines[first + 1 : last]:
        for folder, start in (("models", left), ("discovery", right)):
            for name in re.findall(r"\w+", line[start : start + 15]):
                assert (ROOT / folder / f"{name}.py").is_file(), f"README names {folder}/{name}.py"
