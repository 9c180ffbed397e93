"""Training on a small data set that the simulator makes: records to checkpoint, resumed, loaded, obeyed."""

import functools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from discovery.delineate import delineate
from discovery.measure import measure
from models import flow
from models.batches import StripBatches
from models.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from models.crew import Crew
from models.denoiser import HeartNet, HeartNetConfig
from models.ecg import Conditions
from models.fitting import correlations_of, fit_linear, strip_conditions
from models.generator import load_generator
from models.heart import P_SHAPES, SIZES
from models.heart_contest import HeartContest, refined
from models.heart_figures import HeartFigures
from models.heart_training import HeartTraining
from models.leaps import with_heart_leaps
from models.preparation import prepare
from models.shards import open_shards, shard_job
from models.sharpening import with_sharpness
from models.straightening import pupil_of, straightened
from models.synthetic import Simulator
from models.training import Run, Schedule, train

TEXTS = {
    "normal ECG": {"NORM": 1.0, "SR": 1.0},
    "left bundle branch block": {"CLBBB": 1.0, "SR": 1.0},
    "atrial fibrillation": {"AFIB": 1.0},
    "sinus rhythm | premature ventricular contractions": {"PVC": 1.0, "SR": 1.0},
}
HEARTS = {"heart_steps": 100, "heart_batch": 32, "heart_teachers": 2, "teacher_width": 64}
HEARTS |= {"pupil_steps": 150, "refine_steps": 2}
SHORT = {**HEARTS, "strip_batch": 8, "straight_steps": 2, "texture_steps": 2, "liken_steps": 1}
SMALL = Schedule(strip_steps=2, **SHORT)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    asked, said = [], []
    for index in range(160):
        text = list(TEXTS)[index % len(TEXTS)]
        sex = ("female", "male")[int(draw.integers(2))]
        asked.append(Conditions(float(draw.uniform(20, 90)), sex, float(draw.uniform(55, 100)), text))
        said.append(TEXTS[text])
    ecg = Simulator().generate(asked, range(len(asked)))
    found = delineate(ecg.signals, ecg.fs, ecg.leads)
    table = measure(ecg).assign(
        record=[str(index) for index in range(len(asked))],
        r_peaks_s=list(found.r_peaks),
        beat_kept=list(found.beat_kept),
    )
    rows = [
        {"record": str(i), "fold": 1 + i % 9, "age": a.age, "sex": a.sex, "statements": s}
        for i, (a, s) in enumerate(zip(asked, said, strict=True))
    ]
    folder = tmp_path_factory.mktemp("material")
    jobs = [
        shard_job(folder / "whole", lambda: [(rows, ecg)], table),
        shard_job(folder / "bare", lambda: [(rows[:20], ecg[:20])], table, labelled=False),
    ]
    Crew().each(jobs)
    return open_shards([path for path, _ in jobs])


@pytest.fixture(scope="module")
def trained(material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    train(material, Run(folder, folder / "small.safetensors", SMALL, 32))
    return folder


def test_material_is_the_strip_taken_apart(material):
    assert len(material.table) > 170
    assert (~material.table["labelled"]).sum() > 15
    normal = np.array(["NORM" in said for said in material.statements])
    left = np.sqrt((material.residual[normal][:, :, 200:2300] ** 2).mean())
    assert left < 0.25 * np.sqrt((material.rendered[normal] ** 2).mean())


def test_training_writes_a_checkpoint_that_obeys(trained):
    generator = load_generator(trained / "small.safetensors", device="cpu")
    normal, block = (
        measure(generator.generate([Conditions(60, "male", 70, text)] * 8, range(8)))
        for text in ("normal ECG", "left bundle branch block")
    )
    assert (normal["rate_bpm"] - 70).abs().max() < 2
    assert block["qrs_ms"].median() > normal["qrs_ms"].median() + 20
    assert generator.facts["seen"]["CLBBB"] > 10


def test_same_command_resumes(material, trained, tmp_path):
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["part"] == "strip"][-1] == SMALL.strip_steps
    more = Schedule(strip_steps=3, **SHORT)
    checkpoint = train(
        material, Run(trained, tmp_path / "more.safetensors", more, 32, facts={"licence": "none"})
    )
    assert checkpoint.facts["strip_steps"] == 3 and checkpoint.facts["texture_steps"] == 2
    state = torch.load(trained / "strip.pt", weights_only=True)
    assert state["step"] == 3
    before = load_checkpoint(trained / "small.safetensors")[0].strip_net.state_dict()
    after = checkpoint.strip_net.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before), (
        "straightened from the third step"
    )


class Killed(StripBatches):
    """Batches that end the process, as it were, after so many."""

    left = 1

    def drawn(self, *asked):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().drawn(*asked)


def test_one_small_heart_network_learns_what_wide_ones_learnt(material, tmp_path):
    linear, hearts = fit_linear(material)
    none = np.zeros((len(hearts.white), 0))

    def trained(folder, **more):
        folder.mkdir(exist_ok=True)
        run = Run(folder, folder / "none.safetensors", Schedule(**{**HEARTS, **more}))
        return HeartTraining(hearts, run, none, linear.heart).trained()

    net, losses = trained(tmp_path)
    states = sorted(path.stem for path in tmp_path.glob("heart-0-*.pt"))
    assert states == ["heart-0-0", "heart-0-1", "heart-0-pupil"]
    (tmp_path / "untaught").mkdir()
    for path in tmp_path.glob("heart-*-[01].pt"):
        shutil.copy(path, tmp_path / "untaught")
    _, untaught = trained(tmp_path / "untaught", pupil_steps=1)
    for place, (told, plain) in enumerate(zip(losses, untaught, strict=True)):
        states = [torch.load(tmp_path / f"heart-{place}-{number}.pt", weights_only=True) for number in (0, 1)]
        alone = [state["notes"]["validation"] for state in states]
        assert told["teachers"] <= np.mean(alone)  # squared errors of a mean are less than the mean of theirs
        assert told["teachers"] == plain["teachers"]
    apart = np.array(
        [[abs(one["validation"] - one["teachers"]) for one in each] for each in (losses, untaught)]
    )
    place = apart[1].argmax()  # where teachers learnt most
    assert apart[0, place] < 0.5 * apart[1, place], apart

    # killed here: teachers are kept, and the pupil learns the same again
    (tmp_path / "heart-1-pupil.pt").unlink()
    again, same = trained(tmp_path)
    assert same == losses
    for name, weights in net.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name

    trained(tmp_path, heart_teachers=1)  # other teachers: what a pupil learnt from those before does not stay
    pupil = torch.load(tmp_path / "heart-0-pupil.pt", weights_only=True)["average"]
    assert not all(torch.equal(weights, net.parts[0].state_dict()[name]) for name, weights in pupil.items())


def test_straight_lines_may_be_learnt_by_fewer_blocks(material, trained, tmp_path):
    checkpoint, _ = load_checkpoint(trained / "small.safetensors")
    rows = strip_conditions(material, checkpoint.heart.encoding)
    batches = StripBatches(material, checkpoint.scale, rows, torch.device("cpu"))
    run = Run(tmp_path, tmp_path / "none.safetensors", Schedule(straight_steps=2, straight_depth=2))
    made = straightened(checkpoint, batches, run)
    assert made.facts["straight_depth"] == len(made.strip_net.blocks) == 2 < checkpoint.strip_net.config.depth
    save_checkpoint(tmp_path / "two.safetensors", made)
    assert len(load_checkpoint(tmp_path / "two.safetensors")[0].strip_net.blocks) == 2
    first, last = pupil_of(checkpoint.strip_net, 2).blocks
    for block, place in ((first, 0), (last, -1)):
        expected = checkpoint.strip_net.blocks[place].state_dict()
        assert all(torch.equal(weights, expected[name]) for name, weights in block.state_dict().items())
    with pytest.raises(ValueError, match="straight depth must be 1 to 6, the blocks there are, got 7"):
        pupil_of(checkpoint.strip_net, 7)


def test_a_straightening_that_was_killed_ends_the_same(material, trained, tmp_path):
    checkpoint, _ = load_checkpoint(trained / "small.safetensors")
    given = (
        material,
        checkpoint.scale,
        strip_conditions(material, checkpoint.heart.encoding),
        torch.device("cpu"),
    )
    schedule = Schedule(straight_steps=4, save_every=0)
    made = {}
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
        run = Run(tmp_path / name, tmp_path / "none.safetensors", schedule)
        if name == "parts":
            with pytest.raises(KeyboardInterrupt):
                straightened(checkpoint, Killed(*given), run)
        made[name] = straightened(checkpoint, StripBatches(*given), run)
    assert made["parts"].facts["straight_steps"] == 4
    before = checkpoint.strip_net.state_dict()
    for name, weights in made["whole"].strip_net.state_dict().items():
        assert torch.equal(weights, made["parts"].strip_net.state_dict()[name])
    assert any(
        not torch.equal(before[name], rows) for name, rows in made["whole"].strip_net.state_dict().items()
    )


def test_checkpoint_comes_back_as_it_was(trained, tmp_path):
    checkpoint, digest = load_checkpoint(trained / "small.safetensors")
    again, same = load_checkpoint(save_checkpoint(tmp_path / "copy.safetensors", checkpoint))
    assert digest == same
    assert again.facts == checkpoint.facts
    assert np.array_equal(again.heart.mean, checkpoint.heart.mean)
    for net in ("strip_net", "texture"):
        for name, weights in getattr(checkpoint, net).state_dict().items():
            assert torch.equal(weights, getattr(again, net).state_dict()[name])


def test_what_is_drawn_for_recorded_beats_has_their_sizes_about_qrs_complexes(material, trained):
    checkpoint, _ = load_checkpoint(trained / "small.safetensors")
    batches = StripBatches(
        material, checkpoint.scale, strip_conditions(material, checkpoint.heart.encoding), torch.device("cpu")
    )
    index = np.flatnonzero(material.table["labelled"])
    again = with_sharpness(checkpoint, batches, index)
    assert again.sharpness.recorded[0] == again.sharpness.drawn[0] == 1
    assert (again.sharpness.recorded >= 0).all() and (again.sharpness.drawn >= 0).all()
    wide = torch.tensor(np.asarray(material.rendered[:16], np.float32))
    residual = 0.01 * torch.randn(wide.shape, generator=torch.Generator().manual_seed(0))
    change = again.sharpness.sharpened(residual, wide) / residual
    level, steep = change[..., 200:2300].flatten().quantile(torch.tensor([0.5, 0.98]))
    assert level == pytest.approx(1, abs=0.1), "noise stays as it was asked for"
    assert steep != pytest.approx(1, abs=0.02)


def test_correlations_are_those_of_recorded_strips(material):
    linear, _ = fit_linear(material)
    train = np.flatnonzero(material.table["fold"] != 9)
    again = correlations_of(material, linear.scale, train)
    assert np.array_equal(again.colour, linear.correlations.colour)
    few = correlations_of(material, linear.scale, train[::3])
    noise = material.noise_mv()[0]
    drawn = [np.stack([one.draw(noise, np.random.default_rng(k)) for k in range(50)]) for one in (again, few)]
    off = np.abs(drawn[0].mean(axis=0) - drawn[1].mean(axis=0)).mean()
    assert off < 0.5 * np.abs(drawn[0].mean(axis=0)).mean(), "a third of the records tells nearly the same"


def test_missing_measurements_are_named():
    with pytest.raises(ValueError, match="measured must have the columns .* got no beat_kept, .*r_peaks_s"):
        prepare([], pd.DataFrame({"record": [1], "p_present": [1.0], "t_off_ms": [300.0]}))


def test_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a checkpoint file, got .*nowhere"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("off", [2.0, -2.0])
def test_contest_moves_shapes_to_where_recorded_hearts_have_them(material, tmp_path, off):
    torch.manual_seed(0)
    linear, hearts = fit_linear(material)
    shapes = slice(SIZES.stop, len(linear.heart.colour))
    odd = shapes.start + P_SHAPES + np.arange(4)
    hearts.white[:, odd] += off
    config = HeartNetConfig(linear.heart.parts, hearts.rows.shape[1] - 1, 32, 1, told=linear.heart.told)
    none = np.zeros((len(hearts.white), 0))
    plain = Checkpoint({}, *linear.parts, HeartNet(config).eval(), None)
    plain = with_heart_leaps(plain, hearts, none)
    run = Run(tmp_path, tmp_path / "none.safetensors", Schedule(refine_steps=100))
    made = with_heart_leaps(refined(plain, hearts, none, run), hearts, none)
    said = torch.tensor(hearts.rows[:, 1:], dtype=torch.float32)
    noise = torch.randn(len(said), linear.heart.dimension, generator=torch.Generator().manual_seed(0))

    def drawn(checkpoint):
        ways = [functools.partial(flow.leap, by=by) for by in checkpoint.heart_leaps]
        return checkpoint.heart_net.drawn(noise, said, ways).detach().numpy()

    moved = drawn(made) - drawn(plain)
    assert (np.sign(off) * moved.mean(axis=0)[odd]).min() > 0.02
    assert not moved[:, : shapes.start].any() and not moved[:, shapes.stop :].any(), "all else is as it was"

    again = refined(plain, hearts, none, run)  # done already
    for name, weights in made.heart_net.state_dict().items():
        assert torch.equal(weights, again.heart_net.state_dict()[name]), name
    assert refined(plain, hearts, none, Run(tmp_path, run.out, Schedule(refine_steps=0))) is plain


def test_a_contest_that_was_killed_ends_the_same(material, trained, tmp_path, monkeypatch):
    checkpoint, _ = load_checkpoint(trained / "small.safetensors")
    _, hearts = fit_linear(material)
    none, loss, left = np.zeros((len(hearts.white), 0)), HeartContest._loss, [None, None]
    whole, parts = (
        Run(tmp_path / name, tmp_path / "none.safetensors", Schedule(refine_steps=4, save_every=0))
        for name in ("whole", "parts")
    )
    for run in (whole, parts):
        run.folder.mkdir()

    def killed(*asked):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return loss(*asked)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(HeartContest, "_loss", killed)
        refined(checkpoint, hearts, none, parts)
    assert torch.load(parts.folder / "heart-contest.pt", weights_only=True)["step"] == 2
    once, again = (refined(checkpoint, hearts, none, run).heart_net.state_dict() for run in (whole, parts))
    for name, weights in once.items():
        assert torch.equal(weights, again[name]), name


def test_figures_are_of_the_beats_that_hearts_have(material):
    linear, hearts = fit_linear(material)
    white = np.random.default_rng(0).normal(size=(20, linear.heart.dimension))
    rows = hearts.rows[:20]
    beats = np.stack([heart.beat for heart in linear.heart.hearts(white, rows, [True] * 20)])
    asked = (torch.tensor(part, dtype=torch.float32) for part in (white, rows))
    assert np.abs(HeartFigures(linear.heart).beats(*asked).numpy() - beats).max() < 1e-4
