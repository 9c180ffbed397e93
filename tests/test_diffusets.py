"""DiffuSETS' networks against reference vectors, and the generator's laws with random weights."""

import copy
import json
import re
import zlib

import numpy as np
import pytest
import torch
from scipy.signal import resample

from discovery.measure import measure
from models import diffusion
from models.diffusets import FS, THEIR_LEADS, DiffuSETS, Networks, load_diffusets, read_networks
from models.diffusets_nets import Decoder, Encoder, UNet, latent_of
from models.ecg import LEADS, Conditions, Generator
from models.generator import load_generator
from models.synthetic import Simulator
from models.text_vectors import VectorFile, save_vectors

PATIENT = Conditions(age=55, sex="female", heart_rate=70, text="sinus rhythm")
TEXTS = ("sinus rhythm", "atrial fibrillation|abnormal ecg.")
PARTS = {"unet": UNet, "encoder": Encoder, "decoder": Decoder}


def filled(part, **sizes):
    """A network with the weights of the reference vectors, which anyone can make again."""
    net = PARTS[part](**sizes)
    for key, place in net.state_dict().items():
        if key.endswith("time_emb.embeddings"):
            continue
        drawn = np.random.default_rng(zlib.crc32(f"shared:{part}:{key}".encode()))
        rows = drawn.standard_normal(tuple(place.shape))
        if rows.ndim >= 2:
            rows /= np.sqrt(np.prod(rows.shape[1:]))
        else:
            rows = 0.1 * rows + key.endswith(".weight")
        place.copy_(torch.from_numpy(rows.astype(np.float32)))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def networks():
    torch.set_num_threads(1)
    return {part: filled(part) for part in PARTS}


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    """Files as they are released, with those weights, and vectors of two texts beside them."""
    place = tmp_path_factory.mktemp("diffusets")
    torch.save(networks["unet"].state_dict(), place / "unet_all.pth")
    torch.save(
        {part: networks[part].state_dict() for part in ("encoder", "decoder")}, place / "vae_model.pth"
    )
    draw = np.random.default_rng(1)
    rows = {text: draw.standard_normal(1536) / np.sqrt(1536) for text in TEXTS}
    save_vectors(place / "vectors.npz", rows)
    return place


@pytest.fixture(scope="module")
def generator(folder):
    return load_generator("diffusets", "cpu", 3, folder=folder, sampler=diffusion.ddim)


@pytest.fixture(scope="module")
def reference(request):
    place = request.config.rootpath.parent / "shared" / "reference"
    if not (place / "diffusets_vectors.npz").is_file():
        pytest.skip("reference vectors of DiffuSETS (../shared/reference) are not here")
    return place


def agreement(networks, reference, device, precision=torch.float32):
    """Largest difference of each reference output."""
    with np.load(reference / "diffusets_vectors.npz") as held:
        known = {name: torch.from_numpy(held[name]).to(device) for name in held.files}
    known = {name: rows.to(precision) if rows.is_floating_point() else rows for name, rows in known.items()}
    unet, encoder, decoder = (copy.deepcopy(networks[part]).to(device, precision) for part in PARTS)
    scalars = [known[name].reshape(-1, 1, 1) for name in ("sex", "age", "heart_rate")]
    found = {"eps": unet(known["x"], known["t"], torch.cat([known["text"], *scalars], dim=-1))}
    found["mean"], found["log_variance"] = encoder(known["signal"])
    found["latent"] = latent_of(found["mean"], found["log_variance"], known["noise"])
    found["decoded"] = decoder(known["x"])
    return {name: (rows - known[name]).abs().max().item() for name, rows in found.items()}


def test_networks_agree_with_the_reference_vectors(networks, reference):
    """To 1e-5 in double precision; how single precision rounds comes to as much, and is each processor's own."""
    away = agreement(networks, reference, "cpu", torch.float64)
    assert away.pop("decoded") < 2e-5
    assert set(away) == {"eps", "mean", "log_variance", "latent"} and max(away.values()) < 1e-5, away
    rounded = agreement(networks, reference, "cpu")
    assert max(rounded.values()) < 2e-5, rounded


@pytest.mark.gpu
def test_networks_agree_with_the_reference_vectors_on_a_gpu(reference):
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        away = agreement({part: filled(part) for part in PARTS}, reference, "cuda")
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    assert away.pop("decoded") < 2e-5 and max(away.values()) < 1e-5, away


@pytest.mark.gpu
def test_gpu_gives_the_same_ecg_to_a_hundredth_of_a_millivolt(folder, generator):
    on_gpu = load_diffusets(folder, sampler=diffusion.ddim, steps=3, device="cuda")
    a, b = (each.generate([PATIENT] * 4, range(4)).signals for each in (generator, on_gpu))
    assert np.abs(a - b).max() < 0.01


def test_state_has_every_name_and_shape_of_the_released_files(networks, reference):
    known = json.loads((reference / "diffusets_state_dict.json").read_text())
    for part, net in networks.items():
        assert {key: list(rows.shape) for key, rows in net.state_dict().items()} == known[part]


def test_state_has_the_stated_sizes(networks):
    counts = {part: len(net.state_dict()) for part, net in networks.items()}
    assert counts == {"unet": 713, "encoder": 104, "decoder": 136}
    unet = networks["unet"]
    assert sum(rows.numel() for rows in unet.parameters()) == pytest.approx(13.35e6, abs=5e3)
    assert sum(rows.numel() for rows in unet.buffers()) == 13 * 1000 * 64
    assert {"bottelneck.time_emb.embeddings", "upsampling_blocks.0.block.down.weight"} < set(
        unet.state_dict()
    )


def test_time_table_is_sines_and_cosines(networks):
    table = networks["unet"].bottelneck.time_emb.embeddings.double().numpy()
    angle = np.arange(1, 1001)[:, None] * np.exp(-np.arange(32) * 10 / 31)
    assert np.allclose(table, np.concatenate([np.sin(angle), np.cos(angle)], axis=1), atol=2e-4)


def test_decoder_leaves_its_argument_alone(networks):
    latent = torch.randn(1, 4, 128, generator=torch.Generator().manual_seed(0))
    before = latent.clone()
    first, again = networks["decoder"](latent), networks["decoder"](latent)
    assert torch.equal(latent, before) and torch.equal(first, again) and first.shape == (1, 1024, 12)


def test_log_variance_is_clamped_on_both_sides():
    encoder = filled("encoder")
    encoder[18].weight[4:] = 0
    encoder[18].bias[4:] = torch.tensor([-100.0, 100.0, -29.0, 19.0])
    _, log_variance = encoder(torch.zeros(1, 1024, 12))
    assert log_variance[0, :, 0].tolist() == [-30, 20, -29, 19]
    noise = torch.ones(1, 4, 128)
    latent = latent_of(torch.zeros(1, 4, 128), log_variance, noise)
    assert torch.allclose(latent, torch.exp(log_variance / 2) * 0.18215)


def test_conditions_reach_the_noise_whatever_the_signal(networks):
    """What the conditions add does not depend on where it is added: one token has all the attention."""
    attention = networks["unet"].bottelneck.cross_attention
    draw = torch.Generator().manual_seed(0)
    x, about = torch.randn(2, 5, 256, generator=draw), torch.randn(2, 1, 1539, generator=draw)
    added = attention(x, about) - x
    assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-5)
    q, k, v = (
        attention.to_q(attention.normalization(x)),
        *(
            to(attention.condition_normalization(attention.value_combiner(about))).expand(-1, 5, -1)
            for to in (attention.to_k, attention.to_v)
        ),
    )
    whole = attention.to_out(attention.attention(q, k, v)[0])
    assert torch.allclose(added, whole, atol=1e-5)


def test_generator_keeps_the_protocol(generator):
    assert isinstance(generator, Generator)
    ecg = generator.generate([PATIENT], [1])
    assert ecg.signals.shape == (1, 12, 1024) and ecg.fs == FS == 102.4 and ecg.seconds == 10
    assert ecg.leads == LEADS and np.isfinite(ecg.signals).all()
    assert ecg.provenance["synthetic"] and ecg.provenance["digest"] == generator.digest
    assert "ddim, 3 steps" in ecg.provenance["sampler"] and "not enforced" in ecg.provenance["limb_leads"]
    assert "none stated" in ecg.provenance["licence"]
    assert ecg.annotations["latent"].shape == (1, 512)
    assert generator.generate([], []).signals.shape == (0, 12, 1024)


def test_leads_are_put_in_order(generator, networks):
    ecg = generator.generate([PATIENT], [1])
    latent = torch.from_numpy(ecg.annotations["latent"]).reshape(1, 4, 128)
    decoded = networks["decoder"](latent)[0].numpy()
    for place, name in enumerate(THEIR_LEADS):
        assert np.allclose(ecg.lead(name)[0], decoded[:, place], atol=1e-5)
    assert THEIR_LEADS[4:6] == ("aVF", "aVL") and sorted(THEIR_LEADS) == sorted(LEADS)


@pytest.mark.parametrize("sampler", [diffusion.ddpm, diffusion.ddim, diffusion.dpm_solver])
def test_same_seed_same_ecg_whatever_the_batch(folder, sampler):
    generator = load_diffusets(folder, sampler=sampler, steps=3, device="cpu")
    conditions = [PATIENT, PATIENT.replace(age=80), PATIENT.replace(text=TEXTS[1])]
    together = generator.generate(conditions, [5, 6, 7])
    alone = generator.generate([conditions[1]], [6])
    assert np.array_equal(together.signals[1], alone.signals[0])
    assert not np.allclose(together.signals[0], generator.generate([PATIENT], [8]).signals[0])


def test_in_a_batch_the_same_to_rounding(generator, monkeypatch):
    conditions = [PATIENT, PATIENT.replace(age=80)]
    one_by_one = generator.generate(conditions, [5, 6]).signals
    monkeypatch.setattr("models.diffusets.in_parts", lambda work, items, device, most: [work(items)])
    assert np.abs(generator.generate(conditions, [5, 6]).signals - one_by_one).max() < 1e-4


def test_every_condition_reaches_the_ecg(generator):
    changes = [{}, {"age": 20}, {"sex": "male"}, {"heart_rate": 120}, {"text": TEXTS[1]}]
    ecg = generator.generate([PATIENT.replace(**change) for change in changes], [4] * 5)
    for other in ecg.signals[1:]:
        assert np.abs(other - ecg.signals[0]).max() > 1e-5


def test_unknown_conditions_are_drawn_by_the_seed_and_said(generator):
    unknown = Conditions(text="sinus rhythm")
    first, again = (generator.generate([unknown] * 4, [1, 2, 3, 4]) for _ in range(2))
    assert np.array_equal(first.signals, again.signals)
    age, rate = first.annotations["used_age"], first.annotations["used_heart_rate"]
    assert len(set(age)) == 4 and (18 <= age).all() and (age <= 90).all()
    assert (50 <= rate).all() and (rate <= 100).all()
    asked = generator.generate([PATIENT], [1]).annotations
    assert (asked["used_age"], asked["used_female"], asked["used_heart_rate"]) == (55, 1, 70)
    assert generator.cautions(PATIENT) == ()
    assert [line.split(" is unknown")[0] for line in generator.cautions(unknown)] == [
        "age",
        "sex",
        "heart rate",
    ]
    assert "age 5 years lies beyond" in generator.cautions(PATIENT.replace(age=5))[0]


def test_digest_tells_files_samplers_steps_and_vectors(folder, generator, tmp_path):
    vectors = save_vectors(tmp_path / "vectors.npz", {"sinus rhythm": np.ones(1536)})
    others = [
        load_diffusets(folder, device="cpu"),
        load_diffusets(folder, sampler=diffusion.ddim, device="cpu"),
        load_diffusets(folder, sampler=diffusion.dpm_solver, device="cpu"),
        load_diffusets(folder, vectors, diffusion.ddim, 3, "cpu"),
        load_diffusets(folder, lambda prompt: np.ones(1536), diffusion.ddim, 3, "cpu"),
    ]
    assert [other.steps for other in others[:3]] == [1000, 50, 20]
    assert len({generator.digest, *(other.digest for other in others)}) == 6


def test_a_folder_is_enough(folder):
    generator = load_generator(folder, device="cpu")
    assert generator.name == "DiffuSETS" and generator.steps == 1000


def test_a_function_may_give_the_vectors(folder):
    asked = []

    def embed(prompt):
        asked.append(prompt)
        return np.ones(1536)

    generator = load_diffusets(folder, embed, diffusion.ddim, 1, "cpu")
    generator.generate([PATIENT.replace(text="brugada")] * 2, [1, 2])
    assert asked == ["Most importantly, the 1st diagnosis is {brugada}."]


def test_width_of_texts_is_read_from_the_weights(networks, tmp_path):
    wide = filled("unet", text_width=8192)
    torch.save(wide.state_dict(), tmp_path / "unet_all.pth")
    torch.save(
        {part: networks[part].state_dict() for part in ("encoder", "decoder")}, tmp_path / "vae_model.pth"
    )
    assert read_networks(tmp_path).text_width == 8192
    save_vectors(tmp_path / "vectors.npz", {"sinus rhythm": np.ones(1536)})
    generator = load_diffusets(tmp_path, sampler=diffusion.ddim, steps=1, device="cpu")
    with pytest.raises(
        ValueError, match="vectors must give 8192 finite numbers for these weights, got 1536 for"
    ):
        generator.generate([PATIENT], [1])


def test_what_is_missing_is_named(folder, generator, tmp_path):
    with pytest.raises(ValueError, match="folder must be given for DiffuSETS, got None"):
        load_generator("diffusets")
    with pytest.raises(FileNotFoundError, match="folder must hold .* without unet_all.pth and vae_model.pth"):
        load_generator("diffusets", folder=tmp_path)
    for name in ("unet_all.pth", "vae_model.pth"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(FileNotFoundError, match="vectors must be a file or a function .* got none"):
        load_diffusets(tmp_path, device="cpu")
    with pytest.raises(ValueError, match=r"text must have a vector in .*vectors.npz', got 'brugada'"):
        generator.generate([PATIENT.replace(text="brugada")], [1])
    with pytest.raises(ValueError, match="text must be given, got None: .* no unknown text"):
        generator.generate([PATIENT.replace(text=None)], [1])
    with pytest.raises(ValueError, match="steps must be between 1 and 1000, got 0"):
        load_diffusets(folder, steps=0, device="cpu")
    with pytest.raises(ValueError, match="folder must be left out for 'ptbxl', got "):
        load_generator("ptbxl", folder=folder)


class Harmful:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def spoilt(state, kind):
    """The state of a U-Net with one thing wrong."""
    state, key = dict(state), "output_conv.0.weight"
    if kind == "missing":
        del state[key]
    elif kind == "unknown":
        state["other.weight"] = torch.zeros(1)
    elif kind == "shape":
        state[key] = torch.zeros(4, 4, 5)
    elif kind == "nan":
        state[key] = state[key] * float("nan")
    elif kind == "number":
        state[key] = 1.0
    elif kind == "code":
        state[key] = Harmful()
    return [1, 2] if kind == "list" else state


SPOILT = {
    "missing": "U-Net of .*unet_all.pth must have all 713 tensors, got a file without 1 of them, first 'output_conv",
    "unknown": "must have 713 tensors and no other, got 1 more, first 'other.weight'",
    "shape": r"must have 'output_conv.0.weight' of shape \(4, 4, 3\), got \(4, 4, 5\)",
    "nan": "must hold finite numbers, got NaN or infinity in 'output_conv.0.weight'",
    "number": "must hold tensors, got float for 'output_conv.0.weight'",
    "code": "unet_all.pth must hold tensors alone, got pickled code, .* is not run",
    "list": "unet_all.pth must hold tensors by name, got list",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_files_are_refused(networks, folder, tmp_path, kind, capsys):
    torch.save(spoilt(networks["unet"].state_dict(), kind), tmp_path / "unet_all.pth")
    (tmp_path / "vae_model.pth").symlink_to(folder / "vae_model.pth")
    with pytest.raises(ValueError, match=SPOILT[kind]):
        read_networks(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kept", [0, 5, 100_000])
def test_truncated_files_are_refused(folder, tmp_path, kept):
    (tmp_path / "unet_all.pth").write_bytes((folder / "unet_all.pth").read_bytes()[:kept])
    (tmp_path / "vae_model.pth").symlink_to(folder / "vae_model.pth")
    with pytest.raises(
        ValueError, match=r"unet_all.pth must be a file of PyTorch weights, got one that cannot"
    ):
        read_networks(tmp_path)


def test_both_halves_of_the_autoencoder_are_asked_for(networks, folder, tmp_path):
    (tmp_path / "unet_all.pth").symlink_to(folder / "unet_all.pth")
    torch.save({"decoder": networks["decoder"].state_dict()}, tmp_path / "vae_model.pth")
    with pytest.raises(ValueError, match="vae_model.pth must hold 'encoder' and 'decoder', got decoder"):
        read_networks(tmp_path)


class Beating:
    """A decoder in place of random weights': beats that can be measured, at 102.4 Hz."""

    def __init__(self):
        self.made = Simulator().generate([PATIENT], [1])

    def to(self, device):
        return self

    def __call__(self, latent):
        rows = resample(self.made.signals, 1024, axis=2)[:, [LEADS.index(name) for name in THEIR_LEADS]]
        return torch.from_numpy(rows).float().transpose(1, 2).expand(len(latent), -1, -1)


def test_ecgs_at_102_4_hz_are_measured(networks, folder):
    held = Networks(networks["unet"], networks["encoder"], Beating(), "0")
    generator = DiffuSETS(held, VectorFile(folder / "vectors.npz"), sampler=diffusion.ddim, steps=1)
    row = measure(generator.generate([PATIENT], [1])).iloc[0]
    known = held.decoder.made.annotations
    assert row["rate_bpm"] == pytest.approx(70, abs=1)
    for name in ("pr_ms", "qrs_ms", "qt_ms"):
        assert row[name] == pytest.approx(float(known[f"known_{name}"][0]), abs=20), name


def test_the_code_of_the_page_runs(folder, root, tmp_path, monkeypatch):
    (page,) = re.findall(r"```python\n(.+?)```", (root / "docs" / "diffusets.md").read_text(), re.DOTALL)
    (tmp_path / "weights").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    told = {}
    exec(compile(page.replace("steps=20", "steps=2"), "docs/diffusets.md", "exec"), told)
    assert len(told["table"]) == 4 and set(told["table"]["age"]) == {30, 60}
