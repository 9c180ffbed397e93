"""What a training is asked for: how long, by whom, from where, and where its state lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.crew import Crew
from models.denoiser import StripNet
from models.texture import Texture


@dataclass(frozen=True)
class Schedule:
    """How long and how hard both networks are trained; batches are of all processes; `save_every` in seconds.

    `straight_depth` are the blocks of the strip network that is straightened; as many as there are, if not said.
    """

    heart_steps: int = 1500
    heart_batch: int = 256
    heart_teachers: int = 4
    teacher_width: int = 512
    pupil_steps: int = 2000
    refine_steps: int = 2000
    strip_steps: int = 3000
    strip_batch: int = 64
    straight_steps: int = 2000
    straight_depth: int | None = None
    texture_steps: int = 8000
    liken_steps: int = 1500
    rate: float = 1e-3
    seed: int = 7
    save_every: float = 180.0


@dataclass(frozen=True)
class Run:
    """One training: where its state lies and its checkpoint goes, how long, by whom, from where.

    Parameters
    ----------
    folder : Path
        Prepared data, states of both networks, log.
    out : Path
        The finished checkpoint; written also while training.
    schedule : Schedule
    begin : StripNet or int
        Strip network to start from, or the width of a new one.
    texture : Texture, optional
        Texture to start from.
    crew : Crew
    facts : mapping
        `training_data`, `licence` and whatever else the checkpoint shall tell.
    """

    folder: Path
    out: Path
    schedule: Schedule = field(default_factory=Schedule)
    begin: StripNet | int = 128
    texture: Texture | None = None
    crew: Crew = field(default_factory=Crew)
    facts: Mapping[str, Any] = field(default_factory=dict)
