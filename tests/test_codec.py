"""Laws of the token transform."""

import numpy as np
import torch

from models.codec import BASIS, HOP, to_strips, to_tokens, tokens_of


def test_tokens_give_back_the_strip():
    strips = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 8, 2500)))
    assert torch.allclose(to_strips(to_tokens(strips), 8, 2500), strips, atol=1e-10)


def test_any_length_comes_back():
    for samples in (1, HOP, HOP + 1, 999):
        strips = torch.from_numpy(np.random.default_rng(samples).standard_normal((1, 2, samples)))
        tokens = to_tokens(strips)
        assert tokens.shape == (1, tokens_of(samples), 2 * HOP)
        assert torch.allclose(to_strips(tokens, 2, samples), strips, atol=1e-10)


def test_energy_is_kept():
    strips = torch.zeros((1, 1, 2000), dtype=torch.float64)
    strips[..., 200:1800] = torch.from_numpy(np.random.default_rng(1).standard_normal(1600))
    assert torch.isclose((to_tokens(strips) ** 2).sum(), (strips**2).sum())


def test_neighbouring_tokens_are_orthogonal():
    basis = BASIS.numpy()
    first = np.concatenate([basis, np.zeros((HOP, HOP))], axis=1)
    second = np.concatenate([np.zeros((HOP, HOP)), basis], axis=1)
    assert np.allclose(first @ second.T, 0, atol=1e-12)
    assert np.allclose(basis @ basis.T, np.eye(HOP), atol=1e-12)
