"""What refining holds fixed: what conditions make of figures."""

import torch

from models.heart_contest import Effects


def test_what_conditions_make_of_figures_is_drawn_to_that_of_records():
    draw = torch.Generator().manual_seed(0)
    told = torch.randn(2000, 2, generator=draw) * torch.tensor([1.0, 0.01])
    recorded = 0.5 * told[:, :1] + torch.randn(2000, 3, generator=draw)
    effects = Effects(recorded, told)
    made = torch.zeros(3, requires_grad=True)
    descent = torch.optim.SGD([made], 0.05)
    for _ in range(1500):
        said = torch.randn(128, 2, generator=draw) * torch.tensor([1.0, 0.01])
        shown = made * said[:, :1] + torch.randn(128, 3, generator=draw)
        descent.zero_grad()
        effects(shown, said).backward()
        descent.step()
    assert ((made - 0.5).abs() < 0.1).all(), made
    assert effects.recorded.shape == (3, 1), "a column that hardly differs tells nothing"
