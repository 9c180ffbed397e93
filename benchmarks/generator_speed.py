"""How fast a generator is: `python benchmarks/generator_speed.py GENERATOR` prints one line of JSON.

A process of its own, so that its peak of memory is the generator's and no other work's.
"""

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from discovery.benchmark import Score
from discovery.distances import Measured, resampled

ONE, BATCH, ROUNDS = 12, 32, 7
SLOW_BATCH, SLOW_STEPS = 16, 8
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KIB_PER_GIB = 1024**2


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator")
    print(json.dumps(timed(parser.parse_args().generator)))


def timed(which: str) -> dict[str, object]:
    """CPU seconds per ECG one by one, ECG per second in a batch, and the peak of memory."""
    import torch
    from generator_sets import bring

    from models.ecg import Conditions

    torch.set_num_threads(1)
    generator = bring(which)
    asked = [Conditions(20 + k, ("female", "male")[k % 2], 60 + k, "sinus rhythm") for k in range(BATCH)]
    generator.generate(asked[:1], [0])
    each = []
    for k in range(ONE):
        start = time.process_time()
        generator.generate([asked[k]], [k])
        each.append(time.process_time() - start)
    slow = slow_generator(torch)
    batch, slow_s = [], []
    for _ in range(ROUNDS):  # in turn: a shared machine changes its speed from minute to minute
        start = time.process_time()
        generator.generate(asked, list(range(BATCH)))
        batch.append((time.process_time() - start) / BATCH)
        slow_s.append(slow() if slow else float("nan"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB
    return {"one_s": each, "batch_s": batch, "peak_gib": peak, "slow_s": slow_s if slow else None}


def slow_generator(torch: Any) -> Callable[[], float] | None:
    """Measures the CPU seconds per ECG of DiffuSETS' networks: a few of the 1,000 steps, scaled up, and the decoder.

    The weights are random, which costs the same. None where those networks are not here.
    """
    if importlib.util.find_spec("models.diffusets_nets") is None:
        return None
    nets = importlib.import_module("models.diffusets_nets")
    unet, decoder = nets.UNet().eval(), nets.Decoder().eval()
    x, t = torch.randn(SLOW_BATCH, *nets.LATENT), torch.zeros(SLOW_BATCH, dtype=torch.long)
    condition = torch.randn(SLOW_BATCH, 1, nets.TEXT_WIDTH + nets.SCALARS)

    def seconds() -> float:
        with torch.no_grad():
            start = time.process_time()
            for _ in range(SLOW_STEPS):
                unet(x, t, condition)
            step = (time.process_time() - start) / SLOW_STEPS
            start = time.process_time()
            decoder(x)
            return (1000 * step + time.process_time() - start) / SLOW_BATCH

    seconds()
    return seconds


def speed_scores(which: str) -> list[Score]:
    """Scores of a generator's speed, measured in a process of its own on one thread."""
    here = Path(__file__).resolve()
    paths = [str(here.parent.parent), str(here.parent), os.environ.get("PYTHONPATH", "")]
    quiet = {name: "1" for name in THREADS} | {"PYTHONPATH": os.pathsep.join(paths)}
    ended = subprocess.run(
        [sys.executable, str(here), which], capture_output=True, text=True, check=True, env=os.environ | quiet
    )
    found = json.loads(ended.stdout.strip().splitlines()[-1])
    scores = [
        Score(
            "speed",
            "one ECG, one thread: CPU time",
            resampled(np.median, [np.array(found["one_s"])]),
            unit="s",
        ),
        Score(
            "speed",
            "batch of 32, one thread: ECG per CPU second",
            resampled(np.median, [1 / np.array(found["batch_s"])]),
        ),
        Score("speed", "peak of memory, the libraries included", _alone(found["peak_gib"], 1), unit="GiB"),
    ]
    if found["slow_s"] is not None:
        ratio = np.array(found["slow_s"]) / np.array(found["batch_s"])
        words = "batch: ECG per second over DiffuSETS' networks with 1,000 steps"
        scores.append(Score("speed", words, resampled(np.median, [ratio])))
    return scores


def _alone(value: float, n: int) -> Measured:
    """A number without an interval."""
    return Measured(float(value), float("nan"), float("nan"), n)


if __name__ == "__main__":
    main()
