# SPDX-License-Identifier: Apache-2.0
"""Word vectors: trained, read, written, compared."""

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partita import embedding
from partita.embedding import KeyedVectors


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    rng = np.random.default_rng(1)
    topics = [[f"{topic}{i}" for i in range(30)] for topic in ("sea", "city", "farm")]
    return [[str(word) for word in rng.choice(topics[rng.integers(3)], size=12)] for _ in range(1500)]


OPTIONS: dict[str, Any] = {"dim": 16, "epochs": 3, "min_count": 2, "sample": 0}


@pytest.fixture(scope="module")
def vectors(sentences: list[list[str]]) -> KeyedVectors:
    return embedding.train(sentences, seed=1, **OPTIONS)


def test_neighbors_are_of_the_same_topic(vectors: KeyedVectors) -> None:
    assert len(vectors) == 90 and vectors.vector_size == 16 and "sea3" in vectors
    nearest = vectors.most_similar("sea3", topn=10)
    assert sum(word.startswith("sea") for word, _ in nearest) >= 9
    assert [cosine for _, cosine in nearest] == sorted((cosine for _, cosine in nearest), reverse=True)


def test_most_similar_by_hand(vectors: KeyedVectors) -> None:
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    at = vectors.key_to_index
    query = unit[at["sea1"]] + unit[at["city2"]] - unit[at["farm3"]]
    cosines = unit @ (query / np.linalg.norm(query))
    given = {"sea1", "city2", "farm3"}
    expected = [vectors.index_to_key[i] for i in np.argsort(-cosines) if vectors.index_to_key[i] not in given]
    found = vectors.most_similar(["sea1", "city2"], ["farm3"], topn=5)
    assert [word for word, _ in found] == expected[:5]
    np.testing.assert_allclose(found[0][1], cosines[at[found[0][0]]], rtol=1e-5)
    assert vectors.similarity("sea1", "sea2") == pytest.approx(float(unit[at["sea1"]] @ unit[at["sea2"]]), rel=1e-5)
    assert np.shares_memory(vectors["sea1"], vectors.vectors)


@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin", "v.npy"])
def test_files(name: str, vectors: KeyedVectors, tmp_path: Path) -> None:
    vectors.save(tmp_path / name)
    again = embedding.load(tmp_path / name)
    assert again.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(again.vectors, vectors.vectors)
    assert embedding.load(tmp_path / name, limit=5).index_to_key == vectors.index_to_key[:5]


def test_files_of_gensim(vectors: KeyedVectors, tmp_path: Path) -> None:
    gensim = pytest.importorskip("gensim.models")
    for binary in (False, True):
        vectors.save(tmp_path / ("v.bin" if binary else "v.txt"))
        theirs = gensim.KeyedVectors.load_word2vec_format(tmp_path / ("v.bin" if binary else "v.txt"), binary=binary)
        assert theirs.index_to_key == vectors.index_to_key
        np.testing.assert_array_equal(theirs.vectors, vectors.vectors)
        ours = [word for word, _ in vectors.most_similar(["sea1", "city2"], ["farm3"])]
        assert ours == [word for word, _ in theirs.most_similar(["sea1", "city2"], ["farm3"])]
        theirs.save_word2vec_format(tmp_path / "theirs.bin", binary=True)
        np.testing.assert_array_equal(embedding.load(tmp_path / "theirs.bin").vectors, vectors.vectors)


def test_a_corpus_is_a_file_or_sentences(sentences: list[list[str]], vectors: KeyedVectors, tmp_path: Path) -> None:
    lines = [" ".join(sentence) for sentence in sentences]
    with gzip.open(tmp_path / "corpus.txt.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    for corpus in (tmp_path / "corpus.txt.gz", lines, iter(sentences)):
        np.testing.assert_array_equal(embedding.train(corpus, seed=1, **OPTIONS).vectors, vectors.vectors)
    assert not np.array_equal(embedding.train(lines, seed=2, **OPTIONS).vectors, vectors.vectors)
    two = embedding.train(lines, seed=1, threads=2, deterministic=True, **OPTIONS)
    one = embedding.train(lines, seed=1, threads=1, deterministic=True, **OPTIONS)
    np.testing.assert_array_equal(one.vectors, two.vectors)


def test_bits_of_the_command(sentences: list[list[str]], vectors: KeyedVectors, command: Any, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("".join(" ".join(sentence) + "\n" for sentence in sentences))
    command("embed", "train", tmp_path / "corpus.txt", "-o", tmp_path / "v.bin", "--seed", 1, "--dim", 16, "--epochs", 3,
            "--min-count", 2, "--sample", 0, "--threads", 1)
    theirs = embedding.load(tmp_path / "v.bin")
    assert theirs.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(theirs.vectors, vectors.vectors)


def test_evaluation(vectors: KeyedVectors, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("sea1 sea2 9\nsea1 city2 1\ncity3 city4 8\nfarm1 nothing 5\n")
    score = vectors.evaluate_word_pairs(tmp_path / "pairs.txt")
    assert (score.pairs, score.lines) == (3, 4) and score.correlation > 0
    (tmp_path / "questions.txt").write_text(": some\nsea1 sea2 city1 city2\n")
    assert vectors.evaluate_word_analogies(tmp_path / "questions.txt")[0][0] == "some"


def test_copies(vectors: KeyedVectors) -> None:
    vectors.most_similar("sea1")
    copy = pickle.loads(pickle.dumps(vectors))
    assert copy.most_similar("sea1") == vectors.most_similar("sea1")
    assert repr(copy) == "KeyedVectors(90 words, 16 dimensions)"


def test_progress(sentences: list[list[str]]) -> None:
    def stop(update: embedding.TrainingUpdate) -> None:
        assert 0 <= update.words <= update.total
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        embedding.train(sentences * 20, seed=1, dim=100, epochs=100, progress=stop)


def test_threads_train_at_once(sentences: list[list[str]], vectors: KeyedVectors, at_once: Any) -> None:
    for found in at_once(lambda: embedding.train(sentences, seed=1, **OPTIONS), threads=4):
        np.testing.assert_array_equal(found.vectors, vectors.vectors)


@pytest.mark.parametrize(
    "call,error,message",
    [
        (lambda v: v.most_similar("nothing"), ValueError, "nothing"),
        (lambda v: v.most_similar([]), ValueError, "positive: expected one word or more"),
        (lambda v: v["nothing"], KeyError, "nothing"),
        (lambda v: v.save("vectors.xyz"), ValueError, "xyz"),
        (lambda v: embedding.load("/no/such/file.txt"), OSError, "/no/such/file.txt"),
        (lambda v: embedding.load(__file__, limit=-1), ValueError, "limit: expected 0 or more, got -1"),
        (lambda v: embedding.load(__file__, encoding_errors="x"), ValueError, "encoding_errors: expected one of strict"),
        (lambda v: KeyedVectors(["a"], np.zeros((2, 3))), ValueError, "vectors: expected 1 rows"),
        (lambda v: embedding.train([["two words"]], seed=1), ValueError, "without white space, got 'two words'"),
        (lambda v: embedding.train([], seed=1), OSError, ""),
        (lambda v: embedding.train("/no/such/file", seed=1), OSError, "/no/such/file"),
        (lambda v: embedding.train([["a", "b"]], seed=1, model="x", min_count=1), ValueError, "model: expected one of"),
        (lambda v: embedding.train([["a", "b"]], seed=1, dim=0, min_count=1), ValueError, "dim"),
        (lambda v: embedding.train([["a", "b"]], seed=-1, min_count=1), ValueError, "seed"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str, vectors: KeyedVectors) -> None:
    with pytest.raises(error, match=message) as caught:
        call(vectors)
    assert "\n" not in str(caught.value)
