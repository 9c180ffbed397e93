"""What all tests share: one thread, no window, no network; recorded ECGs and a browser if there are any."""

import os
import random
import shutil
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
os.environ["HF_HUB_OFFLINE"] = "1"
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import numpy as np  # noqa: E402  (the thread limits hold only where they are set before numpy is imported)
import pytest  # noqa: E402  (as above)
import torch  # noqa: E402  (as above)
from offline import forbid_network  # noqa: E402  (as above)

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",  # offline as well
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
NO_CHROMIUM = "Chromium is not here: on Debian or Ubuntu, apt-get install chromium"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed what is random; leave browser and GPU tests out where they cannot run, but fail without a browser in CI."""
    begin_draws_anew()
    if item.get_closest_marker("browser") and chromium_path() is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{NO_CHROMIUM} (CI=true: browser tests may not be left out)", pytrace=False)
        pytest.skip(NO_CHROMIUM)
    if item.get_closest_marker("gpu"):
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device is here")


def begin_draws_anew(seed: int = 0) -> None:
    """Seed every global source of random numbers: a test draws the same alone, in any order and in the suite."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (what libraries draw from)
    torch.manual_seed(seed)


def chromium_path() -> str | None:
    """Where Chromium is on this machine, if anywhere."""
    return next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


@pytest.fixture(autouse=True, scope="session")
def offline():
    """No test, and no process a test starts, gets beyond this machine."""
    forbid_network()
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "tests"), before]))
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded ECGs beside the project, in the public layouts, or a skip."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("recorded ECGs (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def chromium() -> dict:
    """Arguments for `playwright.chromium.launch`; use it together with the marker `browser`."""
    path = chromium_path()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    return {"executable_path": path, "args": list(CHROMIUM_FLAGS), "headless": True}
