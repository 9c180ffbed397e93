"""Trains a generator on recorded ECGs: `python -m models.training --help`. To resume, run the same command again."""

import argparse
import copy
import functools
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.batches import UNKNOWN_SHARE, StripBatches, oversampling
from models.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from models.contest import Contest, train_texture
from models.crew import Crew, find_crew
from models.denoiser import StripNet, StripNetConfig
from models.descent import Descent, Draws, drawn_ahead, falling, seeded
from models.fitting import TEST_FOLD, VALIDATION_FOLD, fit_linear, known_strips, strip_conditions
from models.heart_contest import refined
from models.heart_training import HeartTraining, log, some_of
from models.inversion import calibrate
from models.leaps import with_heart_leaps, with_leaps
from models.likening import likened
from models.preparation import Material, read_measured, waveforms
from models.records import Records, open_mimic, open_ptbxl
from models.reports import TextEncoder, load_text_encoder, read_reports
from models.schedule import Run, Schedule
from models.shards import open_shards, prepare_shards, shard_job
from models.sharpening import with_sharpness
from models.statements import recognise
from models.straightening import check_depth, straightened
from models.strip import CONTEXT, TOKEN
from models.training_options import LAYOUTS, options
from models.vocabulary import STATEMENTS

STRIP = 0
"""Stream of the seed: a batch is drawn from (seed, stream, step, rank), whatever came before."""


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
        "heart_teachers": chosen.heart_teachers,
        "teacher_width": chosen.teacher_width,
        "pupil_steps": chosen.pupil_steps,
        "refine_steps": chosen.refine_steps,
        "strip_steps": chosen.strip_steps,
        "straight_steps": chosen.straight_steps,
        "straight_depth": chosen.straight_depth,
        "texture_steps": chosen.texture_steps,
        "liken_steps": chosen.liken_steps,
        "seed": chosen.seed,
    }
    given |= {"strip_batch": chosen.batch, "save_every": chosen.save_every}
    schedule = Schedule(**given)
    records = open_records(chosen.data, chosen.layout, chosen.patients, chosen.test_fold)
    material = prepared(folder, records, chosen, crew)
    facts = facts_of(records) | (kept_facts(warm, schedule) if warm else {})
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


def kept_facts(warm: Checkpoint, schedule: Schedule) -> dict[str, Any]:
    """What the checkpoint to begin from tells of networks that stay as they are."""
    kept = [] if schedule.texture_steps else ["texture_", "likened_"]
    kept += [] if schedule.strip_steps or schedule.straight_steps else ["straight_"]
    return {name: told for name, told in warm.facts.items() if name.startswith(tuple(kept))}


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
    heart_net, heart_loss = HeartTraining(hearts, run, said[hearts.index], linear.heart).trained()
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
    made = Checkpoint(
        facts, *linear.parts, heart_net, begin, space, None if schedule.texture_steps else run.texture
    )
    checkpoint = train_strip(batches, made, run)
    if checkpoint:
        checkpoint = straightened(checkpoint, batches, run)
        told = said[hearts.index]
        checkpoint = refined(with_heart_leaps(checkpoint, hearts, told), hearts, told, run)
        facts = {**checkpoint.facts, "inversion": _limits(checkpoint, batches)}
        checkpoint = replace(checkpoint, facts=facts)
        checkpoint = with_leaps(checkpoint, hearts, told, batches)
        checkpoint = with_sharpness(checkpoint, batches, hearts.index[hearts.train])
        save_checkpoint(run.out, checkpoint)
    if checkpoint:
        contest = Contest(checkpoint, material, hearts.index[hearts.train], said, schedule.seed)
        if schedule.texture_steps:
            checkpoint = _with_texture(checkpoint, contest, run)
        checkpoint = _with_noise_mapping(checkpoint, contest, run)
    crew.part()
    return checkpoint


def retexture(material: Material, run: Run, checkpoint: Checkpoint) -> Checkpoint | None:
    """The checkpoint with nothing but its texture trained, from `run.texture` on, and what follows it fitted anew.

    `run.out` holds the file. Only the first process of a crew trains and writes, and gets the checkpoint.

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
    if checkpoint.texture is None and run.schedule.liken_steps and not run.schedule.texture_steps:
        raise ValueError(
            "warm start must have a texture to be likened, got one without: give --texture-steps, or --liken-steps 0"
        )
    if not run.crew.leads:
        return None
    train = known_strips(material) & (material.table["fold"].to_numpy() != VALIDATION_FOLD)
    said = np.zeros((len(train), 0))
    contest = Contest(checkpoint, material, np.flatnonzero(train), said, run.schedule.seed)
    if run.schedule.texture_steps or run.schedule.liken_steps:
        checkpoint = _with_texture(checkpoint, contest, run)
    return _with_noise_mapping(checkpoint, contest, run)


def train_strip(batches: StripBatches, made: Checkpoint, run: Run) -> Checkpoint | None:
    """The strip's flow; the state is kept in the run's folder, the running average of the weights goes to `run.out`."""
    schedule, crew, checkpoint = run.schedule, run.crew, None
    descent = Descent(made.strip_net, run.folder / "strip.pt", crew, schedule.rate, 0.01)
    train = batches.material.table["fold"].to_numpy() != VALIDATION_FOLD
    index, held_out = np.flatnonzero(train), some_of(np.flatnonzero(~train))
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
        log(run.folder, part="strip", step=descent.step, **losses)
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
        descent.down(
            value, min(0.998, (step + 1) / (step + 10)), schedule.rate * falling(step, schedule.strip_steps)
        )
        recent = [*recent[-49:], value.item()]
        if descent.due(schedule.save_every):
            checkpoint = write()
    return write() if crew.leads else checkpoint


def _with_texture(checkpoint: Checkpoint, contest: Contest, run: Run) -> Checkpoint:
    """The checkpoint with a texture that was trained on what it generates without one; written to `run.out`."""
    schedule, texture = run.schedule, run.texture
    facts = {name: told for name, told in checkpoint.facts.items() if not name.startswith("likened_")}
    stages = (
        (train_texture, "texture", schedule.texture_steps),
        (likened, "likened", schedule.liken_steps),
    )
    for teach, part, steps in stages:
        if steps:
            how = steps, run.crew, schedule.save_every
            texture, told = teach(contest, texture, run.folder / f"{part}.pt", *how)
            log(run.folder, part=part, **told)
            facts |= told
    checkpoint = replace(checkpoint, facts=facts, texture=texture)
    save_checkpoint(run.out, checkpoint)
    return checkpoint


def _with_noise_mapping(checkpoint: Checkpoint, contest: Contest, run: Run) -> Checkpoint:
    """The checkpoint with what brings its noise to that of recorded strips; written to `run.out`."""
    checkpoint = replace(checkpoint, noise_mapping=contest.noise_mapping(checkpoint.texture))
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


if __name__ == "__main__":
    main()
