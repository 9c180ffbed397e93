"""The ways in (pip, make, conda, CI) agree with one another."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from test_architecture import IMPORTS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ONLINE = {"openai"}  # extras that ask a service on the network: neither locked nor installed by make
EXTRAS = PROJECT["project"]["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = ("discover", "test", "lab", "lint", "data", "train", "clean")


def direct_dependencies(left_out=ONLINE):
    """Every requirement of pyproject, extras included, but for those left out."""
    extras = [item for name, extra in EXTRAS.items() if name not in left_out for item in extra]
    return [Requirement(line) for line in [*PROJECT["project"]["dependencies"], *extras]]


def locked():
    """Name and version of every line of the lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_lock_pins_every_line_to_one_public_version():
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), (
            f"requirements.lock must hold NAME==VERSION only, got {line!r}: no hosts, paths or local builds"
        )


def test_the_lock_begins_with_torch():
    assert next(iter(locked().items())) == ("torch", "2.13.0")


@pytest.mark.parametrize("requirement", direct_dependencies(), ids=lambda requirement: requirement.name)
def test_the_lock_holds_every_direct_dependency_within_its_range(requirement):
    pins = {canonicalize_name(name): version for name, version in locked().items()}
    name = canonicalize_name(requirement.name)
    assert name in pins, f"requirements.lock must pin {name}: install it and freeze again"
    assert requirement.specifier.contains(pins[name]), (
        f"{name}=={pins[name]} is outside {requirement.specifier}"
    )


def test_the_lock_holds_all_that_its_packages_need():
    """Followed through the installed packages, so that pip finds nothing left to choose."""
    pins = {canonicalize_name(name) for name in locked()}
    absent = []
    for name in sorted(pins - {"torch"}):  # torch brings other packages with CUDA than without
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(needed.name) not in pins:
                absent.append(f"{name} needs {needed}")
    assert not absent, f"requirements.lock must be complete: {'; '.join(absent)}"


def test_what_is_tested_is_what_is_locked():
    installed = {name: metadata.version(name) for name in locked()}
    other = {
        name: version
        for name, version in locked().items()
        if Version(installed[name]).public != Version(version).public
    }
    assert not other, f"the environment must hold the locked versions, got others for {other}: run make"


def test_every_library_that_is_imported_is_declared():
    declared = {canonicalize_name(requirement.name) for requirement in direct_dependencies(left_out=())}
    declared |= {"traitlets", "ipython"}  # the languages of ipywidgets, which brings them
    owners = metadata.packages_distributions()
    for module, items in IMPORTS.items():
        for item in items:
            if item.library in sys.stdlib_module_names or item.library in ("models", "discovery"):
                continue
            names = {canonicalize_name(name) for name in owners.get(item.library, [item.library])}
            assert names & declared, (
                f"{module}:{item.line} imports {item.library}: declare it in pyproject.toml"
            )


def test_environment_yml_installs_the_same_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["project"]["name"]
    assert environment["channels"] == ["conda-forge"]
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    python = next(item for item in conda if item.startswith("python="))
    wanted = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert wanted.contains(python.removeprefix("python="))
    assert "pip" in conda
    (project,) = pip
    extras = re.fullmatch(r"-e \.\[(.+)\]", project).group(1).split(",")
    assert set(extras) == set(EXTRAS) - ONLINE


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_its_target(target):
    assert re.search(rf"^{target}:.*## \w", MAKEFILE, re.MULTILINE), (
        f"Makefile must have {target}: with its ## line"
    )
    assert re.search(rf"^\.PHONY:.*\b{target}\b", MAKEFILE, re.MULTILINE)


def test_make_is_read_without_a_complaint():
    for target in TARGETS:
        asked = ["make", "--dry-run", "--warn-undefined-variables", target]
        ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert "warning" not in ended.stderr, ended.stderr


def test_an_old_python_is_told_what_to_do(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexec " + sys.executable + ' -c "import sys; sys.version_info = (3, 9); $2"\n')
    old.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    asked = ["make", f"PYTHON={old}", "test"]
    ended = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Python must be 3.11 or newer, got" in ended.stderr
    assert "make PYTHON=python3.12 test" in ended.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_is_a_valid_script_that_calls_make_test():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, ".ci/run must be executable"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    for needed in ("set -euo pipefail", "chromium", "CI=true", "make test"):
        assert needed in text, f".ci/run must say {needed!r}"


def test_the_command_is_installed():
    (command,) = metadata.entry_points(group="console_scripts", name="discovery")
    assert command.value == PROJECT["project"]["scripts"]["discovery"]


def test_the_weights_and_the_widgets_files_are_packed():
    packed = PROJECT["tool"]["setuptools"]["package-data"]
    for package, patterns in packed.items():
        kept = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        others = {
            path
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
        }
        assert others <= kept, f"package-data must list {sorted(others - kept)}"
