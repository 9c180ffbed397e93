"""The rules of the house that a machine can hold: who imports whom, how big things are, what nobody writes.

A failure here says where the code should go instead; CONTRIBUTING.md says why.
"""

import ast
import fnmatch
import graphlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("models", "discovery")

# Each heavy library has one door: the modules (patterns) that may import it.
DOORS = {
    "torch": ("models.*",),
    # records reads, its room writes
    "wfdb": ("models.records", "models.records_written"),
    # checkpoints keeps generators, judges the networks that judge them
    "safetensors": ("models.checkpoints", "models.judges"),
    "sentence_transformers": ("models.reports",),
    # delineate measures, second_opinion asks NeuroKit2's own route
    "neurokit2": ("discovery.delineate", "discovery.second_opinion"),
    # store is the face, its signals and its rows are rooms
    "zarr": ("discovery.store", "discovery.store_signals"),
    "xarray": ("discovery.store", "discovery.store_signals"),
    "pyarrow": ("discovery.store", "discovery.store_rows"),
    "umap": ("discovery.maps",),
    "pynndescent": ("discovery.maps",),
    "statsmodels": ("discovery.hypotheses",),
    # drawing: plots is the face; style (colours, sizes), tracings and beat_panel (ECG paper) and the benchmark's
    # pictures are its rooms
    "matplotlib": (
        "discovery.plots",
        "discovery.style",
        "discovery.tracings",
        "discovery.beat_panel",
        "discovery.benchmark_plots",
    ),
    # widgets is the face, each widget a room of its own
    "ipywidgets": ("discovery.widgets", "discovery.widget_*"),
    "anywidget": ("discovery.widgets", "discovery.widget_*"),
    "traitlets": ("discovery.widgets", "discovery.widget_*"),
    "jscatter": ("discovery.widgets", "discovery.widget_*"),
    "dask": ("discovery.sweep",),
    "distributed": ("discovery.sweep",),
    # maps classify points of a map, detectors tell generated from recorded ECGs
    "sklearn": ("discovery.maps", "discovery.detectors"),
    "openai": ("models.text_vectors",),
}
WITHOUT_TORCH = ("ecg", "statements", "rhythm", "synthetic", "records", "listings", "strips", "text_vectors")
# Slow to import, or optional: these may be imported inside the function that needs them.
LATE = {
    "torch",
    "umap",
    "pynndescent",
    "neurokit2",
    "sklearn",
    "jscatter",
    "dask",
    "distributed",
    "IPython",
    "openai",
    "sentence_transformers",
}
# The command line and the first study bring a generator in, late, and start fast for it.
BRINGERS = ("discovery.cli", "discovery.study")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
LINES, BODY, ARGUMENTS = 400, 50, 7
GLOBAL_SEEDING = {
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "torch.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.seed",
}


@dataclass(frozen=True)
class Import:
    """One import statement: of what, on which line, and whether inside a function."""

    name: str
    line: int
    late: bool
    level: int = 0

    @property
    def library(self) -> str:
        return self.name.partition(".")[0]


def dotted(path: Path) -> str:
    """`discovery/measure.py` as `discovery.measure`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


PATHS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {dotted(path): ast.parse(path.read_text(encoding="utf-8")) for path in PATHS}
SOURCES = {dotted(path): path for path in PATHS}
FACES = {dotted(path) for path in PATHS if path.name == "__init__.py"}
MODULES = sorted(set(TREES) - FACES)


def imports(tree: ast.Module) -> list[Import]:
    """Every import of a module, those for type checkers excepted."""
    found = []

    def visit(node: ast.AST, late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, child.lineno, late) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                names = [f"{base}.{alias.name}" for alias in child.names] if base in PACKAGES else [base]
                found.extend(Import(name, child.lineno, late, child.level) for name in names)
            within = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            visit(child, late or within)

    visit(tree, False)
    return found


IMPORTS = {name: imports(tree) for name, tree in TREES.items()}


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    """Every function and method, wherever it stands."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def public(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module and public methods of its public classes."""
    found = []

    def gather(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if not node.name.startswith("_"):
                    found.append(node)
                    if isinstance(node, ast.ClassDef):
                        gather(node.body)

    gather(tree.body)
    return found


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    """Whether a module is one of those the patterns name."""
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns)


def report(broken: list[str]) -> None:
    """Fail with all the sentences at once."""
    if broken:
        pytest.fail("\n".join(["", *broken]), pytrace=False)


def test_models_never_imports_discovery():
    report(
        [
            f"{module}:{item.line} imports {item.name}: models makes ECGs and knows nothing of their use; "
            "take the worker as an argument, or move the code to discovery"
            for module, items in IMPORTS.items()
            for item in items
            if module.startswith("models") and item.library == "discovery"
        ]
    )


def test_discovery_knows_of_models_only_the_shared_values():
    report(
        [
            f"{module}:{item.line} imports {item.name}: it imports models.ecg alone; take the generator "
            f"or the ECGs as an argument ({' and '.join(BRINGERS)} may bring one in, inside a function)"
            for module, items in IMPORTS.items()
            for item in items
            if module.startswith("discovery")
            and item.library == "models"
            and item.name != "models.ecg"
            and not (module in BRINGERS and item.late)
        ]
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_package_faces_hold_a_docstring_and_nothing_else(package):
    face = TREES[package]
    assert ast.get_docstring(face), (
        f"{package}/__init__.py must open with a sentence that says what it is for"
    )
    assert len(face.body) == 1, (
        f"{package}/__init__.py must hold its docstring alone: import from the module, as in "
        "`from discovery.measure import measure`, so that one import never drags in another's libraries"
    )


def test_imports_are_absolute():
    report(
        [
            f"{module}:{item.line} imports relatively: write the whole name, as in "
            f"`from {module.split('.')[0]}.{item.name} import ...`"
            for module, items in IMPORTS.items()
            for item in items
            if item.level
        ]
    )


def test_imports_stand_at_the_top():
    report(
        [
            f"{module}:{item.line} imports {item.name} inside a function: only slow or optional libraries "
            f"({', '.join(sorted(LATE))}) may be; put it at the top"
            for module, items in IMPORTS.items()
            for item in items
            if item.late and item.library not in LATE and module not in BRINGERS
        ]
    )


def test_each_heavy_library_has_one_door():
    report(
        [
            f"{module}:{item.line} imports {item.library}: its door is {' or '.join(DOORS[item.library])}; "
            "call a function there, or add one"
            for module, items in IMPORTS.items()
            for item in items
            if item.library in DOORS and not matches(module, DOORS[item.library])
        ]
    )


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_plain_modules_do_without_torch(name):
    for item in IMPORTS.get(f"models.{name}", []):
        assert item.library != "torch", f"models.{name}:{item.line} imports torch: it must start without it"


def test_floors_imports_go_strictly_down():
    graph = {
        module: {item.name for item in items if item.name in TREES and item.name != module}
        for module, items in IMPORTS.items()
    }
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(error.args[1])
        pytest.fail(
            f"{circle}: imports must go down only; move what both need to a module below both", pytrace=False
        )


def test_names_say_what_a_module_is_about():
    report(
        [
            f"{module}: a module named {module.split('.')[-1]!r} collects anything; "
            "name it after the one thing it knows"
            for module in MODULES
            if module.split(".")[-1] in FORBIDDEN_NAMES
        ]
    )


def test_files_are_small():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in SOURCES.items()}
    report(
        [
            f"{module} has {length} lines, {LINES} at most: give its second idea a module of its own"
            for module, length in lengths.items()
            if length > LINES
        ]
    )


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function below its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_function_bodies_are_small():
    report(
        [
            f"{module}:{node.lineno} {node.name} has {body_lines(node)} lines, {BODY} at most: name its steps"
            for module, tree in TREES.items()
            for node in functions(tree)
            if body_lines(node) > BODY
        ]
    )


def argument_count(function: ast.FunctionDef) -> int:
    """Arguments of a function, `self` and `cls` not counted."""
    given = function.args
    named = [item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")])


def test_functions_take_few_arguments():
    report(
        [
            f"{module}:{node.lineno} {node.name} takes {argument_count(node)} arguments, limit {ARGUMENTS}: "
            "gather those that belong together in a frozen dataclass"
            for module, tree in TREES.items()
            for node in functions(tree)
            if argument_count(node) > ARGUMENTS
        ]
    )


def test_everything_public_has_a_docstring():
    report(
        [
            f"{module} must open with one sentence"
            for module, tree in TREES.items()
            if not ast.get_docstring(tree)
        ]
        + [
            f"{module}:{node.lineno} {node.name} must have a docstring: `?` in Jupyter shows it"
            for module, tree in TREES.items()
            for node in public(tree)
            if not ast.get_docstring(node)
        ]
    )


def test_public_names_are_not_collected_by_pytest():
    report(
        [
            f"{module}:{node.lineno} {node.name}: pytest collects what begins with 'test': choose another"
            for module, tree in TREES.items()
            for node in public(tree)
            if node.name.lower().startswith("test")
        ]
    )


def violations(module: str, node: ast.AST) -> str | None:
    """The sentence for one node that nobody writes in a package, or None."""
    where = f"{module}:{getattr(node, 'lineno', 0)}"
    match node:
        case ast.Assert():
            return f"{where} asserts: raise ValueError with a sentence; asserts vanish under python -O"
        case ast.ExceptHandler(type=None):
            return f"{where} has a bare except: name the exception, a bare one swallows Ctrl-C"
        case ast.ExceptHandler(body=[ast.Pass()]) if ast.unparse(node.type) in ("Exception", "BaseException"):
            return f"{where} swallows every exception: name the one that is expected"
        case ast.Call(func=ast.Name(id="print")) if module not in ("discovery.cli", "models.training"):
            return f"{where} prints: return the value; the command line prints"
        case ast.Call(func=ast.Attribute() as called) if ast.unparse(called) in GLOBAL_SEEDING:
            return (
                f"{where} seeds the whole process: take a seed or a random generator as an argument "
                "(torch: weights may be drawn inside `with torch.random.fork_rng():`)"
            )
        case ast.Call(func=ast.Attribute() as called, keywords=keywords) if (
            ast.unparse(called) == "torch.load"
        ):
            if not any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in keywords):
                return f"{where} calls torch.load: say weights_only=True, a pickle runs any code"
        case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
            return f"{where} allows pickles: a pickle runs any code; save plain arrays"
    return None


def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """Every node of a module, seeds that are forgotten at the end of a `with` block excepted."""
    sheltered = {
        id(inner)
        for block in ast.walk(tree)
        if isinstance(block, ast.With)
        and any(ast.unparse(item.context_expr).startswith("torch.random.fork_rng(") for item in block.items)
        for inner in ast.walk(block)
        if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "torch.manual_seed"
    }
    return [node for node in ast.walk(tree) if id(node) not in sheltered]


def test_packages_hold_nothing_that_hides_prints_or_seeds():
    found = [violations(module, node) for module, tree in TREES.items() for node in nodes_of(tree)]
    pickles = [
        f"{module}:{item.line} imports {item.name}: a pickle runs any code; save plain arrays"
        for module, items in IMPORTS.items()
        for item in items
        if item.library in ("pickle", "dill", "cloudpickle", "shelve")
    ]
    report([sentence for sentence in found if sentence] + pickles)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("assert age > 0", "asserts"),
        ("try:\n    f()\nexcept:\n    g()", "bare except"),
        ("try:\n    f()\nexcept Exception:\n    pass", "swallows every exception"),
        ("print(age)", "prints"),
        ("np.random.seed(1)", "seeds the whole process"),
        ("torch.manual_seed(1)", "seeds the whole process"),
        ("torch.load(path)", "weights_only=True"),
        ("np.load(path, allow_pickle=True)", "allows pickles"),
    ],
)
def test_the_rules_see_what_they_forbid(written, said):
    found = [violations("models.some", node) for node in nodes_of(ast.parse(written))]
    assert any(said in sentence for sentence in found if sentence)


@pytest.mark.parametrize(
    "written",
    [
        "try:\n    f()\nexcept OSError:\n    pass",
        "generator.manual_seed(1)",
        "with torch.random.fork_rng():\n    torch.manual_seed(1)\n    net = Net()",
        "np.random.default_rng(1)",
        "torch.load(path, weights_only=True)",
    ],
)
def test_the_rules_let_good_code_be(written):
    assert not any(violations("models.some", node) for node in nodes_of(ast.parse(written)))


def first_to_load(modules: list[str], libraries: set[str]) -> list[str]:
    """Import modules one after another in a fresh Python; `module: library` where a library first appears."""
    script = (
        "import importlib, sys\n"
        f"libraries, seen = {sorted(libraries)!r}, set()\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "    new = [library for library in libraries if library in sys.modules and library not in seen]\n"
        "    seen.update(new)\n"
        "    for library in new: print(f'{name}: {library}')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout.split("\n")[:-1]


def test_discovery_starts_without_torch_umap_and_dask():
    modules = [name for name in MODULES if name.startswith("discovery")]
    report(
        [
            f"importing {loaded}: discovery must start without it; import it inside the function"
            for loaded in first_to_load(modules, {"torch", "umap", "numba", "distributed"})
        ]
    )


def test_plain_models_start_without_torch():
    modules = [f"models.{name}" for name in WITHOUT_TORCH if f"models.{name}" in TREES]
    assert first_to_load(modules, {"torch", "neurokit2", "matplotlib", "umap"}) == []
