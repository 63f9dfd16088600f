# SPDX-License-Identifier: Apache-2.0
"""Word vectors: trained as word2vec does, read and written in everybody's formats.

>>> from partita import embedding
>>> sentences = [["the", "whale", "and", "the", "sea"], ["the", "ship", "and", "the", "sea"]] * 200
>>> vectors = embedding.train(sentences, seed=1, dim=20, min_count=1, epochs=2)
>>> vectors.index_to_key[:2]
['the', 'and']
>>> [word for word, cosine in vectors.most_similar("whale", topn=1)] != ["whale"]
True
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._progress import Bar, Progress, report

__all__ = ["AnalogyScore", "KeyedVectors", "SimilarityScore", "TrainingUpdate", "load", "train"]


class SimilarityScore(NamedTuple):
    """How well cosines agree with human judgment.

    Attributes
    ----------
    correlation : float
        Spearman's; NaN for fewer than two pairs.
    pairs : int
        Whose two words are known.
    lines : int
    """

    correlation: float
    pairs: int
    lines: int


class AnalogyScore(NamedTuple):
    """How many questions "a is to b as c is to what" of a section are answered.

    Attributes
    ----------
    section : str
    correct : int
    questions : int
        Whose four words are known.
    lines : int
    """

    section: str
    correct: int
    questions: int
    lines: int


class TrainingUpdate(NamedTuple):
    """How far training is.

    Attributes
    ----------
    words : int
        Passed in all epochs.
    total : int
    words_per_second : float
    seconds_left : float
    learning_rate : float
    loss : float
        Mean per prediction since the last update.
    """

    words: int
    total: int
    words_per_second: float
    seconds_left: float
    learning_rate: float
    loss: float


class KeyedVectors:
    """Words and their vectors, with gensim's names.

    Parameters
    ----------
    index_to_key : sequence of str
        The words.
    vectors : array [words, dim]
        Kept as float32.

    Examples
    --------
    >>> import numpy as np
    >>> v = KeyedVectors(["king", "queen", "ship"], np.array([[1.0, 0.1], [1.0, 0.2], [0.0, 1.0]]))
    >>> v.most_similar("king", topn=1)[0][0], round(v.similarity("king", "ship"), 3)
    ('queen', 0.1)
    """

    def __init__(self, index_to_key: Sequence[str], vectors: Any) -> None:
        self.index_to_key = list(index_to_key)
        self.vectors: NDArray[np.float32] = np.ascontiguousarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.index_to_key):
            raise ValueError(f"vectors: expected {len(self.index_to_key)} rows (one for each word), "
                             f"got shape {self.vectors.shape}")
        self.key_to_index: dict[str, int] = {}
        for i, key in enumerate(self.index_to_key):
            self.key_to_index.setdefault(key, i)  # of equal words, the first counts
        self._words: _core.WordSimilarity | None = None

    @property
    def vector_size(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, key: object) -> bool:
        return key in self.key_to_index

    def __getitem__(self, key: str) -> NDArray[np.float32]:
        """A word's vector: a view. KeyError if it is unknown."""
        row: NDArray[np.float32] = self.vectors[self.key_to_index[key]]
        return row

    def __repr__(self) -> str:
        return f"KeyedVectors({len(self)} words, {self.vector_size} dimensions)"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_words": None}

    def _similarity(self) -> "_core.WordSimilarity":
        """A copy, scaled to length 1, made when it is first needed."""
        if self._words is None:
            self._words = _core.WordSimilarity(self.index_to_key, self.vectors)
        return self._words

    def most_similar(self, positive: str | Sequence[str], negative: str | Sequence[str] = (),
                     topn: SupportsIndex = 10) -> list[tuple[str, float]]:
        """The words of largest cosine to the sum of vectors of length 1, and the cosines.

        ``most_similar(["king", "woman"], ["man"])`` is king - man + woman.

        Parameters
        ----------
        positive, negative : str or sequence of str
            Words to add and to subtract, which are not among the answers.
        topn : int
            How many.

        Raises
        ------
        ValueError
            If a word is unknown.
        """
        positive = [positive] if isinstance(positive, str) else positive
        negative = [negative] if isinstance(negative, str) else negative
        if not positive:
            raise ValueError("positive: expected one word or more")
        query = " + ".join(positive) + "".join(f" - {word}" for word in negative)
        return self._similarity().nearest(query, topn)

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words, `a` and `b`. KeyError if one is unknown."""
        x, y = (self[key].astype(np.float64) for key in (a, b))
        norms = float(np.linalg.norm(x) * np.linalg.norm(y))
        return float(x @ y) / norms if norms > 0 else 0.0

    def evaluate_word_pairs(self, path: str | PathLike[str]) -> SimilarityScore:
        """Spearman's correlation with the scores of a file, at a path, of lines "word word score"."""
        return SimilarityScore(*self._similarity().similarity(path))

    def evaluate_word_analogies(self, path: str | PathLike[str], *,
                                threads: SupportsIndex = 1, progress: Progress = None) -> list[AnalogyScore]:
        """The sections of a file, at a path, of lines "a b c d", a is to b as c is to d.

        It uses at most so many threads. ``progress=True`` shows a bar of tqdm's; a function is called
        as ``progress(done, total, unit)``.
        """
        return [AnalogyScore(*each) for each in self._similarity().analogies(path, threads, progress)]

    def save(self, path: str | PathLike[str]) -> None:
        """Writes to a path: .txt or .vec (text), .bin (word2vec's binary) or .npy (words beside it)."""
        _core.save_word_vectors(path, self.index_to_key, self.vectors)


def load(path: str | PathLike[str], *, limit: SupportsIndex = 0, encoding_errors: str = "strict") -> KeyedVectors:
    """Reads word vectors of word2vec, fastText, GloVe or gensim, gzipped or not.

    Parameters
    ----------
    path : path
    limit : int
        Read only the first words; 0: all.
    encoding_errors : {"strict", "replace", "ignore"}
        What to do about a word that is not UTF-8.

    Raises
    ------
    OSError
        Naming the line or word that is wrong.
    """
    words, vectors = _core.load_word_vectors(path, limit, encoding_errors)
    return KeyedVectors(words, vectors)


def train(corpus: str | PathLike[str] | Iterable[str | Sequence[str]], *, seed: SupportsIndex,
          model: str = "skipgram", loss: str = "negative-sampling", dim: SupportsIndex = 100,
          window: SupportsIndex = 5, negative: SupportsIndex = 5, sample: float = 1e-3,
          epochs: SupportsIndex = 5, alpha: float | None = None, min_count: SupportsIndex = 5,
          max_size: SupportsIndex = 0, threads: SupportsIndex = 1, deterministic: bool = False,
          progress: bool | Callable[[TrainingUpdate], object] | None = None) -> KeyedVectors:
    """Trains word vectors: skip-gram or CBOW (Mikolov et al. 2013).

    Parameters
    ----------
    corpus : path, or iterable of sentences
        A text file, gzipped or not, or sentences: strings, or sequences of words. They are written
        to a temporary file, so that a corpus may be larger than memory.
    seed : int
        With one thread, or deterministic, the same seed gives the same vectors, here and in
        ``partita embed train``.
    model : {"skipgram", "cbow"}
    loss : {"negative-sampling", "nce", "full"}
    dim : int
        Numbers in a vector.
    window : int
        Most words to each side.
    negative : int
        Noise words for each window.
    sample : float
        Threshold for subsampling frequent words; 0: none.
    epochs : int
    alpha : float, optional
        Initial learning rate: 0.025, or 0.15 for CBOW, if not given.
    min_count, max_size : int
        The vocabulary: words that occur that often, and at most so many of them (0: all).
    threads : int
        More than one update the same weights without locks.
    deterministic : bool
        With more than one thread, the result of one seed all the same, more slowly.
    progress : bool or callable
        True for a bar of tqdm's; or called with a TrainingUpdate a few times a second. What it raises
        ends training, as Ctrl-C does.

    Returns
    -------
    KeyedVectors

    Examples
    --------
    >>> from partita import embedding
    >>> vectors = embedding.train(["the whale and the sea", "the ship and the sea"] * 50, seed=1, dim=20, min_count=1)
    >>> len(vectors), vectors["whale"].shape
    (5, (20,))
    """
    with _listener(progress) as listener, _path_of(corpus) as path:
        return KeyedVectors(*_core.train_embedding(
            path, seed, model, loss, dim, window, negative, sample, epochs, alpha, min_count, max_size, threads,
            deterministic, listener))


@contextmanager
def _listener(progress: Any) -> Iterator[Callable[..., object] | None]:
    """What training calls with the fields of a TrainingUpdate."""
    bar = report(progress)
    if bar is None:
        yield None
    elif not isinstance(bar, Bar):
        yield lambda *update: bar(TrainingUpdate(*update))
    else:
        try:
            yield lambda words, total, *_: bar(words, total, "words")
        finally:
            bar.close()


@contextmanager
def _path_of(corpus: str | PathLike[str] | Iterable[str | Sequence[str]]) -> Iterator[str | PathLike[str]]:
    """The path itself, or that of a temporary file of the sentences."""
    if isinstance(corpus, (str, PathLike)):
        yield corpus
        return
    file = tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt", delete=False)
    try:
        with file:
            for sentence in corpus:
                file.write(_line(sentence) + "\n")
        yield file.name
    finally:
        os.unlink(file.name)


def _line(sentence: str | Sequence[str]) -> str:
    if isinstance(sentence, str):
        return sentence
    line = " ".join(sentence)
    if len(line.split()) != len(sentence):
        odd = next(word for word in sentence if len(word.split()) != 1)
        raise ValueError(f"corpus: expected words without white space, got {odd!r}")
    return line
