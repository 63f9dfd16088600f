# SPDX-License-Identifier: Apache-2.0
"""Searches over sequence models."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, SupportsIndex, overload

from partita import _core
from partita._progress import Progress
from partita._sampler import SamplerSettings
from partita._sequence_models import Model
from partita._types import Array, Tokens


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


class ConditionalPoissonBeam(NamedTuple):
    """Distinct sequences, each with a weight.

    Attributes
    ----------
    sequences : list[Hypothesis]
        Most likely first; fewer than k if the model has fewer.
    weights : array
        sum(weights * f) is an unbiased estimate of E f.
    """

    sequences: list[Hypothesis]
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


@overload
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = ..., prompts: None = ...,
                length_penalty: float = ..., early_stopping: bool = ..., num_beam_groups: SupportsIndex = ...,
                diversity_penalty: float = ..., max_length: SupportsIndex = ...,
                filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                batch: SupportsIndex = ..., progress: Progress = ...) -> list[Hypothesis]: ...
@overload
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = ..., prompts: Sequence[Tokens],
                length_penalty: float = ..., early_stopping: bool = ..., num_beam_groups: SupportsIndex = ...,
                diversity_penalty: float = ..., max_length: SupportsIndex = ...,
                filter: SamplerSettings | None = ..., threads: SupportsIndex = ...,
                batch: SupportsIndex = ..., progress: Progress = ...) -> list[list[Hypothesis]]: ...
def beam_search(model: Model, k: SupportsIndex, *, prompt: Tokens = (), prompts: Sequence[Tokens] | None = None,
                length_penalty: float = 0.0, early_stopping: bool = False, num_beam_groups: SupportsIndex = 1,
                diversity_penalty: float = 0.0, max_length: SupportsIndex = 256,
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
    num_beam_groups : int
        Diverse beam search (Vijayakumar et al. 2018): so many groups, each a beam of k / num_beam_groups.
    diversity_penalty : float
        What a token costs a group for each time that the groups before it have chosen it at the same step.
        Ranking counts it; log_prob does not.
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
    found = _core.beam_search(model, _prompts_of(prompt, prompts), k, length_penalty, early_stopping,
                              num_beam_groups, diversity_penalty, max_length, filter, threads, batch, progress)
    beams = [[Hypothesis(*each) for each in beam] for beam in found]
    return beams[0] if prompts is None else beams


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
    if prompts is not None and stream is None:
        stream = 0
    found = _core.stochastic_beam_search(model, _prompts_of(prompt, prompts), k, seed, stream, max_length, filter,
                                         threads, batch, progress)
    beams = [StochasticBeam([PerturbedHypothesis(*each) for each in sequences], threshold, weights)
             for sequences, threshold, weights in found]
    return beams[0] if prompts is None else beams


@overload
def conditional_poisson_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = ...,
                                    prompt: Tokens = ..., prompts: None = ...,
                                    hindsight_samples: SupportsIndex = ...,
                                    max_length: SupportsIndex = ..., filter: SamplerSettings | None = ...,
                                    threads: SupportsIndex = ..., batch: SupportsIndex = ...,
                                    progress: Progress = ...) -> ConditionalPoissonBeam: ...
@overload
def conditional_poisson_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = ...,
                                    prompt: Tokens = ..., prompts: Sequence[Tokens],
                                    hindsight_samples: SupportsIndex = ...,
                                    max_length: SupportsIndex = ..., filter: SamplerSettings | None = ...,
                                    threads: SupportsIndex = ..., batch: SupportsIndex = ...,
                                    progress: Progress = ...) -> list[ConditionalPoissonBeam]: ...
def conditional_poisson_beam_search(model: Model, k: SupportsIndex, *, seed: SupportsIndex, stream: Any = None,
                                    prompt: Tokens = (), prompts: Sequence[Tokens] | None = None,
                                    hindsight_samples: SupportsIndex = 0, max_length: SupportsIndex = 256,
                                    filter: SamplerSettings | None = None, threads: SupportsIndex = 1,
                                    batch: SupportsIndex = 0, progress: Progress = None
                                    ) -> ConditionalPoissonBeam | list[ConditionalPoissonBeam]:
    """k distinct sequences by a beam that keeps a random set of k prefixes at every step (Meister et al. 2021).

    Parameters
    ----------
    hindsight_samples : int
        How many further histories of the beam, besides its own, a sequence's weight is estimated from. Each costs
        a search for each sequence, and lowers the weights' variance; sums are unbiased with any number.
    model, k, seed, stream, prompt, prompts, max_length, filter, threads, batch, progress
        As in :func:`stochastic_beam_search`.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = lambda prefixes: np.zeros((len(prefixes), 2))
    >>> beam = partita.conditional_poisson_beam_search(coin, 10, max_length=3, seed=1)
    >>> len(beam.sequences), float(np.sum(beam.weights).round(12))
    (8, 1.0)
    """
    if prompts is not None and stream is None:
        stream = 0
    found = _core.conditional_poisson_beam_search(model, _prompts_of(prompt, prompts), k, seed, stream,
                                                  hindsight_samples, max_length, filter, threads, batch, progress)
    beams = [ConditionalPoissonBeam([Hypothesis(*each) for each in sequences], weights)
             for sequences, weights in found]
    return beams[0] if prompts is None else beams


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


def arithmetic_sample(model: Model, n: SupportsIndex, *, seed: SupportsIndex, stream: SupportsIndex | None = None,
                      prompt: Tokens = (), max_length: SupportsIndex = 256, filter: SamplerSettings | None = None,
                      threads: SupportsIndex = 1, batch: SupportsIndex = 0,
                      progress: Progress = None) -> list[Hypothesis]:
    """n sequences that are spread evenly over the model's: arithmetic sampling (Vilnis et al. 2023).

    Each alone is distributed as one of :func:`ancestral_sample`, so means over them are unbiased; together
    they repeat themselves less, so means vary less.

    Parameters
    ----------
    n : int
    seed : int
    stream : int, optional
        If not given, all are drawn from the seed itself.
    model, prompt, max_length, filter, threads, batch, progress
        As in :func:`beam_search`.

    Returns
    -------
    list of Hypothesis

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 2)))
    >>> sorted(h.tokens for h in partita.arithmetic_sample(coin, 4, seed=1, max_length=2))
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    found = _core.arithmetic_sample(model, prompt, n, seed, stream, max_length, filter, threads, batch, progress)
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


def _prompts_of(prompt: Tokens, prompts: Sequence[Tokens] | None) -> Sequence[Tokens]:
    """The prompts of a search, of which one alone is `prompt`."""
    if prompts is None:
        return [prompt]
    if len(prompt) != 0:
        raise ValueError("prompts: expected prompt or prompts, got both")
    return prompts
