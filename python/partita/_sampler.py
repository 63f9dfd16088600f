# SPDX-License-Identifier: Apache-2.0
"""Draws under the settings of a request: penalties, temperature, filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

from partita import _core
from partita._core import AdaptiveState, MirostatState
from partita._gumbel import TopKSample
from partita._types import Array, ArrayLike, Stream, Tokens

#: The order of Hugging Face's ``generate()``: temperature before the filters. Steps that it lacks stand where
#: llama.cpp has them, and min_k, which both lack, before the temperature, as in its paper.
DEFAULT_ORDER = ("no_repeat_ngram", "penalties", "dry", "min_k", "temperature", "top_n_sigma", "top_h", "top_k",
                 "top_p", "min_p", "typical", "epsilon", "eta", "p_less", "xtc", "mirostat", "adaptive_p")

#: llama.cpp's order: the filters first, temperature after them.
LLAMA_CPP_ORDER = ("no_repeat_ngram", "penalties", "dry", "top_n_sigma", "min_k", "top_k", "typical", "top_p", "min_p",
                   "xtc", "top_h", "epsilon", "eta", "p_less", "temperature", "mirostat", "adaptive_p")


@dataclass(kw_only=True)
class SamplerSettings:
    """What a request asks of the sampler. The defaults change nothing.

    In this order: logit_bias, then allowed, then the steps of `order`, each on the distribution
    that the one before it left, renormalized. At least one category always stays, and equally
    likely ones stay or go together, except under top_k, which keeps those of lower index.
    ``partita/sampler/settings.hpp`` defines every setting, with its source.

    Parameters
    ----------
    logit_bias : mapping, or pairs
        Added to tokens' logits; -inf forbids one.
    allowed : array
        None, or a flag for each category: False forbids it.
    history : array of int
        The tokens before this one, oldest first; read by the next eight settings.
    no_repeat_ngram : int
        Forbids tokens that would complete an n-gram which the history has; 0: off.
    repeat_penalty : float
        Divides the positive logits of recent tokens and multiplies the others; 1: off.
    frequency_penalty : float
        Subtracted from a token's logit for each time that it is recent.
    presence_penalty : float
        Subtracted once if it is.
    penalty_last_n : int, optional
        How many tokens are recent; None: the whole history.
    dry_multiplier : float
        DRY ("don't repeat yourself", as in llama.cpp); 0: off.
    dry_base : float
        A repetition of n tokens costs dry_multiplier * dry_base**(n - dry_allowed_length).
    dry_allowed_length : int
        Shorter repetitions cost nothing.
    dry_last_n : int, optional
        How much of the history is looked at; None: all.
    dry_breakers : array of int
        Tokens that no repetition extends over.
    temperature : float
        Logits are divided by it; positive. For greedy choice use top_k = 1.
    dynatemp_range : float
        Dynamic temperature, as in llama.cpp; 0: off.
    dynatemp_exponent : float
        How the temperature grows with the entropy.
    top_n_sigma : float
        Keeps logits of at least max - n standard deviations; 0: off.
    min_k : float
        Min-k sampling: keeps what stands before the steepest step of the sorted logits, or min_k / their range, if
        that is more; 0: off.
    top_h : float
        Keeps the most likely with at most this share of the entropy; 1: off.
    top_k : int
        Keeps the k most likely; 0: off.
    top_p : float
        Nucleus sampling; 1: off.
    min_p : float
        Keeps what has at least this share of the largest probability; 0: off.
    typical_p : float
        Locally typical sampling; 1: off.
    epsilon_cutoff : float
        Keeps probabilities of at least this; 0: off.
    eta_cutoff : float
        The same with a bound that falls with the entropy; 0: off.
    p_less : bool
        Keeps probabilities of at least sum p**2.
    xtc_probability : float
        How often all but the least likely of the top choices are excluded; 0: off.
    xtc_threshold : float
        The least probability of a top choice.
    mirostat : int
        Mirostat's version, 1 or 2; 0: off.
    mirostat_tau : float
        The surprise to aim at, in bits.
    mirostat_eta : float
        How quickly it is approached.
    mirostat_state : MirostatState, optional
        Read and updated by draws; each row needs its own.
    adaptive_target : float
        Adaptive-p (as in llama.cpp); negative: off.
    adaptive_decay : float
        How long past draws count, in [0, 1).
    adaptive_state : AdaptiveState, optional
        Read and updated by draws; each row needs its own.
    order : sequence of str
        The steps to apply; what is not listed is not applied.
    """

    logit_bias: Mapping[int, float] | Sequence[tuple[int, float]] = ()
    allowed: Any = None
    history: Tokens = ()
    no_repeat_ngram: SupportsIndex = 0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_last_n: SupportsIndex | None = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: SupportsIndex = 2
    dry_last_n: SupportsIndex | None = None
    dry_breakers: Tokens = ()
    temperature: float = 1.0
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_n_sigma: float = 0.0
    min_k: float = 0.0
    top_h: float = 1.0
    top_k: SupportsIndex = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    p_less: bool = False
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    mirostat: SupportsIndex = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    mirostat_state: MirostatState | None = None
    adaptive_target: float = -1.0
    adaptive_decay: float = 0.9
    adaptive_state: AdaptiveState | None = None
    order: Sequence[str] = DEFAULT_ORDER


#: One for all rows, or one for each.
Settings = SamplerSettings | Sequence[SamplerSettings] | None


def sample(logits: ArrayLike, settings: Settings = None, *, seed: SupportsIndex, stream: Stream = 0,
           threads: SupportsIndex = 1) -> Array:
    """Draws one category from each row, under settings.

    A row costs about a pass over its logits, whatever the filters.

    Parameters
    ----------
    logits : array [..., V]
    settings : SamplerSettings, or a sequence with one for each row
    seed, stream, threads
        As in :func:`gumbel_top_k`.

    Returns
    -------
    int64 [...]

    Examples
    --------
    >>> import numpy as np, partita
    >>> settings = partita.SamplerSettings(temperature=0.7, top_k=1)
    >>> int(partita.sample(np.array([0.0, 2.0, 1.0]), settings, seed=1))
    1
    """
    return _core.sample(logits, settings, seed, stream, threads)


@dataclass(frozen=True)
class Draws:
    """A draw from each row and its report. Logarithms are natural; arrays are [...].

    Attributes
    ----------
    index : array
    log_prob : array
        Under the distribution that it was drawn from.
    raw_log_prob : array
        Under the softmax of the row as it was given.
    tempered_log_prob : array
        After edits and temperature, unfiltered.
    rank : array
        1 plus the number of categories of a larger given logit.
    kept_count : array
        Categories that could have been drawn.
    kept_mass : array
        Their probability in the row as it was given.
    raw_entropy : array
        Of the row as it was given.
    entropy : array
        Of the distribution that it was drawn from.
    top_index : array
        [..., top]: the most likely, in the row as it was given; -1 beyond the possible ones.
    top_log_prob : array
        [..., top]: their log-probabilities.
    kept : list[array], optional
        If asked for: what could have been drawn from each row, ascending.
    """

    index: Array
    log_prob: Array
    raw_log_prob: Array
    tempered_log_prob: Array
    rank: Array
    kept_count: Array
    kept_mass: Array
    raw_entropy: Array
    entropy: Array
    top_index: Array
    top_log_prob: Array
    kept: list[Array] | None


def sample_with_report(logits: ArrayLike, settings: Settings = None, *, seed: SupportsIndex, stream: Stream = 0,
                       top: SupportsIndex = 0, kept: bool = False, threads: SupportsIndex = 1) -> Draws:
    """The draws of :func:`sample`, with what can be said about each.

    Parameters
    ----------
    logits, settings, seed, stream, threads
        As in :func:`sample`.
    top : int
        How many of the most likely categories to list.
    kept : bool
        Whether to list what could have been drawn.

    Returns
    -------
    Draws

    Examples
    --------
    >>> import numpy as np, partita
    >>> draws = partita.sample_with_report(np.zeros((2, 4)), partita.SamplerSettings(top_k=3), seed=1)
    >>> draws.kept_count, draws.kept_mass
    (array([3, 3]), array([0.75, 0.75]))
    """
    return Draws(*_core.sample_with_report(logits, settings, seed, stream, top, kept, threads))


def sample_without_replacement(logits: ArrayLike, k: SupportsIndex, settings: Settings = None, *,
                               seed: SupportsIndex, stream: Stream = 0, threads: SupportsIndex = 1) -> TopKSample:
    """k distinct categories of each row, from what the settings leave: gumbel_top_k of that.

    log_prob, perturbed and threshold refer to the filtered, renormalized distribution.

    Parameters
    ----------
    k : int
        How many; each row must have as many left.
    logits, settings, seed, stream, threads
        As in :func:`sample`.

    Returns
    -------
    TopKSample

    Examples
    --------
    >>> import numpy as np, partita
    >>> settings = partita.SamplerSettings(top_k=3)
    >>> partita.sample_without_replacement(np.zeros(10), 3, settings, seed=1).log_prob
    array([-1.09861229, -1.09861229, -1.09861229])
    """
    return TopKSample(*_core.sample_without_replacement(logits, k, settings, seed, stream, threads))


def replay_log_prob(logits: ArrayLike, tokens: ArrayLike, settings: Settings = None, *, seed: SupportsIndex,
                    stream: Stream = 0, threads: SupportsIndex = 1) -> Array:
    """The log-probability with which :func:`sample` would draw `tokens`.

    -inf for a token that the settings do not keep. Equal to ``sample_with_report(...).log_prob`` to
    the bit. States are read, not updated. Where the package has partita.torch, a tensor that requires a
    gradient gets it, with what is kept held fixed: the ratio of a policy gradient.

    Parameters
    ----------
    logits, settings, threads
        As in :func:`sample`.
    tokens : array of int [...]
    seed, stream
        Those of the draw: XTC depends on them.

    Returns
    -------
    float64 [...]

    Examples
    --------
    >>> import numpy as np, partita
    >>> partita.replay_log_prob(np.zeros((1, 4)), [3], partita.SamplerSettings(top_k=3), seed=1)
    array([-inf])
    """
    if getattr(logits, "requires_grad", False):
        from partita import _torch_softmax

        return _torch_softmax.replay_log_prob(logits, tokens, settings, seed, stream, threads)
    return _core.replay_log_prob(logits, tokens, settings, seed, stream, threads)
