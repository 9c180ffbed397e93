"""Reports as further conditions: their space, the reader, training with an encoder, and what is said where it fails."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from small_sets import Letters, write_set

from models import reports, training
from models.checkpoints import load_checkpoint, save_checkpoint
from models.crew import Crew
from models.ecg import Conditions
from models.generator import load_generator
from models.reports import Reader, load_text_encoder, read_reports

TEXTS = ["sinus rhythm", "left bundle branch block", "", "atrial fibrillation", "sinus rhythm", "normal ECG"]
THERE = importlib.util.find_spec("sentence_transformers") is not None


class Counting(Letters):
    """Letters, and how many texts were read."""

    def __init__(self):
        self.read = []

    def encode(self, texts):
        self.read += texts
        return super().encode(texts)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint trained with an encoder, on a small set in the layout of PTB-XL."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("reports")
    data, measured = write_set(folder / "ptb-xl", "ptb-xl")
    said = ["--data", data, "--measured", measured, "--folder", folder, "--out", folder / "made.safetensors"]
    quick = "--heart-steps 60 --heart-teachers 2 --teacher-width 64 --pupil-steps 60 --refine-steps 2".split()
    quick += "--strip-steps 3 --straight-steps 2 --texture-steps 0 --width 32 --batch 8".split()
    quick += ["--device", "cpu", "--text-encoder", "letters"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "load_text_encoder", lambda name: Letters())
        training.main([*map(str, said), *quick])
    return folder / "made.safetensors"


def test_reports_become_columns_of_mean_0_and_variance_1(tmp_path):
    texts = TEXTS * 5
    space, columns = read_reports(texts, np.ones(30, bool), "letters", Letters(), tmp_path, Crew())
    said = np.array([text != "" for text in texts])
    assert columns.shape == (30, space.columns) and 1 <= space.columns <= 4
    assert np.allclose(columns[said].mean(axis=0), 0, atol=1e-2)
    assert np.allclose(columns[said].std(axis=0), 1, atol=1e-2)
    assert not columns[~said].any()
    again = Reader(space, Letters()).columns(" left bundle branch block ")
    assert np.allclose(again, columns[1], atol=1e-2)


def test_each_text_is_read_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(reports, "BLOCK", 2)
    encoder = Counting()
    _, columns = read_reports(TEXTS, np.ones(6, bool), "letters", encoder, tmp_path, Crew())
    assert sorted(encoder.read) == sorted({text for text in TEXTS if text})
    place = next(tmp_path.rglob("00001.npy"))
    place.unlink()
    encoder.read.clear()
    _, again = read_reports(TEXTS, np.ones(6, bool), "letters", encoder, tmp_path, Crew())
    assert len(encoder.read) == 2 and np.array_equal(columns, again)


def test_components_are_fitted_on_training_reports_alone(tmp_path):
    train = np.array([True, True, True, True, True, False])
    space, _ = read_reports(TEXTS, train, "letters", Letters(), tmp_path, Crew())
    said = [text for text, fits in zip(TEXTS, train, strict=True) if fits and text]
    assert np.allclose(space.centre, Letters().encode(said).mean(axis=0), atol=1e-2)
    with pytest.raises(ValueError, match="data must hold reports for text_encoder 'letters', got none in 6"):
        read_reports(TEXTS, np.zeros(6, bool), "letters", Letters(), tmp_path, Crew())


@pytest.mark.slow
def test_a_generator_reads_the_words_beside_the_statements(made):
    generator = load_generator(made, device="cpu", text_encoder=Letters())
    assert generator.checkpoint.reports.encoder == "letters"
    plain = generator.generate([Conditions(60, "male", 70, "atrial fibrillation")], [1])
    worded = generator.generate([Conditions(60, "male", 70, "atrial fibrillation, nothing else")], [1])
    assert generator.understand("atrial fibrillation, nothing else").statements == {"AFIB": 1.0}
    assert not np.array_equal(plain.signals, worded.signals)
    again = generator.generate([Conditions(), Conditions(60, "male", 70, "atrial fibrillation")], [5, 1])
    assert np.array_equal(again.signals[1], plain.signals[0])


@pytest.mark.slow
def test_a_checkpoint_keeps_how_reports_are_read(made, tmp_path):
    checkpoint, digest = load_checkpoint(made)
    again, same = load_checkpoint(save_checkpoint(tmp_path / "copy.safetensors", checkpoint))
    assert digest == same
    for name in ("encoder", "centre", "basis", "spread"):
        assert np.array_equal(getattr(again.reports, name), getattr(checkpoint.reports, name))


@pytest.mark.slow
def test_no_text_needs_no_encoder_and_a_text_says_what_is_missing(made):
    generator = load_generator(made, device="cpu")
    assert generator.generate([Conditions(60, "male", 70)], [1]).signals.std() > 0.01
    with pytest.raises(*(ValueError, ImportError)[not THERE :][:1], match="text_encoder .*'letters'"):
        generator.generate([Conditions(60, "male", 70, "normal ECG")], [1])


@pytest.mark.slow
def test_an_encoder_of_other_length_is_refused(made):
    class Other(Letters):
        def encode(self, texts):
            return super().encode(texts)[:, :5]

    generator = load_generator(made, device="cpu", text_encoder=Other())
    with pytest.raises(ValueError, match="text_encoder must give vectors of 16 numbers .* got 5"):
        generator.generate([Conditions(text="normal ECG")], [1])


def test_the_bundled_generator_reads_no_vectors():
    assert load_generator("ptbxl", device="cpu").reader is None
    with pytest.raises(ValueError, match="text_encoder must be left out, got one for 'ptbxl'"):
        load_generator("ptbxl", device="cpu", text_encoder=Letters())


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(
        ImportError, match="text_encoder needs the package sentence-transformers .*'some-model'"
    ):
        load_text_encoder("some-model")


@pytest.mark.parametrize("given", [np.zeros(3), np.full((1, 3), np.nan), np.zeros((2, 3))])
def test_an_encoder_that_gives_no_vectors_is_told(given):
    class Wrong:
        def encode(self, texts):
            return given

    with pytest.raises(ValueError, match="text_encoder must give one vector of numbers per text, got shape"):
        reports.embedded(Wrong(), ["normal ECG"])


@pytest.mark.skipif(not THERE, reason="sentence-transformers is not installed: pip install -e '.[text]'")
def test_a_local_folder_of_sentence_transformers_is_read(tmp_path):
    import sentence_transformers
    import transformers

    words = [
        "[UNK]",
        "[PAD]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"sinus rhythm left bundle branch block normal".split(),
    ]
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(tmp_path / "bert" / "vocab.txt")).save_pretrained(tmp_path / "bert")
    config = transformers.BertConfig(len(words), 16, 1, 2, 32)
    transformers.BertModel(config).save_pretrained(tmp_path / "bert", safe_serialization=True)
    part = sentence_transformers.models.Transformer(str(tmp_path / "bert"))
    pooling = sentence_transformers.models.Pooling(16)
    sentence_transformers.SentenceTransformer(modules=[part, pooling]).save(str(tmp_path / "model"))
    encoder = load_text_encoder(str(tmp_path / "model"))
    found = reports.embedded(encoder, ["sinus rhythm", "left bundle branch block"])
    assert found.shape == (2, 16) and not np.allclose(found[0], found[1])
    with pytest.raises(ValueError, match="text_encoder must be the name or folder .*nowhere"):
        load_text_encoder(str(tmp_path / "nowhere"))
