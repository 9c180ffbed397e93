"""A sweep in a bucket: s3fs against a server that speaks S3, where both are here (pip install s3fs 'moto[server]')."""

import socket
import subprocess
import sys
import time

import fsspec
import pandas as pd
import pytest
from toys import Toy, means, plan

from discovery.store import SweepStore
from discovery.sweep import measure_sweep, run_sweep

pytest.importorskip("s3fs", reason="s3fs is not installed: pip install s3fs")
pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
quiet = {"progress": False}


@pytest.fixture(scope="module")
def bucket():
    """The URL of an empty bucket of a server on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None
                time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            settings = {"endpoint_url": f"http://127.0.0.1:{port}", "key": "a", "secret": "b"}
            patch.setitem(fsspec.config.conf, "s3", settings)
            fsspec.filesystem("s3").mkdir("sweeps")
            yield "s3://sweeps"
    finally:
        server.kill()
        server.wait()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_holds_the_bytes_that_a_folder_holds(bucket, tmp_path):
    whole = run_sweep(plan(), Toy(), tmp_path, chunk=16, **quiet)
    table = measure_sweep(whole, means, **quiet)
    url = f"{bucket}/age and sex"

    class Second(Toy):
        def generate(self, conditions, seeds):
            with pytest.raises(BlockingIOError, match="one process at a time"):
                run_sweep(plan(), Toy(), url, **quiet)
            return super().generate(conditions, seeds)

    with pytest.raises(Exception, match="cells|cell"):
        run_sweep(plan(), Toy(fails=40), url, chunk=16, **quiet)
    store = run_sweep(plan(), Second(), url, chunk=16, **quiet)
    pd.testing.assert_frame_equal(measure_sweep(store, means, **quiet), table)
    for path in whole.folder.glob("[sad]*/**/*"):
        if path.is_file():
            assert (
                store.folder / path.relative_to(whole.folder).as_posix()
            ).read_bytes() == path.read_bytes()
    shard = store.folder / "signals.zarr/signals/c/3/0/0"
    content = bytearray(shard.read_bytes())
    content[500] ^= 4
    shard.write_bytes(bytes(content))
    assert [fault.split(":")[0] for fault in SweepStore(url).verify()] == ["chunk 3"]
    assert run_sweep(plan(), Toy(), url, **quiet).verify() == []
    assert store.xarray()["signals"].shape == (160, 12, 300)
    assert len(SweepStore(url).signals("age > 60 and sex == 'male'")) == 30
    with pytest.raises(FileExistsError, match="holds design"):
        run_sweep(plan(1, 5), Toy(), url, **quiet)
    assert len(run_sweep(plan(1, 5), Toy(), url, overwrite=True, **quiet).table()) == 10
