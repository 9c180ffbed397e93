"""Trains a generator on recorded ECGs: `python -m models.training --help`. To resume, run the same command again."""

import argparse
import copy
import functools
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models import flow
from models.batches import UNKNOWN_SHARE, StripBatches, oversampling, without_text
from models.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from models.contest import Contest, train_texture
from models.crew import Crew, find_crew
from models.denoiser import HeartNet, HeartNetConfig, HeartPartNet, StripNet, StripNetConfig
from models.descent import Descent, Draws, drawn_ahead, seeded
from models.fitting import TEST_FOLD, VALIDATION_FOLD, Hearts, fit_linear, known_strips, strip_conditions
from models.inversion import calibrate
from models.leaps import with_leaps
from models.preparation import Material, read_measured, waveforms
from models.records import Records, open_mimic, open_ptbxl
from models.reports import TextEncoder, load_text_encoder, read_reports
from models.schedule import Run, Schedule
from models.shards import open_shards, prepare_shards, shard_job
from models.statements import recognise
from models.straightening import check_depth, straightened
from models.strip import CONTEXT, TOKEN
from models.training_options import LAYOUTS, options
from models.vocabulary import STATEMENTS

LARGEST_WHITE = 4.0
HEART_JITTER = 0.1
"""Noise on the training hearts, in standard deviations: a heart's neighbourhood is learnt, not the heart."""
CHECK_EVERY = 100
MOST_HELD_OUT = 4096
"""Of the validation fold, at most so many records, drawn at random, tell the losses."""
HEART, STRIP = 1, 0
"""Streams of the seed: a batch is drawn from (seed, stream, step, rank), whatever came before."""


def main(arguments: list[str] | None = None) -> None:
    """The command line of training."""
    chosen = options(arguments)
    name = LAYOUTS[chosen.layout] + ("-text" if chosen.text_encoder else "")
    folder = Path(chosen.folder or f"training/{name}")
    folder.mkdir(parents=True, exist_ok=True)
    crew = find_crew(chosen.device)
    encoder = load_text_encoder(chosen.text_encoder) if chosen.text_encoder else None
    warm = load_checkpoint(chosen.warm_start)[0] if chosen.warm_start else None
    begin, texture = (warm.strip_net, warm.texture) if warm else (chosen.width, None)
    if chosen.straight_depth is not None:  # now, not when the strip network is done
        check_depth(chosen.straight_depth, begin.config.depth if warm else StripNetConfig.depth)
    given = {
        "heart_steps": chosen.heart_steps,
        "strip_steps": chosen.strip_steps,
        "straight_steps": chosen.straight_steps,
        "straight_depth": chosen.straight_depth,
        "texture_steps": chosen.texture_steps,
        "seed": chosen.seed,
    }
    given |= {"strip_batch": chosen.batch, "save_every": chosen.save_every}
    schedule = Schedule(**given)
    records = open_records(chosen.data, chosen.layout, chosen.patients, chosen.test_fold)
    material = prepared(folder, records, chosen, crew)
    facts = facts_of(records)
    if chosen.extra:
        facts["extra_data"] = f"{chosen.extra_source or Path(chosen.extra).name}, waveform only"
    out = Path(chosen.out or f"models/weights/{name}.safetensors")
    run = Run(folder, out, schedule, begin, texture, crew, facts)
    if chosen.only_texture:
        retexture(material, run, warm)
    else:
        train(material, run, (chosen.text_encoder, encoder) if encoder else None)
    if crew.leads:
        print(out)


def open_records(
    data: str | Path, layout: str, patients: str | Path | None = None, test_fold: int = TEST_FOLD
) -> Records:
    """The records of a data set in one of `LAYOUTS`, without the test fold; statements are read where there are none.

    Raises
    ------
    ValueError
        Where the layout is not known.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if layout == "ptb-xl":
        records = open_ptbxl(data)
    else:
        records = open_mimic(data, patients, functools.lru_cache(maxsize=None)(_stated))
    return records.where(records.table["fold"].to_numpy() != test_fold)


def facts_of(records: Records) -> dict[str, str]:
    """What a checkpoint tells of its training data."""
    told, folds = records.provenance, sorted(set(records.table["fold"]) - {VALIDATION_FOLD})
    return {
        "training_data": f"{told['source']} ({told['citation']}, {told['licence']}), folds {' '.join(map(str, folds))}",
        "licence": told["licence"],
    }


def prepared(folder: Path, records: Records, chosen: argparse.Namespace, crew: Crew) -> Material:
    """Training material, prepared in shards that are kept in the working folder."""
    kept = folder / "material"
    paths = prepare_shards(kept, records, read_measured(chosen.measured), crew, chosen.workers)
    if chosen.extra:
        source, measured = functools.partial(waveforms, chosen.extra), read_measured(chosen.extra_measured)
        job = shard_job(kept / "extra", source, measured, labelled=False)
        crew.each([job])
        paths = [*paths, job[0]]
    return open_shards(paths)


def train(material: Material, run: Run, text: tuple[str, TextEncoder] | None = None) -> Checkpoint | None:
    """Fits the linear parts, trains both networks; the checkpoint, of which `run.out` holds the file.

    `text` is the name of a text encoder and the encoder itself: reports become further conditions. Only the
    first process of a crew writes, and gets the checkpoint.
    """
    schedule, crew = run.schedule, run.crew
    linear, hearts = fit_linear(material)
    rows = strip_conditions(material, linear.encoding)
    space, said = None, np.zeros((len(rows), 0))
    if text:
        folds = material.table["fold"].to_numpy()
        training = material.table["labelled"].to_numpy(bool) & (folds != VALIDATION_FOLD)
        space, said = read_reports(material.table["text"], training, *text, run.folder / "reports", crew)
    crew.join()
    heart_net, heart_loss = train_heart(hearts, run, said[hearts.index], linear.heart.parts)
    rows, begin = np.concatenate([rows, said], axis=1), run.begin
    if isinstance(begin, int):
        config = StripNetConfig(TOKEN, CONTEXT, rows.shape[1], width=begin)
        begin = seeded(StripNet(config), torch.Generator().manual_seed(schedule.seed))
    batches = StripBatches(material, linear.scale, rows, crew.device, text=said.shape[1])
    facts = {
        "training_data": "not stated",
        "licence": "not stated",
        **run.facts,
        **linear.facts,
        "name": run.out.stem,
        "schedule": asdict(schedule),
        "heart_loss": heart_loss,
    }
    parts = (linear.population, linear.rhythm, linear.heart, linear.scale, linear.ectopy, linear.notches)
    made = Checkpoint(facts, *parts, heart_net, begin, space)
    checkpoint = train_strip(batches, made, run)
    if checkpoint:
        checkpoint = straightened(checkpoint, batches, run)
        facts = {**checkpoint.facts, "inversion": _limits(checkpoint, batches)}
        checkpoint = replace(checkpoint, facts=facts)
        checkpoint = with_leaps(checkpoint, hearts, said[hearts.index], batches)
        save_checkpoint(run.out, checkpoint)
    if checkpoint and schedule.texture_steps:
        contest = Contest(checkpoint, material, hearts.index[hearts.train], said, schedule.seed)
        checkpoint = _with_texture(checkpoint, contest, run)
    crew.part()
    return checkpoint


def retexture(material: Material, run: Run, checkpoint: Checkpoint) -> Checkpoint | None:
    """The checkpoint with nothing but its texture trained, from `run.texture` on; `run.out` holds the file.

    Only the first process of a crew trains and writes, and gets the checkpoint.

    Raises
    ------
    ValueError
        Where the checkpoint reads reports: its text encoder is not asked here.
    """
    if checkpoint.reports:
        raise ValueError(
            "warm start must read no reports where the texture alone is trained, got one with a text encoder: "
            "train it whole"
        )
    if not run.crew.leads:
        return None
    train = known_strips(material) & (material.table["fold"].to_numpy() != VALIDATION_FOLD)
    said = np.zeros((len(train), 0))
    contest = Contest(checkpoint, material, np.flatnonzero(train), said, run.schedule.seed)
    return _with_texture(checkpoint, contest, run)


def train_heart(
    hearts: Hearts, run: Run, said: np.ndarray, parts: Sequence[Sequence[int]]
) -> tuple[HeartNet, list[dict[str, float]]]:
    """The heart's flow, part by part, and the losses of each, stopped where that on the validation fold was least.

    `said` are the columns of the reports, shape (strip, column); no column where reports are not read. `parts` are
    the numbers of a heart that are learnt together.
    """
    rows = np.concatenate([hearts.rows[:, 1:], said], axis=1).astype(np.float32)
    net = HeartNet(HeartNetConfig(tuple(map(tuple, parts)), rows.shape[1]))
    net = seeded(net, torch.Generator().manual_seed(run.schedule.seed))
    losses = [_train_part(net, place, hearts, run, rows, said.shape[1]) for place in range(len(parts))]
    return net.cpu().eval(), losses


def _train_part(  # noqa: PLR0913 (what a training consists of)
    whole: HeartNet, place: int, hearts: Hearts, run: Run, rows: np.ndarray, reports: int
) -> dict[str, float]:
    """Trains one part of a heart's network, which is put in its place; its losses."""
    schedule, crew = run.schedule, run.crew
    net, part = whole.parts[place], list(whole.config.parts[place])
    white = torch.tensor(hearts.white[:, part].clip(-LARGEST_WHITE, LARGEST_WHITE), dtype=torch.float32)
    descent = Descent(net, run.folder / f"heart-{place}.pt", crew, schedule.rate / 2, 0.05)
    index = np.flatnonzero(hearts.train)
    held_out = _some(np.flatnonzero(~hearts.train))
    draws = Draws(index, oversampling([hearts.statements[row] for row in index]))
    for step in range(descent.step, schedule.heart_steps):
        draw = np.random.default_rng((schedule.seed, HEART, place, step, crew.rank))
        chosen = draws(crew.share(schedule.heart_batch), draw)
        about = torch.from_numpy(without_text(rows[chosen], reports, draw, UNKNOWN_SHARE)).float()
        x_1 = white[chosen] + HEART_JITTER * torch.from_numpy(draw.normal(size=white[chosen].shape)).float()
        x_0 = torch.from_numpy(draw.normal(size=x_1.shape)).float()
        t = torch.from_numpy(1 / (1 + np.exp(-draw.normal(size=len(chosen))))).float()
        x_0, x_1, t, about = (part.to(crew.device) for part in (x_0, x_1, t, about))
        with torch.random.fork_rng(devices=[crew.device] if crew.device.type == "cuda" else []):
            torch.manual_seed(int(draw.integers(2**62)))  # what dropout draws
            descent.wrapped.train()
            velocity = functools.partial(_heart_velocity, descent.wrapped, about)
            value = flow.loss(velocity, x_0, x_1, t, torch.ones(1, device=crew.device))
        descent.down(value, 0.995)
        if descent.step % CHECK_EVERY == 0:
            said_here = torch.from_numpy(rows[held_out])
            checked = _heart_held_out(descent.average, white[held_out], said_here, crew.device)
            if crew.leads:
                losses = {"loss": value.item(), "validation": checked}
                _log(run.folder, part=f"heart {place}", step=descent.step, **losses)
            if checked < descent.notes.get("validation", math.inf):
                descent.notes = {"step": descent.step, "validation": checked}
                descent.take_as_best()
        if descent.due(schedule.save_every) or (crew.leads and descent.step == schedule.heart_steps):
            descent.save()
    whole.parts[place] = descent.best or descent.average
    return descent.notes or {"validation": math.inf}


def train_strip(batches: StripBatches, made: Checkpoint, run: Run) -> Checkpoint | None:
    """The strip's flow; the state is kept in the run's folder, the running average of the weights goes to `run.out`."""
    schedule, crew, checkpoint = run.schedule, run.crew, None
    descent = Descent(made.strip_net, run.folder / "strip.pt", crew, schedule.rate, 0.01)
    train = batches.material.table["fold"].to_numpy() != VALIDATION_FOLD
    index, held_out = np.flatnonzero(train), _some(np.flatnonzero(~train))
    draws = Draws(index, oversampling([batches.material.statements[row] for row in index]))
    recent: list[float] = []

    def make(step: int) -> list[torch.Tensor]:
        draw = np.random.default_rng((schedule.seed, STRIP, step, crew.rank))
        chosen = draws(crew.share(schedule.strip_batch), draw)
        return batches.drawn(chosen, draw, UNKNOWN_SHARE, batches.window(draw))

    def write() -> Checkpoint:
        losses = {"validation_loss": batches.held_out(descent.average.eval(), held_out)}
        if recent:
            losses["training_loss"] = float(np.mean(recent))
        _log(run.folder, part="strip", step=descent.step, **losses)
        net = copy.deepcopy(descent.average).cpu().eval().requires_grad_(False)
        facts = {**made.facts, "strip_steps": descent.step, **losses}
        checkpoint = replace(made, facts=facts, strip_net=net)
        save_checkpoint(run.out, checkpoint)
        descent.save()
        return checkpoint

    for drawn in drawn_ahead(make, range(descent.step, schedule.strip_steps), crew.device):
        with torch.autocast(crew.device.type, torch.bfloat16):
            value = batches.loss_on(descent.wrapped.train(), drawn)
        step = descent.step
        descent.down(value, min(0.998, (step + 1) / (step + 10)), _rate(schedule, step))
        recent = [*recent[-49:], value.item()]
        if descent.due(schedule.save_every):
            checkpoint = write()
    return write() if crew.leads else checkpoint


def _with_texture(checkpoint: Checkpoint, contest: Contest, run: Run) -> Checkpoint:
    """The checkpoint with a texture that was trained on what it generates without one; written to `run.out`."""
    schedule = run.schedule
    file, steps = run.folder / "texture.pt", schedule.texture_steps
    texture, facts = train_texture(contest, run.texture, file, steps, run.crew, schedule.save_every)
    _log(run.folder, part="texture", **facts)
    checkpoint = replace(checkpoint, facts={**checkpoint.facts, **facts}, texture=texture)
    save_checkpoint(run.out, checkpoint)
    return checkpoint


def _stated(text: str) -> Mapping[str, float]:
    """Statements of a report, in the whole vocabulary."""
    return recognise(text, STATEMENTS).statements


def _limits(checkpoint: Checkpoint, batches: StripBatches) -> dict[str, list[float]]:
    """How far from normal the noise of held-out records usually is."""
    table, told = batches.material.table, batches.rows
    held_out = (table["fold"] == VALIDATION_FOLD) & table["labelled"] & table["rr_s"].notna()
    rows = told[:, : told.shape[1] - batches.text]
    return calibrate(checkpoint, batches.material, np.flatnonzero(held_out), rows, told)


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `MOST_HELD_OUT` of the rows, the same ones every time."""
    return rows if len(rows) <= MOST_HELD_OUT else np.random.default_rng(5).permutation(rows)[:MOST_HELD_OUT]


def _heart_velocity(net: nn.Module, said: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The heart network's velocity under what is said."""
    return net(x, t, said)


def _heart_held_out(net: HeartPartNet, x_1: torch.Tensor, said: torch.Tensor, device: torch.device) -> float:
    """Loss on held-out hearts over the same 16 noises and times every time."""
    draw = torch.Generator().manual_seed(0)
    x_1, said = x_1.repeat(16, 1), said.repeat(16, 1)
    x_0, t = torch.randn(x_1.shape, generator=draw), flow.draw_times(len(x_1), draw)
    x_0, x_1, t, said = (part.to(device) for part in (x_0, x_1, t, said))
    with torch.no_grad():
        return flow.loss(lambda x, at: net(x, at, said), x_0, x_1, t, torch.ones(1, device=device)).item()


def _rate(schedule: Schedule, step: int) -> float:
    """Learning rate: 100 steps of warming up, then a half cosine down to 2 %."""
    done = step / schedule.strip_steps
    return schedule.rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def _log(folder: Path, **facts: object) -> None:
    """One line of the training log."""
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"time": round(time.time()), **facts}) + "\n")


if __name__ == "__main__":
    main()
