"""Tensors of a file into a network, or a sentence that says why they do not belong there."""

from collections.abc import Mapping
from typing import Any

import torch


def load_weights(net: torch.nn.Module, tensors: Mapping[str, Any], where: str) -> torch.nn.Module:
    """The network with these tensors, single precision, ready to sample.

    Parameters
    ----------
    net : torch.nn.Module
        On any device, "meta" included.
    tensors : mapping of str to Tensor
        Exactly those of its state.
    where : str
        What the file is, for the sentences, as in ``the U-Net of weights/unet_all.pth``.

    Raises
    ------
    ValueError
        Where tensors are missing, unknown, of another shape, or not finite.
    """
    wanted = net.state_dict()
    missing, unknown = ([key for key in a if key not in b] for a, b in ((wanted, tensors), (tensors, wanted)))
    if missing:
        raise ValueError(
            f"{where} must have all {len(wanted)} tensors, got a file without {len(missing)} of them, first "
            f"{missing[0]!r}: it is damaged, or of another model"
        )
    if unknown:
        raise ValueError(
            f"{where} must have {len(wanted)} tensors and no other, got {len(unknown)} more, first "
            f"{unknown[0]!r}: it is of another model"
        )
    for key, place in wanted.items():
        given = tensors[key]
        if not isinstance(given, torch.Tensor):
            raise ValueError(f"{where} must hold tensors, got {type(given).__name__} for {key!r}")
        if given.shape != place.shape:
            raise ValueError(
                f"{where} must have {key!r} of shape {tuple(place.shape)}, got {tuple(given.shape)}: "
                "it is of another model"
            )
        if not torch.isfinite(given).all():
            raise ValueError(
                f"{where} must hold finite numbers, got NaN or infinity in {key!r}: it is damaged"
            )
    net.load_state_dict({key: tensors[key].float() for key in wanted}, assign=True)
    return net.eval().requires_grad_(False)
