"""What a critic is told of hearts: their waves from whitened coordinates, as `models.heart` makes them, in PyTorch.

Gradients pass through all of it. Figures are of the median beat in the reference frame, lead by lead and between
leads; whoever looks at components alone does not see that leads of one heart go together.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.beat import FRAME_MS, FRAME_QRS, P_SPAN
from models.ecg import INDEPENDENT_LEADS
from models.heart import DETAIL_LIMITS, FURTHEST_REACH, NOISE, P_TAPER, SIZE_LIMITS_MV, SIZES, HeartModel
from models.loudness import ROUGHNESS_LIMITS, ROUGHNESS_UNIT_MV
from models.spread import SPREAD_LIMITS
from models.strip import BANDS, NOISE_LIMITS_MV

LEADS = len(INDEPENDENT_LEADS)
QRS_SPAN = (FRAME_MS >= -4.0) & (FRAME_MS < FRAME_QRS + 20.0)
T_SPAN = FRAME_MS >= FRAME_QRS + 20.0
WINDOWS = (np.ones(len(FRAME_MS), bool), QRS_SPAN, T_SPAN, P_SPAN)
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LEVELS_MS = (118.0, 136.0, 156.0)
"""Where ST is read, in the reference frame."""
UNIT_MV, LEAST_SLOPE_MV, LEAST_BEND_MV, LEAST_SHARE = 0.05, 1e-4, 1e-5, 1e-7
LEAST_SQUARE = 1e-6


class HeartFigures(nn.Module):
    """Figures of hearts given in whitened coordinates under their encoded conditions and traits.

    Parameters
    ----------
    model : HeartModel
    """

    def __init__(self, model: HeartModel) -> None:
        super().__init__()
        self.groups, self.numbers = model.groups, len(model.colour)
        names = ("mean", "colour", "spread", "least_noise_mv", "reach", "roughness")
        kept = {name: getattr(model, name) for name in names}
        for wave, shapes in zip("pqd", model.shapes, strict=True):
            kept |= {f"{wave}_{name}": rows for name, rows in vars(shapes).items()}
        for name, rows in {**kept, "taper": P_TAPER}.items():
            self.register_buffer(name, torch.tensor(np.asarray(rows), dtype=torch.float32))

    def forward(self, white: Tensor, rows: Tensor) -> Tensor:
        """Whitened hearts (batch, dimension) and their conditions (batch, column) -> (batch, figure)."""
        waves = self.beats(white, rows)
        spans = [waves[:, :, torch.from_numpy(span)] for span in WINDOWS]
        parts = [part for span in spans for part in _together(span)]
        parts += [_apart(span) for span in spans[1:3]]
        parts += _sizes(waves, *spans[1:3])
        own = self._scaled(white)
        return torch.cat([*parts, own[:, SIZES.start :], white[:, self.numbers + 1 :]], dim=1)

    def beats(self, white: Tensor, rows: Tensor) -> Tensor:
        """Beats of hearts in the reference frame, mV, (batch, 8, len(FRAME_MS)), all with a P wave."""
        vectors = self._vectors(white, rows)
        size = torch.exp(vectors[:, SIZES.start : SIZES.start + 2].clamp(*np.log(SIZE_LIMITS_MV)))
        share = torch.exp(vectors[:, SIZES.start + 2].clamp(*np.log(DETAIL_LIMITS)))
        p_wave = self._shape("p", vectors[:, self.groups[1]]) * size[:, 0, None, None] * self.taper
        detail = self._shape("d", vectors[:, self.groups[3]]) * share[:, None, None]
        qrst = _of_size_one(self._shape("q", vectors[:, self.groups[2]]) + detail)
        return torch.cat([p_wave, qrst * size[:, 1, None, None]], dim=2)

    def _scaled(self, white: Tensor) -> Tensor:
        """Whitened numbers, each group as far from the middle as its reach says."""
        reach = white[:, self.numbers :].clamp(-FURTHEST_REACH, FURTHEST_REACH)
        size = torch.exp(self.reach[0] + self.reach[1] * reach)
        numbers = white[:, : self.numbers]
        parts = [numbers[:, : NOISE.start], numbers[:, NOISE.start : NOISE.stop], numbers[:, SIZES]]
        parts += [numbers[:, group] for group in self.groups[1:]]
        for place, own in zip((1, 3, 4, 5), size.T, strict=True):
            usual = (parts[place].square().mean(dim=1) + 1e-9).sqrt()
            parts[place] = parts[place] * (own / usual)[:, None]
        return torch.cat(parts, dim=1)

    def _vectors(self, white: Tensor, rows: Tensor) -> Tensor:
        """The numbers of hearts, as `HeartModel.hearts` has them before it holds them to anything."""
        spreads = torch.exp((rows @ self.spread).clamp(*np.log(SPREAD_LIMITS)))
        residual = (self._scaled(white) * spreads) @ self.colour.T
        expected = rows @ self.mean
        above = torch.exp((expected + residual)[:, NOISE]).view(-1, LEADS, BANDS)
        noise_mv = (above + self.least_noise_mv).clamp(*NOISE_LIMITS_MV)
        bands = torch.log(noise_mv / ROUGHNESS_UNIT_MV).mean(dim=1)
        loud = torch.cat([torch.ones_like(bands[:, :1]), bands], dim=1)
        rough = torch.exp((loud @ self.roughness).clamp(*np.log(ROUGHNESS_LIMITS)))
        plain = torch.ones_like(residual[:, : SIZES.stop])
        return expected + residual * torch.cat([plain, rough], dim=1)

    def _shape(self, wave: str, coefficients: Tensor) -> Tensor:
        """A wave of size 1, (batch, 8, sample)."""
        centre, basis, spread, weight = (
            getattr(self, f"{wave}_{name}") for name in ("centre", "basis", "spread", "weight")
        )
        flat = (coefficients * spread) @ basis / weight + centre
        return _of_size_one(flat.view(len(flat), LEADS, -1))


def _of_size_one(waves: Tensor) -> Tensor:
    """Waves brought to a root mean square of 1 over leads and samples."""
    return waves / (waves.square().mean(dim=(1, 2), keepdim=True) + LEAST_SQUARE).sqrt()


def _together(waves: Tensor) -> tuple[Tensor, Tensor]:
    """Correlations between the leads of waves (batch, 28), and the logarithm of how large each is (batch, 8)."""
    level = waves - waves.mean(dim=2, keepdim=True)
    size = (level.square().sum(dim=2) + LEAST_SQUARE).sqrt()
    unit = level / size[:, :, None]
    upper = torch.triu_indices(LEADS, LEADS, 1, device=waves.device)
    return (unit @ unit.transpose(1, 2))[:, upper[0], upper[1]], torch.log(size)


def _apart(waves: Tensor) -> Tensor:
    """Logarithm of the share of energy in each of eight independent signals: a dipole has three, (batch, 8)."""
    square = waves @ waves.transpose(1, 2)
    square = square / (square.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] + 1e-9)
    least = LEAST_SHARE * torch.eye(LEADS, device=waves.device)
    return torch.log(torch.linalg.eigvalsh(square + least).clamp(min=LEAST_SHARE))


def _sizes(waves: Tensor, qrs: Tensor, t_wave: Tensor) -> list[Tensor]:
    """How waves are spread, how steep and how bent they are, and where they peak, each (batch, figure)."""
    shares = torch.tensor(SHARES, device=waves.device)
    spread = torch.quantile(waves, shares, dim=2).permute(1, 2, 0).flatten(1)
    slope = torch.cat([qrs, t_wave], dim=2).diff(dim=2).abs()
    steep, bent = qrs.diff(dim=2), qrs.diff(n=2, dim=2)
    at = [int(np.flatnonzero(FRAME_MS == level)[0]) for level in LEVELS_MS]
    peaks = [peak for part in (t_wave, qrs) for peak in (part.amax(dim=2), part.amin(dim=2))]
    return [
        torch.asinh(spread / UNIT_MV),
        torch.log(slope.amax(dim=2) + LEAST_SLOPE_MV),
        torch.log(steep.abs().mean(dim=2) + LEAST_SLOPE_MV),
        torch.log(bent.abs().mean(dim=2) + LEAST_BEND_MV),
        torch.asinh(waves[:, :, at].flatten(1) / UNIT_MV),
        torch.asinh(torch.cat(peaks, dim=1) / UNIT_MV),
    ]
