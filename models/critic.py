"""The critic that the texture of strips is learnt from: it tells recorded strips from generated ones."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from models.strip import FS
from models.texture import LEADS, SIZES_MV, bends, slopes, views

SCALES_MV = (0.001, 0.004, 0.016)
"""Slopes and bends of each lead are seen as they are below one of these, above as logarithms. Means of them, for a
quantile of sizes in steps of 1 uV has hardly a gradient."""
EDGES_HZ = (15, 25, 40, 48, 52, 75, 98, 102, 125)
SEGMENT = 500
"""Samples of which each spectrum is taken, every half of them."""
LEAST_SIZE, LEAST_POWER, LEAST_VARIANCE = 0.02, 1e-9, 1e-6
CROWD = 8
"""Strips that are judged together by how much their figures differ: each alone may pass where all are too alike."""
MOMENTS_MEMORY = 0.98
"""Of the running means in `Moments`, per batch."""
MEANS = 4.0
"""How much squared distances of means count beside those of covariances."""
LEAST_SD = 0.05
"""Of a direction in which figures of recorded strips hardly differ: narrower ones are not magnified further."""


class Critic(nn.Module):
    """How recorded strips look, to four judges.

    One looks at every 60 ms, one at means and spreads of what that one sees, one at the figures of the whole strip, one
    at means and spreads of the figures of several strips.
    Sources: Miyato et al. 2018, spectral normalisation; Karras et al. 2018, spread within a batch.

    Parameters
    ----------
    recorded : Tensor, shape (strip, figure)
        `figures` of recorded strips; the last two see in units of how much they differ, in every direction.
    """

    def __init__(self, recorded: Tensor, width: int = 32) -> None:
        super().__init__()
        channels = (len(SIZES_MV) * LEADS, width, width * 3 // 2, width * 2, width * 2)
        self.body = nn.ModuleList(
            spectral_norm(nn.Conv1d(before, after, 5, 1 if place == 0 else 2, 2))
            for place, (before, after) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )
        self.near = spectral_norm(nn.Conv1d(channels[-1], 1, 3, 1, 1))
        self.whole = judge(2 * sum(channels))
        self.told = judge(recorded.shape[1])
        self.crowd = judge(2 * recorded.shape[1])
        spread, turn = torch.linalg.eigh(torch.cov(recorded.T.double()))
        unit = turn / spread.clamp(min=0).sqrt().clamp(min=LEAST_SD)
        self.register_buffer("centre", recorded.mean(dim=0))
        self.register_buffer("unit", unit.float())
        self.moments = Moments(self._in_units(recorded))

    def forward(self, strips: Tensor) -> Tensor:
        """(batch, 8, sample), mV -> (batch, 4): above 0 where they look recorded; neighbours are judged together."""
        hidden = views(strips)
        size = hidden.abs()
        seen = [size.mean(dim=2), torch.exp(-3 * size).mean(dim=2)]  # how large, and how often small
        for layer in self.body:
            hidden = functional.leaky_relu(layer(hidden), 0.2)
            seen += [hidden.mean(dim=2), hidden.std(dim=2)]
        told = self.told_of(strips)
        together = [self.crowd(crowd_of(part)).expand(len(part), 1) for part in told.split(CROWD)]
        verdicts = [
            self.near(hidden).mean(dim=2),
            self.whole(torch.cat(seen, dim=1)),
            self.told(told),
            torch.cat(together),
        ]
        return torch.cat(verdicts, dim=1)

    def told_of(self, strips: Tensor) -> Tensor:
        """Figures of strips in units of how much those of recorded strips differ, (batch, figure)."""
        return self._in_units(figures(strips))

    def _in_units(self, told: Tensor) -> Tensor:
        return torch.asinh((told - self.centre) @ self.unit)


class Moments(nn.Module):
    """How far means and covariances of shown figures are from those of recorded ones.

    The verdict's gradient is that of the squared distances, summed; those of shown strips are a running mean, for a
    batch is too small to tell. Judges that are learnt overlook that leads are too alike: this one cannot.
    """

    def __init__(self, recorded: Tensor) -> None:
        super().__init__()
        mean, spread = recorded.mean(dim=0), torch.cov(recorded.T)
        for name, value in (("mean", mean), ("spread", spread)):
            self.register_buffer(f"recorded_{name}", value.clone())
            self.register_buffer(f"shown_{name}", value.clone())

    def forward(self, told: Tensor) -> Tensor:
        """What to go down, of (batch, figure)."""
        with torch.no_grad():
            self.shown_mean.lerp_(told.mean(dim=0), 1 - MOMENTS_MEMORY)
            off = told - self.shown_mean
            self.shown_spread.lerp_(off.T @ off / len(told), 1 - MOMENTS_MEMORY)
        off = told - self.shown_mean
        mean = off @ (self.shown_mean - self.recorded_mean)
        spread = ((off @ (self.shown_spread - self.recorded_spread)) * off).sum(dim=1)
        return 2 * (MEANS * mean + spread).mean()


def figures(strips: Tensor) -> Tensor:
    """How large slopes and bends are and how power is spread above 15 Hz, lead by lead, (batch, figure), logarithms."""
    steep = [part.abs() for part in (slopes(strips), bends(strips))]
    sizes = [torch.asinh(part / scale).mean(dim=2) + LEAST_SIZE for part in steep for scale in SCALES_MV]
    segments = strips.unfold(2, SEGMENT, SEGMENT // 2)
    window = torch.hann_window(SEGMENT, dtype=strips.dtype, device=strips.device)
    spectrum = torch.fft.rfft((segments - segments.mean(dim=3, keepdim=True)) * window)
    power = spectrum.abs().square().mean(dim=2) * (2 / FS / window.square().sum())
    edges = [round(edge * SEGMENT / FS) for edge in EDGES_HZ]
    level = torch.log(power + LEAST_POWER)
    bands = [level[..., low:high].mean(dim=2) for low, high in zip(edges[:-1], edges[1:], strict=True)]
    parts = [*map(torch.log, sizes), *bands]
    return torch.cat(parts, dim=1)


def crowd_of(told: Tensor) -> Tensor:
    """Means and spreads of figures over strips, (1, 2 figure)."""
    variance = told.var(dim=0, correction=0)
    return torch.cat([told.mean(dim=0), torch.sqrt(variance + LEAST_VARIANCE)])[None]


def judge(figures: int, width: int = 96) -> nn.Module:
    """From figures of a strip to a verdict."""
    return nn.Sequential(
        spectral_norm(nn.Linear(figures, width)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Linear(width, 64)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Linear(64, 1)),
    )
