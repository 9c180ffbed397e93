"""Networks that judge ECGs, trained on strips at 100 Hz and kept by the digest of what they were trained on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.judge_networks import Alignment, Autoencoder, Classifier, JudgeConfig

VERSION = 1
CROP = 640  # samples, of some 900: the networks see another part of each strip in every epoch


@dataclass(frozen=True)
class Lessons:
    """How a judge is trained.

    Parameters
    ----------
    epochs, batch : int
    rate : float
        Largest learning rate; it rises for a tenth of the time and falls as a cosine.
    decay : float
        Weight decay.
    seed : int
        Of weights, order and crops.
    """

    epochs: int = 15
    batch: int = 64
    rate: float = 3e-3
    decay: float = 0.02
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained network and what it was trained on.

    Parameters
    ----------
    net : Module
    digest : str
        Of strips, labels, sizes and lessons.
    history : tuple of float
        Score of the inner split after each epoch (higher is better); empty without one.
    """

    net: nn.Module
    digest: str
    history: tuple[float, ...] = ()

    def scores(self, strips: np.ndarray) -> np.ndarray:
        """Logits of a classifier, (n, label)."""
        return _applied(self.net, strips)

    def features(self, strips: np.ndarray) -> np.ndarray:
        """The network's vector of each strip, (n, dimension)."""
        return _applied(self.net.features, strips, self.net)

    def text(self, said: np.ndarray) -> np.ndarray:
        """Vectors of texts given as certainties of statements, (n, labels) -> (n, embedding)."""
        return _applied(self.net.text, said, self.net)


def train_classifier(
    strips: np.ndarray,
    labels: np.ndarray,
    lessons: Lessons,
    inner: np.ndarray | None = None,
    folder: Path | None = None,
    further: Sequence[np.ndarray] = (),
) -> Judge:
    """A network that tells labels from strips.

    Parameters
    ----------
    strips : ndarray, float32, shape (n, 8, sample)
        mV at 100 Hz.
    labels : ndarray, shape (n, label)
        Between 0 and 1.
    lessons : Lessons
    inner : ndarray of bool, optional
        Rows that are not trained on but choose the epoch kept; without them the last one is kept.
    folder : Path, optional
        Where trained networks are kept; the same call again reads instead of training.
    further : sequence of ndarray, each of the shape of `strips`
        Further examples with the same labels, row by row: each epoch learns from `strips` and from the next of these,
        from the first again after the last. None of the inner rows is learnt from.

    Raises
    ------
    ValueError
        Where further examples are not of the shape of `strips`.
    """
    for place, rows in enumerate(further):
        if rows.shape != strips.shape:
            raise ValueError(f"further[{place}] must be of shape {strips.shape} as strips, got {rows.shape}")
    labels = np.asarray(labels, np.float32).reshape(len(strips), -1)

    def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(net(x), y)

    config = JudgeConfig(labels.shape[1])
    return _trained(Classifier, config, strips, labels, lessons, loss, inner, folder, further)


def train_alignment(
    strips: np.ndarray,
    said: np.ndarray,
    lessons: Lessons,
    inner: np.ndarray | None = None,
    folder: Path | None = None,
) -> Judge:
    """A pair of encoders for ECGs and their statements; `said` holds certainties, (n, statement)."""
    said = np.asarray(said, np.float32)

    def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        # the same statements are the same text: a batch that holds them twice has two right answers
        same = ((y[:, None] - y[None]).abs().sum(dim=2) < 1e-6).float()
        right = same / same.sum(dim=1, keepdim=True)
        cosines = net(x, y)
        cross = nn.functional.cross_entropy
        return (cross(cosines, right) + cross(cosines.T, right)) / 2

    return _trained(Alignment, JudgeConfig(said.shape[1]), strips, said, lessons, loss, inner, folder, ())


def train_autoencoder(strips: np.ndarray, lessons: Lessons, folder: Path | None = None) -> Judge:
    """A convolutional autoencoder of strips, whose bottleneck is a space to compare ECGs in."""

    def loss(net: nn.Module, x: Tensor, _: Tensor) -> Tensor:
        return nn.functional.smooth_l1_loss(net(x), x, beta=0.1)

    nothing = np.zeros((len(strips), 1), np.float32)
    return _trained(Autoencoder, JudgeConfig(1, 24, 32), strips, nothing, lessons, loss, None, folder, ())


def _trained(  # noqa: PLR0913 (the shared core of three verbs)
    kind: type, config: JudgeConfig, strips: np.ndarray, targets: np.ndarray, lessons: Lessons,
    loss: Callable, *rest: Any,
) -> Judge:  # fmt: skip
    """A judge, read from its folder or trained and kept there."""
    inner, folder, further = rest
    sizes = {**asdict(config), **asdict(lessons)}
    digest = _digest(kind.__name__, sizes, inner, strips, targets, *further)
    path = None if folder is None else Path(folder) / f"{kind.__name__.lower()}-{digest}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(lessons.seed)
        net = kind(config)
        if path is not None and path.is_file():
            return _read(path, net, digest)
        history = _teach(net, strips, targets, lessons, loss, inner, further)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        tensors = {name: row.contiguous() for name, row in net.state_dict().items()}
        save_file(tensors, new, metadata={"history": json.dumps(history)})
        new.replace(path)
    return Judge(net.eval().requires_grad_(False), digest, tuple(history))


def _read(path: Path, net: nn.Module, digest: str) -> Judge:
    """A judge trained earlier."""
    with safe_open(path, framework="pt") as file:
        history = json.loads((file.metadata() or {}).get("history", "[]"))
        net.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
    return Judge(net.eval().requires_grad_(False), digest, tuple(history))


def _teach(
    net: nn.Module, strips: np.ndarray, targets: np.ndarray, lessons: Lessons, loss: Callable,
    inner: np.ndarray | None, further: Sequence[np.ndarray],
) -> list[float]:  # fmt: skip
    """Train the network in place; the epoch best on the inner rows is kept. Returns its score per epoch."""
    random = np.random.default_rng(lessons.seed)
    rows = np.arange(len(strips)) if inner is None else np.flatnonzero(~np.asarray(inner, bool))
    x, y = torch.from_numpy(np.ascontiguousarray(strips, np.float32)), torch.from_numpy(targets)
    known = (x, y) if inner is None else (x[inner], y[inner])
    optimiser = torch.optim.AdamW(net.parameters(), lr=lessons.rate, weight_decay=lessons.decay)
    if further:
        rows, whole, y = np.concatenate([rows, rows + len(x)]), x, torch.cat([y, y])
    steps = max(lessons.epochs * -(-len(rows) // lessons.batch), 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lessons.rate, total_steps=steps, pct_start=0.1)
    history, best = [], None
    for epoch in range(lessons.epochs):
        net.train()
        if further:
            more = np.ascontiguousarray(further[epoch % len(further)], np.float32)
            x = torch.cat([whole, torch.from_numpy(more)])
        order = random.permutation(rows)
        for start in range(0, len(order), lessons.batch):
            picked = order[start : start + lessons.batch]
            if len(picked) > 1:  # batch normalisation needs two
                _step(net, loss, optimiser, _cropped(x[picked], random), y[picked])
            schedule.step()
        if inner is not None:
            history.append(-_loss_on(net, loss, *known))
            if history[-1] == max(history):
                best = {name: row.clone() for name, row in net.state_dict().items()}
    if best is not None:
        net.load_state_dict(best)
    return history


def _step(net: nn.Module, loss: Callable, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """One step of the optimiser."""
    optimiser.zero_grad()
    loss(net, x, y).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()


def _cropped(strips: Tensor, random: np.random.Generator) -> Tensor:
    """The same random part of each strip of a batch, slightly louder or softer."""
    samples = strips.shape[2]
    length = min(CROP, samples)
    start = int(random.integers(0, samples - length + 1))
    return strips[:, :, start : start + length]


def _loss_on(net: nn.Module, loss: Callable, x: Tensor, y: Tensor) -> float:
    """Mean loss on rows that were not trained on."""
    net.eval()
    with torch.no_grad():
        parts = [
            (loss(net, x[i : i + 256], y[i : i + 256]), len(x[i : i + 256])) for i in range(0, len(x), 256)
        ]
    return float(sum(value * n for value, n in parts) / sum(n for _, n in parts))


def _applied(work: Callable, rows: np.ndarray, net: nn.Module | None = None) -> np.ndarray:
    """A network over many rows, a few hundred at a time."""
    (work if net is None else net).eval()
    tensor = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    with torch.no_grad():
        return np.concatenate([work(tensor[i : i + 256]).numpy() for i in range(0, max(len(tensor), 1), 256)])


def _digest(name: str, sizes: dict, inner: np.ndarray | None, *rows: np.ndarray) -> str:
    """First 16 hexadecimal digits of a hash over all that shapes the judge."""
    found = hashlib.sha256(json.dumps([VERSION, name, sizes], sort_keys=True).encode())
    for part in (*rows, np.zeros(0) if inner is None else inner):
        found.update(str(part.shape).encode())
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:16]
