"""Every notebook is short, clean and complete, and runs from top to bottom in an empty folder."""

import ast
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPECTED = ("01_first_look", "02_sweep", "03_measure", "04_map", "05_hypotheses")
CODE_CELLS = 20
SECONDS = 600
ABSOLUTE_PATH = re.compile(
    r"""(?<![\w:/.])(?:/(?:home|root|work|tmp|Users|mnt|opt|var|data)\b|[A-Za-z]:\\)"""
)
FORBIDDEN = {
    "%run": re.compile(r"^\s*%run\b", re.MULTILINE),
    "a shell command": re.compile(r"^\s*[!%]+\s*(pip|conda|sh|bash|system)\b|^\s*!", re.MULTILINE),
    "sys.path": re.compile(r"\bsys\.path\b"),
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    """A notebook as nbformat 4, valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook):
    """Its code cells, the empty ones left out."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def plain(source):
    """Python without the lines that only IPython understands."""
    return "\n".join("pass" if re.match(r"\s*[%!?]", line) else line for line in source.splitlines())


def test_the_notebooks_are_there():
    missing = [name for name in EXPECTED if name not in {path.stem for path in NOTEBOOKS}]
    assert not missing, f"notebooks must hold {', '.join(missing)}: they are the way into the project"


@each_notebook
def test_a_notebook_is_committed_without_outputs(path):
    for cell in code(read(path)):
        assert not cell.outputs, (
            f"{path.name} must be saved without outputs: Edit > Clear Outputs of All Cells"
        )
        assert cell.execution_count is None, f"{path.name} must be saved without execution counts: as above"


@each_notebook
def test_a_notebook_opens_with_its_title_and_its_question(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown", f"{path.name} must open with its title"
    title, _, rest = first.source.strip().partition("\n")
    assert title.startswith("# "), f"{path.name} must open with `# Title`, got {title!r}"
    assert "?" in rest, f"{path.name} must ask its question in a sentence below the title"


@each_notebook
def test_a_notebook_ends_with_what_was_found(path):
    cells = [cell for cell in read(path).cells if cell.source.strip()]
    tail = cells[-2:]
    assert any(cell.cell_type == "markdown" for cell in tail), (
        f"{path.name} must end by saying what was found"
    )


@each_notebook
def test_a_notebook_is_short(path):
    count = len(code(read(path)))
    assert count <= CODE_CELLS, (
        f"{path.name} must have {CODE_CELLS} code cells at most, got {count}: split it"
    )


@each_notebook
def test_a_notebook_imports_once_and_calls(path):
    importing = 0
    for cell in code(read(path)):
        nodes = list(ast.walk(ast.parse(plain(cell.source))))
        importing += any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)
        for node in nodes:
            defining = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            assert not defining, f"{path.name} must define nothing, got {node.name}: move it to a package"
    assert importing == 1, f"{path.name} must have one cell of imports, got {importing}"


@each_notebook
def test_a_notebook_runs_anywhere(path):
    for cell in code(read(path)):
        found = ABSOLUTE_PATH.search(cell.source)
        assert not found, f"{path.name} must name no absolute path, got {found.group()!r}: use a relative one"
        for what, pattern in FORBIDDEN.items():
            assert not pattern.search(cell.source), f"{path.name} must not use {what}: install, import, call"


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_SMALL", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    NotebookClient(
        read(path),
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
