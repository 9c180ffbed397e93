"""Small networks that judge strips: a trunk of residual blocks, an autoencoder, a pair of encoders for text and ECG."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEADS = 8


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of a judging network.

    Parameters
    ----------
    labels : int
        Outputs of a classifier, or statements a text is made of.
    width : int
        Channels of the first block; the others have 1.5, 2 and 3 times as many.
    embedding : int
        Dimension in which text and ECG meet, or channels of the autoencoder's bottleneck.
    """

    labels: int = 1
    width: int = 32
    embedding: int = 48


class Block(nn.Module):
    """Two convolutions around which the strip also passes directly, half as long afterwards."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(before, after, 7, 2, 3, bias=False)
        self.second = nn.Conv1d(after, after, 7, 1, 3, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm1d(after), nn.BatchNorm1d(after)
        self.past = nn.Conv1d(before, after, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, time) -> (batch, after, time / 2)."""
        inside = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(inside)) + self.past(x))


class Trunk(nn.Module):
    """Strips at 100 Hz to one vector each: mean and largest value over time of the last channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [width, width * 3 // 2, width * 2, width * 3]
        self.stem = nn.Sequential(
            nn.Conv1d(LEADS, width, 11, 4, 5, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)))
        self.dimension = 2 * sizes[-1]

    def forward(self, strips: Tensor) -> Tensor:
        """(batch, 8, sample) -> (batch, dimension)."""
        x = self.blocks(self.stem(strips))
        return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)


class Classifier(nn.Module):
    """Logits of labels from a strip."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config, self.trunk = config, Trunk(config.width)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.trunk.dimension, config.labels))

    def features(self, strips: Tensor) -> Tensor:
        """What the last layer sees, (batch, dimension)."""
        return self.trunk(strips)

    def forward(self, strips: Tensor) -> Tensor:
        """(batch, 8, sample) -> (batch, label)."""
        return self.head(self.trunk(strips))


class Alignment(nn.Module):
    """Two encoders that place an ECG and its text near each other on a sphere.

    The text is its statements, each with its certainty, as a bag of words.
    Source: Radford et al., ICML 2021 (contrastive pairs).
    """

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config, self.trunk = config, Trunk(config.width)
        self.from_ecg = nn.Sequential(nn.Dropout(0.2), nn.Linear(self.trunk.dimension, config.embedding))
        self.from_text = nn.Sequential(
            nn.Linear(config.labels, 64), nn.ReLU(), nn.Linear(64, config.embedding)
        )
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def features(self, strips: Tensor) -> Tensor:
        """Unit vectors of ECGs, (batch, embedding)."""
        return nn.functional.normalize(self.from_ecg(self.trunk(strips)), dim=1)

    def text(self, said: Tensor) -> Tensor:
        """Unit vectors of texts, (batch, labels) -> (batch, embedding)."""
        return nn.functional.normalize(self.from_text(said), dim=1)

    def forward(self, strips: Tensor, said: Tensor) -> Tensor:
        """Scaled cosines of every ECG with every text, (batch, batch)."""
        return self.log_scale.clamp(max=4.6).exp() * self.features(strips) @ self.text(said).T


class Autoencoder(nn.Module):
    """A convolutional autoencoder of strips; its features are moments of the bottleneck over time."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        width, narrow = config.width, config.embedding
        self.encoder = nn.Sequential(
            nn.Conv1d(LEADS, width, 9, 2, 4), nn.GELU(),
            nn.Conv1d(width, 2 * width, 9, 2, 4), nn.GELU(),
            nn.Conv1d(2 * width, 2 * width, 9, 2, 4), nn.GELU(),
            nn.Conv1d(2 * width, narrow, 3, 1, 1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv1d(narrow, 2 * width, 3, 1, 1), nn.GELU(),
            nn.ConvTranspose1d(2 * width, 2 * width, 8, 2, 3), nn.GELU(),
            nn.ConvTranspose1d(2 * width, width, 8, 2, 3), nn.GELU(),
            nn.ConvTranspose1d(width, LEADS, 8, 2, 3),
        )  # fmt: skip

    def features(self, strips: Tensor) -> Tensor:
        """Mean and standard deviation over time of each channel, (batch, 2 * embedding)."""
        z = self.encoder(strips)
        return torch.cat([z.mean(dim=2), z.std(dim=2)], dim=1)

    def forward(self, strips: Tensor) -> Tensor:
        """Strips as they come back, (batch, 8, sample); the length must be a multiple of 8."""
        return self.decoder(self.encoder(strips))
