"""Trains the bundled generator: `python -m models.training --help`. To resume, run the same command again."""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from models import flow
from models.batches import StripBatches, oversampling
from models.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from models.denoiser import HeartNet, HeartNetConfig, StripNet, StripNetConfig
from models.fitting import VALIDATION_FOLD, Hearts, fit_linear, for_training, strip_conditions
from models.preparation import Material, labelled_strips, load_material, prepare, save_material, waveforms
from models.records import open_ptbxl
from models.strip import CONTEXT, TOKEN

FACTS = {
    "training_data": "PTB-XL 1.0.3 (Wagner et al. 2020, doi 10.1038/s41597-020-0495-6, CC BY 4.0), folds 1-7",
    "extra_data": "PhysioNet/CinC Challenge 2011 set-a (ODC-By 1.0), waveform only",
    "licence": "CC BY 4.0",
}
LARGEST_WHITE = 4.0
HEART_JITTER = 0.1
"""Noise on the training hearts, in standard deviations: a heart's neighbourhood is learnt, not the heart."""
CHECK_EVERY = 100


@dataclass(frozen=True)
class Schedule:
    """How long and how hard both networks are trained; `save_every` in seconds."""

    heart_steps: int = 1500
    heart_batch: int = 256
    strip_steps: int = 3000
    strip_batch: int = 48
    rate: float = 1e-3
    seed: int = 7
    save_every: float = 180.0


def main(arguments: list[str] | None = None) -> None:
    """The command line of training."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("--data", required=True, help="folder of PTB-XL")
    parser.add_argument("--measured", required=True, help="discovery measure FOLDER --out measured.parquet")
    parser.add_argument("--extra", help="folder of further WFDB records, used for their waveform only")
    parser.add_argument("--extra-measured", help="their measurements")
    parser.add_argument(
        "--folder", default="training/ptbxl", help="working folder: prepared data, state, log"
    )
    parser.add_argument("--out", default="models/weights/ptbxl.safetensors", help="the finished checkpoint")
    parser.add_argument("--warm-start", help="checkpoint whose strip network to begin from")
    parser.add_argument("--strip-steps", type=int, default=Schedule.strip_steps)
    parser.add_argument("--heart-steps", type=int, default=Schedule.heart_steps)
    parser.add_argument("--width", type=int, default=128, help="width of the strip network")
    parser.add_argument("--seed", type=int, default=Schedule.seed)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args(arguments)
    folder = Path(chosen.folder)
    folder.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(heart_steps=chosen.heart_steps, strip_steps=chosen.strip_steps, seed=chosen.seed)
    begin = load_checkpoint(chosen.warm_start)[0].strip_net if chosen.warm_start else None
    material = _material(folder, chosen)
    train(material, folder, Path(chosen.out), schedule, begin or chosen.width, torch.device(chosen.device))


def train(
    material: Material,
    folder: Path,
    out: Path,
    schedule: Schedule,
    begin: StripNet | int,
    device: torch.device,
) -> Checkpoint:
    """Fits the linear parts, trains both networks; writes the checkpoint to `out`, also while training.

    `begin` is a strip network to start from, or the width of a new one.
    """
    linear, hearts = fit_linear(material)
    heart_net, heart_loss = train_heart(hearts, folder, schedule)
    rows = strip_conditions(material, linear.encoding)
    if isinstance(begin, int):
        config = StripNetConfig(TOKEN, CONTEXT, rows.shape[1], width=begin)
        begin = seeded(StripNet(config), torch.Generator().manual_seed(schedule.seed))
    batches = StripBatches(material, linear.scale, rows, device)
    facts = {
        **FACTS,
        **linear.facts,
        "name": out.stem,
        "schedule": asdict(schedule),
        "heart_loss": heart_loss,
    }

    def write(net: StripNet, step: int, losses: dict[str, float]) -> Checkpoint:
        checkpoint = Checkpoint(
            {**facts, "strip_steps": step, **losses},
            *(linear.population, linear.rhythm, linear.heart, linear.scale, linear.ectopy),
            *(heart_net, copy.deepcopy(net).cpu()),
        )
        save_checkpoint(out, checkpoint)
        return checkpoint

    return train_strip(batches, begin.requires_grad_(True).to(device), folder, schedule, write)


def train_heart(hearts: Hearts, folder: Path, schedule: Schedule) -> tuple[HeartNet, dict[str, float]]:
    """The heart's flow and its losses, stopped where the loss on the validation fold was least."""
    draw = torch.Generator().manual_seed(schedule.seed)
    white = torch.tensor(hearts.white.clip(-LARGEST_WHITE, LARGEST_WHITE), dtype=torch.float32)
    said = torch.tensor(hearts.rows[:, 1:], dtype=torch.float32)
    net = seeded(HeartNet(HeartNetConfig(white.shape[1], said.shape[1])), draw)
    average = copy.deepcopy(net)
    best, losses = copy.deepcopy(net), {"validation": math.inf}
    optimiser = torch.optim.AdamW(net.parameters(), lr=schedule.rate / 2, weight_decay=0.05)
    index = torch.from_numpy(np.flatnonzero(hearts.train))
    held_out = torch.from_numpy(hearts.validation)
    chance = torch.from_numpy(oversampling([hearts.statements[row] for row in index.tolist()]))
    for step in range(1, schedule.heart_steps + 1):
        rows = index[torch.multinomial(chance, schedule.heart_batch, replacement=True, generator=draw)]
        x_1 = white[rows] + HEART_JITTER * torch.randn(white[rows].shape, generator=draw)
        x_0, t = torch.randn(x_1.shape, generator=draw), flow.draw_times(len(rows), draw)
        net.train()
        value = flow.loss(lambda x, at, rows=rows: net(x, at, said[rows]), x_0, x_1, t, torch.ones(1))
        _step(optimiser, net, value)
        _follow(average, net, 0.995)
        if step % CHECK_EVERY == 0:
            checked = _heart_held_out(average.eval(), white[held_out], said[held_out])
            _log(folder, part="heart", step=step, loss=value.item(), validation=checked)
            if checked < losses["validation"]:
                best, losses = copy.deepcopy(average), {"step": step, "validation": checked}
    return best.eval(), losses


def train_strip(
    batches: StripBatches,
    net: StripNet,
    folder: Path,
    schedule: Schedule,
    write: Callable[[StripNet, int, dict[str, float]], Checkpoint],
) -> Checkpoint:
    """The strip's flow; the state is kept in `folder`, the running average of the weights goes to `write`."""
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=schedule.rate, weight_decay=0.01)
    step = _resume(folder / "strip.pt", net, average, optimiser, batches.device)
    table = batches.material.table
    index = np.flatnonzero(for_training(table))
    held_out = np.flatnonzero(table["fold"] == VALIDATION_FOLD)
    chance = oversampling([batches.material.statements[row] for row in index])
    saved, recent, checkpoint = time.monotonic(), [], None
    while step < schedule.strip_steps or checkpoint is None:
        if step < schedule.strip_steps:
            draw = np.random.default_rng((schedule.seed, step))
            chosen = draw.choice(index, schedule.strip_batch, p=chance)
            for group in optimiser.param_groups:
                group["lr"] = _rate(schedule, step)
            with torch.autocast(batches.device.type, torch.bfloat16):
                value = batches.training_loss(net.train(), chosen, draw)
            _step(optimiser, net, value)
            _follow(average, net, min(0.998, (step + 1) / (step + 10)))
            step, recent = step + 1, [*recent[-49:], value.item()]
        if time.monotonic() - saved > schedule.save_every or step >= schedule.strip_steps:
            losses = {"validation_loss": batches.held_out(average.eval(), held_out)}
            if recent:
                losses["training_loss"] = float(np.mean(recent))
            _log(folder, part="strip", step=step, **losses)
            checkpoint = write(average, step, losses)
            _save_state(folder / "strip.pt", net, average, optimiser, step)
            saved = time.monotonic()
    return checkpoint


def seeded(net: nn.Module, draw: torch.Generator) -> nn.Module:
    """The network with its weights drawn from `draw`; layers that begin at zero stay at zero."""
    with torch.no_grad():
        for weights in net.parameters():
            if weights.any():
                reach = 1 / math.sqrt(weights[0].numel()) if weights.ndim > 1 else 0.0
                weights.uniform_(-reach, reach, generator=draw)
    return net


def _heart_held_out(net: HeartNet, x_1: torch.Tensor, said: torch.Tensor) -> float:
    """Loss on held-out hearts over the same 16 noises and times every time."""
    draw = torch.Generator().manual_seed(0)
    x_1, said = x_1.repeat(16, 1), said.repeat(16, 1)
    x_0, t = torch.randn(x_1.shape, generator=draw), flow.draw_times(len(x_1), draw)
    with torch.no_grad():
        return flow.loss(lambda x, at: net(x, at, said), x_0, x_1, t, torch.ones(1)).item()


def _rate(schedule: Schedule, step: int) -> float:
    """Learning rate: 100 steps of warming up, then a half cosine down to 2 %."""
    done = step / schedule.strip_steps
    return schedule.rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def _step(optimiser: torch.optim.Optimizer, net: nn.Module, value: torch.Tensor) -> None:
    """One step down the gradient, clipped to norm 1."""
    optimiser.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, memory: float) -> None:
    """Exponential moving average of the weights."""
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - memory)


def _resume(
    file: Path, net: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device
) -> int:
    """Loads the state where there is one; returns the step it was saved at."""
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True, map_location=device)
    net.load_state_dict(state["net"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def _save_state(
    file: Path, net: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, step: int
) -> None:
    """Writes the state beside the old one, then takes its place."""
    state = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**state, "step": step}, file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)


def _log(folder: Path, **facts: object) -> None:
    """One line of the training log."""
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"time": round(time.time()), **facts}) + "\n")


def _material(folder: Path, chosen: argparse.Namespace) -> Material:
    """Training material, prepared once and kept in the working folder."""
    kept = folder / "material.npz"
    if not kept.exists():
        sets = [prepare(labelled_strips(open_ptbxl(chosen.data)), pd.read_parquet(chosen.measured))]
        if chosen.extra:
            measured = pd.read_parquet(chosen.extra_measured)
            sets.append(prepare(waveforms(chosen.extra), measured, labelled=False))
        save_material(kept, sets)
    return load_material(kept)


if __name__ == "__main__":
    main()
