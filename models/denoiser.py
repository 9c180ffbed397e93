"""The two velocity networks: perceptrons for the heart, a convolution-and-attention stack for the strip."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from models.flow import Velocity, gaussian_velocity

Way = Callable[[Velocity, torch.Tensor], torch.Tensor]
Turns = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class HeartNetConfig:
    """Sizes of `HeartNet`: numbers of a heart's vector in each part, columns of the conditions, width, depth, dropout.

    The parts together are the whole vector, each number once. `told` are the numbers of the parts before that each
    part is told beside the conditions; none, if not said.
    """

    parts: tuple[tuple[int, ...], ...]
    columns: int
    width: int = 256
    depth: int = 3
    dropout: float = 0.2
    told: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class StripNetConfig:
    """Sizes of `StripNet`: numbers per token and of its context, columns of the conditions, width, depth."""

    token: int
    context: int
    columns: int
    width: int = 128
    depth: int = 6
    heads: int = 4
    kernel: int = 7


class HeartNet(nn.Module):
    """The flow of whitened hearts, one part after another: each part by a perceptron, told of parts before it.

    So few records teach one perceptron little about all numbers at once, more about a few that go together.
    """

    def __init__(self, config: HeartNetConfig, parts: Sequence[nn.Module] | None = None) -> None:
        super().__init__()
        self.config, self.told = config, config.told or ((),) * len(config.parts)
        self.parts = nn.ModuleList(parts or map(self.new_part, range(len(config.parts))))

    def new_part(self, place: int) -> "HeartPartNet":
        """An untrained network of one part."""
        config = self.config
        return HeartPartNet(len(config.parts[place]), config.columns + len(self.told[place]), config)

    def about(self, place: int, hearts: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        """What a part is told, (batch, column): the conditions, and some numbers of the parts before."""
        return torch.cat([conditions, hearts[:, list(self.told[place])]], dim=1)

    def drawn(self, noise: torch.Tensor, conditions: torch.Tensor, ways: Sequence[Way]) -> torch.Tensor:
        """Hearts (batch, dimension) from as much noise; each part's flow is gone through by `way(velocity, noise)`."""
        made = torch.zeros_like(noise)
        for place, (part, way) in enumerate(zip(self.config.parts, ways, strict=True)):
            made[:, list(part)] = way(self._velocity(place, made, conditions), noise[:, list(part)])
        return made

    def inverted(self, hearts: torch.Tensor, conditions: torch.Tensor, way: Way) -> torch.Tensor:
        """The noise (batch, dimension) that these hearts are drawn from, by `way(velocity, hearts)`."""
        noise = torch.zeros_like(hearts)
        for place, part in enumerate(self.config.parts):
            noise[:, list(part)] = way(self._velocity(place, hearts, conditions), hearts[:, list(part)])
        return noise

    def _velocity(self, place: int, hearts: torch.Tensor, conditions: torch.Tensor) -> Velocity:
        """The velocity of a part of hearts of which the parts before are known."""
        net, about = self.parts[place], self.about(place, hearts, conditions)
        return lambda x, t: net(x, t, about)


class HeartPartNet(nn.Module):
    """Velocity of some numbers of whitened hearts, (batch, dimension); equals the Gaussian's until trained."""

    def __init__(self, dimension: int, columns: int, config: HeartNetConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(dimension, config.width)
        self.time = _TimeEmbedding(config.width)
        self.said = nn.Linear(columns, config.width)
        self.blocks = nn.ModuleList(_Perceptron(config.width, config.dropout) for _ in range(config.depth))
        self.leave = _zero(nn.Linear(config.width, dimension))

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
        """`x_t` (batch, dimension), `t` (batch,), `about` (batch, columns) -> (batch, dimension)."""
        told = self.time(t) + self.said(about)
        hidden = self.enter(x_t)
        for block in self.blocks:
            hidden = block(hidden, told)
        return gaussian_velocity(x_t, t) + self.leave(functional.silu(hidden))


class StripNet(nn.Module):
    """Velocity of a strip's tokens, (batch, token, number); equals the Gaussian's until trained."""

    def __init__(self, config: StripNetConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(config.token + config.context, config.width)
        self.time = _TimeEmbedding(config.width)
        self.said = nn.Linear(config.columns, config.width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.leave = _zero(nn.Linear(config.width, config.token))

    def forward(
        self, x_t: torch.Tensor, t: torch.Tensor, context: torch.Tensor, conditions: torch.Tensor
    ) -> torch.Tensor:
        """`x_t` (batch, token, number), `context` (batch, token, context), `conditions` (batch, columns)."""
        about = functional.silu(self.time(t) + self.said(conditions))
        hidden = self.enter(torch.cat([x_t, context], dim=-1))
        turns = _turns(x_t.shape[1], self.config.width // self.config.heads, x_t.device)
        for block in self.blocks:
            hidden = block(hidden, about, turns)
        return gaussian_velocity(x_t, t) + self.leave(self.norm(hidden))


class _TimeEmbedding(nn.Module):
    """Sines and cosines of the time, mixed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("rates", torch.exp(torch.linspace(0, math.log(200), 32)), persistent=False)
        self.mix = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        angles = t[:, None] * self.rates
        return self.mix(torch.cat([angles.sin(), angles.cos()], dim=-1))


class _Perceptron(nn.Module):
    """Residual layer scaled and shifted by time and conditions."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 2 * width)
        self.layers = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, hidden: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulate(functional.silu(about)).chunk(2, dim=-1)
        return hidden + self.layers(self.norm(hidden) * (1 + scale) + shift)


class _Block(nn.Module):
    """Depthwise convolution for the neighbourhood, attention for the whole strip, perceptron for each token.

    Source: Peebles and Xie 2023, adaLN-zero; the branches start at zero.
    """

    def __init__(self, config: StripNetConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = _zero(nn.Linear(width, 6 * width))
        self.near = nn.Conv1d(width, width, config.kernel, padding=config.kernel // 2, groups=width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.layers = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, hidden: torch.Tensor, about: torch.Tensor, turns: Turns) -> torch.Tensor:
        scale_a, shift_a, gate_a, scale_b, shift_b, gate_b = self.modulate(about)[:, None].chunk(6, dim=-1)
        inner = torch.addcmul(shift_a, self.norm(hidden), 1 + scale_a)
        inner = inner + self._beside(inner)
        hidden = torch.addcmul(hidden, gate_a, self.attended(self._attend(inner, turns)))
        return torch.addcmul(
            hidden, gate_b, self.layers(torch.addcmul(shift_b, self.norm(hidden), 1 + scale_b))
        )

    def _beside(self, inner: torch.Tensor) -> torch.Tensor:
        """What the convolution makes of every token's neighbours; as one in two dimensions it is twice as fast."""
        near, rows = self.near, inner.transpose(1, 2)[:, :, None]
        padding = (0, near.padding[0])
        made = functional.conv2d(rows, near.weight[:, :, None], near.bias, 1, padding, groups=near.groups)
        return made[:, :, 0].transpose(1, 2)

    def _attend(self, inner: torch.Tensor, turns: Turns) -> torch.Tensor:
        """Every token's mean of all tokens' values, weighted by likeness; positions enter by rotation."""
        batch, count, width = inner.shape
        parts = self.query_key_value(inner).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        (query, key), value = _rotate(parts[:2], turns), parts[2]
        if inner.device.type == "cpu":  # for some hundred tokens faster than the fused kernel
            likeness = query @ (key / math.sqrt(key.shape[-1])).transpose(-1, -2)
            mean = likeness.softmax(dim=-1) @ value
        else:
            mean = functional.scaled_dot_product_attention(query, key, value)
        return mean.transpose(1, 2).reshape(batch, count, width)


def _turns(count: int, numbers: int, device: torch.device) -> Turns:
    """Cosines and sines of the rotary position embedding, (token, numbers / 2) (Su et al. 2021, equation 34)."""
    rates = 100.0 ** (-torch.arange(numbers // 2, device=device) / (numbers // 2))
    angles = torch.arange(count, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def _rotate(rows: torch.Tensor, turns: Turns) -> torch.Tensor:
    """Rows (..., token, number) turned by their position."""
    cosine, sine = (part.to(rows.dtype) for part in turns)
    first, second = rows.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def _zero(layer: nn.Linear) -> nn.Linear:
    """The layer with all weights zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
