"""Shortcuts: on a GPU networks are compiled into graphs and run in half precision, on a CPU they are traced."""

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn


class Compiled(nn.Module):
    """A network compiled or traced when it is first called; where that fails, the network as it is, and a warning.

    Parameters
    ----------
    net : nn.Module
    compile_with : callable
        From a network to a quicker one; `Graphed` on CUDA, else `Traced`.
    """

    def __init__(self, net: nn.Module, compile_with: Callable[[nn.Module], Callable]) -> None:
        super().__init__()
        self.net, self._quick = net, compile_with(net)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the network gives."""
        if self._quick is not None:
            try:
                # a captured graph's output is overwritten by the next call
                return self._quick(*inputs).clone()
            except Exception as error:  # compilers fail in their own ways: none may end a sweep
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                warnings.warn(
                    f"the denoiser runs as it is, slower, {type(error).__name__}: {str(error).splitlines()[:1]}",
                    RuntimeWarning,
                    stacklevel=2,
                )
                self._quick = None
        return self.net(*inputs)


class Graphed:
    """A network compiled into CUDA graphs, for batches filled up to a power of two: each size is compiled once."""

    def __init__(self, net: nn.Module) -> None:
        self._compiled = torch.compile(net, mode="reduce-overhead", dynamic=False)

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the network gives."""
        return self._compiled(*map(filled_up, inputs))[: len(inputs[0])]


def filled_up(rows: torch.Tensor) -> torch.Tensor:
    """The rows repeated up to a power of two."""
    size = 1 << (len(rows) - 1).bit_length()
    return rows if size == len(rows) else rows[torch.arange(size, device=rows.device) % len(rows)]


class Traced:
    """A network traced once for rows of each shape: the same numbers without the interpreter and its lock.

    Two threads that sample by the network itself wait for each other; by a trace they do not. So many rows of a batch
    always go through it together, filled up where there are fewer: what becomes of each depends, to the bit, on no
    other.

    Parameters
    ----------
    net : nn.Module
    together : int
        1 where a row is large; more where reading the weights takes longer than one row's work.
    """

    def __init__(self, net: nn.Module, together: int = 1) -> None:
        self._net, self._together, self._traces, self._lock = net, together, {}, threading.Lock()

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the network gives."""
        count, most = len(inputs[0]), self._together
        places = torch.arange(-(-count // most) * most) % count
        made = [self._traced([part[some] for part in inputs]) for some in places.split(most)]
        return torch.cat(made)[:count]

    def _traced(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the network gives for a batch of one size."""
        shapes = tuple(part.shape for part in inputs)
        with self._lock:
            if shapes not in self._traces:
                with warnings.catch_warnings(), torch.no_grad():
                    warnings.simplefilter("ignore")  # that shapes become constants, which they are here
                    traced = torch.jit.trace(self._net.eval(), tuple(inputs), check_trace=False)
                    self._traces[shapes] = torch.jit.freeze(traced)
        return self._traces[shapes](*inputs)


def quick(net: nn.Module, device: torch.device, together: int = 1) -> nn.Module:
    """The network as it samples fastest on this device; on a CPU by so many rows `together` (`Traced`)."""
    return Compiled(net, Graphed if device.type == "cuda" else functools.partial(Traced, together=together))


def half(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Half precision (bfloat16) inside `with`, on CUDA alone."""
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


def peak_memory(device: torch.device) -> float | None:
    """Most memory of the GPU held at once since the process began, GiB; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
