"""The bundled generator: conditions and seeds in, twelve leads in millivolts out."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models import diffusion, ectopy, flow
from models.acceleration import half, quick
from models.beat import FRAME_MS, Timing, settled, smooth
from models.beats import FAR_S, Beats, side_by_side
from models.checkpoints import Checkpoint, load_checkpoint
from models.codec import tokens_of
from models.denoiser import HeartNet
from models.diffusets import DiffuSETS, Vectors, load_diffusets
from models.ecg import ECG, INDEPENDENT_LEADS, LEADS, Conditions, check_request, twelve_leads
from models.encoding import with_rhythm
from models.finishing import Draft
from models.heart import Heart
from models.parts import choose_device, in_parts
from models.recurring import recurring
from models.rendering import high_passed, render
from models.reports import Reader, TextEncoder
from models.rhythm import DOMINANT, VENTRICULAR, Rhythm
from models.statements import Understanding, recognise, resting_on_few
from models.strip import FS, TOKEN, Sizes, track
from models.traits import TRAITS

WEIGHTS = Path(__file__).parent / "weights"
SECONDS = 10.0
SAMPLES, MARGIN = int(SECONDS * FS), int(1.0 * FS)
"""Of a strip, and beyond each of its ends, where filters settle."""
ON_GPU, ON_CPU = 256, 8
"""ECGs generated at once; on a CPU so many that their signals stay in a core's cache."""
POPULATION, RHYTHM, HEART, STRIP, P_WAVE, ECTOPY, TEXTURE, NOTCHES, TRAIT, CORRELATION = range(10)
"""Independent streams of one ECG's seed: one part of the ECG changes without stirring the others."""


@dataclass(frozen=True)
class Request:
    """One ECG's conditions with every gap filled, and the seed; `female` is 0.5 where sex was never known."""

    age: float
    female: float
    heart_rate: float
    statements: Mapping[str, float]
    seed: int
    report: tuple[float, ...] = ()


class BundledGenerator:
    """Heart, rhythm and strip of a checkpoint, as one `models.ecg.Generator`.

    Parameters
    ----------
    checkpoint : Checkpoint
    digest : str
        Of the checkpoint's file.
    device : torch.device or str
    steps : int, optional
        Steps of each flow (`models.flow.sample`), four evaluations of the network per step; if not said, the leap of
        one evaluation that the checkpoint holds (`models.flow.leap`), or else one step.
    batch : int, optional
        ECGs generated at once: `ON_GPU` or `ON_CPU`, if not said. On a CPU the bits of each depend on no other.
    text_encoder : TextEncoder, optional
        Reads the reports of a checkpoint that was trained on their embeddings; else loaded by its name.
    """

    fs = FS

    def __init__(
        self,
        checkpoint: Checkpoint,
        digest: str,
        device: torch.device | str,
        steps: int | None = None,
        batch: int | None = None,
        text_encoder: TextEncoder | None = None,
    ) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}: leave it out for the default")
        leaps = checkpoint.heart_leaps and checkpoint.strip_leap
        self.checkpoint, self.device = checkpoint, torch.device(device)
        self.steps = steps if steps or leaps else 1
        on_gpu = self.device.type == "cuda"
        self.batch = batch or (ON_GPU if on_gpu else ON_CPU)
        self.name = checkpoint.facts["name"]
        self.digest = f"{digest}-{steps or 'leap'}" + ("-bf16" if on_gpu else "")
        self.reader = Reader(checkpoint.reports, text_encoder) if checkpoint.reports else None
        self._heart_net = checkpoint.heart_net
        if not on_gpu:
            parts = [quick(part, self.device, together=ON_CPU) for part in self._heart_net.parts]
            self._heart_net = HeartNet(self._heart_net.config, parts)
        self._strip_net = quick(checkpoint.strip_net, self.device)
        self._texture = quick(checkpoint.texture, self.device) if checkpoint.texture else None
        self._told: set[str] = set()

    @property
    def facts(self) -> Mapping[str, object]:
        """Training data, licence, records per statement, range of ages and rates of the checkpoint."""
        return self.checkpoint.facts

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """SCP-ECG statements the generator has learnt."""
        return self.checkpoint.heart.encoding.codes

    def understand(self, text: str | None) -> Understanding:
        """What the generator understands of a report, and what it has never seen."""
        return recognise(text or "", self.vocabulary, seen=self.facts["seen"])

    def cautions(self, asked: Conditions) -> tuple[str, ...]:
        """What of this lies beyond the training records (first to last percentile) or rests on few, in sentences."""
        never = self.facts.get("never_known", ())
        sentences = [
            f"{name} was not told of any training record: it is ignored"
            for name in never
            if getattr(asked, name) is not None
        ]
        for name, value, unit, limits in (
            ("age", asked.age, "years", self.facts["ages"]),
            ("heart rate", asked.heart_rate, "bpm", self.facts["rates"]),
        ):
            if value is not None and name not in never and not limits[0] <= value <= limits[1]:
                reach = f"{limits[0]:.0f} to {limits[1]:.0f} {unit}"
                sentences.append(
                    f"{name} {value:g} {unit} lies beyond the training records ({reach}): extrapolated"
                )
        sentences += resting_on_few(self.understand(asked.text).statements, self.facts["seen"])
        return tuple(sentences)

    def generate(self, conditions: Sequence[Conditions], seeds: Sequence[int]) -> ECG:
        """One ECG of 10 s per (conditions, seed), 250 Hz, shape (batch, 12, 2500) mV.

        Returns
        -------
        ECG
            With `annotations`: `latent` (batch, dimension), the heart in whitened coordinates, the linear effect
            of the conditions taken out (what the flow makes of them is in it); `used_age` (years),
            `used_female`, `used_heart_rate` (bpm), what stood in for unknown conditions.

        Raises
        ------
        ValueError, TypeError
            Where conditions and seeds do not pair up.
        """
        check_request(conditions, seeds)
        requests = [self._fill(asked, int(seed)) for asked, seed in zip(conditions, seeds, strict=True)]
        signals, latents = self.strips(requests)
        used = {
            "used_age": [request.age for request in requests],
            "used_female": [float(request.female) for request in requests],
            "used_heart_rate": [request.heart_rate for request in requests],
        }
        return ECG(
            signals,
            FS,
            LEADS,
            tuple(conditions),
            tuple(int(seed) for seed in seeds),
            {"source": self.name, "digest": self.digest, "synthetic": True, "licence": self.facts["licence"]},
            {
                "latent": latents.astype(np.float32),
                **{name: np.array(values) for name, values in used.items()},
            },
        )

    def strips(self, requests: Sequence[Request]) -> tuple[np.ndarray, np.ndarray]:
        """Twelve leads (mV), shape (request, 12, sample), and latent hearts, shape (request, dimension)."""
        # a caller's autocast would round signals, not networks alone
        with torch.autocast(self.device.type, enabled=False):
            parts = in_parts(self._generate, requests, self.device, self.batch)
        if not parts:
            dimension = self.checkpoint.heart.dimension
            return np.zeros((0, len(LEADS), SAMPLES), np.float32), np.zeros((0, dimension))
        strips, latents = zip(*parts, strict=True)
        return np.concatenate(strips), np.concatenate(latents)

    def rhythm(self, request: Request) -> Rhythm:
        """When the beats of a request come, and of what kind they are."""
        draw = np.random.default_rng((request.seed, RHYTHM))
        return self.checkpoint.rhythm.draw(request.heart_rate, request.age, request.statements, SECONDS, draw)

    def _fill(self, asked: Conditions, seed: int) -> Request:
        """The request with unknown conditions drawn from the training population."""
        draw = np.random.default_rng((seed, POPULATION))
        population = self.checkpoint.population
        said = population.report(draw) if asked.text is None else self._stated(asked.text)
        said = with_rhythm(said)
        never = self.facts.get("never_known", ())
        age = population.years(said, draw) if asked.age is None or "age" in never else asked.age
        female = population.female(age, said, draw) if asked.sex is None else asked.sex == "female"
        female = 0.5 if "sex" in never else float(female)
        rate = population.rate(age, female, said, draw) if asked.heart_rate is None else asked.heart_rate
        report = tuple(self.reader.columns(asked.text)) if self.reader else ()
        return Request(age, female, rate, said, seed, report)

    def _stated(self, text: str) -> Mapping[str, float]:
        """The statements of a text; once for each text, a warning where there is nothing in it."""
        understanding = self.understand(text)
        if (
            text.strip()
            and text not in self._told
            and not (understanding.statements or understanding.negated)
        ):
            self._told.add(text)
            warnings.warn(
                f"text must say something that {self.name} has learnt, got {text!r}: nothing in it was recognised, so "
                "it changes nothing; understand(text) tells what is read",
                stacklevel=5,
            )
        return understanding.statements

    @torch.no_grad()
    def draft(self, requests: Sequence[Request]) -> tuple[Draft, np.ndarray]:
        """Strips before their texture and latent hearts of a few requests."""
        part = self.checkpoint
        said = [request.statements for request in requests]
        age, female, rate = (
            np.array([getattr(r, name) for r in requests], float) for name in ("age", "female", "heart_rate")
        )
        rows = part.heart.encoding.rows(age, female, 60 / rate, said)
        reports = np.array([request.report for request in requests])
        chance = [np.random.default_rng((r.seed, TRAIT)).random(len(TRAITS)) for r in requests]
        known = np.column_stack([rows, chance < part.heart.traits.shares(rows)])
        latent = self._sample_hearts(np.column_stack([known, reports]), requests)
        chance = [np.random.default_rng((r.seed, P_WAVE)).random() for r in requests]
        has_p = [part.heart.p_wave(one, by) for one, by in zip(said, chance, strict=True)]
        hearts = part.heart.hearts(latent, known, has_p, by_definition=True, p_on_time=True)
        rhythms = [self.rhythm(request) for request in requests]
        timings = [heart.timing.within(60_000 / bpm) for heart, bpm in zip(hearts, rate, strict=True)]
        kept = [rhythm.kinds != VENTRICULAR for rhythm in rhythms]
        at = side_by_side([rhythm.beats_s for rhythm in rhythms], timings, kept, self.device)
        beats = self._rendered(hearts, at, requests)
        noise = np.stack([heart.noise_mv for heart in hearts])
        sizes = part.scale.sizes(beats, self._tensor(noise))
        residual = self._sample_residual(beats, sizes, rhythms, np.column_stack([rows, reports]), requests)
        # what a strip adds has no median beat of its own
        strips = beats + residual - smooth(recurring(residual, FS, at), 1000 / FS)
        draws = [np.random.default_rng((r.seed, CORRELATION)) for r in requests]
        together = [part.correlations.draw(*one) for one in zip(noise, draws, strict=True)]
        return Draft(beats, strips, at, sizes, self._tensor(np.stack(together))), latent

    @torch.no_grad()
    def _generate(self, requests: Sequence[Request]) -> tuple[np.ndarray, np.ndarray]:
        """Strips of twelve leads (mV) and latent hearts of a few requests."""
        draft, latent = self.draft(requests)
        strips = draft.finished(self._correction(draft.strips, requests) if self._texture else None)
        if self.checkpoint.noise_mapping:
            strips = self.checkpoint.noise_mapping.mapped(strips, draft.beats)
        return twelve_leads(strips.double().cpu().numpy()).astype(np.float32), latent

    def _rendered(self, hearts: Sequence[Heart], at: Beats, requests: Sequence[Request]) -> Tensor:
        """Strips of nothing but beats, high-passed, mV, (batch, 8, sample)."""
        part = self.checkpoint
        fine = settled(np.stack([heart.beat for heart in hearts])) + np.stack(
            [
                part.notches.draw(heart.detail_mv, np.random.default_rng((r.seed, NOTCHES)))
                for heart, r in zip(hearts, requests, strict=True)
            ]
        )
        other = self._ectopic(at, requests)
        # the filter settles in the margin
        wide = render(self._tensor(fine), at, SAMPLES, margin=MARGIN, other=other)
        return high_passed(wide)[:, :, MARGIN:-MARGIN]

    def _ectopic(self, at: Beats, requests: Sequence[Request]) -> tuple[Tensor, Timing] | None:
        """Beats of another shape, where there are any: one heart's ventricular beats look alike."""
        ventricular = ((at.r_s < FAR_S) & ~at.kept).any(dim=1).tolist()
        if not any(ventricular):
            return None
        beats = np.zeros((len(requests), len(INDEPENDENT_LEADS), len(FRAME_MS)))
        for row in np.flatnonzero(ventricular):
            beats[row] = self.checkpoint.ectopy.draw(np.random.default_rng((requests[row].seed, ECTOPY)))
        return self._tensor(beats), ectopy.TIMING

    def _correction(self, strips: Tensor, requests: Sequence[Request]) -> Tensor:
        """What the texture of recorded ones adds to strips, mV, (batch, 8, sample)."""
        shape = strips.shape[1:]
        noise = [np.random.default_rng((r.seed, TEXTURE)).standard_normal(shape) for r in requests]
        with half(self.device):
            return self._texture(strips, self._tensor(np.stack(noise))).float() - strips

    def _sample_hearts(self, rows: np.ndarray, requests: Sequence[Request]) -> np.ndarray:
        """Whitened hearts, (batch, dimension)."""
        noise = np.stack(
            [
                np.random.default_rng((r.seed, HEART)).standard_normal(self.checkpoint.heart.dimension)
                for r in requests
            ]
        )
        leaps = self.checkpoint.heart_leaps or [None] * len(self._heart_net.parts)
        ways = [functools.partial(self._carried, leap=leap) for leap in leaps]
        made = self._heart_net.drawn(self._tensor(noise), self._tensor(rows[:, 1:]), ways)
        return made.double().cpu().numpy()

    def _sample_residual(
        self,
        beats: Tensor,
        sizes: Sizes,
        rhythms: Sequence[Rhythm],
        rows: np.ndarray,
        requests: Sequence[Request],
    ) -> Tensor:
        """What the strips add to their beats, mV, (batch, 8, sample)."""
        net, part = self._strip_net, self.checkpoint
        # ventricular beats carry their own shape and were masked in training: the network is not told of them
        kinds = [np.where(rhythm.kinds == VENTRICULAR, DOMINANT, rhythm.kinds) for rhythm in rhythms]
        tracks = np.stack([track(r.beats_s, kind, SAMPLES) for r, kind in zip(rhythms, kinds, strict=True)])
        context = part.scale.context(beats, sizes.noise_mv, self._tensor(tracks))
        shape = (tokens_of(SAMPLES), TOKEN)
        start = np.stack([np.random.default_rng((r.seed, STRIP)).standard_normal(shape) for r in requests])
        said, x_0 = self._tensor(rows), self._tensor(start)
        with half(self.device):
            tokens = self._carried(lambda x, t: net(x, t, context, said), x_0, part.strip_leap)
        residual = part.scale.drawn(tokens.float(), sizes, SAMPLES)
        return part.sharpness.sharpened(residual, beats) if part.sharpness else residual

    def _carried(self, velocity: flow.Velocity, x_0: Tensor, leap: flow.Leap | None) -> Tensor:
        """What a flow makes of noise, in so many steps as were asked for."""
        return flow.sample(velocity, x_0, self.steps) if self.steps else flow.leap(velocity, x_0, leap)

    def _tensor(self, rows: np.ndarray) -> Tensor:
        """The rows on the generator's device."""
        return torch.as_tensor(rows).to(self.device, torch.float32)


def load_generator(
    which: str | Path = "ptbxl",
    device: str | None = None,
    steps: int | None = None,
    text_encoder: TextEncoder | None = None,
    *,
    folder: str | Path | None = None,
    vectors: Vectors | None = None,
    sampler: diffusion.Sampler | None = None,
) -> BundledGenerator | DiffuSETS:
    """A generator from a bundled checkpoint's name, from a checkpoint file, or from a folder of DiffuSETS' weights.

    Parameters
    ----------
    which : str or Path
        Name of bundled weights ("ptbxl"), path of a ``.safetensors`` file of `models.training`, or "diffusets";
        a folder stands for "diffusets" with this folder.
    device : str, optional
        "cpu" or "cuda"; the GPU where there is one, unless said otherwise.
    steps : int, optional
        Steps of the flows, finer and slower than what is fitted to the checkpoint's networks and serves if not said.
        DiffuSETS: steps of the sampler.
    text_encoder : TextEncoder, optional
        For a checkpoint trained with one, an object with ``encode(texts)``; without it the encoder named in the
        checkpoint is loaded when the first text is read.
    folder, vectors, sampler
        For DiffuSETS alone: its weights, the vectors of texts, and how to sample: see
        `models.diffusets.load_diffusets`.

    Raises
    ------
    FileNotFoundError
        Where there are no such weights.
    ValueError
        Where the file is no checkpoint, the device is not there, or the checkpoint reads no text vectors.
    """
    path = WEIGHTS / f"{which}.safetensors"
    if not path.is_file():
        path = Path(which)
    if which == "diffusets" or path.is_dir():
        if folder is None and which == "diffusets":
            raise ValueError(
                "folder must be given for DiffuSETS, got None: its weights are not bundled, see docs/diffusets.md"
            )
        return load_diffusets(folder or which, vectors, sampler, steps, device)
    for name, given in (("folder", folder), ("vectors", vectors), ("sampler", sampler)):
        if given is not None:
            raise ValueError(
                f"{name} must be left out for {str(which)!r}, got {given!r}: it is for 'diffusets'"
            )
    if not path.is_file():
        bundled = ", ".join(sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(
            f"which must name bundled weights ({bundled}), a checkpoint file or 'diffusets', got {str(which)!r}"
        )
    chosen = choose_device(device)
    checkpoint, digest = load_checkpoint(path, chosen)
    if text_encoder is not None and checkpoint.reports is None:
        raise ValueError(
            f"text_encoder must be left out, got one for {str(which)!r}, which was trained on statements alone"
        )
    return BundledGenerator(checkpoint, digest, chosen, steps, text_encoder=text_encoder)
