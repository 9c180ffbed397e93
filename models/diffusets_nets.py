"""The networks of DiffuSETS, written anew so that the released weights fit: a U-Net and an autoencoder.

Attributes bear the names of the released tensors (`bottelneck`, a `down` inside each block and the autoencoder's
`groupnorm` before its attention, which their forward passes do not use, among them): they are the file format.
Source: Lai et al. 2025, arXiv 2501.05932.
"""

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (4, 8, 16, 32, 64, 128, 256)
TIMES = 1000
TEXT_WIDTH = 1536
SCALARS = 3
"""Sex (male 1, female 0), age (years), heart rate (bpm) follow the text's vector, as they are."""
LATENT = (4, 128)
SAMPLES = 1024
LATENT_SCALE = 0.18215
LOG_VARIANCE_LIMITS = (-30.0, 20.0)


def time_table() -> torch.Tensor:
    """One row of 32 sines and 32 cosines per training step, (1000, 64), single precision; files bring their own.

    Single-precision exponentials differ among processors by a unit in the last place, which a thousand steps
    multiply; so they are rounded from double here. The second lies 0.51 of a unit above the lower number, and the
    lower one is what the reference vectors were made with: the upper moves them by 1.3e-5.

    Source: angle (t + 1) exp(-10 k / 31), k = 0..31.
    """
    exponents = -torch.arange(32, dtype=torch.float32) * (10 / 31)
    rates = torch.exp(exponents.double()).float()
    rates[1] = torch.nextafter(rates[1], torch.tensor(0.0))
    angle = torch.arange(1, TIMES + 1, dtype=torch.float32)[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class TimeEmbedding(nn.Module):
    """What a training step adds to every position of a block's input, (batch, channel, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", time_table())
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, channels)

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        """Steps `t` (batch,), 0 to 999."""
        return self.fc2(functional.mish(self.fc1(self.embeddings[t])))[..., None]


class SelfAttention(nn.Module):
    """Attention among positions, (batch, position, channel)."""

    def __init__(self, channels: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.to_q = nn.Linear(channels, hidden)
        self.to_k = nn.Linear(channels, hidden)
        self.to_v = nn.Linear(channels, hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.to_out = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape."""
        seen = self.norm(x)
        found, _ = self.attention(self.to_q(seen), self.to_k(seen), self.to_v(seen), need_weights=False)
        return x + self.to_out(found)


class CrossAttention(nn.Module):
    """Attention to the one token of the conditions, (batch, position, channel).

    With one token every weight is 1, whatever the query: the values' path is all there is to compute. The
    tensors of queries and keys are kept because the files hold them.
    """

    def __init__(self, channels: int, hidden: int, heads: int, condition: int) -> None:
        super().__init__()
        self.normalization = nn.LayerNorm(channels)
        self.value_combiner = nn.Linear(condition, channels)
        self.condition_normalization = nn.LayerNorm(channels)
        self.to_q = nn.Linear(channels, hidden)
        self.to_k = nn.Linear(channels, hidden)
        self.to_v = nn.Linear(channels, hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.to_out = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`condition` (batch, 1, number)."""
        value = self.to_v(self.condition_normalization(self.value_combiner(condition)))
        hidden = self.attention.embed_dim
        weight, bias = self.attention.in_proj_weight[2 * hidden :], self.attention.in_proj_bias[2 * hidden :]
        value = self.attention.out_proj(functional.linear(value, weight, bias))
        return x + self.to_out(value)  # the same at every position


class Block(nn.Module):
    """Two wide convolutions around attention to itself and to the conditions, (batch, channel, position)."""

    def __init__(self, entering: int, leaving: int, hidden: int, condition: int) -> None:
        super().__init__()
        inner = (entering + leaving) // 2
        self.time_emb = TimeEmbedding(entering)
        self.pre_shortcut_convs = nn.Conv1d(entering, inner, 7, padding="same")
        self.layer_norm1 = nn.GroupNorm(1, inner)
        self.shortcut_convs = nn.Conv1d(inner, inner, 1)
        self.self_attention = SelfAttention(inner, hidden, heads=8)
        self.cross_attention = CrossAttention(inner, hidden, 8, condition)
        self.attention_norm = nn.LayerNorm(inner)
        self.post_shortcut_convs = nn.Conv1d(inner, leaving, 7, padding="same")
        self.layer_norm2 = nn.GroupNorm(1, leaving)
        self.res_conv = nn.Conv1d(entering, leaving, 1)
        self.down = nn.Conv1d(leaving, leaving, 3, stride=2, padding=1)  # in the files, in no forward pass

    def forward(self, x: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`x` (batch, entering, position) -> (batch, leaving, position)."""
        h = self.pre_shortcut_convs(x + self.time_emb(t))
        h = self.shortcut_convs(functional.mish(self.layer_norm1(h)))
        h = self.cross_attention(self.self_attention(h.transpose(1, 2)), condition)
        h = self.post_shortcut_convs(self.attention_norm(h).transpose(1, 2))
        return functional.mish(self.layer_norm2(h)) + self.res_conv(x)


class DownBlock(nn.Module):
    """A block, then half as many positions."""

    def __init__(self, entering: int, leaving: int, condition: int) -> None:
        super().__init__()
        self.block = Block(entering, leaving, hidden=leaving, condition=condition)
        self.down = nn.Conv1d(leaving, leaving, 3, stride=2, padding=1)


class UpBlock(nn.Module):
    """Twice as many positions, the skip behind the channels, then a block."""

    def __init__(self, below: int, skip: int, leaving: int, condition: int) -> None:
        super().__init__()
        entering = below + skip
        self.up = nn.ConvTranspose1d(below, below, 4, stride=2, padding=1)
        self.block = Block(entering, leaving, hidden=2 * entering, condition=condition)


class Bottleneck(nn.Module):
    """The deepest block: 256 channels, two positions."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.time_emb = TimeEmbedding(channels)
        self.bottleneck_conv1 = nn.Conv1d(channels, channels, 3, padding="same")
        self.bottleneck_layer_norm1 = nn.GroupNorm(1, channels)
        self.bottleneck_conv1_2 = nn.Conv1d(channels, channels, 3, padding="same")
        self.self_attention = SelfAttention(channels, 32, heads=4)
        self.cross_attention = CrossAttention(channels, 32, 4, condition)
        self.attention_norm = nn.LayerNorm(channels)
        self.bottleneck_conv2 = nn.Conv1d(channels, channels, 3, padding="same")
        self.bottleneck_layer_norm2 = nn.GroupNorm(1, channels)

    def forward(self, x: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Of the same shape as `x` (batch, channel, position)."""
        h = self.bottleneck_conv1(x + self.time_emb(t))
        h = self.bottleneck_conv1_2(functional.mish(self.bottleneck_layer_norm1(h)))
        h = self.cross_attention(self.self_attention(h.transpose(1, 2)), condition)
        h = self.bottleneck_conv2(self.attention_norm(h).transpose(1, 2))
        return functional.mish(self.bottleneck_layer_norm2(h)) + x


class UNet(nn.Module):
    """The noise in a latent: `net(x_t, t, condition)`, (batch, 4, 128).

    Parameters
    ----------
    text_width : int
        Numbers of a text's vector: 1536, or 8192 for the variant of the demonstration.
    """

    def __init__(self, text_width: int = TEXT_WIDTH) -> None:
        super().__init__()
        condition = text_width + SCALARS
        steps = list(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))
        self.downsampling_blocks = nn.ModuleList(DownBlock(*step, condition) for step in steps)
        self.bottelneck = Bottleneck(WIDTHS[-1], condition)
        self.upsampling_blocks = nn.ModuleList(
            UpBlock(below, below if k else 0, leaving, condition)
            for k, (leaving, below) in enumerate(reversed(steps))
        )
        self.output_conv = nn.Sequential(
            nn.Conv1d(WIDTHS[0], WIDTHS[0], 3, padding="same"), nn.Mish(), nn.Conv1d(WIDTHS[0], WIDTHS[0], 1)
        )

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`x_t` (batch, 4, 128), `t` (batch,) whole steps, `condition` (batch, 1, text width + 3)."""
        skips, h = [], x_t
        for stage in self.downsampling_blocks:
            skips.append(stage.block(h, t, condition))
            h = stage.down(skips[-1])
        skips[-1] = skips[-1][:, :0]  # the deepest skip is dropped
        h = self.bottelneck(h, t, condition)
        for stage in self.upsampling_blocks:
            h = stage.block(torch.cat([stage.up(h), skips.pop()], dim=1), t, condition)
        return self.output_conv(h)


class Residual(nn.Module):
    """Two normalised convolutions beside a shortcut, (batch, channel, position)."""

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__()
        self.groupnorm_1 = nn.GroupNorm(32, entering)
        self.conv_1 = nn.Conv1d(entering, leaving, 3, padding=1)
        self.groupnorm_2 = nn.GroupNorm(32, leaving)
        self.conv_2 = nn.Conv1d(leaving, leaving, 3, padding=1)
        self.residual_layer = nn.Identity() if entering == leaving else nn.Conv1d(entering, leaving, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, entering, position) -> (batch, leaving, position)."""
        h = self.conv_1(functional.silu(self.groupnorm_1(x)))
        return self.conv_2(functional.silu(self.groupnorm_2(h))) + self.residual_layer(x)


class OneHead(nn.Module):
    """Attention among positions with one head, (batch, position, channel)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(channels, 3 * channels)
        self.out_proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape."""
        q, k, v = self.in_proj(x).chunk(3, dim=-1)
        return self.out_proj(functional.scaled_dot_product_attention(q, k, v))


class Attention(nn.Module):
    """Attention beside a shortcut, (batch, channel, position); `groupnorm` is in the files and not applied."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groupnorm = nn.GroupNorm(32, channels)
        self.attention = OneHead(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape."""
        return x + self.attention(x.transpose(1, 2)).transpose(1, 2)


class Halving(nn.Conv1d):
    """A convolution of stride 2 after one zero on the right."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channel, position) -> (batch, channel, position / 2)."""
        return super().forward(functional.pad(x, (0, 1)))


class Encoder(nn.Sequential):
    """Mean and log-variance of the latent of ECGs; the places in the sequence are the names in the files."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv1d(12, 128, 3, padding=1),
            *(Residual(128, 128), Residual(128, 128), Halving(128)),
            *(Residual(128, 256), Residual(256, 256), Halving(256)),
            *(Residual(256, 512), Residual(512, 512), Halving(512)),
            *(Residual(512, 512), Residual(512, 512), Residual(512, 512), Attention(512), Residual(512, 512)),
            *(nn.GroupNorm(32, 512), nn.SiLU(), nn.Conv1d(512, 8, 3, padding=1), nn.Conv1d(8, 8, 1)),
        )

    def forward(self, signals: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`signals` (batch, 1024, 12) mV in the decoder's order of leads -> two of (batch, 4, 128)."""
        mean, log_variance = super().forward(signals.transpose(1, 2)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_LIMITS)


def latent_of(mean: torch.Tensor, log_variance: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The latent that the diffusion works on, (batch, 4, 128): (mean + exp(log-variance / 2) noise) 0.18215."""
    return (mean + torch.exp(log_variance / 2) * noise) * LATENT_SCALE


class Decoder(nn.Sequential):
    """Latents to ECGs; the places in the sequence are the names in the files."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv1d(4, 4, 1), nn.Conv1d(4, 512, 3, padding=1)),
            *(Residual(512, 512), Attention(512), *(Residual(512, 512) for _ in range(4))),
            *(nn.Upsample(scale_factor=2), nn.Conv1d(512, 512, 3, padding=1)),
            *(Residual(512, 512) for _ in range(3)),
            *(nn.Upsample(scale_factor=2), nn.Conv1d(512, 512, 3, padding=1)),
            *(Residual(512, 256), Residual(256, 256), Residual(256, 256)),
            *(nn.Upsample(scale_factor=2), nn.Conv1d(256, 256, 3, padding=1)),
            *(Residual(256, 128), Residual(128, 128), Residual(128, 128)),
            *(nn.GroupNorm(32, 128), nn.SiLU(), nn.Conv1d(128, 12, 3, padding=1)),
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """`latent` (batch, 4, 128), left as it is -> (batch, 1024, 12) mV: I II III aVR aVF aVL V1..V6."""
        return super().forward(latent / LATENT_SCALE).transpose(1, 2)
