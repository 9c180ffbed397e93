"""What a strip adds to its beats has the noise that was asked for, and the texture is drawn to recorded figures."""

import numpy as np
import torch

from models.codec import to_tokens, tokens_of
from models.critic import Moments
from models.generator import load_generator
from models.strip import BANDS, LEAD_COUNT, TOKEN, noise_levels

SAMPLES = 2500


def test_drawn_residuals_have_the_noise_that_was_asked_for():
    scale = load_generator("ptbxl", device="cpu").checkpoint.scale
    draw = np.random.default_rng(0)
    beats = 0.2 * draw.standard_normal((2, LEAD_COUNT, SAMPLES)) * (np.arange(SAMPLES) % 200 < 30)
    noise = np.exp(draw.normal(np.log(0.01), 0.3, (2, LEAD_COUNT, BANDS)))
    tokens = draw.standard_normal((2, tokens_of(SAMPLES), TOKEN)) * 1.3
    tokens, beats, noise = map(torch.from_numpy, (tokens, beats, noise))
    drawn = scale.drawn(tokens, scale.sizes(beats, noise), SAMPLES)
    whole = torch.ones((2, tokens_of(SAMPLES)))
    assert np.allclose(noise_levels(drawn, whole) / noise, 1, atol=0.06), "ends apart, exact"
    plain = noise_levels(scale.from_unit(tokens, beats, noise), whole) / noise
    assert plain.log().abs().max() > 0.2
    both = to_tokens(drawn)[:, 2:-2], to_tokens(scale.from_unit(tokens, beats, noise))[:, 2:-2]
    share = (both[0] / both[1]).reshape(2, -1, LEAD_COUNT, TOKEN // LEAD_COUNT)
    assert np.allclose(share, share[:, :1], rtol=1e-6), "sized as a whole, not token by token"


def test_silence_stays_silence():
    scale = load_generator("ptbxl", device="cpu").checkpoint.scale
    beats, noise = torch.zeros((1, LEAD_COUNT, SAMPLES)), torch.full((1, LEAD_COUNT, BANDS), 0.01)
    drawn = scale.drawn(torch.zeros((1, tokens_of(SAMPLES), TOKEN)), scale.sizes(beats, noise), SAMPLES)
    assert not drawn.any()


def test_moments_draw_shown_figures_to_recorded_ones():
    draw = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.0], [0.3, 0.5]])
    recorded = torch.randn(4000, 2, generator=draw) @ mix.T + torch.tensor([0.5, -0.5])
    moments = Moments(recorded)
    assert moments(recorded[:64]).abs() < 0.5, "alike from the start"
    turn, centre = torch.eye(2).requires_grad_(), torch.zeros(2, requires_grad=True)
    descent = torch.optim.Adam([turn, centre], 0.003)
    for _ in range(2000):
        shown = torch.randn(64, 2, generator=draw) @ turn.T + centre
        descent.zero_grad()
        moments(shown).backward()
        descent.step()
    shown = (torch.randn(4000, 2, generator=draw) @ turn.T + centre).detach()
    assert torch.allclose(shown.mean(0), recorded.mean(0), atol=0.1)
    assert torch.allclose(torch.cov(shown.T), torch.cov(recorded.T), atol=0.1)
