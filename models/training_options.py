"""The command line of `models.training`: what may be asked, and what does not go together."""

import argparse

from models.fitting import TEST_FOLD
from models.schedule import Schedule

ABOUT = "Trains a generator on recorded ECGs. To resume, run the same command again."
LAYOUTS = {"ptb-xl": "ptbxl", "mimic-iv-ecg": "mimic-iv-ecg"}
"""Layouts of data sets, and what the generator trained on each is called unless said otherwise."""


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says; a strip network that is kept is straight already, and is straightened if asked."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=ABOUT)
    say = parser.add_argument
    say("--data", required=True, help="folder of the data set")
    say("--layout", choices=LAYOUTS, default="ptb-xl", help="how it is laid out; %(default)s if not said")
    say(
        "--measured",
        required=True,
        help="discovery measure FOLDER --out measured.parquet, or a folder of such",
    )
    say("--patients", help="MIMIC-IV's patients.csv, which holds age and sex; else looked for in the folder")
    say("--test-fold", type=int, default=TEST_FOLD, help="never looked at; %(default)s if not said")
    say("--extra", help="folder of further WFDB records, used for their waveform only")
    say("--extra-measured", help="their measurements")
    say("--extra-source", help="what they are, for the checkpoint's facts; the folder's name if not said")
    say(
        "--text-encoder", help="sentence-transformers model, by name or folder: reports as further conditions"
    )
    say("--folder", help="working folder: prepared data, states, log; training/NAME if not said")
    say("--out", help="the finished checkpoint; models/weights/NAME.safetensors if not said")
    say("--warm-start", help="checkpoint whose strip network and texture to begin from")
    say("--only-texture", action="store_true", help="keep all else of --warm-start as it is")
    say("--strip-steps", type=int, default=Schedule.strip_steps, help="0: the strip network of --warm-start")
    usual = f"{Schedule.straight_steps}, and 0 with --strip-steps 0, if not said"
    say("--straight-steps", type=int, help=f"to straighten the strip's flow; {usual}")
    say("--straight-depth", type=int, help="blocks of the network that learns these lines; all if not said")
    say("--texture-steps", type=int, default=Schedule.texture_steps, help="0: that of --warm-start, if any")
    say(
        "--liken-steps",
        type=int,
        default=Schedule.liken_steps,
        help="to bring its figures to those of records",
    )
    say("--heart-steps", type=int, default=Schedule.heart_steps, help="of each network that records teach")
    say("--heart-teachers", type=int, default=Schedule.heart_teachers, help="how many of these")
    say("--teacher-width", type=int, default=Schedule.teacher_width, help="hidden numbers of each of these")
    say("--pupil-steps", type=int, default=Schedule.pupil_steps, help="of the one that learns from these")
    say(
        "--refine-steps", type=int, default=Schedule.refine_steps, help="to refine its shapes; 0: not refined"
    )
    say("--batch", type=int, default=Schedule.strip_batch, help="strips per step, of all processes")
    say("--width", type=int, default=128, help="width of the strip network")
    say("--seed", type=int, default=Schedule.seed)
    say("--save-every", type=float, default=Schedule.save_every, help="seconds between saves of the state")
    say("--workers", type=int, default=1, help="processes that prepare shards, of each process of a crew")
    say("--device", help="cpu, cuda; the GPU where there is one, if not said")
    chosen = parser.parse_args(arguments)
    if chosen.straight_steps is None:
        chosen.straight_steps = Schedule.straight_steps if chosen.strip_steps else 0
    _check(chosen, parser)
    return chosen


def _check(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Ends the program with a sentence where options do not go together."""
    if bool(chosen.extra) != bool(chosen.extra_measured):
        parser.error("--extra and --extra-measured must be given together")
    if chosen.only_texture and not chosen.warm_start:
        parser.error("--only-texture needs --warm-start: nothing else holds a texture")
    if chosen.straight_depth is not None and not chosen.straight_steps:
        parser.error("--straight-depth needs --straight-steps above 0: nothing is straightened else")
    if not (chosen.strip_steps or chosen.warm_start):
        parser.error("--strip-steps 0 needs --warm-start: nothing else holds a strip network")
    for name in ("--heart-teachers", "--teacher-width", "--pupil-steps"):
        got = getattr(chosen, name.strip("-").replace("-", "_"))
        if got < 1:
            parser.error(f"{name} must be at least 1, got {got}: leave it out for the default")
