"""The last steps to a strip: the texture's corrections as they may be, and correlations between leads."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.beats import Beats
from models.correlations import correlated
from models.recurring import qrs_windows, recurring
from models.strip import FS, Sizes
from models.texture import quietly


@dataclass(frozen=True, eq=False)
class Draft:
    """Strips before their texture.

    Parameters
    ----------
    beats : Tensor, shape (batch, 8, sample)
        Nothing but rendered beats, mV.
    strips : Tensor, shape (batch, 8, sample)
        With what the strip network adds to them, mV.
    at : Beats
    sizes : Sizes
        What is expected of all that is added.
    correlations : Tensor, shape (batch, SPANS, BANDS, ENTRIES)
        Of all that is added, between leads: of `models.correlations.LeadCorrelations.draw`.
    """

    beats: Tensor
    strips: Tensor
    at: Beats
    sizes: Sizes
    correlations: Tensor

    def where(self, rows: np.ndarray) -> "Draft":
        """Some of the strips."""
        return _each(self, lambda tensor: tensor[torch.from_numpy(rows).to(tensor.device)])

    def to(self, device: torch.device) -> "Draft":
        """The same on a device."""
        return _each(self, lambda tensor: tensor.to(device))

    def finished(self, correction: Tensor | None) -> Tensor:
        """Strips with a texture's correction (mV) and with their correlations, mV, (batch, 8, sample).

        In QRS complexes the texture adds no median of its own; outside it adds little, and nowhere much more than
        usual.
        """
        strips = self.strips
        if correction is not None:
            inside = qrs_windows(strips.shape[2], FS, self.at)[:, None]
            fast = correction - recurring(correction, FS, self.at)
            strips = strips + torch.lerp(quietly(correction, inside), fast, inside)
        return self.beats + correlated(strips - self.beats, self.sizes, self.correlations)


def _each(part: Tensor | Beats | Sizes | Draft, change: Callable[[Tensor], Tensor]) -> Any:
    """A part with all of its tensors changed."""
    if isinstance(part, Tensor):
        return change(part)
    return type(part)(*(_each(getattr(part, field.name), change) for field in fields(part)))
