"""A quick, exact generator and measurer that fail or dawdle when asked, for the tests of sweeps and widgets."""

import os
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from discovery.designs import grid
from models.ecg import ECG, Conditions, check_request, twelve_leads
from models.synthetic import Simulator

PATIENT = Conditions(age=50, sex="female", heart_rate=70, text="sinus rhythm")
SAMPLES = 300
PATIENCE_S = 60


@dataclass(frozen=True)
class Toy:
    """Noise around age / 100 mV; `fails` is an age it cannot make, `bomb` a file that kills it, once."""

    name: str = "toy"
    digest: str = "abcd1234"
    fs: float = 100.0
    slow: float = 0.0
    fails: float | None = None
    scale: float = 0.3
    bomb: str | None = None

    def generate(self, conditions, seeds):
        check_request(conditions, seeds)
        time.sleep(self.slow)
        if any(asked.age == self.fails for asked in conditions):
            raise ValueError(f"no heart of {self.fails:g} years")
        if self.bomb and os.path.exists(self.bomb):
            os.remove(self.bomb)
            os.kill(os.getpid(), 9)
        noise = [np.random.default_rng(seed).normal(0, self.scale, (8, SAMPLES)) for seed in seeds]
        level = np.array([asked.age / 100 for asked in conditions])[:, None, None]
        signals = twelve_leads((np.stack(noise) + level).astype(np.float32))
        told = {
            "known_level_mv": level[:, 0, 0],
            "latent": signals[:, :4, 0],
            "word": np.array(["a"] * len(seeds)),
        }
        source = {"source": self.name, "synthetic": True}
        return ECG(
            signals,
            self.fs,
            conditions=tuple(conditions),
            seeds=tuple(seeds),
            provenance=source,
            annotations=told,
        )


def means(ecg):
    """Asked columns (which the table already has), a measured one, a carried one, and a reason."""
    return pd.DataFrame(
        {
            "age": [asked.age for asked in ecg.conditions],
            "seed": list(ecg.seeds),
            "mean_mv": ecg.signals.mean((1, 2), dtype=np.float64),
            "known_level_mv": ecg.annotations["known_level_mv"],
            "reasons": "",
        }
    )


def plan(ages=8, repeats=10, seed=7):
    """Sixteen cells unless said otherwise, of ten hearts each."""
    return grid(
        PATIENT, age=range(20, 20 + 10 * ages, 10), sex=["female", "male"], repeats=repeats, seed=seed
    )


class Watched:
    """A simulator that keeps what it was asked, can be slow, and can fail."""

    name, digest, fs = "watched", "0123456789abcdef", 500.0

    def __init__(self, *, wait=None, error=None):
        self.asked, self.within, self.wait, self.error = [], Simulator(), wait, error

    def generate(self, conditions, seeds):
        self.asked += list(zip(conditions, seeds, strict=True))
        if self.wait is not None:
            self.wait.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return self.within.generate(conditions, seeds)


class Cautious(Simulator):
    """A simulator that has learnt of nobody below 40 years."""

    def cautions(self, asked):
        return (f"age {asked.age:g} years lies beyond what was learnt",) if asked.age < 40 else ()
