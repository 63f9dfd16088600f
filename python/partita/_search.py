# SPDX-License-Identifier: Apache-2.0
"""Searches over sequence models, and expectations from their samples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, SupportsIndex, TypeAlias, overload

from partita import _core
from partita._core import NativeModel
from partita._progress import Progress
from partita._sampling import SamplerSettings
from partita._types import Array, ArrayLike, Tokens


class DecodingState(Protocol):
    """What an incremental model remembers of the prefixes of one search."""

    def reorder(self, rows: list[int]) -> Any:
        """Row i of the new state continues row rows[i] of the old one. Rows may repeat and vanish."""


class SequenceModel(Protocol):
    """A model that keeps a state (a key-value cache, a hidden state) from token to token.

    ``start()`` makes the state of one search; a model without it gets None. The first call of
    ``next_logits`` has any prefixes, to be read from the beginning. Before each later one,
    ``state.reorder(rows)`` is called once, and every prefix is longer by one token, the only one to
    be read.
    """

    @property
    def vocabulary_size(self) -> int: ...

    @property
    def end_token(self) -> int | None:
        """What ends a sequence; None if only its length does."""

    def next_logits(self, prefixes: list[list[int]], state: Any) -> ArrayLike:
        """The logits of the token after each prefix, [prefixes, vocabulary]: numpy, torch, ...

        `state` is what start() made, or None.
        """


@dataclass(frozen=True)
class CallableModel:
    """A function ``prefixes -> logits`` as a sequence model.

    `function` gets a list of lists of tokens and returns logits [prefixes, vocabulary], for the
    token after each. If `vocabulary_size` is not given, it is found by one more call.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 3)), end_token=2)
    >>> best = partita.beam_search(coin, 2, max_length=4)
    >>> best[0].tokens, best[0].finished
    ([], True)
    """

    function: Callable[[list[list[int]]], ArrayLike]
    end_token: int | None = None
    vocabulary_size: int | None = None

    def __call__(self, prefixes: list[list[int]]) -> ArrayLike:
        return self.function(prefixes)


#: A model of C++ (NGram, LanguageModel, TorchScriptModel), a function of prefixes, or an object with
#: next_logits().
Model: TypeAlias = SequenceModel | CallableModel | NativeModel | Callable[[list[list[int]]], ArrayLike]


class Hypothesis(NamedTuple):
    """One sequence that a search returns.

    Attributes
    ----------
    tokens : list[int]
        Without the prompt, without the end token.
    finished : bool
        True: ended by the end token. False: cut at max_length.
    log_prob : float
        Sum of the tokens' log-probabilities, including the end token's.
    """

    tokens: list[int]
    finished: bool
    log_prob: float


class PerturbedHypothesis(NamedTuple):
    """One sequence of a sample without replacement.

    Attributes
    ----------
    tokens : list[int]
    finished : bool
    log_prob : float
    perturbed : float
        log_prob plus Gumbel noise.
    """

    tokens: list[int]
    finished: bool
    log_prob: float
    perturbed: float


class StochasticBeam(NamedTuple):
    """Distinct sequences, an ordered sample without replacement.

    Attributes
    ----------
    sequences : list[PerturbedHypothesis]
        In the order drawn; fewer than k if the model has fewer.
    threshold : float
        perturbed of the (k + 1)-th; -inf when there is none.
    weights : array
        Importance weights p / q: sum(weights * f) is an unbiased estimate of E f.
    """

    sequences: list[PerturbedHypothesis]
    threshold: float
    weights: Array


class SequenceScores(NamedTuple):
    """What a model says about the tokens of one sequence, its end included.

    Attributes
    ----------
    log_prob : array
        Of each token.
    confidence : array
        The probability of the most likely token.
    correct : array
        Whether that is the token.
    """

    log_prob: Array
    confidence: Array
    correct: Array


class Estimate(NamedTuple):
    """An expectation.

    Attributes
    ----------
    plain : array
        sum w f: unbiased.
    normalized : array
        sum w f / sum w: exact for a constant f, and usually closer.
    """

    plain: Array
    normalized: Array


@overload
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = ..., prompts: None = ...,
                length_penalty: float = ..., early_stopping: bool = ..., max_length: SupportsIndex = ...,
                filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                batch: SupportsIndex = ..., progress: Progress = ...) -> list[Hypothesis]: ...
@overload
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = ..., prompts: Sequence[Tokens],
                length_penalty: float = ..., early_stopping: bool = ..., max_length: SupportsIndex = ...,
                filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                batch: SupportsIndex = ..., progress: Progress = ...) -> list[list[Hypothesis]]: ...
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = (), prompts: Sequence[Tokens] | None = None,
                length_penalty: float = 0.0, early_stopping: bool = False, max_length: SupportsIndex = 256,
                filter: SamplerSettings | None = None, threads: SupportsIndex = 1,
                batch: SupportsIndex = 0, progress: Progress = None) -> list[Hypothesis] | list[list[Hypothesis]]:
    """The k most likely sequences, as far as a beam of k prefixes finds them, best first.

    Parameters
    ----------
    model : SequenceModel, NGram, LanguageModel, TorchScriptModel or callable
    k : int
    prompt : tokens
        What all sequences begin with.
    prompts : sequence of tokens
        Instead of `prompt`: a search for each, side by side. The result is a list of lists.
    length_penalty : float
        Sequences are ranked by log_prob / length**length_penalty.
    early_stopping : bool
        End as soon as k sequences have ended, better ones to come or not.
    max_length : int
        A sequence is cut after this many tokens; the end token counts as one.
    filter : SamplerSettings
        Applied to every row of logits first; log-probabilities are those of the filtered model.
    threads : int
        Searches are divided among this many threads, each of which calls the model.
    batch : int
        The most prefixes given to the model in one call; 0 chooses. It does not change any result.
    progress : bool or callable
        True for a bar of tqdm's; or called as ``progress(done, 0, "tokens")`` after each call of the
        model, done being the tokens predicted so far. What it raises ends the search, as Ctrl-C does.

    Returns
    -------
    list of Hypothesis, or such a list for each of `prompts`

    Raises
    ------
    ValueError
        For an option out of range, a prompt with an invalid token, logits of a wrong shape or with
        NaN. What the model itself raises comes through.

    Examples
    --------
    >>> import numpy as np, partita
    >>> model = partita.CallableModel(lambda prefixes: np.tile(np.log([0.6, 0.3, 0.1]), (len(prefixes), 1)), end_token=2)
    >>> [h.tokens for h in partita.beam_search(model, 3, max_length=2)]
    [[0, 0], [0, 1], [1, 0]]
    """
    if prompts is not None:
        _only_one(prompt)
    found = _core.beam_search(model, [prompt] if prompts is None else prompts, k, length_penalty, early_stopping,
                              max_length, filter, threads, batch, progress)
    all_found = [[Hypothesis(*each) for each in beam] for beam in found]
    return all_found if prompts is not None else all_found[0]


@overload
def stochastic_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = ...,
                           prompt: Tokens = ..., prompts: None = ..., max_length: SupportsIndex = ...,
                           filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                           batch: SupportsIndex = ..., progress: Progress = ...) -> StochasticBeam: ...
@overload
def stochastic_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = ...,
                           prompt: Tokens = ..., prompts: Sequence[Tokens], max_length: SupportsIndex = ...,
                           filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                           batch: SupportsIndex = ..., progress: Progress = ...) -> list[StochasticBeam]: ...
def stochastic_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = None,
                           prompt: Tokens = (), prompts: Sequence[Tokens] | None = None,
                           max_length: SupportsIndex = 256, filter: SamplerSettings | None = None,
                           threads: SupportsIndex = 1, batch: SupportsIndex = 0,
                           progress: Progress = None) -> StochasticBeam | list[StochasticBeam]:
    """k distinct sequences, an exact ordered sample without replacement (Kool et al. 2019).

    Parameters
    ----------
    seed : int
        The sample is a function of model, prompt, options, k, seed and stream.
    stream : int or array of int, optional
        Prompt i draws from stream + i of the seed (0 + i if not given), or from stream[i]. One
        `prompt` without a stream draws from the seed itself, as ``partita generate`` does.
    model, k, prompt, prompts, max_length, filter, threads, batch, progress
        As in :func:`beam_search`.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = lambda prefixes: np.zeros((len(prefixes), 2))
    >>> beam = partita.stochastic_beam_search(coin, 10, max_length=3, seed=1)
    >>> len(beam.sequences), float(np.sum(beam.weights).round(12))
    (8, 1.0)
    """
    if prompts is not None:
        _only_one(prompt)
        stream = 0 if stream is None else stream
    found = _core.stochastic_beam_search(model, [prompt] if prompts is None else prompts, k, seed, stream, max_length,
                                         filter, threads, batch, progress)
    beams = [StochasticBeam([PerturbedHypothesis(*each) for each in sequences], threshold, weights)
             for sequences, threshold, weights in found]
    return beams if prompts is not None else beams[0]


def ancestral_sample(model: Model, n: SupportsIndex, *, seed: SupportsIndex, stream: Any = 0, prompt: Tokens = (),
                     max_length: SupportsIndex = 256, filter: SamplerSettings | None = None,
                     threads: SupportsIndex = 1, batch: SupportsIndex = 0,
                     progress: Progress = None) -> list[Hypothesis]:
    """n independent sequences, token by token.

    Parameters
    ----------
    n : int
    seed : int
    stream : int or array of int [n]
        Sample i draws from stream + i of the seed, or from stream[i].
    model, prompt, max_length, filter, threads, batch, progress
        As in :func:`beam_search`; steps of the filter may be random or have a state here.

    Returns
    -------
    list of Hypothesis

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 3)), end_token=2)
    >>> len(partita.ancestral_sample(coin, 5, seed=1, max_length=10))
    5
    """
    found = _core.ancestral_sample(model, prompt, n, seed, stream, max_length, filter, threads, batch, progress)
    return [Hypothesis(*each) for each in found]


class UniqueSampler:
    """Distinct sequences, one at a time, until there is none left: an iterator.

    The first k are those of ``stochastic_beam_search(model, k, ...)``.

    Parameters
    ----------
    model, seed, prompt, max_length, filter
        As in :func:`stochastic_beam_search`.
    stream : int, optional
        If not given, it draws from the seed itself.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = lambda prefixes: np.zeros((len(prefixes), 2))
    >>> sorted(found.tokens for found in partita.UniqueSampler(coin, max_length=2, seed=1))
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    def __init__(self, model: Model, *, seed: SupportsIndex, stream: SupportsIndex | None = None,
                 prompt: Tokens = (), max_length: SupportsIndex = 256,
                 filter: SamplerSettings | None = None) -> None:
        self._sampler = _core.UniqueSampler(model, prompt, seed, stream, max_length, filter, 1, 0)

    def __iter__(self) -> Iterator[PerturbedHypothesis]:
        return self

    def __next__(self) -> PerturbedHypothesis:
        found = self._sampler.next()
        if found is None:
            raise StopIteration
        return PerturbedHypothesis(*found)

    @property
    def threshold(self) -> float:
        """perturbed of the next sequence, -inf when there is none: kappa of those so far."""
        return self._sampler.threshold()


def score_sequences(model: Model, sequences: Sequence[Tokens], *, filter: SamplerSettings | None = None,
                    threads: SupportsIndex = 1, batch: SupportsIndex = 0,
                    progress: Progress = None) -> list[SequenceScores]:
    """What a model says about each token of given sequences, and of the end after them.

    Parameters
    ----------
    model, filter, threads, batch, progress
        As in :func:`beam_search`.
    sequences : sequence of tokens

    Returns
    -------
    list of SequenceScores

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 2)), end_token=1)
    >>> partita.score_sequences(coin, [[0, 0]])[0].log_prob
    array([-0.69314718, -0.69314718, -0.69314718])
    """
    found = _core.score_sequences(model, sequences, filter, threads, batch, progress)
    return [SequenceScores(*each) for each in found]


def importance_weights(log_prob: ArrayLike, threshold: ArrayLike) -> Array:
    """p / q: p = exp(log_prob), q = 1 - exp(-exp(log_prob - threshold)) (Kool et al. 2019, eq. 12).

    Parameters
    ----------
    log_prob : array [..., k]
        Of a sample without replacement.
    threshold : array [...]
        Its threshold; -inf if k covers the support.

    Examples
    --------
    >>> import numpy as np, partita
    >>> partita.importance_weights(np.log([0.5, 0.5]), -np.inf)
    array([0.5, 0.5])
    """
    return _core.importance_weights(log_prob, threshold)


def estimate(log_prob: ArrayLike, threshold: ArrayLike, values: ArrayLike) -> Estimate:
    """E f = sum over all y of p(y) f(y), from a sample without replacement.

    Parameters
    ----------
    log_prob : array [..., k]
    threshold : array [...]
    values : array [..., k]
        f of what was drawn.

    Examples
    --------
    >>> import numpy as np, partita
    >>> drawn = partita.gumbel_top_k(np.zeros(6), 6, seed=1)
    >>> float(partita.estimate(drawn.log_prob, drawn.threshold, 1 + drawn.indices).plain.round(12))
    3.5
    """
    return Estimate(*_core.estimate(log_prob, threshold, values))


def _only_one(prompt: Tokens) -> None:
    if len(prompt) != 0:
        raise ValueError("prompts: expected prompt or prompts, got both")
