"""Where a sweep may lie: real full disks, real read-only folders, real second processes, odd paths, URLs."""

import functools
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from toys import Toy, means, plan

from discovery.overlap import sweep_and_measure
from discovery.store import SweepStore
from discovery.sweep import measure_sweep, run_sweep

HERE = Path(__file__).parent
quiet = {"progress": False}


def environment():
    """For another Python that finds the packages and the toys."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])}


def python(script, *arguments, before=()):
    """Run a script in another process, to its end."""
    command = [*before, sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)


@functools.cache
def mounts():
    """Why this machine lets no test mount a disk of its own, or nothing."""
    if sys.platform != "linux":
        return "only Linux has mount namespaces"
    trial = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=20)
    except OSError as error:
        return f"no unshare: {error}"
    return f"may not mount: {done.stderr.strip()}" if done.returncode else ""


needs_mounts = pytest.mark.skipif(bool(mounts()), reason=mounts() or "mounts")
OWN_DISK = """
import subprocess, sys
from pathlib import Path
from toys import Toy, means, plan
from discovery.store import SweepStore
from discovery.sweep import measure_sweep, run_sweep
place = sys.argv[1]
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
def run(folder, **more):
    return run_sweep(plan(), Toy(), folder, progress=False, **more)
"""


def digest(folder):
    """One number for all signals and markers of a sweep."""
    paths = sorted(path for path in Path(folder).glob("[sd]*/**/*") if path.is_file())
    named = [path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in paths]
    return hashlib.sha256(b"".join(named)).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What one process gives in chunks of 16."""
    store = run_sweep(plan(), Toy(), tmp_path_factory.mktemp("undisturbed"), chunk=16, **quiet)
    return store, measure_sweep(store, means, **quiet)


@needs_mounts
def test_a_disk_that_is_really_full_is_said_and_the_sweep_goes_on_when_there_is_room(tmp_path, undisturbed):
    script = """
mount("size=600k")
try:
    run(place + "/run", chunk=16)
except OSError as error:
    print("SAID", error)
store = SweepStore(place + "/run")
print("KEPT", store.made, len(store.damaged()))
mount("remount,size=16m")
run(place + "/run")
sys.path.insert(0, sys.argv[2])
from test_places import digest
print("DIGEST", digest(Path(place) / "run"))
"""
    (tmp_path / "disk").mkdir()
    done = python(OWN_DISK + script, tmp_path / "disk", HERE, before=["unshare", "-m"])
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "disk must have room to write chunk" in said["SAID"]
    made, damaged = map(int, said["KEPT"].split())
    assert 16 <= made < 160 and damaged == 0
    assert said["DIGEST"] == digest(undisturbed[0].folder)


@needs_mounts
def test_a_folder_that_is_really_read_only_is_read_and_refused(tmp_path):
    script = """
mount("size=16m")
run(place + "/run", chunk=16)
mount("remount,ro")
for folder in ("run", "new"):
    try:
        run(place + "/" + folder)
    except PermissionError as error:
        print("SAID", error)
store = SweepStore(place + "/run")
try:
    measure_sweep(store, means, progress=False)
except PermissionError as error:
    print("SAID", error)
print("READ", len(store.table()), len(store.ecg([3, 4])), store.verify())
"""
    (tmp_path / "disk").mkdir()
    done = python(OWN_DISK + script, tmp_path / "disk", before=["unshare", "-m"])
    assert done.returncode == 0, done.stderr
    refusals = [line for line in done.stdout.splitlines() if line.startswith("SAID")]
    assert len(refusals) == 3
    for line in refusals:
        assert "folder must be one that may be written, got 'Read-only file system'" in line
    assert "READ 160 2 []" in done.stdout


SLOW = """
import sys
from toys import Toy, plan
from discovery.sweep import run_sweep
run_sweep(plan(), Toy(slow=0.3), sys.argv[1], chunk=16, progress=False)
"""


def test_a_second_real_process_is_refused_and_the_first_undisturbed(tmp_path, undisturbed):
    first = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path)], env=environment())
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "done" / "000001.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(BlockingIOError, match=f"got process {first.pid} on .* already writing it"):
            run_sweep(plan(), Toy(), tmp_path, **quiet)
        assert first.poll() is None, "the first was still at work"
        assert first.wait(60) == 0
    finally:
        first.kill()
        first.wait()
    assert digest(tmp_path) == digest(undisturbed[0].folder)
    assert run_sweep(plan(), Toy(), tmp_path, **quiet).verify() == []


def test_a_path_with_spaces_and_other_alphabets(tmp_path, undisturbed):
    folder = tmp_path / "mein Herz ♥ 心电图 100 %" / "a#b?c"
    store = run_sweep(plan(), Toy(), folder, chunk=16, **quiet)
    assert digest(folder) == digest(undisturbed[0].folder)
    pd.testing.assert_frame_equal(measure_sweep(store, means, workers=2, **quiet), undisturbed[1])
    pd.testing.assert_frame_equal(sweep_and_measure(plan(), Toy(), folder, means, **quiet), undisturbed[1])
    assert store.xarray()["signals"].shape == (160, 12, 300)


def test_a_file_url_is_a_folder_like_any_other(tmp_path, undisturbed):
    url = (tmp_path / "mein Herz ♥").as_uri()
    assert "%20" in url
    run_sweep(plan(), Toy(), url, chunk=16, **quiet)
    assert digest(tmp_path / "mein Herz ♥") == digest(undisturbed[0].folder)
    assert SweepStore(url).complete
