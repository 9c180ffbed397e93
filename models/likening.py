"""Likens the texture: figures of strips as they end are brought to those of recorded strips, without a critic.

A contest never comes to rest, and its critic overlooks what it has no gradient for. What is left is mended by going
down energy distances between figures of generated and of recorded strips. Source: Szekely and Rizzo 2013.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models import critic
from models.contest import Contest, coherence
from models.crew import Crew
from models.critic import LEAST_POWER, LEAST_SIZE, SCALES_MV
from models.descent import taught
from models.texture import LEADS, Texture, bends, slopes

NEAR = (0.0005, 0.3)
"""How near its median a size must be to move it: mV, and share of the median."""
LIMIT_MV = 0.004
"""Bends beyond tell as their logarithms how leads go together."""
APART = (1, 2, 4)
"""Samples on either side of these bends."""
MOST_ALIKE = 0.98
FAST = 4
"""First of the bands of `critic.EDGES_HZ` that is a space of its own, with those above it: from 52 Hz on."""
LEAST_SPREAD, LEAST_SD, LEAST_APART = 0.02, 0.15, 0.01
"""Of a figure; of a direction of a space, as if it had so much where it has less; of two strips."""
SHOWN, BESIDE = 512, 1024
"""Strips shown last, and recorded ones, that each strip is compared with."""
RATE, BETAS, FALL = 3e-6, (0.9, 0.99), 0.4
"""Steps are small: strips shown last are to tell how strips are now. They fall to 0 in the last part of all."""
MEMORY = 0.99
STAY, FIDELITY = 3.0, 0.3
"""How much it counts that corrections stay as the contest left them, and that they do not come back beat by beat."""
LIKENING = 10
"""Stream of the seed, beside those of `models.training` and `models.heart_contest`."""


class Likeness:
    """How far strips are from recorded ones, in several spaces of figures.

    Spaces are the medians, the fast bands, both, all figures of leads, how leads go together, and each lead. In each,
    figures are in units of how much those of recorded strips differ, in every direction.

    Parameters
    ----------
    recorded : Tensor, shape (strip, figure)
        `figures` of recorded strips.
    """

    def __init__(self, recorded: Tensor) -> None:
        self.centre, self.spread = recorded.mean(dim=0), recorded.std(dim=0) + LEAST_SPREAD
        units, self.spaces, self.recorded = self._units(recorded), [], []
        for chosen in spaces(recorded.shape[1]):
            rows = units[:, chosen]
            values, turn = torch.linalg.eigh(torch.cov(rows.T.double()))
            turn = (turn / values.clamp(min=0).sqrt().clamp(min=LEAST_SD)).float()
            self.spaces.append((chosen, turn))
            self.recorded.append(rows @ turn)

    def witness(self, told: Tensor, shown: Tensor, draw: np.random.Generator) -> Tensor:
        """What to go down: how much farther figures (strip, figure) are from recorded ones than from those `shown`."""
        some = torch.from_numpy(draw.permutation(len(self.recorded[0]))[:BESIDE])
        told, shown, found = self._units(told), self._units(shown), []
        for (chosen, turn), recorded in zip(self.spaces, self.recorded, strict=True):
            here = told[:, chosen] @ turn
            beside = _apart(here, recorded[some]).mean() - _apart(here, shown[:, chosen] @ turn).mean()
            found.append(beside / len(chosen) ** 0.5)
        return torch.stack(found).sum()

    def energy(self, shown: Tensor) -> Tensor:
        """Energy distances between shown and recorded strips in each space, without the bias of few; (space,)."""
        shown, found = self._units(shown), []
        for (chosen, turn), recorded in zip(self.spaces, self.recorded, strict=True):
            here = shown[:, chosen] @ turn
            own = [torch.cdist(rows, rows).sum() / (len(rows) * (len(rows) - 1)) for rows in (here, recorded)]
            found.append(2 * torch.cdist(here, recorded).mean() - sum(own))
        return torch.stack(found)

    def _units(self, told: Tensor) -> Tensor:
        return (told - self.centre) / self.spread


def likened(  # noqa: PLR0913 (what a training consists of)
    contest: Contest, texture: Texture, file: Path, steps: int, crew: Crew, save_every: float
) -> tuple[Texture, dict[str, float]]:
    """The texture's running average after so many steps, and the energy distances before and after, summed.

    The state is kept at `file`: the same call goes on where it was killed, another texture begins anew.
    """
    device = crew.device
    before = copy.deepcopy(texture).to(device).requires_grad_(False)
    likeness = Likeness(contest.recorded_figures(figures).to(device))
    descent = taught(texture, before, file, Crew(device=device), RATE, BETAS)
    if not descent.step:
        descent.notes["shown"] = _shown(contest, before, device)
        descent.notes["energy"] = float(likeness.energy(descent.notes["shown"]).sum())
    for step in range(descent.step, steps):
        draw = np.random.default_rng((contest.seed, LIKENING, step))
        part, noise = contest.part(draw, device)
        correction = descent.net(part.strips, noise) - part.strips
        usual = before(part.strips, noise) - part.strips
        moved = (correction - usual).abs().mean(dim=(1, 2)) / usual.abs().mean(dim=(1, 2))
        told = figures(contest.seen(part, correction))
        stay = STAY * moved.mean().square() + FIDELITY * coherence(correction, part.at.samples)
        value = likeness.witness(told, descent.notes["shown"], draw) + stay
        descent.down(
            value, min(MEMORY, (step + 1) / (step + 10)), RATE * min(1.0, (steps - step) / (FALL * steps))
        )
        descent.notes["shown"] = torch.cat([descent.notes["shown"], told.detach()])[-SHOWN:]
        if descent.due(save_every):
            descent.save()
    descent.save()
    made = copy.deepcopy(descent.average)
    after = float(likeness.energy(_shown(contest, made, device)).sum())
    facts = {"likened_steps": descent.step, "likened_from": descent.notes["energy"], "likened_to": after}
    return made.cpu().eval().requires_grad_(False), facts


def figures(strips: Tensor) -> Tensor:
    """Those of `models.critic.figures`, medians of slopes and bends, and how bends of leads go together.

    Of strips (batch, 8, sample), mV: (batch, figure), logarithms and inverse hyperbolic tangents.
    """
    middles = [
        torch.log(_median(part.abs()) / SCALES_MV[0] + LEAST_SIZE) for part in (slopes(strips), bends(strips))
    ]
    return torch.cat(
        [critic.figures(strips), *middles, *(_together(strips, apart) for apart in APART)], dim=1
    )


def spaces(count: int) -> list[list[int]]:
    """Which of so many figures make up each space of `Likeness`."""
    pairs = len(APART) * LEADS * (LEADS - 1) // 2
    of_leads, fast = count - pairs, (len(critic.EDGES_HZ) - 1 - FAST) * LEADS
    middles = list(range(of_leads - 2 * LEADS, of_leads))
    quick = list(range(middles[0] - fast, middles[0]))
    together = list(range(of_leads, count))
    each = [list(range(lead, of_leads, LEADS)) for lead in range(LEADS)]
    return [middles, quick, middles + quick, list(range(of_leads)), together, *each]


def _shown(contest: Contest, texture: nn.Module, device: torch.device) -> Tensor:
    """Figures of strips with a texture, (SHOWN, figure)."""
    draw, told = np.random.default_rng((contest.seed, LIKENING)), []
    with torch.no_grad():
        most = min(SHOWN, (sum(len(draft.strips) for draft in contest.drafts) + 1) // 2)
        while sum(map(len, told)) < most:
            part, noise = contest.part(draw, device)
            told.append(figures(contest.seen(part, texture(part.strips, noise) - part.strips)))
    return torch.cat(told)[:SHOWN]


def _apart(rows: Tensor, others: Tensor) -> Tensor:
    """Distances between rows, (row, other), with a gradient where they meet."""
    return ((rows[:, None] - others[None]).square().sum(dim=2) + LEAST_APART**2).sqrt()


def _median(rows: Tensor) -> Tensor:
    """Medians along the last axis; all that is near one shares its gradient, not a single sample."""
    middle = rows.detach().median(dim=2, keepdim=True).values
    near = torch.exp(-0.5 * ((rows.detach() - middle) / (NEAR[0] + NEAR[1] * middle)).square())
    pull = (near * rows).sum(dim=2) / near.sum(dim=2)
    return middle[..., 0] + pull - pull.detach()


def _together(strips: Tensor, apart: int) -> Tensor:
    """Correlations between leads of bends so many samples apart, (batch, 28)."""
    bent = strips[..., 2 * apart :] - 2 * strips[..., apart:-apart] + strips[..., : -2 * apart]
    bent = torch.asinh(bent / LIMIT_MV)
    bent = bent - bent.mean(dim=2, keepdim=True)
    bent = bent / (bent.norm(dim=2, keepdim=True) + LEAST_POWER)
    row, column = torch.triu_indices(LEADS, LEADS, 1)
    return torch.atanh((bent @ bent.mT)[:, row, column].clamp(-MOST_ALIKE, MOST_ALIKE))
