"""The judging networks learn what is planted, nothing where nothing is, and are kept by what made them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from discovery.detectors import auroc
from models.judges import Lessons, train_alignment, train_autoencoder, train_classifier

SHORT = Lessons(epochs=6, batch=16)


def strips(labels, seed=0, samples=320):
    """Noise, with a slow wave where the first label is set and a fast one where the second is."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 100
    waves = np.stack([np.sin(2 * np.pi * 2 * time), np.sin(2 * np.pi * 20 * time)])
    rows = random.normal(0, 0.3, (len(labels), 8, samples))
    return (rows + 0.5 * (labels @ waves)[:, None]).astype(np.float32)


@pytest.fixture(scope="module")
def labels():
    return (np.random.default_rng(1).random((120, 2)) < 0.5).astype(float)


@pytest.fixture(scope="module")
def classifier(labels):
    return train_classifier(strips(labels), labels, SHORT)


def test_a_planted_wave_is_learnt(classifier):
    truth = (np.random.default_rng(2).random((80, 2)) < 0.5).astype(float)
    scores = classifier.scores(strips(truth, 3))
    assert [auroc(scores[:, k], truth[:, k]) > 0.95 for k in range(2)] == [True, True]
    assert classifier.features(strips(truth, 3)).shape == (80, 192)


def test_labels_without_a_cause_are_not_learnt(labels):
    nothing = np.zeros_like(labels)
    judge = train_classifier(strips(nothing, 4), labels, SHORT)
    truth = (np.random.default_rng(5).random((200, 2)) < 0.5).astype(float)
    scores = judge.scores(strips(np.zeros((200, 2)), 6))
    assert all(abs(auroc(scores[:, k], truth[:, k]) - 0.5) < 0.15 for k in range(2))


def test_the_same_seed_gives_the_same_judge_and_leaves_the_process_alone(labels, classifier):
    before = torch.random.get_rng_state()
    again = train_classifier(strips(labels), labels, SHORT)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(again.scores(strips(labels)), classifier.scores(strips(labels)))
    other = train_classifier(strips(labels), labels, replace(SHORT, seed=1))
    assert other.digest != classifier.digest


def test_further_examples_are_learnt_from_one_an_epoch_but_not_those_of_inner_rows(labels):
    silent, inner = strips(np.zeros_like(labels), 4), np.arange(len(labels)) % 4 == 0
    further = [strips(labels, seed) for seed in (7, 8)]
    judge = train_classifier(silent, labels, SHORT, inner, further=further)
    truth = (np.random.default_rng(2).random((80, 2)) < 0.5).astype(float)
    shown = auroc(judge.scores(strips(truth, 3))[:, 0], truth[:, 0])
    assert shown > 0.9  # the silent strips cannot teach it
    one = replace(SHORT, epochs=1)
    spoiled = [np.where(inner[:, None, None], 100, further[0]), further[1] + 100]
    found = [train_classifier(silent, labels, one, inner, further=rows) for rows in (further, spoiled)]
    assert np.array_equal(*(judge.scores(silent) for judge in found))
    assert found[0].digest != found[1].digest
    with pytest.raises(ValueError, match=r"further\[0\] must be of shape"):
        train_classifier(silent, labels, one, further=[silent[1:]])


def test_the_inner_rows_choose_the_epoch_and_are_not_trained_on(labels):
    rows = strips(labels)
    inner = np.arange(len(labels)) % 4 == 0
    judge = train_classifier(rows, labels, SHORT, inner)
    assert len(judge.history) == SHORT.epochs
    spoiled = rows.copy()
    spoiled[inner] += 100  # only the choice of the epoch can change
    other = train_classifier(spoiled, labels, replace(SHORT, epochs=1), inner)
    clean = train_classifier(rows, labels, replace(SHORT, epochs=1), inner)
    assert np.array_equal(other.scores(rows), clean.scores(rows))


def test_a_judge_is_kept_and_read_again(labels, classifier, tmp_path, monkeypatch):
    inner = np.arange(len(labels)) % 4 == 0
    first = train_classifier(strips(labels), labels, SHORT, inner, tmp_path)
    files = list(tmp_path.iterdir())
    assert [path.suffix for path in files] == [".safetensors"]
    assert first.digest in files[0].name
    monkeypatch.setattr("models.judges._teach", lambda *_: pytest.fail("trained again"))
    again = train_classifier(strips(labels), labels, SHORT, inner, tmp_path)
    assert again.history == first.history
    assert np.array_equal(again.scores(strips(labels)), first.scores(strips(labels)))


def test_texts_find_their_ecgs(labels):
    said = np.column_stack([labels, 1 - labels.max(axis=1)])
    judge = train_alignment(strips(labels), said, replace(SHORT, epochs=15))
    truth = (np.random.default_rng(7).random((60, 2)) < 0.5).astype(float)
    told = np.column_stack([truth, 1 - truth.max(axis=1)])
    vectors, texts = judge.features(strips(truth, 8)), judge.text(told)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    own = np.sum(vectors * texts, axis=1).mean()
    shuffled = np.sum(vectors * texts[np.random.default_rng(9).permutation(60)], axis=1).mean()
    assert own > shuffled + 0.3


def test_an_autoencoder_gives_strips_back(labels):
    rows = strips(labels) - 0.0
    judge = train_autoencoder(rows, replace(SHORT, epochs=25))
    truth = (np.random.default_rng(10).random((40, 2)) < 0.5).astype(float)
    fresh = strips(truth, 11)
    with torch.no_grad():
        back = judge.net(torch.from_numpy(fresh)).numpy()
    assert back.shape == fresh.shape
    assert np.mean((back - fresh) ** 2) < 0.6 * np.mean(fresh**2)
    assert judge.features(fresh).shape == (40, 64)


def test_many_rows_are_judged_as_few(classifier):
    rows = strips(np.zeros((300, 2)), 12)
    parts = np.concatenate([classifier.scores(rows[:7]), classifier.scores(rows[7:])])
    assert np.allclose(parts, classifier.scores(rows), atol=1e-4)
