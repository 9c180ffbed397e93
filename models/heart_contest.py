"""Refines the shapes of drawn hearts in a contest: a critic tells them from recorded ones, the flow misleads it.

A flow of numbers does not see what the waves that they add up to have in common: leads of one heart go together, and
little of a beat is beyond three signals. A copy of the flow, gone through in one evaluation, is moved until its beats
have that too; then the flow learns straight lines to where the copy ends. The same noise is still the same heart.
"""

import copy
import functools
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import flow
from models.batches import UNKNOWN_SHARE, without_text
from models.checkpoints import Checkpoint
from models.contest import BETAS, RATES
from models.crew import Crew
from models.critic import CROWD, Moments, crowd_of, judge
from models.denoiser import HeartNet
from models.descent import Descent, taught
from models.encoding import MAIN_EFFECTS
from models.fitting import Hearts
from models.heart import SIZES
from models.heart_figures import HeartFigures
from models.heart_training import velocity_told
from models.schedule import Run
from models.straightening import RATE, TWICE, learn_lines

BATCH, BLOCK = 128, 4096
"""Hearts drawn for each step, and recorded ones whose figures are taken at once."""
FURTHEST = 6.0
"""Standard deviations from the mean beyond which no figure counts as further."""
LEAST_VARIANCE, LEAST_SD, LEAST_SPREAD = 0.03, 0.3, 0.05
"""Of a direction of figures that is looked at at all; as if it had so much, where it has less; of one figure."""
SAID = 24
LIKENESS, SPREAD, EFFECTS, ANCHOR = 0.1, 10.0, 100.0, 10.0
"""How much means and covariances together, means and spreads of each figure, what conditions make of it, and staying
put count beside the critic. Without the second, hearts come to lie nearer to the middle than recorded ones, for what
is odd about them is then small; without the third, they come to differ less by age and sex."""
LEAST_SAID = 0.1
"""Standard deviation of a column of the conditions below which too few records have it to tell what it makes."""
EFFECTS_MEMORY = 0.98
"""Of the running mean of what conditions make of figures, per batch."""
MOVED_SHARE = 0.5
"""How much it counts besides that hearts stay put whose age, sex and rate are another record's: no critic sees them."""
MEMORY = 0.998
STRAIGHT_BATCH, MIXED_SHARE = 256, 0.5
"""Hearts whose ways are straightened at once, and the share of them under a mixture of conditions."""
CONTEST, STRAIGHT = 8, 9
"""Streams of the seed, beside those of `models.heart_training`."""


def refined(checkpoint: Checkpoint, hearts: Hearts, said: np.ndarray, run: Run) -> Checkpoint:
    """The checkpoint with a heart's flow that leads to refined shapes, straight; its leaps must be known.

    Intervals, sizes, noise, and how far from the middle a heart lies are as they were. The states are kept in the run's
    folder: the same call goes on where it was killed. For one process.

    Parameters
    ----------
    checkpoint : Checkpoint
    hearts : Hearts
    said : ndarray, shape (heart, column)
        Columns of the reports of the hearts; no column where reports are not read.
    run : Run
    """
    if not run.schedule.refine_steps:
        return checkpoint
    contest = HeartContest(checkpoint, hearts, said, run)
    made, losses = contest.moved()
    facts = {**checkpoint.facts, "refine_steps": run.schedule.refine_steps, **losses}
    return replace(checkpoint, facts=facts, heart_net=contest.straightened(made))


class HeartCritic(nn.Module):
    """How recorded hearts look, to three judges, each told of the conditions or of several hearts at once.

    One looks at figures, one at their directions in units of how much recorded ones differ, one at means and spreads of
    those of several hearts.

    Parameters
    ----------
    recorded : Tensor, shape (heart, figure)
        Figures of recorded hearts, standardised.
    conditions : Tensor, shape (heart, column)
        Those of the same hearts.
    """

    def __init__(self, recorded: Tensor, conditions: Tensor) -> None:
        super().__init__()
        spread, turn = torch.linalg.eigh(torch.cov(recorded.T.double()))
        seen = spread > LEAST_VARIANCE
        unit = turn[:, seen] / spread[seen].sqrt().clamp(min=LEAST_SD)
        self.register_buffer("unit", unit.float())
        self.said = nn.utils.parametrizations.spectral_norm(nn.Linear(conditions.shape[1], SAID))
        self.told = judge(recorded.shape[1] + SAID, 128)
        self.turned = judge(unit.shape[1] + SAID, 128)
        self.crowd = judge(2 * unit.shape[1], 128)
        self.moments = Moments(self.in_units(recorded))
        self.effects = Effects(recorded, conditions)

    def forward(self, figures: Tensor, conditions: Tensor) -> Tensor:
        """(batch, figure) and (batch, column) -> (batch, 3): above 0 where they look recorded."""
        said, units = self.said(conditions), self.in_units(figures)
        together = [self.crowd(crowd_of(part)).expand(len(part), 1) for part in units.split(2 * CROWD)]
        verdicts = [
            self.told(torch.cat([figures / 3, said], dim=1)),
            self.turned(torch.cat([units, said], dim=1)),
            torch.cat(together),
        ]
        return torch.cat(verdicts, dim=1)

    def in_units(self, figures: Tensor) -> Tensor:
        """Directions of figures in units of how much those of recorded hearts differ."""
        return torch.asinh(figures @ self.unit)


class Effects(nn.Module):
    """How far what conditions make of shown figures is from what they make of recorded ones.

    As in `models.critic.Moments`, the gradient is that of squared distances, and what conditions make of shown ones is
    a running mean. Source: covariances of standardised figures and conditions.

    Parameters
    ----------
    recorded : Tensor, shape (heart, figure)
        Figures of recorded hearts, standardised.
    conditions : Tensor, shape (heart, column)
    """

    def __init__(self, recorded: Tensor, conditions: Tensor) -> None:
        super().__init__()
        spread = conditions.std(dim=0)
        self.register_buffer("often", spread > LEAST_SAID)
        self.register_buffer("centre", conditions.mean(dim=0))
        self.register_buffer("unit", spread.clamp(min=LEAST_SAID))
        told = self._covariances(recorded, conditions)
        self.register_buffer("recorded", told.clone())
        self.register_buffer("shown", told.clone())

    def forward(self, figures: Tensor, conditions: Tensor) -> Tensor:
        """What to go down, of (batch, figure) and (batch, column)."""
        told = self._covariances(figures, conditions)
        with torch.no_grad():
            self.shown.lerp_(told, 1 - EFFECTS_MEMORY)
        return 2 * ((self.shown - self.recorded) * told).mean(dim=0).sum()

    def _covariances(self, figures: Tensor, conditions: Tensor) -> Tensor:
        """Of figures with conditions, (figure, column)."""
        told = ((conditions - self.centre) / self.unit)[:, self.often]
        return (figures - figures.mean(dim=0)).T @ told / len(told)


class HeartContest:
    """The flow, its copy and the critic, and what they learn from; see `refined`."""

    def __init__(self, checkpoint: Checkpoint, hearts: Hearts, said: np.ndarray, run: Run) -> None:
        self.run, self.crew = run, Crew(device=run.crew.device)
        self.net = copy.deepcopy(checkpoint.heart_net).to(self.crew.device).eval().requires_grad_(False)
        # a flow that moves nothing has no leap: the copy is to find one
        self.leaps = [by if by.weight else flow.Leap(0.0, 1.0) for by in checkpoint.heart_leaps]
        self.dimension = checkpoint.heart.dimension
        self.shapes = slice(SIZES.stop, len(checkpoint.heart.colour))
        train = np.flatnonzero(hearts.train)
        self.columns, self.reports = hearts.rows.shape[1], said.shape[1]
        self.told = np.concatenate([hearts.rows[train], said[train]], axis=1).astype(np.float32)
        self.figures = HeartFigures(checkpoint.heart).to(self.crew.device)
        blocks = np.array_split(train, -(-len(train) // BLOCK))
        recorded = torch.cat(
            [self.figures(*map(self._tensor, (hearts.white[i], hearts.rows[i]))) for i in blocks]
        )
        self.centre, self.unit = recorded.mean(dim=0), recorded.std(dim=0) + 1e-3
        self.recorded = self._standard(recorded)

    def moved(self) -> tuple[HeartNet, dict[str, float]]:
        """The copy after the contest, and the mean losses of the last hundred steps."""
        seed, steps = self.run.schedule.seed, self.run.schedule.refine_steps
        file = self.run.folder / "heart-contest.pt"
        copied = taught(self.net, self.net, file, self.crew, RATES[0], BETAS)
        other = file.with_stem(f"{file.stem}-critic")
        if not copied.step:
            other.unlink(missing_ok=True)
        critic = Descent(self._critic(), other, self.crew, RATES[1], 0.0, BETAS)
        losses: list[float] = []
        for step in range(copied.step, steps):
            draw = np.random.default_rng((seed, CONTEST, step))
            for side, loss in ((critic, self._critic_loss), (copied, self._loss)):
                value = loss(copied.net, critic.net, draw)
                side.down(value, min(MEMORY, (step + 1) / (step + 10)))
                losses.append(value.item())
            if copied.due(self.run.schedule.save_every):
                critic.save()
                copied.save()
        critic.save()
        copied.save()
        facts = {}
        if losses:
            facts["heart_critic_loss"] = float(np.mean(losses[-200::2]))
            facts["heart_contest_loss"] = float(np.mean(losses[-199::2]))
        return copied.average.requires_grad_(False), facts

    def straightened(self, made: HeartNet) -> HeartNet:
        """The flow, which has learnt straight lines from noise to where the copy leads.

        Source: Liu et al. 2022, section 2.2 (reflow), as in `models.straightening`.
        """
        parts = list(self.net.parts)
        for place, part in enumerate(self.net.config.parts):
            if set(part) & set(range(self.shapes.start, self.shapes.stop)):
                parts[place] = self._straightened(place, made)
        return HeartNet(self.net.config, parts).cpu().eval().requires_grad_(False)

    def _straightened(self, place: int, made: HeartNet) -> nn.Module:
        """The network of one part, straightened."""
        schedule, part = self.run.schedule, list(self.net.config.parts[place])
        file = self.run.folder / f"heart-{place}-straight.pt"
        descent = taught(self.net.parts[place], made, file, self.crew, RATE)
        for step in range(descent.step // TWICE, math.ceil(schedule.refine_steps / TWICE)):
            draw = np.random.default_rng((schedule.seed, STRAIGHT, place, step))
            told, noise = self._asked(draw, STRAIGHT_BATCH, MIXED_SHARE)
            with torch.no_grad():
                ends = self._drawn(made, told, noise)
            about = self.net.about(place, ends, told[:, 1:])
            velocity = functools.partial(velocity_told, descent.net, about)
            learn_lines(descent, velocity, noise[:, part], ends[:, part], draw, schedule.refine_steps)
            if descent.due(schedule.save_every):
                descent.save()
        descent.save()
        return descent.average

    def _critic(self) -> HeartCritic:
        """A critic to begin with."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.run.schedule.seed)
            return HeartCritic(self.recorded, self._tensor(self.told[:, : self.columns]))

    def _critic_loss(self, net: HeartNet, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How far the critic is from telling recorded hearts (above 1) from drawn ones (below -1)."""
        there = draw.integers(0, len(self.told), BATCH)
        told, noise = self._asked(draw, BATCH)
        with torch.no_grad():
            shown = self._shown(self._drawn(net, told, noise), told)
        right = critic(self.recorded[there], self._tensor(self.told[there, : self.columns]))
        wrong = critic(shown, told[:, : self.columns])
        return (functional.relu(1 - right) + functional.relu(1 + wrong)).mean(0).sum()

    def _loss(self, net: HeartNet, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How well the critic sees through drawn hearts, how else they differ, how far they were moved."""
        told, noise = self._asked(draw, BATCH)
        hearts = self._drawn(net, told, noise)
        shown = self._shown(hearts, told)
        others, _ = self._asked(draw, BATCH, 1.0)
        away = self._away(hearts, told, noise)
        away = away + MOVED_SHARE * self._away(self._drawn(net, others, noise), others, noise)
        spread = torch.log((shown.std(dim=0) + LEAST_SPREAD) / (1 + LEAST_SPREAD))
        unlike = spread.square().mean() + shown.mean(dim=0).square().mean()
        together = critic.moments(critic.in_units(shown))
        effects = critic.effects(shown, told[:, : self.columns])
        misled = critic(shown, told[:, : self.columns]).mean(0).sum()
        return LIKENESS * together + SPREAD * unlike + EFFECTS * effects + ANCHOR * away - misled

    def _asked(self, draw: np.random.Generator, count: int, mixed: float = 0.0) -> tuple[Tensor, Tensor]:
        """What is told of some records, with age, sex and rate of another's in a share of them, and noise."""
        told = self.told[draw.integers(0, len(self.told), count)]
        other, effects = draw.random(count) < mixed, slice(1, len(MAIN_EFFECTS))
        told[other, effects] = self.told[draw.integers(0, len(self.told), int(other.sum())), effects]
        told = without_text(told, self.reports, draw, UNKNOWN_SHARE)
        return self._tensor(told), self._tensor(draw.standard_normal((count, self.dimension)))

    def _drawn(self, net: HeartNet, told: Tensor, noise: Tensor) -> Tensor:
        """Hearts whose shapes are that network's, and all else the flow's."""
        plain, other = (self._leapt(one, told, noise) for one in (self.net, net))
        parts = (
            plain[:, : self.shapes.start],
            other[:, self.shapes],
            plain[:, self.shapes.stop :],
        )
        return torch.cat(parts, dim=1)

    def _away(self, hearts: Tensor, told: Tensor, noise: Tensor) -> Tensor:
        """Mean square of how far hearts are from those that the flow draws."""
        return (hearts - self._leapt(self.net, told, noise)).square().mean()

    def _leapt(self, net: HeartNet, told: Tensor, noise: Tensor) -> Tensor:
        """Hearts of a network, each part by its leap."""
        return net.drawn(noise, told[:, 1:], [functools.partial(flow.leap, by=by) for by in self.leaps])

    def _shown(self, hearts: Tensor, told: Tensor) -> Tensor:
        """Figures of hearts, standardised."""
        return self._standard(self.figures(hearts, told[:, : self.columns]))

    def _standard(self, figures: Tensor) -> Tensor:
        """Figures in standard deviations of recorded ones."""
        return ((figures - self.centre) / self.unit).clamp(-FURTHEST, FURTHEST)

    def _tensor(self, rows: np.ndarray) -> Tensor:
        """The rows in single precision."""
        return torch.as_tensor(np.asarray(rows, np.float32), device=self.crew.device)
