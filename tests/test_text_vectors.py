"""Prompts as DiffuSETS makes them, and vectors from files, functions and a service."""

import sys
import types

import numpy as np
import pytest

from models.text_vectors import Embedded, VectorFile, openai_vectors, prompt_of, save_vectors

VECTORS = {"sinus rhythm": np.arange(4.0), "sinus rhythm|abnormal ecg.": np.ones(4)}


def test_statements_become_one_prompt():
    assert prompt_of("sinus rhythm|abnormal ecg.") == (
        "Most importantly, the 1st diagnosis is {sinus rhythm}."
        "As a supplementary condition, the 2nd diagnosis is {abnormal ecg.}."
    )
    assert prompt_of("a| b ").endswith("the 2nd diagnosis is { b }.")
    many = prompt_of("|".join("x" * 23))
    for ordinal in ("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21th", "22th", "23th"):
        assert f"the {ordinal} diagnosis" in many


def test_saved_vectors_come_back(tmp_path):
    path = save_vectors(tmp_path / "new" / "vectors.npz", VECTORS)
    found = VectorFile(path)
    assert found.texts == tuple(VECTORS)
    for text, vector in VECTORS.items():
        assert np.array_equal(found(text), vector) and found(text).dtype == np.float32
        assert np.array_equal(found(prompt_of(text)), vector)
    assert [file.name for file in path.parent.iterdir()] == ["vectors.npz"]


def test_texts_may_be_prompts_and_files_npy(tmp_path):
    save_vectors(tmp_path / "prompts.npz", {prompt_of("sinus rhythm"): [1, 2]})
    assert VectorFile(tmp_path / "prompts.npz")("sinus rhythm").tolist() == [1, 2]
    rows = np.array([("sinus rhythm", [1, 2])], dtype=[("texts", "U20"), ("vectors", "f4", 2)])
    np.save(tmp_path / "rows.npy", rows)
    assert VectorFile(tmp_path / "rows.npy")("sinus rhythm").tolist() == [1, 2]


def test_the_digest_tells_vectors_apart(tmp_path):
    digests = set()
    for name, value in (("a", 1.0), ("b", 2.0)):
        digests.add(VectorFile(save_vectors(tmp_path / f"{name}.npz", {"x": [value]})).digest)
    assert len(digests) == 2


def test_a_text_without_a_vector_is_named(tmp_path):
    found = VectorFile(save_vectors(tmp_path / "vectors.npz", VECTORS))
    with pytest.raises(
        ValueError, match=r"text must have a vector in .*vectors.npz', got 'brugada'.*save_vectors"
    ):
        found("brugada")


def broken(path, kind):
    if kind == "pickled":
        np.savez(path, texts=np.array(["a", None], object), vectors=np.ones((2, 3)))
    elif kind == "other arrays":
        np.savez(path, x=np.ones(3))
    elif kind == "counts":
        np.savez(path, texts=np.array(["a", "b"]), vectors=np.ones((3, 3)))
    elif kind == "plain":
        np.save(path.open("wb"), np.ones((3, 3)))
    elif kind == "words":
        path.write_text("sinus rhythm,1,2,3")
    elif kind == "cut":
        np.savez(path, texts=np.array(["a"]), vectors=np.ones((1, 3)))
        path.write_bytes(path.read_bytes()[:200])
    else:
        np.savez(path, texts=np.array(["a"]), vectors=np.array([[1, np.nan]]))


@pytest.mark.parametrize("kind", ["pickled", "other arrays", "counts", "words", "cut", "nan"])
def test_files_that_are_no_vectors(tmp_path, kind):
    path = tmp_path / "some.npz"
    broken(path, kind)
    with pytest.raises(ValueError, match=r"vectors must be an .npz with texts .* got '.*some.npz'"):
        VectorFile(path)
    with pytest.raises(FileNotFoundError, match="vectors must be a file or a function, got '.*none.npz'"):
        VectorFile(tmp_path / "none.npz")


def test_only_one_width_is_saved(tmp_path):
    with pytest.raises(ValueError, match=r"vectors must be finite and of one width, got widths \[1, 2\]"):
        save_vectors(tmp_path / "vectors.npz", {"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match=r"path must end in .npz, got '.*vectors.csv'"):
        save_vectors(tmp_path / "vectors.csv", {"a": [1]})
    assert list(tmp_path.iterdir()) == []


def test_a_function_is_asked_the_prompt_once():
    asked = []

    def embed(prompt):
        asked.append(prompt)
        return [[1.0, 2.0]]

    vectors = Embedded(embed)
    assert vectors("sinus rhythm").tolist() == vectors("sinus rhythm").tolist() == [1, 2]
    assert asked == [prompt_of("sinus rhythm")]
    assert vectors.digest.endswith("embed")


def test_the_service_is_asked_through_its_client(monkeypatch):
    asked = []
    monkeypatch.setenv("OPENAI_API_KEY", "of no account")

    def create(model, input):
        asked.append((model, input))
        return types.SimpleNamespace(data=[types.SimpleNamespace(embedding=[0.6, 0.8])])

    client = types.SimpleNamespace(embeddings=types.SimpleNamespace(create=create))
    monkeypatch.setitem(sys.modules, "openai", types.SimpleNamespace(OpenAI=lambda: client, APIError=OSError))
    vectors = Embedded(openai_vectors())
    assert vectors("sinus rhythm") == pytest.approx([0.6, 0.8])
    assert asked == [("text-embedding-ada-002", [prompt_of("sinus rhythm")])]
    assert vectors.digest == "text-embedding-ada-002"


def test_no_key_and_a_refusal_say_the_way_out(monkeypatch):
    def create(model, input):
        raise OSError("quota exceeded")

    client = types.SimpleNamespace(embeddings=types.SimpleNamespace(create=create))
    fake = types.SimpleNamespace(OpenAI=lambda: client, APIError=OSError)
    monkeypatch.setitem(sys.modules, "openai", fake)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(
        ValueError, match="OPENAI_API_KEY must hold a key .* set it, or pass a file of vectors"
    ):
        openai_vectors()
    monkeypatch.setenv("OPENAI_API_KEY", "of no account")
    with pytest.raises(ConnectionError, match="got: quota exceeded: look at OPENAI_API_KEY and the network"):
        openai_vectors()("sinus rhythm")


def test_without_the_client_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match="openai must be installed .* pip install openai, or pass a file"):
        openai_vectors()
