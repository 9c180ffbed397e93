"""One safetensors file holds a whole generator: linear parts, networks, vocabulary, data, licence."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.correlations import LeadCorrelations
from models.denoiser import HeartNet, HeartNetConfig, StripNet, StripNetConfig
from models.ectopy import EctopyModel
from models.encoding import Encoding
from models.flow import Leap
from models.heart import HeartModel
from models.loading import load_weights
from models.noise_mapping import NoiseMapping
from models.notches import Notches
from models.population import Population
from models.reports import ReportSpace
from models.rhythm import RhythmModel
from models.shapes import Shapes
from models.sharpness import Sharpness
from models.strip import StripScale
from models.texture import Texture, TextureConfig
from models.traits import Traits

FORMAT = 10
FACTS = ("name", "licence", "seen", "ages", "rates")
REMAKE = "make it with python -m models.training, or use the version of this package that wrote it"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything a bundled generator consists of.

    Parameters
    ----------
    facts : mapping
        `name`, `licence`, `training_data`, `seen` (statement -> training records), `ages`, `rates`, and how
        it was trained; written as JSON.
    population, rhythm, heart, scale, ectopy
        The linear parts.
    notches : Notches
    correlations : LeadCorrelations
    heart_net, strip_net
        The velocity networks.
    reports : ReportSpace, optional
        How reports become conditions beside the statements; None where the networks read no text.
    texture : Texture, optional
        What gives strips the texture of recorded ones.
    heart_leaps : tuple of Leap
        How to go the whole way of the flow of each part of a heart in one evaluation; none where that was not fitted.
    strip_leap : Leap, optional
        The same of a strip's flow.
    sharpness : Sharpness, optional
        How what strips add is brought to its size about QRS complexes; as it is drawn where that was not fitted.
    noise_mapping : NoiseMapping, optional
        How noise between QRS complexes is brought to the distribution it has in records; as it is where that was not
        fitted.
    """

    facts: Mapping[str, Any]
    population: Population
    rhythm: RhythmModel
    heart: HeartModel
    scale: StripScale
    ectopy: EctopyModel
    notches: Notches
    correlations: LeadCorrelations
    heart_net: HeartNet
    strip_net: StripNet
    reports: ReportSpace | None = None
    texture: Texture | None = None
    heart_leaps: tuple[Leap, ...] = ()
    strip_leap: Leap | None = None
    sharpness: Sharpness | None = None
    noise_mapping: NoiseMapping | None = None


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> Path:
    """Writes the checkpoint, networks in half precision, in one move. Returns its path."""
    path = Path(path)
    heart, population, arrays = checkpoint.heart, checkpoint.population, _arrays(checkpoint)
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(rows, np.float32)) for name, rows in arrays.items()
    }
    nets = {"heart_net": checkpoint.heart_net, "strip_net": checkpoint.strip_net}
    if checkpoint.texture:
        nets["texture"] = checkpoint.texture
    for prefix, net in nets.items():
        tensors |= {
            f"{prefix}.{name}": row.detach().half().contiguous() for name, row in net.state_dict().items()
        }
    config = {
        "format": FORMAT,
        "fingerprint": _fingerprint(tensors),
        "facts": dict(checkpoint.facts),
        "codes": heart.encoding.codes,
        "reports": population.reports,
        **{prefix: asdict(net.config) for prefix, net in nets.items()},
    }
    if checkpoint.reports:
        config["text_encoder"] = checkpoint.reports.encoder
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    save_file(tensors, new, metadata={"config": json.dumps(config, sort_keys=True)})
    new.chmod(0o644)  # safetensors writes files that only their owner may read
    new.replace(path)
    return path


def _arrays(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Everything but the networks, by name."""
    heart, population = checkpoint.heart, checkpoint.population
    arrays = {
        "population.shares": population.shares,
        "population.age": population.age,
        "population.sex": population.sex,
        "population.log_rr": population.log_rr,
        "rhythm.log_cv": checkpoint.rhythm.log_cv,
        "rhythm.autoregression": checkpoint.rhythm.autoregression,
        "rhythm.ectopy": checkpoint.rhythm.ectopy,
        "heart.mean": heart.mean,
        "heart.colour": heart.colour,
        "heart.spread": heart.spread,
        "heart.least_noise_mv": heart.least_noise_mv,
        "heart.reach": heart.reach,
        "heart.roughness": heart.roughness,
        "heart.p_absent": heart.p_absent,
        "heart.traits": heart.traits.weights,
        "scale.envelope": checkpoint.scale.envelope,
        "scale.token": checkpoint.scale.token,
        "scale.beat": checkpoint.scale.beat,
        "scale.activity": checkpoint.scale.activity,
        "scale.quiet": checkpoint.scale.quiet,
        "ectopy.log_size": checkpoint.ectopy.log_size,
        **{f"notches.{part}": rows for part, rows in vars(checkpoint.notches).items()},
        **{f"correlations.{part}": rows for part, rows in vars(checkpoint.correlations).items()},
    }
    shapes = {
        "p_shapes": heart.p_shapes,
        "qrst_shapes": heart.qrst_shapes,
        "detail_shapes": heart.detail_shapes,
        "ectopic_shapes": checkpoint.ectopy.shapes,
    }
    for name, one in shapes.items():
        arrays |= {f"{name}.{part}": rows for part, rows in vars(one).items()}
    if checkpoint.heart_leaps:
        arrays["heart_leaps"] = np.array([astuple(leap) for leap in checkpoint.heart_leaps])
    if checkpoint.strip_leap:
        arrays["strip_leap"] = np.array(astuple(checkpoint.strip_leap))
    for name in ("sharpness", "noise_mapping"):
        if one := getattr(checkpoint, name):
            arrays |= {f"{name}.{part}": rows for part, rows in vars(one).items()}
    if checkpoint.reports:
        arrays |= {
            f"reports.{part}": getattr(checkpoint.reports, part) for part in ("centre", "basis", "spread")
        }
    return arrays


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> tuple[Checkpoint, str]:
    """The checkpoint in a file and the file's digest (first 16 hexadecimal digits of its SHA-256).

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is no checkpoint of this format, is damaged, or was changed after it was written.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be a checkpoint file, got {str(path)!r}: there is no such file")
    config, tensors = _read(path)
    try:
        checkpoint = _assembled(config, tensors, path, device)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"path must hold a whole checkpoint, got {str(path)!r} with {error} missing or of another kind: it is "
            "damaged, get it again or make it with python -m models.training"
        ) from error
    return checkpoint, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _assembled(
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    device: torch.device | str,
) -> Checkpoint:
    """The checkpoint that configuration and tensors make."""
    arrays = {
        name: rows.numpy().astype(np.float64) for name, rows in tensors.items() if rows.dtype == torch.float32
    }
    lacking = [name for name in FACTS if name not in config["facts"]]
    if lacking:
        raise KeyError(lacking[0])
    encoding = Encoding(tuple(config["codes"]))
    shapes = [_shapes(arrays, name) for name in ("p_shapes", "qrst_shapes", "detail_shapes")]
    return Checkpoint(
        config["facts"],
        Population(
            encoding,
            tuple(map(tuple, config["reports"])),
            *_parts(arrays, "population", "shares age sex log_rr"),
        ),
        RhythmModel(*_parts(arrays, "rhythm", "log_cv autoregression ectopy")),
        HeartModel(
            encoding,
            *_parts(arrays, "heart", "mean colour spread least_noise_mv reach roughness"),
            *shapes,
            *_parts(arrays, "heart", "p_absent"),
            Traits(encoding, arrays["heart.traits"]),
        ),
        StripScale(*_parts(arrays, "scale", "envelope token beat activity quiet")),
        EctopyModel(_shapes(arrays, "ectopic_shapes"), arrays["ectopy.log_size"]),
        Notches(*_parts(arrays, "notches", "size kernel spread")),
        LeadCorrelations(*_parts(arrays, "correlations", "mean colour")),
        _network(_heart_net(config["heart_net"]), "heart_net", tensors, path, device),
        _network(StripNet(StripNetConfig(**config["strip_net"])), "strip_net", tensors, path, device),
        ReportSpace(config["text_encoder"], *_parts(arrays, "reports", "centre basis spread"))
        if "text_encoder" in config
        else None,
        _network(_texture(config["texture"]), "texture", tensors, path, device)
        if "texture" in config
        else None,
        tuple(Leap(*one) for one in arrays.get("heart_leaps", np.zeros((0, 2))).tolist()),
        Leap(*arrays["strip_leap"].tolist()) if "strip_leap" in arrays else None,
        Sharpness(*_parts(arrays, "sharpness", "recorded drawn")) if "sharpness.drawn" in arrays else None,
        NoiseMapping(*_parts(arrays, "noise_mapping", "recorded drawn"))
        if "noise_mapping.drawn" in arrays
        else None,
    )


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Configuration and tensors of a safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise ValueError(f"path must be a safetensors checkpoint, got {str(path)!r}: {error}") from error
    try:
        config = json.loads(metadata.get("config", "{}"))
        format_found = config.get("format")
    except (json.JSONDecodeError, AttributeError) as error:
        raise ValueError(
            f"path must hold a configuration in JSON, got {str(path)!r} ({error}): it is damaged, get it again"
        ) from error
    if format_found != FORMAT:
        newer = isinstance(format_found, int) and format_found > FORMAT
        raise ValueError(
            f"path must hold format {FORMAT}, got format {format_found} in {str(path)!r}: "
            + ("a newer version of this package wrote it, update the package" if newer else REMAKE)
        )
    if config.get("fingerprint", _fingerprint(tensors)) != _fingerprint(tensors):
        raise ValueError(
            f"path must hold the tensors that were saved, got others in {str(path)!r}: it is damaged or was changed, "
            "get it again"
        )
    for name, rows in tensors.items():
        if not torch.isfinite(rows).all():
            raise ValueError(
                f"path must hold finite numbers, got NaN or infinity in {name!r} of {str(path)!r}: it is damaged"
            )
    return config, tensors


def _fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """A digest of all names, shapes and numbers."""
    made = hashlib.sha256()
    for name in sorted(tensors):
        rows = tensors[name].contiguous()
        made.update(f"{name} {rows.dtype} {tuple(rows.shape)} ".encode() + rows.numpy().tobytes())
    return made.hexdigest()


def _heart_net(config: Mapping[str, Any]) -> HeartNet:
    """A heart network of these sizes; JSON knows no tuples."""
    return HeartNet(
        HeartNetConfig(**{**config, **{name: _tuples(config[name]) for name in ("parts", "told")}})
    )


def _tuples(rows: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Lists of lists, as JSON holds them, as tuples of tuples."""
    return tuple(map(tuple, rows))


def _texture(config: Mapping[str, Any]) -> Texture:
    """A texture network of these sizes; JSON knows no tuples."""
    return Texture(TextureConfig(**{**config, "dilations": tuple(config["dilations"])}))


def _shapes(arrays: Mapping[str, np.ndarray], prefix: str) -> Shapes:
    """Principal components by name."""
    return Shapes(*_parts(arrays, prefix, "centre basis spread weight"))


def _parts(arrays: Mapping[str, np.ndarray], prefix: str, names: str) -> list[np.ndarray]:
    """Arrays by name."""
    return [arrays[f"{prefix}.{name}"] for name in names.split()]


def _network(
    net: torch.nn.Module,
    prefix: str,
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    device: torch.device | str,
) -> Any:
    """The network with its weights, ready to sample."""
    weights = {
        name.removeprefix(f"{prefix}."): rows
        for name, rows in tensors.items()
        if name.startswith(f"{prefix}.")
    }
    return load_weights(net, weights, f"{prefix} of {path}").to(device)
