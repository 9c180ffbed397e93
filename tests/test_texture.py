"""The texture of strips: nothing until trained, learnt from recorded ones, the same whatever it was trained beside."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfiltfilt

from models.checkpoints import load_checkpoint, save_checkpoint
from models.contest import RATES, Contest, coherence, train_texture
from models.crew import Crew
from models.critic import CROWD, EDGES_HZ, SCALES_MV, Critic, figures
from models.descent import Descent
from models.ecg import Conditions
from models.generator import WEIGHTS, BundledGenerator
from models.texture import QUIET_MV, Texture, TextureConfig, quietly, views

CPU = torch.device("cpu")
SMALL = TextureConfig(8, (1, 2))


def sparse(count, draw):
    """Strips of noise that a recorder keeps as straight lines: most samples have no bend."""
    times = np.arange(512)
    strips = np.zeros((count, 8, len(times)), np.float32)
    for lead in strips.reshape(-1, len(times)):
        kept = np.unique(np.r_[0, draw.choice(times, 120, replace=False), times[-1]])
        lead[:] = np.interp(times, kept, draw.normal(0, 0.01, len(kept)))
    return strips


class Toy(Contest):
    """A contest between sparse and smooth noise of one size."""

    def __init__(self):
        draw = np.random.default_rng(0)
        self.seed, self.made = 5, draw.normal(0, 0.01, (64, 8, 512)).astype(np.float32)
        self.chosen, self.sparse = np.arange(64), sparse(64, draw)
        self.drafts = [SimpleNamespace(strips=self.made)]

    def recorded_figures(self, told=figures):
        return told(torch.from_numpy(self.sparse))

    def recorded(self, rows):
        return self.sparse[rows]

    def part(self, draw, device):
        made = torch.from_numpy(self.made[draw.integers(0, 64, 8)])
        at = SimpleNamespace(samples=[np.array([100, 250, 400])] * 8)
        noise = torch.from_numpy(draw.standard_normal(made.shape, np.float32))
        return SimpleNamespace(strips=made, at=at), noise

    def seen(self, part, correction):
        return part.strips + correction


def straight(strips):
    """Share of samples whose bend is small beside the typical one."""
    bends = np.abs(np.diff(np.asarray(strips), 2, axis=2))
    return (bends < 0.2 * bends.std()).mean()


def test_an_untrained_texture_changes_nothing():
    strips, noise = torch.randn(2, 8, 300), torch.randn(2, 8, 300)
    assert torch.equal(Texture(SMALL)(strips, noise), strips)


def test_a_correction_stays_small_however_much_the_network_wants():
    texture = Texture(SMALL)
    torch.nn.init.constant_(texture.leave.bias[: len(texture.leave.bias) // 2], 1e4)
    strips, noise = 0.01 * torch.randn(2, 8, 600), torch.randn(2, 8, 600)
    added = (texture(strips, noise) - strips).abs()
    gain = texture.fast[0].abs().sum()
    assert 0 < added.max() <= SMALL.limit_mv * gain


def test_no_strip_bursts_where_its_beats_do_not():
    """The largest 60 ms above 40 Hz, of wide complexes that the texture has hardly seen."""
    checkpoint, digest = load_checkpoint(WEIGHTS / "ptbxl.safetensors")
    texts = ("left bundle branch block", "pacemaker", "left ventricular hypertrophy", "sinus tachycardia")
    asked, seeds = [Conditions(64, "male", 90, text) for text in texts] * 3, list(range(12))
    fast = butter(4, 40, "high", fs=250, output="sos")
    with_it, without = (
        sosfiltfilt(fast, BundledGenerator(one, digest, CPU).generate(asked, seeds).signals, axis=2)
        for one in (checkpoint, replace(checkpoint, texture=None))
    )
    largest = [
        np.sqrt((part[:, :, :2490].reshape(12, 12, -1, 15) ** 2).mean(axis=3)).max(axis=(1, 2))
        for part in (with_it, without)
    ]
    assert (largest[0] < 1.5 * largest[1] + 0.05).all()


def test_what_is_added_between_complexes_is_small_and_bursts_nowhere():
    draw = torch.Generator().manual_seed(3)
    added = 0.004 * torch.randn(3, 8, 2500, generator=draw)
    added[0, :, 1000:1030] *= 12  # a burst in one strip, of 120 ms
    added[1] *= 12  # one that is loud throughout
    inside = torch.zeros(3, 1, 2500)
    inside[:, :, ::250] = 1.0
    made = quietly(added, inside)
    assert made.abs().max() <= QUIET_MV
    usual, burst = (made[0][:, rows].square().mean().sqrt() for rows in (slice(0, 900), slice(1000, 1030)))
    assert burst < 2.2 * usual < 0.5 * added[0][:, 1000:1030].square().mean().sqrt()
    far = torch.cat([torch.arange(950), torch.arange(1080, 2500)])
    small = QUIET_MV * torch.tanh(added / QUIET_MV)
    assert torch.allclose(made[0][:, far], small[0][:, far], rtol=0.1, atol=1e-5), (
        "elsewhere nothing is held back"
    )
    assert made[1].square().mean().sqrt() > 0.95 * small[1].square().mean().sqrt(), "loud strips stay loud"
    assert torch.equal(quietly(added[:1], inside[:1])[0], made[0]), "whatever else is in the batch"
    assert torch.isfinite(quietly(added, torch.ones(3, 1, 2500))).all()


def test_bends_are_seen_where_they_are():
    strips = torch.zeros(1, 8, 40)
    strips[:, :, 20] = 1.0
    seen = views(strips)
    assert seen.shape == (1, 24, 40)
    assert seen[0, 16].abs().argmax() == 20


def test_figures_are_those_of_the_strip():
    time = np.arange(1250) / 250
    draw = np.random.default_rng(0)
    strips = (0.01 * draw.standard_normal((3, 8, 1250))).astype(np.float32)
    strips[:, 2] += 0.1 * np.sin(2 * np.pi * 45 * time)
    told = figures(torch.from_numpy(strips)).reshape(3, -1, 8)
    steep = np.arcsinh(np.abs(np.diff(strips, axis=2)) / 0.004).mean(axis=2)
    assert np.allclose(told[:, SCALES_MV.index(0.004)], np.log(steep + 0.02), atol=0.01)
    bands = told[:, 2 * len(SCALES_MV) :]
    assert (bands[:, :, 2].argmax(dim=1) == EDGES_HZ.index(40)).all(), "the sine's band"
    white = np.log(0.01**2 * 2 / 250)
    assert np.allclose(bands[:, :, [0, 4]].mean(), white, atol=0.4), (
        "mV^2/Hz; a mean of logarithms lies lower"
    )


def test_the_critic_sees_rare_directions_of_recorded_figures():
    strips = torch.from_numpy(sparse(64, np.random.default_rng(0)))
    critic = Critic(figures(strips), 8)
    assert critic(strips[:2]).shape == (2, 4)
    seen = (figures(strips) - critic.centre) @ critic.unit
    assert seen.std(dim=0).max() < 1.01
    smooth = 0.01 * torch.randn(64, 8, 512, generator=torch.Generator().manual_seed(0))
    assert ((figures(smooth) - critic.centre) @ critic.unit).abs().max() > 5


def test_the_critic_judges_by_how_alike_strips_are_too():
    strips = torch.from_numpy(sparse(64, np.random.default_rng(0)))
    moved = []
    for seed in range(5):  # a critic that has learnt nothing may happen to be nearly deaf to the fourth
        torch.manual_seed(seed)
        critic = Critic(figures(strips), 8).eval()
        various, alike = critic(strips[: 2 * CROWD]), critic(strips[:1].expand(2 * CROWD, -1, -1))
        assert torch.allclose(various[0, :3], alike[0, :3], atol=1e-5), "the first three judge a strip alone"
        assert torch.equal(various[:CROWD, 3], various[:1, 3].expand(CROWD))
        moved.append((various[0, 3] - alike[0, 3]).abs().item())
    assert max(moved) > 1e-3


def test_waves_are_not_corrected():
    texture = Texture(TextureConfig())
    torch.nn.init.normal_(texture.leave.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    strips = 0.02 * torch.randn(2, 8, 2500, generator=torch.Generator().manual_seed(1))
    change = texture(strips, torch.randn(strips.shape)) - strips
    power = np.abs(np.fft.rfft(change.detach().numpy() * np.hanning(2500))) ** 2
    assert power[..., :100].sum() < 0.01 * power[..., 250:].sum(), "below 10 Hz"


def test_corrections_that_come_back_with_every_beat_are_seen():
    draw, beats = torch.Generator().manual_seed(0), [np.array([90, 260, 430, 600, 1240])] * 4
    noise = torch.randn(4, 8, 1250, generator=draw)
    assert coherence(noise, beats) < 0.1
    once, always = noise.clone(), noise.clone()
    once[:, :, 220:240] += 3
    for at in (90, 260, 430, 600):
        always[:, :, at - 40 : at - 20] += 3
    assert coherence(always, beats) > max(1, 5 * coherence(once, beats))
    assert coherence(noise, [np.array([300])] * 4) == 0, "one beat tells nothing"


def test_the_texture_of_straight_lines_is_learnt(tmp_path):
    toy = Toy()
    texture, facts = train_texture(toy, None, tmp_path / "texture.pt", 150, Crew(), 1e9)
    made = torch.from_numpy(toy.made)
    shown = texture(made, torch.randn(made.shape, generator=torch.Generator().manual_seed(0)))
    before, after, goal = (straight(part) for part in (made, shown, toy.sparse))
    assert before + 0.02 < after < goal, "150 steps are the beginning of it"
    change = (shown - made).mean(dim=2)
    assert change.abs().max() < 0.05 * (shown - made).std(), "what is slow stays"
    assert facts["texture_steps"] == 150 and np.isfinite(facts["critic_loss"])


def test_a_contest_that_was_interrupted_ends_the_same(tmp_path):
    class Killed(Toy):
        left = 9

        def critic_loss(self, *given):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().critic_loss(*given)

    toy = Toy()
    whole, _ = train_texture(toy, None, tmp_path / "whole.pt", 10, Crew(), 1e9)
    with pytest.raises(KeyboardInterrupt):
        train_texture(Killed(), None, tmp_path / "parts.pt", 10, Crew(), -1)
    parts, facts = train_texture(toy, None, tmp_path / "parts.pt", 10, Crew(), 1e9)
    assert facts["texture_steps"] == 10
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, parts.state_dict()[name])
    again, facts = train_texture(toy, None, tmp_path / "parts.pt", 10, Crew(), 1e9)
    assert facts == {"texture_steps": 10} and torch.equal(again.leave.weight, parts.leave.weight)


def test_the_contest_comes_to_rest(tmp_path, monkeypatch):
    rates, down = {"critic": [], "texture": []}, Descent.down

    def noted(side, value, memory, rate):
        rates["critic" if "critic" in side.file.stem else "texture"].append(rate)
        down(side, value, memory, rate)

    monkeypatch.setattr(Descent, "down", noted)
    train_texture(Toy(), None, tmp_path / "texture.pt", 20, Crew(), 1e9)
    for side, whole, full in zip(("texture", "critic"), RATES, (13, 14), strict=True):
        assert rates[side] == pytest.approx([whole] * full + [whole * left / 6 for left in range(6, 0, -1)])


def test_a_checkpoint_keeps_its_texture_and_the_generator_shows_it(tmp_path):
    bare = replace(load_checkpoint(WEIGHTS / "ptbxl.safetensors")[0], texture=None)
    texture = Texture(SMALL)
    torch.nn.init.normal_(texture.leave.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    save_checkpoint(tmp_path / "with.safetensors", replace(bare, texture=texture))
    kept, _ = load_checkpoint(tmp_path / "with.safetensors")
    assert kept.texture.config == SMALL
    plain, other = (BundledGenerator(one, "", CPU) for one in (bare, kept))
    asked = [Conditions(50, "female", 70, "sinus rhythm")] * 2
    before, after = (generator.generate(asked, [1, 2]).signals for generator in (plain, other))
    assert 0 < np.abs(after - before).max() < 1.0
    assert np.array_equal(other.generate(asked[1:], [2]).signals[0], after[1])
    assert np.allclose(after[:, 1] - after[:, 0], after[:, 2], atol=1e-6), "III = II - I"
