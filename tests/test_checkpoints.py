"""Damaged, changed, foreign and newer checkpoints: each is met by a sentence."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.checkpoints import load_checkpoint, save_checkpoint
from models.generator import WEIGHTS, load_generator


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Configuration and tensors of a checkpoint as it is written now."""
    checkpoint, _ = load_checkpoint(WEIGHTS / "ptbxl.safetensors")
    path = save_checkpoint(tmp_path_factory.mktemp("checkpoints") / "whole.safetensors", checkpoint)
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["config"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def written(path, config, tensors):
    config = config if isinstance(config, str) else json.dumps(config)
    save_file(tensors, path, metadata={"config": config})
    return path


def test_what_is_saved_is_loaded_to_the_bit(saved, tmp_path):
    path = written(tmp_path / "whole.safetensors", *saved)
    checkpoint, digest = load_checkpoint(path)
    again, _ = load_checkpoint(save_checkpoint(tmp_path / "again.safetensors", checkpoint))
    assert len(digest) == 16 and checkpoint.facts == again.facts
    assert np.array_equal(checkpoint.heart.colour, again.heart.colour)
    assert checkpoint.heart_leaps == again.heart_leaps and checkpoint.strip_leap == again.strip_leap
    assert checkpoint.heart_net.config == again.heart_net.config
    for part in ("correlations", "sharpness", "noise_mapping"):
        for name, rows in vars(getattr(checkpoint, part)).items():
            assert np.array_equal(rows, getattr(getattr(again, part), name)), name
    for name, rows in checkpoint.strip_net.state_dict().items():
        assert torch.equal(rows, again.strip_net.state_dict()[name])


def changed(tensors, kind):
    """The tensors with one thing wrong, and what must be said of it."""
    tensors, network = dict(tensors), next(name for name in tensors if name.startswith("strip_net."))
    if kind == "nan":
        return tensors | {network: tensors[network] * float("nan")}
    if kind == "one number":
        other = tensors["heart.mean"].clone()
        other.flatten()[0] += 1
        return tensors | {"heart.mean": other}
    if kind == "shape":
        return tensors | {network: tensors[network].repeat(2, *[1] * (tensors[network].ndim - 1))}
    del tensors["heart.mean" if kind == "missing" else network]
    return tensors


@pytest.mark.parametrize("kind", ["nan", "one number", "shape", "missing", "missing network"])
def test_changed_tensors_are_noticed(saved, tmp_path, kind):
    config, tensors = saved
    path = written(tmp_path / "changed.safetensors", config, changed(tensors, kind))
    with pytest.raises(
        ValueError, match=r"path must hold the tensors that were saved, got others in .*changed"
    ):
        load_generator(path, device="cpu")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nan", "path must hold finite numbers, got NaN or infinity in 'strip_net.*changed.safetensors'"),
        ("shape", r"strip_net of .*changed.safetensors must have '.*' of shape \(.*\), got \("),
        ("missing", "path must hold a whole checkpoint, got '.*changed.*' with 'heart.mean' missing"),
        (
            "missing network",
            "strip_net of .*changed.safetensors must have all .* tensors, got a file without 1",
        ),
    ],
)
def test_changed_tensors_are_named_in_older_files(saved, tmp_path, kind, said):
    """Checkpoints from before fingerprints."""
    config = {name: value for name, value in saved[0].items() if name != "fingerprint"}
    path = written(tmp_path / "changed.safetensors", config, changed(saved[1], kind))
    with pytest.raises(ValueError, match=said):
        load_generator(path, device="cpu")


@pytest.mark.parametrize("key", ["facts", "codes", "reports", "heart_net", "strip_net"])
def test_a_configuration_with_fewer_keys_is_refused(saved, tmp_path, key):
    config = {name: value for name, value in saved[0].items() if name != key}
    with pytest.raises(ValueError, match=rf"path must hold a whole checkpoint, got .*with '{key}' missing"):
        load_checkpoint(written(tmp_path / "less.safetensors", config, saved[1]))


def test_facts_that_generating_needs_are_asked_for(saved, tmp_path):
    facts = {name: value for name, value in saved[0]["facts"].items() if name != "ages"}
    path = written(tmp_path / "less.safetensors", saved[0] | {"facts": facts}, saved[1])
    with pytest.raises(ValueError, match="path must hold a whole checkpoint, got .*with 'ages' missing"):
        load_checkpoint(path)


@pytest.mark.parametrize("config", ["{not json", "[1, 2]", '"words"'])
def test_a_configuration_that_is_no_json_object_is_refused(saved, tmp_path, config):
    path = written(tmp_path / "odd.safetensors", config, saved[1])
    with pytest.raises(ValueError, match="path must hold a configuration in JSON, got '.*odd.safetensors'"):
        load_checkpoint(path)


def test_a_newer_format_asks_for_an_update(saved, tmp_path):
    newer = saved[0]["format"] + 1
    path = written(tmp_path / "newer.safetensors", saved[0] | {"format": newer}, saved[1])
    with pytest.raises(ValueError, match=rf"got format {newer} in .*newer version .* update the package"):
        load_checkpoint(path)
    foreign = written(tmp_path / "foreign.safetensors", "{}", {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match="got format None in .*make it with python -m models.training"):
        load_checkpoint(foreign)


@pytest.mark.parametrize("kept", [0, 4, 1000, 100_000])
def test_truncated_files_are_refused(tmp_path, kept):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((WEIGHTS / "ptbxl.safetensors").read_bytes()[:kept])
    with pytest.raises(ValueError, match="path must be a safetensors checkpoint, got '.*cut.safetensors'"):
        load_generator(path, device="cpu")
