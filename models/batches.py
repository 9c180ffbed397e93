"""Batches of residual strips for the strip network, made anew each time with another shift and gain."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from models import flow
from models.codec import HOP, tokens_of
from models.denoiser import StripNet
from models.preparation import SAMPLES, Material
from models.strip import FS, StripScale, track

LONGEST_SHIFT = 10 * HOP
GAIN_SPREAD = 0.1
CROP = 72
"""Tokens of a strip seen in one training step, 5.8 s: cheaper than all, and a strip has many such views."""
UNKNOWN_SHARE = 0.15
"""How often a strip's conditions are hidden, so that strips of unknown patients are known too."""


class StripBatches:
    """Loss of a strip network on chosen strips of the material.

    Parameters
    ----------
    material : Material
    scale : StripScale
    rows : ndarray
        Encoded conditions, zeros where unknown.
    device : torch.device
    text : int
        How many of the last columns of `rows` are a report's embedding; they are hidden on their own, too.
    """

    def __init__(
        self,
        material: Material,
        scale: StripScale,
        rows: np.ndarray,
        device: torch.device,
        text: int = 0,
    ) -> None:
        self.material, self.scale, self.rows, self.device, self.text = material, scale, rows, device, text
        self.noise = material.noise_mv()

    def loss(
        self, net: nn.Module, chosen: np.ndarray, draw: np.random.Generator, unknown: float
    ) -> torch.Tensor:
        """Loss on these strips with fresh noise; conditions are hidden with chance `unknown`."""
        return self.loss_on(net, self.drawn(chosen, draw, unknown))

    def window(self, draw: np.random.Generator) -> slice:
        """A run of `CROP` tokens."""
        start = int(draw.integers(0, tokens_of(SAMPLES) - CROP + 1))
        return slice(start, start + CROP)

    def drawn(
        self,
        chosen: np.ndarray,
        draw: np.random.Generator,
        unknown: float,
        window: slice = slice(None),
    ) -> list[torch.Tensor]:
        """A window of strips with fresh noise, in the main memory: x_1, context, conditions, t, weight, x_0."""
        units, context, weight = (part[:, window] for part in self._inputs(chosen, draw))
        rows = self.rows[chosen] * (draw.random((len(chosen), 1)) >= unknown)
        rows = without_text(rows, self.text, draw, unknown)
        t = 1 / (1 + np.exp(-draw.normal(size=len(chosen))))
        x_0 = draw.standard_normal(units.shape)
        parts = (units, context, rows, t, weight[..., None], x_0)
        return [torch.as_tensor(part).float() for part in parts]

    def loss_on(self, net: nn.Module, drawn: list[torch.Tensor]) -> torch.Tensor:
        """Loss on what `drawn` made."""
        x_1, about, said, times, mask, x_0 = (part.to(self.device, non_blocking=True) for part in drawn)
        return flow.loss(lambda x, at: net(x, at, about, said), x_0, x_1, times, mask)

    def held_out(self, net: StripNet, chosen: np.ndarray) -> float:
        """Mean loss over strips, with the same noises and times every time."""
        pieces = np.array_split(chosen, max(len(chosen) // 64, 1))
        with torch.no_grad():
            losses = [
                self.loss(net, piece, np.random.default_rng((0, k)), 0.0) for k, piece in enumerate(pieces)
            ]
        return float(torch.stack(losses).mean())

    def _inputs(
        self, chosen: np.ndarray, draw: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Residual tokens, context and weights of the strips, all moved and scaled alike."""
        material, shift = self.material, int(draw.integers(0, LONGEST_SHIFT))
        gain = np.exp(draw.normal(0, GAIN_SPREAD, (len(chosen), 1, 1)))
        rendered = _moved(material.rendered[chosen], shift) * gain
        residual = _moved(material.residual[chosen], shift) * gain
        noise = self.noise[chosen] * gain
        rhythms = [material.rhythms[row] for row in chosen]
        tracks = np.stack([track(beats + shift / FS, kinds, SAMPLES) for beats, kinds, _ in rhythms])
        weight = _moved_weight(material.weight[chosen], shift)
        rendered, residual, noise, tracks = map(torch.from_numpy, (rendered, residual, noise, tracks))
        units = self.scale.to_unit(residual, rendered, noise)
        return units, self.scale.context(rendered, noise, tracks), weight


def without_text(rows: np.ndarray, text: int, draw: np.random.Generator, unknown: float) -> np.ndarray:
    """Conditions with their last `text` columns hidden with chance `unknown`, so that no report is needed."""
    if not text:
        return rows
    seen = draw.random((len(rows), 1)) >= unknown
    return np.concatenate([rows[:, :-text], rows[:, -text:] * seen], axis=1)


def oversampling(statements: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Chance of each strip to be drawn, summing to 1: rare statements up to four times as often."""
    count = Counter(code for said in statements for code in said)
    rarest = [min((count[code] for code in said), default=len(statements)) for said in statements]
    chance = np.clip(np.sqrt(300 / np.array(rarest)), 1.0, 4.0)
    return chance / chance.sum()


def _moved(strips: np.ndarray, shift: int) -> np.ndarray:
    """Strips moved later by `shift` samples; zeros move in."""
    moved = np.zeros(strips.shape)
    moved[..., shift:] = strips[..., : strips.shape[-1] - shift]
    return moved


def _moved_weight(weight: np.ndarray, shift: int) -> np.ndarray:
    """Token weights of moved strips: 0 for every token that touches a sample of weight 0."""
    samples = _moved(np.repeat(weight[:, :-1], HOP, axis=1)[:, :SAMPLES], shift)
    pieces = np.pad(samples, ((0, 0), (HOP, HOP)), mode="edge").reshape(len(weight), -1, HOP)
    return np.minimum(pieces[:, :-1].min(axis=2), pieces[:, 1:].min(axis=2))
