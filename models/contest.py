"""Trains the texture of strips in a contest: a critic tells generated from recorded strips, the texture misleads it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.checkpoints import Checkpoint
from models.crew import Crew
from models.critic import Critic, figures
from models.descent import Descent, seeded
from models.encoding import with_rhythm
from models.finishing import Draft
from models.fitting import table_with_means
from models.generator import BundledGenerator, Request
from models.noise_mapping import EDGE, NoiseMapping, fit_mapping
from models.noise_mapping import figures as noise_figures
from models.preparation import Material
from models.texture import Texture, TextureConfig

MOST_MADE = 2048
"""Strips generated to learn from, and recorded ones whose figures give the critic its units."""
BATCH, TOGETHER = 8, 64
"""Strips per step, and strips generated at once: a step's are of one such part."""
HEAD_START = 0.015
"""Of all steps, in which the critic learns alone: a texture that was trained before knows more than a new critic."""
MEMORY = 0.999
RATES, BETAS = (1e-4, 2e-4), (0.0, 0.9)
"""Of texture and critic, which is to be ahead. Source: Heusel et al. 2017 (two time scales)."""
FALL = 0.3
"""In the last part of all steps, this large, the rates fall to 0: the two never come to rest by themselves."""
ROUNDING_MV = 0.001
LEAST_CHANCE = 1e-9
BEAT = (-75, 100)
"""Samples about each R: what comes back there beat by beat moves and sizes waves, which is not a texture's affair."""
FIDELITY = 3.0
"""How much that counts beside the critic."""
LIKENESS = 0.5
"""How much means and covariances of figures count beside the critic."""
CONTEST = 2
"""Stream of the seed, beside those of `models.training`."""


class Contest:
    """The texture and its critic, and what they learn from.

    Parameters
    ----------
    checkpoint : Checkpoint
        The generator whose strips are to be corrected.
    material : Material
    chosen : ndarray of int
        Recorded strips of known patients, for training.
    said : ndarray, shape (strip, column)
        Columns of the reports of all strips; no column where reports are not read.
    seed : int
    """

    def __init__(
        self, checkpoint: Checkpoint, material: Material, chosen: np.ndarray, said: np.ndarray, seed: int
    ) -> None:
        self.material, self.chosen, self.seed = material, chosen, seed
        some = np.random.default_rng((seed, CONTEST)).permutation(chosen)[:MOST_MADE]
        self.rows = np.sort(some)
        plain = BundledGenerator(
            replace(checkpoint, texture=None, noise_mapping=None), "", torch.device("cpu")
        )
        requests = requests_like(material, some, said[some], seed)
        parts = [requests[at : at + TOGETHER] for at in range(0, len(requests), TOGETHER)]
        self.drafts = [plain.draft(part)[0] for part in parts]

    def critic_loss(self, texture: nn.Module, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How far the critic is from telling recorded strips (above 1) from corrected ones (below -1)."""
        device = next(texture.parameters()).device
        part, noise = self.part(draw, device)
        with torch.no_grad():
            shown = self.seen(part, texture(part.strips, noise) - part.strips)
        recorded = torch.from_numpy(self.recorded(draw.choice(self.chosen, BATCH))).to(device)
        right, wrong = critic(_rounded(recorded)), critic(shown)
        return (functional.relu(1 - right) + functional.relu(1 + wrong)).mean(0).sum()

    def texture_loss(self, texture: nn.Module, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How well the critic sees through corrected strips, and how much of the corrections waves would feel."""
        part, noise = self.part(draw, next(texture.parameters()).device)
        correction = texture(part.strips, noise) - part.strips
        shown = self.seen(part, correction)
        unlike = LIKENESS * critic.moments(critic.told_of(shown))
        return FIDELITY * coherence(correction, part.at.samples) + unlike - critic(shown).mean(0).sum()

    def part(self, draw: np.random.Generator, device: torch.device) -> tuple[Draft, Tensor]:
        """Some strips before their texture, and noise for it."""
        whole = self.drafts[draw.integers(len(self.drafts))]
        some = whole.where(draw.permutation(len(whole.strips))[:BATCH]).to(device)
        return some, torch.from_numpy(draw.standard_normal(some.strips.shape, np.float32)).to(device)

    def seen(self, part: Draft, correction: Tensor) -> Tensor:
        """Strips with their corrections as they are looked at: finished, without their ends, in steps, mV."""
        return _rounded(part.finished(correction)[:, :, EDGE:-EDGE])

    def recorded_figures(self, told: Callable[[Tensor], Tensor] = figures) -> Tensor:
        """What is told of recorded strips, (strip, figure)."""
        parts = (self.recorded(self.rows[at : at + TOGETHER]) for at in range(0, len(self.rows), TOGETHER))
        return torch.cat([told(_rounded(torch.from_numpy(part))) for part in parts])

    def recorded(self, rows: np.ndarray) -> np.ndarray:
        """Recorded strips but for their ends, mV."""
        strips = self.material.rendered[rows].astype(np.float32) + self.material.residual[rows]
        return strips[:, :, EDGE:-EDGE]

    @torch.no_grad()
    def noise_mapping(self, texture: nn.Module | None) -> NoiseMapping:
        """From the noise of finished strips with this texture to recorded noise."""
        draw, drawn = np.random.default_rng((self.seed, CONTEST)), []
        for part in self.drafts:
            correction = None
            if texture:
                noise = torch.from_numpy(draw.standard_normal(part.strips.shape, np.float32))
                correction = texture(part.strips, noise) - part.strips
            drawn.append(noise_figures(part.finished(correction), part.beats))
        recorded = []
        for at in range(0, len(self.rows), TOGETHER):
            rows = self.rows[at : at + TOGETHER]
            beats, residual = (
                torch.from_numpy(np.asarray(getattr(self.material, name)[rows], np.float32))
                for name in ("rendered", "residual")
            )
            recorded.append(noise_figures(beats + residual, beats))
        return fit_mapping(recorded, drawn)


def train_texture(  # noqa: PLR0913 (what a training consists of)
    contest: Contest, begin: Texture | None, file: Path, steps: int, crew: Crew, save_every: float
) -> tuple[Texture, dict[str, float]]:
    """The texture's running average after so many steps, and the mean losses of the last hundred.

    The states of both networks are kept at `file` and beside it: the same call goes on where it was killed.
    """
    crew, draw = Crew(device=crew.device), torch.Generator().manual_seed(contest.seed)
    about = {"weight_decay": 0.0, "betas": BETAS}
    texture = Descent(begin or seeded(Texture(TextureConfig()), draw), file, crew, RATES[0], **about)
    critic = Descent(_critic(contest), file.with_stem(f"{file.stem}-critic"), crew, RATES[1], **about)
    losses: list[float] = []
    for step in range(critic.step, steps):
        numbers = np.random.default_rng((contest.seed, CONTEST, step))
        fall = min(1.0, (steps - step) / (FALL * steps))
        sides = (
            (critic, contest.critic_loss, fall * RATES[1]),
            (texture, contest.texture_loss, fall * RATES[0]),
        )
        for side, loss, rate in sides[: 1 if step < HEAD_START * steps else 2]:
            value = loss(texture.net, critic.net, numbers)
            side.down(value, min(MEMORY, (step + 1) / (step + 10)), rate)
            losses.append(value.item())
        if texture.due(save_every):
            critic.save()
            texture.save()
    critic.save()
    texture.save()
    facts = {"texture_steps": critic.step}
    if losses:
        facts |= {
            "critic_loss": float(np.mean(losses[-200::2])),
            "texture_loss": float(np.mean(losses[-199::2])),
        }
    return copy.deepcopy(texture.average).cpu().eval().requires_grad_(False), facts


def requests_like(material: Material, rows: np.ndarray, said: np.ndarray, seed: int) -> list[Request]:
    """Requests with what is known of some recorded strips, and seeds that nobody else uses."""
    table = table_with_means(material.table).iloc[rows]
    return [
        Request(
            age,
            female,
            60 / rr_s,
            with_rhythm(material.statements[row]),
            (seed << 32) + int(row),
            tuple(report),
        )
        for age, female, rr_s, row, report in zip(
            table["age"], table["female"], table["rr_s"], rows, said, strict=True
        )
    ]


def _critic(contest: Contest) -> Critic:
    """A critic to begin with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(contest.seed)
        return Critic(contest.recorded_figures())


def coherence(changes: Tensor, beats: Sequence[np.ndarray]) -> Tensor:
    """How much more of some corrections comes back in every beat than by chance; 0: no more.

    Parameters
    ----------
    changes : Tensor, shape (strip, 8, sample)
    beats : sequence of ndarray of int
        Sample of each R; those too near an end are left out.
    """
    place = torch.arange(*BEAT)
    found = []
    for change, at in zip(changes, beats, strict=True):
        inside = at[(at + BEAT[0] >= 0) & (at + BEAT[1] <= change.shape[1])]
        if len(inside) > 1:
            each = change[:, torch.from_numpy(inside)[:, None] + place]  # (8, beat, sample)
            chance = each.var(dim=1).sum() / len(inside)
            found.append(each.mean(dim=1).square().sum() / (chance + LEAST_CHANCE) - 1)
    return functional.relu(torch.stack(found).mean()) if found else changes.new_zeros(())


def _rounded(strips: Tensor) -> Tensor:
    """Strips in steps of 1 uV, as they are kept; the gradient passes through."""
    return strips + (torch.round(strips / ROUNDING_MV) * ROUNDING_MV - strips).detach()
