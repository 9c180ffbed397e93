"""Trains the texture of strips in a contest: a critic tells generated from recorded strips, the texture misleads it."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.checkpoints import Checkpoint
from models.crew import Crew
from models.descent import Descent, seeded
from models.ecg import INDEPENDENT_LEADS, LEADS
from models.encoding import with_rhythm
from models.fitting import table_with_means
from models.generator import BundledGenerator, Request
from models.preparation import Material
from models.texture import Critic, Texture, TextureConfig

MOST_MADE = 2048
"""Strips generated to learn from; of the records as many are looked at as there are."""
BATCH, CROP = 16, 1024
EDGE = 125
"""Samples at either end that are not looked at: recorders fade in, and pad the end of a file."""
MEMORY = 0.999
RATES, BETAS = (2e-4, 4e-4), (0.0, 0.9)
"""Of texture and critic, which is to be ahead. Source: Heusel et al. 2017 (two time scales)."""
ROUNDING_MV = 0.001
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
        plain = BundledGenerator(replace(checkpoint, texture=None), "", torch.device("cpu"))
        made, _ = plain.strips(requests_like(material, some, said[some], seed))
        self.made = made[:, [LEADS.index(lead) for lead in INDEPENDENT_LEADS]]

    def critic_loss(self, texture: nn.Module, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How far the critic is from telling recorded strips (above 1) from corrected ones (below -1)."""
        recorded, made, noise = self._batch(draw, next(texture.parameters()).device)
        with torch.no_grad():
            shown = texture(made, noise)
        right, wrong = critic(_rounded(recorded, draw)), critic(_rounded(shown, draw))
        return (functional.relu(1 - right) + functional.relu(1 + wrong)).mean(0).sum()

    def texture_loss(self, texture: nn.Module, critic: nn.Module, draw: np.random.Generator) -> Tensor:
        """How well the critic sees through corrected strips."""
        _, made, noise = self._batch(draw, next(texture.parameters()).device)
        return -critic(_rounded(texture(made, noise), draw)).mean(0).sum()

    def _batch(self, draw: np.random.Generator, device: torch.device) -> list[Tensor]:
        """Recorded strips, generated strips (mV) and noise for the texture, each (BATCH, 8, CROP)."""
        rows = draw.choice(self.chosen, BATCH)
        recorded = self.material.rendered[rows].astype(np.float32) + self.material.residual[rows]
        made = self.made[draw.integers(0, len(self.made), BATCH)]
        parts = [_window(part, draw) for part in (recorded, made)]
        parts.append(draw.standard_normal(parts[0].shape, np.float32))
        return [torch.from_numpy(part).to(device) for part in parts]


def train_texture(  # noqa: PLR0913 (what a training consists of)
    contest: Contest, begin: Texture | None, file: Path, steps: int, crew: Crew, save_every: float
) -> tuple[Texture, dict[str, float]]:
    """The texture's running average after so many steps, and the mean losses of the last hundred.

    The states of both networks are kept at `file` and beside it: the same call goes on where it was killed.
    """
    crew, draw = Crew(device=crew.device), torch.Generator().manual_seed(contest.seed)
    about = {"weight_decay": 0.0, "betas": BETAS}
    texture = Descent(begin or seeded(Texture(TextureConfig()), draw), file, crew, RATES[0], **about)
    critic = Descent(_critic(contest.seed), file.with_stem(f"{file.stem}-critic"), crew, RATES[1], **about)
    losses: list[float] = []
    for step in range(texture.step, steps):
        numbers = np.random.default_rng((contest.seed, CONTEST, step))
        for side, loss in ((critic, contest.critic_loss), (texture, contest.texture_loss)):
            value = loss(texture.net, critic.net, numbers)
            side.down(value, min(MEMORY, (step + 1) / (step + 10)))
            losses.append(value.item())
        if texture.due(save_every):
            critic.save()
            texture.save()
    critic.save()
    texture.save()
    facts = {"texture_steps": texture.step}
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


def _critic(seed: int) -> Critic:
    """A critic to begin with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Critic()


def _window(strips: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The same random part of all strips."""
    start = int(draw.integers(EDGE, strips.shape[2] - EDGE - CROP + 1))
    return strips[:, :, start : start + CROP]


def _rounded(strips: Tensor, draw: np.random.Generator) -> Tensor:
    """With what rounding to 1 uV does, on either side of the contest: recorded strips were rounded once."""
    error = draw.random(strips.shape, np.float32) - 0.5
    return strips + ROUNDING_MV * torch.from_numpy(error).to(strips.device)
