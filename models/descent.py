"""Gradient descent that goes on where it was killed, alone or in a crew."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.crew import Crew

AHEAD = 8
"""Batches made ahead by threads while a GPU computes."""


class Descent:
    """A network on its way down: optimiser, running average and step, kept in one file.

    Parameters
    ----------
    net : nn.Module
        Where to begin; what the file holds takes its place.
    file : Path
        The state; written beside it, then moved into place.
    crew : Crew
    rate, weight_decay, betas
        Of AdamW.

    Raises
    ------
    ValueError
        Where the file holds the state of another network.
    """

    def __init__(  # noqa: PLR0913 (what a descent consists of)
        self,
        net: nn.Module,
        file: Path,
        crew: Crew,
        rate: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self.net, self.file, self.crew = net.requires_grad_(True).to(crew.device), file, crew
        self.average = copy.deepcopy(self.net).eval()
        self.best: nn.Module | None = None
        self.notes: dict[str, Any] = {}
        self.step = 0
        self.optimiser = torch.optim.AdamW(self.net.parameters(), rate, betas, weight_decay=weight_decay)
        self._resume()
        self.wrapped = crew.wrapped(self.net)
        self._saved = time.monotonic()

    def down(self, value: torch.Tensor, memory: float, rate: float | None = None) -> None:
        """One step down the gradient, clipped to norm 1; the running average follows."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["lr"] if rate is None else rate
        self.optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - memory)
        self.step += 1

    def take_as_best(self) -> None:
        """Keep the running average as it is now."""
        self.best = copy.deepcopy(self.average)

    def due(self, seconds: float) -> bool:
        """Whether this process writes, and last did so longer ago than this."""
        return self.crew.leads and time.monotonic() - self._saved > seconds

    def save(self) -> None:
        """Writes the state beside the old one, then takes its place."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "best": None if self.best is None else self.best.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "notes": dict(self.notes),
            "step": self.step,
        }
        new = self.file.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.file)
        self._saved = time.monotonic()

    def _resume(self) -> None:
        """Loads the state where there is one."""
        if not self.file.exists():
            return
        state = torch.load(self.file, weights_only=True, map_location=self.crew.device)
        try:
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            if state.get("best") is not None:
                self.best = copy.deepcopy(self.average)
                self.best.load_state_dict(state["best"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"folder must hold the state of this network, got another in {self.file} "
                f"({str(error).splitlines()[0]}): choose another --folder, or ask for the same sizes"
            ) from error
        self.notes, self.step = dict(state.get("notes", {})), int(state["step"])


def taught(  # noqa: PLR0913 (what a descent consists of)
    pupil: nn.Module,
    teacher: nn.Module,
    file: Path,
    crew: Crew,
    rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Descent:
    """The descent of a pupil: where it was left, or from the beginning where another teacher's was left there."""
    mark = float(sum(weights.double().abs().sum() for weights in teacher.parameters()))
    descent = Descent(copy.deepcopy(pupil), file, crew, rate, 0.0, betas)
    if descent.step and descent.notes.get("teacher") != mark:
        file.unlink(missing_ok=True)
        descent = Descent(copy.deepcopy(pupil), file, crew, rate, 0.0, betas)
    descent.notes["teacher"] = mark
    return descent


def falling(step: int, steps: int, warming: int = 100) -> float:
    """Of the learning rate: so many steps of warming up, and a half cosine down to 2 %."""
    return min(1.0, (step + 1) / warming) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def seeded(net: nn.Module, draw: torch.Generator) -> nn.Module:
    """The network with its weights drawn from `draw`; layers that begin at zero stay at zero."""
    with torch.no_grad():
        for weights in net.parameters():
            if weights.any():
                reach = 1 / math.sqrt(weights[0].numel()) if weights.ndim > 1 else 0.0
                weights.uniform_(-reach, reach, generator=draw)
    return net


def drawn_ahead(make: Callable[[int], Any], steps: range, device: torch.device) -> Iterator[Any]:
    """`make(step)` of every step in order; for a GPU by threads, some steps ahead."""
    if device.type == "cpu":
        yield from map(make, steps)
        return
    with ThreadPoolExecutor(AHEAD) as pool:
        waiting = [pool.submit(make, step) for step in steps[:AHEAD]]
        for step in steps:
            yield waiting.pop(0).result()
            if step + AHEAD in steps:
                waiting.append(pool.submit(make, step + AHEAD))


class Draws:
    """Draws rows by their chances, as `numpy.random.Generator.choice` does, without summing them every time."""

    def __init__(self, rows: np.ndarray, chance: np.ndarray) -> None:
        self.rows, self.reach = rows, np.cumsum(chance) / np.sum(chance)

    def __call__(self, count: int, draw: np.random.Generator) -> np.ndarray:
        """So many rows, with replacement."""
        return self.rows[self.reach.searchsorted(draw.random(count), side="right")]
