"""Trains a heart's flow: several wide networks learn from the records, one small network learns from all of them.

A few thousand records teach each network of many something else by chance; the mean of them knows hearts of others
better than any. One network that learns this mean, on as many hearts as it likes, needs neither their time nor their
memory. Source: Hinton et al. 2015 (distillation of an ensemble), here of velocities.
"""

import functools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models import flow
from models.batches import UNKNOWN_SHARE, oversampling, without_text
from models.denoiser import HeartNet, HeartNetConfig
from models.descent import Descent, Draws, falling, seeded, taught
from models.encoding import MAIN_EFFECTS
from models.fitting import Hearts
from models.heart import HeartModel
from models.schedule import Run

LARGEST_WHITE = 4.0
HEART_JITTER = 0.1
"""Noise on the training hearts, in standard deviations: a heart's neighbourhood is learnt, not the heart."""
TOLD_LESS = 0.2
"""Share of the numbers of parts before that a teacher is not told: else it knows each record by them."""
TEACHER_DROPOUT = 0.4
CHECK_EVERY = 100
MOST_HELD_OUT = 4096
"""Of the validation fold, at most so many records, drawn at random, tell the losses."""
MADE_UP, MADE_AT_ONCE, MADE_IN_STEPS = 16_384, 1024, 2
"""Hearts that the teachers draw for their pupil; no more than it looks at."""
MIXED_SHARE = 0.5
"""Share of them whose age, sex and rate are another record's than its statements are."""
HEART, PUPIL, MADE = 1, 6, 7
"""Streams of the seed, beside those of `models.training` and `models.straightening`."""


class Mean(nn.Module):
    """Several networks of a part as one: the mean of their velocities."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
        """As `models.denoiser.HeartPartNet`."""
        return torch.stack([net(x_t, t, about) for net in self.nets]).mean(dim=0)


class HeartTraining:
    """The hearts that a run learns from, and where it keeps what it has learnt.

    Parameters
    ----------
    hearts : Hearts
    run : Run
    said : ndarray, shape (heart, column)
        Columns of the reports; no column where reports are not read.
    model : HeartModel
        Tells which numbers of a heart are learnt together, and what each of these parts is told of others.
    """

    def __init__(self, hearts: Hearts, run: Run, said: np.ndarray, model: HeartModel) -> None:
        self.run, self.reports = run, said.shape[1]
        self.rows = np.concatenate([hearts.rows[:, 1:], said], axis=1).astype(np.float32)
        self.white = torch.tensor(hearts.white.clip(-LARGEST_WHITE, LARGEST_WHITE), dtype=torch.float32)
        index = np.flatnonzero(hearts.train)
        self.draws = Draws(index, oversampling([hearts.statements[row] for row in index]))
        self.held_out = some_of(np.flatnonzero(~hearts.train))
        columns = self.rows.shape[1]
        self.pupil = HeartNet(HeartNetConfig(model.parts, columns, dropout=0.0, told=model.told))
        wide = {"width": run.schedule.teacher_width, "dropout": TEACHER_DROPOUT}
        self.teacher = HeartNet(replace(self.pupil.config, **wide))

    def trained(self) -> tuple[HeartNet, list[dict[str, float]]]:
        """The network, and of each part its loss on the validation fold, and that of its teachers' mean."""
        places = range(len(self.pupil.config.parts))
        numbers = range(self.run.schedule.heart_teachers)
        taught_by = [Mean([self._teacher(place, number) for number in numbers]) for place in places]
        teachers = HeartNet(self.teacher.config, taught_by).to(self.run.crew.device).eval()
        hearts, said = self._made_up(teachers)
        learnt = [self._pupil(place, teachers, hearts, said) for place in places]
        net = HeartNet(self.pupil.config, [part for part, _ in learnt])
        return net.cpu().eval().requires_grad_(False), [losses for _, losses in learnt]

    def _teacher(self, place: int, number: int) -> nn.Module:
        """One wide network of a part, stopped where its loss on the validation fold was least."""
        schedule, crew = self.run.schedule, self.run.crew
        stream, part = (schedule.seed, HEART, place, number), list(self.teacher.config.parts[place])
        net = _new(self.teacher, place, stream)
        descent = Descent(net, self.run.folder / f"heart-{place}-{number}.pt", crew, schedule.rate / 2, 0.05)
        for step in range(descent.step, schedule.heart_steps):
            draw = np.random.default_rng((*stream, step, crew.rank))
            chosen = self.draws(crew.share(schedule.heart_batch), draw)
            whole = self.white[chosen] + HEART_JITTER * _normal(draw, (len(chosen), self.white.shape[1]))
            known = whole * torch.from_numpy(draw.random(tuple(whole.shape)) >= TOLD_LESS)
            about = self.teacher.about(place, known, self._said(chosen, draw))
            x_0, t = _normal(draw, (len(chosen), len(part))), _times(draw, len(chosen))
            x_0, x_1, t, about = (rows.to(crew.device) for rows in (x_0, whole[:, part], t, about))
            with torch.random.fork_rng(devices=[crew.device] if crew.device.type == "cuda" else []):
                torch.manual_seed(int(draw.integers(2**62)))  # what dropout draws
                velocity = functools.partial(velocity_told, descent.wrapped.train(), about)
                value = flow.loss(velocity, x_0, x_1, t, torch.ones(1, device=crew.device))
            descent.down(value, 0.995)
            if descent.step % CHECK_EVERY == 0:
                self._check(descent, place, f"heart {place}, teacher {number}", value.item())
            if descent.due(schedule.save_every) or (crew.leads and descent.step == schedule.heart_steps):
                descent.save()
        return (descent.best or descent.average).eval().requires_grad_(False)

    def _made_up(self, teachers: HeartNet) -> tuple[torch.Tensor, torch.Tensor]:
        """Hearts that the teachers draw, (heart, dimension), and what was said of them, (heart, column)."""
        schedule, crew = self.run.schedule, self.run.crew
        draw = np.random.default_rng((schedule.seed, MADE, crew.rank))
        count = min(MADE_UP, schedule.pupil_steps * schedule.heart_batch)
        way = functools.partial(flow.sample, steps=MADE_IN_STEPS)
        made, told = [], []
        for _ in range(-(-count // MADE_AT_ONCE)):
            chosen = self.draws(min(count, MADE_AT_ONCE), draw)
            about = self._said(chosen, draw)
            mixed, effects = draw.random(len(chosen)) < MIXED_SHARE, slice(len(MAIN_EFFECTS) - 1)
            about[mixed, effects] = torch.from_numpy(self.rows[self.draws(int(mixed.sum()), draw), effects])
            about = about.to(crew.device)
            noise = _normal(draw, (len(chosen), self.white.shape[1])).to(crew.device)
            made.append(teachers.drawn(noise, about, [way] * len(teachers.parts)))
            told.append(about)
        return torch.cat(made), torch.cat(told)

    def _pupil(
        self, place: int, teachers: HeartNet, hearts: torch.Tensor, said: torch.Tensor
    ) -> tuple[nn.Module, dict[str, float]]:
        """The network of a part that learns the mean of its teachers on these hearts, and the losses of both."""
        schedule, crew = self.run.schedule, self.run.crew
        stream, steps = (schedule.seed, PUPIL, place), schedule.pupil_steps
        net, teacher = _new(self.pupil, place, stream), teachers.parts[place]
        descent = taught(net, teacher, self.run.folder / f"heart-{place}-pupil.pt", crew, schedule.rate)
        x, about = hearts[:, list(self.pupil.config.parts[place])], self.pupil.about(place, hearts, said)
        for step in range(descent.step, steps):
            draw = np.random.default_rng((*stream, step, crew.rank))
            chosen = torch.from_numpy(draw.integers(0, len(x), crew.share(schedule.heart_batch)))
            x_0, t = _normal(draw, (len(chosen), x.shape[1])), _times(draw, len(chosen))
            x_t, _ = flow.path(x_0.to(crew.device), x[chosen], t.to(crew.device))
            asked = (x_t, t.to(crew.device), about[chosen])
            value = (descent.wrapped.train()(*asked) - teacher(*asked)).square().mean()
            descent.down(value, min(0.995, (step + 1) / (step + 10)), schedule.rate * falling(step, steps))
            if descent.step % CHECK_EVERY == 0 and crew.leads:
                log(self.run.folder, part=f"heart {place}, pupil", step=descent.step, loss=value.item())
            if descent.due(schedule.save_every) or (crew.leads and descent.step == steps):
                descent.save()
        losses = {"validation": self._loss(descent.average, place), "teachers": self._loss(teacher, place)}
        if crew.leads:
            log(self.run.folder, part=f"heart {place}, pupil", step=descent.step, **losses)
        return descent.average, losses

    def _said(self, chosen: np.ndarray, draw: np.random.Generator) -> torch.Tensor:
        """What is said of these hearts; their reports are hidden at times."""
        return torch.from_numpy(without_text(self.rows[chosen], self.reports, draw, UNKNOWN_SHARE)).float()

    def _check(self, descent: Descent, place: int, name: str, loss: float) -> None:
        """Looks at the validation fold, and keeps the running average where it never did better."""
        checked = self._loss(descent.average, place)
        if self.run.crew.leads:
            log(self.run.folder, part=name, step=descent.step, loss=loss, validation=checked)
        if checked < descent.notes.get("validation", math.inf):
            descent.notes = {"step": descent.step, "validation": checked}
            descent.take_as_best()

    def _loss(self, net: nn.Module, place: int) -> float:
        """Loss on held-out hearts over the same 16 noises and times every time."""
        draw, device = torch.Generator().manual_seed(0), self.run.crew.device
        hearts, said = self.white[self.held_out], torch.from_numpy(self.rows[self.held_out])
        x_1 = hearts[:, list(self.pupil.config.parts[place])].repeat(16, 1)
        about = self.pupil.about(place, hearts, said).repeat(16, 1)
        x_0, t = torch.randn(x_1.shape, generator=draw), flow.draw_times(len(x_1), draw)
        x_0, x_1, t, about = (rows.to(device) for rows in (x_0, x_1, t, about))
        with torch.no_grad():
            velocity = functools.partial(velocity_told, net, about)
            return flow.loss(velocity, x_0, x_1, t, torch.ones(1, device=device)).item()


def some_of(rows: np.ndarray) -> np.ndarray:
    """At most `MOST_HELD_OUT` of the rows, the same ones every time."""
    return rows if len(rows) <= MOST_HELD_OUT else np.random.default_rng(5).permutation(rows)[:MOST_HELD_OUT]


def log(folder: Path, **facts: object) -> None:
    """One line of the training log."""
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"time": round(time.time()), **facts}) + "\n")


def _new(net: HeartNet, place: int, stream: tuple[int, ...]) -> nn.Module:
    """A network of a part with weights of its own."""
    draw = torch.Generator().manual_seed(int(np.random.default_rng(stream).integers(2**62)))
    return seeded(net.new_part(place), draw)


def velocity_told(net: nn.Module, about: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Velocity of a network of a heart's part, told this."""
    return net(x, t, about)


def _normal(draw: np.random.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.from_numpy(draw.normal(size=shape)).float()


def _times(draw: np.random.Generator, count: int) -> torch.Tensor:
    """Times as `models.flow.draw_times` draws them."""
    return torch.from_numpy(1 / (1 + np.exp(-draw.normal(size=count)))).float()
