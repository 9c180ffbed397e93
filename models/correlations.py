"""How what strips add to their beats goes together between leads: every strip has correlations of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.codec import HOP, to_strips, to_tokens
from models.encoding import ridge
from models.strip import BAND_OF, BANDS, LEAD_COUNT, Sizes

SPANS = 2
"""Where no beat is steep, what is added is mostly noise; where one is, mostly how beats vary."""
ENTRIES = LEAD_COUNT * (LEAD_COUNT + 1) // 2
SHRINKAGE = 0.05
"""How far correlations are drawn towards none, of records and of drawn strips: few tokens tell them."""
LARGEST = 3.0
"""Tokens beyond count as this large: a burst tells no correlation."""
PENALTY = 100.0
"""Of the ridge on noise, in records. What it explains in records left out hardly differs from 10 to 1000."""
LEAST, LEAST_VALUE = 1e-4, 0.01


@dataclass(frozen=True, eq=False)
class LeadCorrelations:
    """How recorded strips differ in correlations between leads, by span and by band (`models.strip.BAND_OF`).

    A network errs towards what is usual: its strips all have nearly the same. In records which electrode is noisy,
    and how breathing turns the heart, differ. Matrix logarithms of correlation matrices are normally distributed here,
    about a mean that goes with the noise of all leads. Source: Archakov and Hansen 2021.

    Parameters
    ----------
    mean : ndarray, shape (1 + 8 BANDS, SPANS BANDS ENTRIES)
        Weights of 1 and of the logarithms of the noise in the mean of all entries.
    colour : ndarray, shape (SPANS BANDS ENTRIES, SPANS BANDS ENTRIES)
        Square root of the covariance about it.
    """

    mean: np.ndarray
    colour: np.ndarray

    def draw(self, noise_mv: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """Correlation matrices of a strip with this noise (8, BANDS), as logarithms, (SPANS, BANDS, ENTRIES)."""
        mean = np.append(1.0, np.log(noise_mv)) @ self.mean
        drawn = mean + self.colour @ draw.standard_normal(len(self.colour))
        return drawn.reshape(SPANS, BANDS, ENTRIES)


def correlated(added: Tensor, sizes: Sizes, logarithms: Tensor) -> Tensor:
    """What strips add to their beats, changed as little as it takes to have these correlations between leads.

    Source: optimal transport between centred normal distributions (Olkin and Pukelsheim 1982).

    Parameters
    ----------
    added : Tensor, shape (batch, 8, sample)
        mV.
    sizes : Sizes
        What is expected of it.
    logarithms : Tensor, shape (batch, SPANS, BANDS, ENTRIES)
        Of `LeadCorrelations.draw`.
    """
    units, spans = units_of(added, sizes), spans_of(sizes)
    with torch.no_grad():  # a texture learns through the change, not from what it changes about it
        values, turn = torch.linalg.eigh(_unshrunk(_correlations(units, spans)))
        root, inverse = ((turn * scale[..., None, :]) @ turn.mT for scale in _roots(values))
        wanted = _unshrunk(_of_logarithms(logarithms))
        change = inverse @ _of_values(root @ wanted @ root, lambda found: found.clamp(min=0).sqrt()) @ inverse
    change = change[:, :, torch.from_numpy(BAND_OF)]
    rows = units.permute(0, 3, 2, 1)  # (batch, HOP, 8, token)
    made = sum(change[:, span] @ rows * spans[:, span, None, None] for span in range(SPANS))
    moved = (made - rows).permute(0, 3, 2, 1).flatten(2)
    return added + to_strips(moved * sizes.expected_mv, LEAD_COUNT, added.shape[2])


def units_of(added: Tensor, sizes: Sizes) -> Tensor:
    """Tokens of what strips add, in units of what is expected, (batch, token, 8, HOP)."""
    return (to_tokens(added) / sizes.expected_mv).unflatten(2, (LEAD_COUNT, HOP))


def spans_of(sizes: Sizes) -> Tensor:
    """1 for the tokens of each span, (batch, SPANS, token): where no lead is steeper than on average, where one is."""
    steep = sizes.active.amax(dim=2) > 0
    return torch.stack([~steep, steep], dim=1).to(sizes.active)


def fit_correlations(logarithms: np.ndarray, noise_mv: np.ndarray) -> LeadCorrelations:
    """Correlations of recorded strips, (strip, SPANS, BANDS, ENTRIES), regressed on their noise, (strip, 8, BANDS)."""
    entries, rows = logarithms.reshape(len(logarithms), -1), np.log(noise_mv).reshape(len(noise_mv), -1)
    centre, spread = rows.mean(axis=0), rows.std(axis=0) + LEAST
    design = np.column_stack([np.ones(len(rows)), (rows - centre) / spread])
    weights = ridge(design, entries, np.append(LEAST, np.full(rows.shape[1], PENALTY)))
    left = entries - design @ weights
    values, turn = np.linalg.eigh(left.T @ left / len(left))
    weights[1:] /= spread[:, None]
    weights[0] -= centre @ weights[1:]
    return LeadCorrelations(weights, turn * np.sqrt(values.clip(min=0)) @ turn.T)


def logarithms_of(units: Tensor, spans: Tensor) -> Tensor:
    """Logarithms of the correlations between leads of tokens, (batch, SPANS, BANDS, ENTRIES).

    Parameters
    ----------
    units : Tensor, shape (batch, token, 8, HOP)
        Of `units_of`.
    spans : Tensor, shape (batch, SPANS, token)
        1 where a token counts.
    """
    found = _of_values(_correlations(units, spans), torch.log)
    row, column = _upper()
    return found[..., row, column]


def _correlations(units: Tensor, spans: Tensor) -> Tensor:
    """Of tokens (batch, token, 8, HOP) between leads, shrunk, (batch, SPANS, BANDS, 8, 8)."""
    limited, found = units.clamp(-LARGEST, LARGEST), []
    for band in limited.split(np.bincount(BAND_OF).tolist(), dim=3):
        rows = band[:, None] * spans[..., None, None]
        rows = rows.transpose(2, 3).flatten(3)  # (batch, span, lead, number)
        rows = rows / rows.norm(dim=3, keepdim=True).clamp(min=LEAST)
        found.append(rows @ rows.mT)
    return (1 - SHRINKAGE) * torch.stack(found, dim=2) + SHRINKAGE * torch.eye(LEAD_COUNT).to(units)


def _unshrunk(correlations: Tensor) -> Tensor:
    """Correlations as they were before they were shrunk."""
    return (correlations - SHRINKAGE * torch.eye(LEAD_COUNT).to(correlations)) / (1 - SHRINKAGE)


def _of_logarithms(logarithms: Tensor) -> Tensor:
    """Correlation matrices, (..., 8, 8), of the entries of their logarithms."""
    whole = logarithms.new_zeros((*logarithms.shape[:-1], LEAD_COUNT, LEAD_COUNT))
    row, column = _upper()
    whole[..., row, column] = whole[..., column, row] = logarithms
    found = _of_values(whole, torch.exp)
    size = found.diagonal(dim1=-2, dim2=-1).rsqrt()
    return found * size[..., None] * size[..., None, :]


def _of_values(matrices: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of symmetric matrices, by their eigenvalues."""
    values, turn = torch.linalg.eigh(matrices)
    return (turn * function(values)[..., None, :]) @ turn.mT


def _roots(values: Tensor) -> tuple[Tensor, Tensor]:
    """Square roots of positive values, and 1 over them."""
    root = values.clamp(min=LEAST_VALUE).sqrt()
    return root, 1 / root


def _upper() -> tuple[np.ndarray, np.ndarray]:
    """Where the entries of a symmetric matrix are."""
    return np.triu_indices(LEAD_COUNT)
