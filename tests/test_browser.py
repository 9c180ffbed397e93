"""The widgets in a real JupyterLab and a real Chromium: what a user does with mouse and keyboard."""

import contextlib
import hashlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "test-results"
PATIENCE_MS = 90_000
ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"
WITHOUT_WEBGL = ("--disable-gpu", "--disable-3d-apis")

KERNEL_IDLE = """() => {
    const context = window.jupyterapp.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === "idle";
}"""

HYPOTHESIS = """
import time
from dataclasses import dataclass

from discovery.measure import measure
from discovery.widgets import hypothesis_widget
from models.synthetic import Simulator


@dataclass
class Slow:
    name: str = "slow simulator"
    digest: str = "0123456789abcdef"
    fs: float = 500.0

    def generate(self, conditions, seeds):
        time.sleep(0.04 * len(seeds))
        return Simulator().generate(conditions, seeds)


hypothesis_widget(Slow(), measure, folder="hypotheses")
"""

MAP = """
from types import SimpleNamespace

import numpy as np

from discovery.measure import measure
from discovery.widgets import map_widget
from models.ecg import Conditions
from models.synthetic import Simulator

texts = ["sinus rhythm", "left bundle branch block"]
asked = [Conditions(age=60, sex="male", heart_rate=70, text=text) for text in texts for _ in range(30)]
ecg = Simulator().generate(asked, [*range(30), *range(30)])
table = measure(ecg)
draw = np.random.default_rng(0)
places = np.where(table["text"] == texts[0], 3.0, -3.0)[:, None] + draw.normal(size=(60, 2))
umap_map = SimpleNamespace(
    coordinates=places, rows=table.index.to_numpy(), columns=("qrs_ms",), trustworthiness=0.9, seed=0
)
browser = map_widget(umap_map, table, lambda rows: ecg[list(rows)])
browser
"""


@dataclass(frozen=True)
class Lab:
    """A JupyterLab of its own: its address and the folder it shows."""

    address: str
    folder: Path

    def write(self, name: str, *cells: str) -> str:
        """A notebook of these cells; its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.folder / name)
        return name

    def sessions(self) -> list[dict]:
        """What runs on the server."""
        with urllib.request.urlopen(f"{self.address}/api/sessions") as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on localhost, without a token, with settings of its own, on an empty folder."""
    folder, own = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    page = own / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"disabledExtensions": {ANNOUNCEMENTS: True}}))
    settings = own / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = os.environ | {name: str(own / place) for name, place in places.items()}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment["DISCOVERY_SMALL"] = "1"
    options = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root"]
    options += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={folder}"]
    with (own / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            running = Lab(f"http://127.0.0.1:{port}", folder)
            _wait_for_server(running, own / "log.txt", server)
            yield running
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def playwright():
    """The driver of all browsers."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chrome(playwright, chromium):
    """Chromium with WebGL by software."""
    browser = playwright.chromium.launch(**chromium)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def plain_chrome(playwright, chromium):
    """Chromium without WebGL, as on a remote desktop."""
    flags = [flag for flag in chromium["args"] if "gl" not in flag and "swiftshader" not in flag]
    browser = playwright.chromium.launch(**chromium | {"args": [*flags, *WITHOUT_WEBGL]})
    yield browser
    browser.close()


def _wait_for_server(running, log, server):
    """Return once the server answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            running.sessions()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def opened(browser, lab, name, expected=()):
    """A page with a notebook whose kernel is idle; a console error fails, a failure leaves a screenshot."""
    page = browser.new_page(viewport={"width": 1400, "height": 1500})
    page.set_default_timeout(PATIENCE_MS)
    errors = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(f"{lab.address}/lab/tree/{name}?reset")
        page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        page.wait_for_function(KERNEL_IDLE)
        yield page
    except BaseException:
        shot(page, f"failed-{Path(name).stem}")
        raise
    finally:
        page.close()
    errors = [said for said in errors if not any(word in said for word in expected)]
    assert errors == [], f"{name} must leave the console without errors"


def run_all(page):
    """Run every cell, as the menu does, once the notebook has its kernel."""
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def picture(canvas):
    """A fingerprint of what a canvas shows."""
    return hashlib.sha256(canvas.evaluate("canvas => canvas.toDataURL()").encode()).hexdigest()


def told(canvas, words):
    """Wait until a canvas says these words to screen readers."""
    canvas.page.wait_for_function(
        "([canvas, words]) => canvas.ariaLabel.includes(words)", arg=[canvas.element_handle(), words]
    )


def shot(page, name):
    """A screenshot to look at; test-results is not committed."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def drag(page, canvas, *places):
    """Press at the first place (fractions of the canvas), move through the others, let go."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()


def circle(x, y, radius, aspect):
    """Places once around a centre."""
    turns = [2 * math.pi * k / 14 for k in range(14)]
    return [(x + radius * math.cos(turn), y + aspect * radius * math.sin(turn)) for turn in turns]


def test_first_look_by_mouse_and_keyboard(lab, chrome):
    shutil.copy(ROOT / "notebooks" / "01_first_look.ipynb", lab.folder / "01_first_look.ipynb")
    with opened(chrome, lab, "01_first_look.ipynb") as page:
        run_all(page)
        paper = page.locator("canvas.ecg-paper")
        paper.wait_for()
        told(paper, "Measured: rate")
        card = page.locator(".kd-card")
        card.scroll_into_view_if_needed()
        shot(page, "explorer")

        before = picture(paper)
        told(paper, "35 years")
        card.locator(".noUi-handle").first.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        told(paper, "40 years")
        told(paper, "Measured: rate")
        assert picture(paper) != before, "a moved slider must change the strip"

        page.get_by_role("button", name="Pin as A").click()
        card.get_by_role("textbox", name="text").first.fill("<b>LBBB</b>")
        told(paper, "<b>LBBB</b>")
        told(paper, "Measured: rate")
        overlay = page.locator("canvas.beat-overlay")
        told(overlay, "B, orange and dashed")
        assert card.get_by_text("B - - - 40 years, female, 70 bpm, <b>LBBB</b>").is_visible()
        assert card.get_by_text("CLBBB").first.is_visible() and card.locator("b").count() == 0

        before = picture(paper)
        drag(page, paper, (0.30, 0.9), (0.42, 0.8))
        assert picture(paper) != before, "a drag must draw a caliper"
        after = picture(paper)
        page.keyboard.press("ArrowRight")
        assert picture(paper) != after, "an arrow key must move the caliper's end"
        shot(page, "explorer-compared")
        box = paper.bounding_box()
        page.mouse.dblclick(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
        assert picture(paper) == before, "a double click must clear the caliper"

        page.get_by_role("button", name="Copy as code").click()
        code = page.get_by_role("textbox", name="Python code that makes what is shown").input_value()
        assert "Conditions(age=40.0" in code and "<b>LBBB</b>" in code


def test_a_notebook_opened_again_without_its_kernel_still_shows_the_ecg(lab, chrome):
    name = lab.write(
        "kept.ipynb",
        "from discovery.measure import measure\nfrom discovery.widgets import explorer\n"
        "from models.synthetic import Simulator\nexplorer(Simulator(), measure)",
    )
    with opened(chrome, lab, name) as page:
        run_all(page)
        told(page.locator("canvas.ecg-paper"), "Measured: rate")
        kept = page.locator(".jp-OutputArea-output img")
        kept.wait_for(state="attached")
        assert not kept.is_visible(), "beside the living widget its picture must stay hidden"
        page.wait_for_function(KERNEL_IDLE)
        page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
        page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }")
    # JupyterLab says that the widget is gone with its kernel; the picture stands in for it
    with opened(chrome, lab, name, expected=["widget model not found"]) as page:
        kept = page.locator(".jp-OutputArea-output img")
        kept.wait_for()
        assert kept.bounding_box()["width"] > 400
        shot(page, "reopened")


def test_a_hypothesis_is_run_stopped_and_run_to_its_end(lab, chrome):
    with opened(chrome, lab, lab.write("hypothesis.ipynb", HYPOTHESIS)) as page:
        run_all(page)
        run = page.get_by_role("button", name="Run", exact=True)
        page.get_by_text("64 ECGs, about").wait_for()
        run.click()
        page.wait_for_function("() => document.querySelector('.kd-card .progress-bar').offsetWidth > 8")
        pressed = time.perf_counter()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped after").wait_for()
        assert time.perf_counter() - pressed < 3, "stop must act at once"
        run.click()
        page.get_by_text("Done.").wait_for()
        assert page.get_by_text("n = 32 seeds").is_visible()
        page.locator(".kd-card img").nth(1).wait_for()
        page.wait_for_timeout(500)
        shot(page, "hypothesis")


def test_a_lasso_on_the_canvas_where_there_is_no_webgl(lab, plain_chrome):
    with opened(plain_chrome, lab, lab.write("map.ipynb", MAP)) as page:
        run_all(page)
        points = page.locator("canvas.map-canvas")
        points.wait_for()
        drag(page, points, *circle(0.24, 0.76, 0.26, 1.0))
        page.get_by_text("30 selected").wait_for()
        told(page.locator("canvas.ecg-paper"), "1 of 12")
        assert page.get_by_text("selected: 100% left bundle branch block").is_visible()
        shot(page, "map-canvas")
        points.focus()
        page.keyboard.press("Escape")
        page.get_by_text("Nothing is selected").wait_for()


def test_a_lasso_with_webgl(lab, chrome):
    with opened(chrome, lab, lab.write("map-webgl.ipynb", MAP)) as page:
        run_all(page)
        canvas = page.locator(".kd-card canvas").first
        canvas.wait_for()
        page.wait_for_timeout(1500)
        assert page.locator("canvas.map-canvas").count() == 0
        drag(page, canvas, *circle(0.26, 0.74, 0.24, 1.0))
        page.get_by_text("30 selected").wait_for()
        told(page.locator("canvas.ecg-paper"), "1 of 12")
        shot(page, "map-webgl")
