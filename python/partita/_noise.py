# SPDX-License-Identifier: Apache-2.0
"""Watermarks, speculative sampling, counterfactual texts, and texts that meet a constraint."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

import numpy as np

from partita import _core
from partita._sampler import SamplerSettings
from partita._search import Hypothesis
from partita._sequence_models import Model
from partita._types import Array, ArrayLike, Stream, Tokens


@dataclass(frozen=True)
class Watermark:
    """A mark that whoever has its key can prove in a text (docs/watermark.md).

    Parameters
    ----------
    key : bytes
        The secret, 16 bytes: ``bytes.fromhex(...)`` of what the command takes as --key.
    scheme : str
        "gumbel" (Aaronson 2022), "green_list" (Kirchenbauer et al. 2023) or "tournament" (SynthID-Text:
        Dathathri et al. 2024). Over random keys, texts of the first and the last have the model's law.
    context_width : int
        How many tokens before a token choose its noise.
    green_fraction, green_bias : float
        Of the green list: the share of green tokens, and what is added to their logits.
    layers : int
        Of the tournament: rounds, 1 to 64.

    Examples
    --------
    >>> import numpy as np, partita
    >>> mark = partita.Watermark(bytes(range(16)), context_width=2)
    >>> model = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 50)))
    >>> text = partita.watermarked_sample(model, mark, 1, seed=1, max_length=60)[0]
    >>> partita.detect_watermark(mark, text.tokens).p_value < 1e-9
    True
    """

    key: bytes
    scheme: str = "gumbel"
    context_width: int = 4
    green_fraction: float = 0.25
    green_bias: float = 2.0
    layers: int = 30

    def __post_init__(self) -> None:
        if not isinstance(self.key, bytes) or len(self.key) != 16:
            raise ValueError(f"key: expected 16 bytes, got {self.key!r}")

    @property
    def _upper(self) -> int:
        return int.from_bytes(self.key[:8], "big")

    @property
    def _lower(self) -> int:
        return int.from_bytes(self.key[8:], "big")


class WatermarkEvidence(NamedTuple):
    """What a text says of a key.

    Attributes
    ----------
    p_value : float
        The probability that a text made without the key scores as high, exactly.
    score : float
        The sum of scores.
    scores : array
        Of each token that was scored.
    masked : int
        Tokens left out because their context had occurred before.
    """

    p_value: float
    score: float
    scores: Array
    masked: int


def detect_watermark(mark: Watermark, tokens: Tokens | Iterable[Tokens]) -> WatermarkEvidence:
    """Whether a text, or several as one, bears a mark.

    Parameters
    ----------
    mark : Watermark
    tokens : tokens, or list of tokens
        Of one text or of several, as the model drew them.

    Raises
    ------
    ValueError
        For a parameter out of range, or if no token has context_width tokens before it.
    """
    texts = list(tokens)
    several = bool(texts) and np.ndim(texts[0]) > 0
    return WatermarkEvidence(*_core.detect_watermark(mark, texts if several else [texts]))


def watermarked_sample(model: Model, mark: Watermark, n: SupportsIndex, *, prompt: Tokens = (),
                       seed: SupportsIndex, stream: Stream = 0, max_length: SupportsIndex = 256,
                       filter: SamplerSettings | None = None, threads: SupportsIndex = 1,
                       batch: SupportsIndex = 0) -> list[Hypothesis]:
    """Draws n sequences with a watermark.

    Parameters
    ----------
    model, n, prompt, seed, stream, max_length, filter, threads, batch
        As in :func:`ancestral_sample`, whose errors it has. The seed draws what is random beside the mark.
    mark : Watermark

    Returns
    -------
    list of Hypothesis
        With the log-probabilities of the model, filtered but unmarked.
    """
    return [Hypothesis(*each) for each in _core.watermarked_sample(
        model, mark, prompt, n, seed, stream, max_length, filter, threads, batch)]


class SpeculativeSample(NamedTuple):
    """Sequences of a target whose tokens another model drafted.

    Attributes
    ----------
    sequences : list[Hypothesis]
        Their law is the target's.
    tokens : int
        Of all sequences, ends included.
    calls : int
        Rounds of the target.
    accepted : int
        Tokens that had been drafted.
    """

    sequences: list[Hypothesis]
    tokens: int
    calls: int
    accepted: int


def speculative_sample(target: Model, draft: Model, n: SupportsIndex, *, prompt: Tokens = (),
                       method: str = "rejection", draft_length: SupportsIndex = 4, drafts: SupportsIndex = 1,
                       seed: SupportsIndex, stream: Stream = 0, max_length: SupportsIndex = 256,
                       filter: SamplerSettings | None = None, threads: SupportsIndex = 1) -> SpeculativeSample:
    """Draws n sequences of `target`, with tokens drafted by `draft` (docs/speculative.md).

    Parameters
    ----------
    target, draft : models over the same tokens
    n, prompt, seed, stream, max_length, filter, threads
        As in :func:`ancestral_sample`, whose errors it has. The filter is applied to both models.
    method : str
        "rejection" (Leviathan et al. 2023; several drafts: Jeon et al. 2024) accepts the most; with
        "coupling" (Daliri et al. 2024) the draft changes no text.
    draft_length : int
        Tokens that are drafted ahead.
    drafts : int
        Sequences that are drafted side by side.

    Examples
    --------
    >>> import numpy as np, partita
    >>> model = partita.CallableModel(lambda prefixes: np.tile(np.log([0.6, 0.4]), (len(prefixes), 1)))
    >>> drawn = partita.speculative_sample(model, model, 3, seed=1, max_length=20)
    >>> drawn.tokens, drawn.calls  # five tokens a call: four drafted by itself, and one
    (60, 12)
    """
    sequences, tokens, calls, accepted = _core.speculative_sample(
        target, draft, prompt, n, method, draft_length, drafts, seed, stream, max_length, filter, threads)
    return SpeculativeSample([Hypothesis(*each) for each in sequences], tokens, calls, accepted)


def judge_drafts(target: ArrayLike, draft: ArrayLike, candidates: ArrayLike, *, seed: SupportsIndex, stream: Stream = 0,
                 threads: SupportsIndex = 1) -> tuple[Array, Array]:
    """Judges drafted tokens: what is drawn has exactly the law of softmax(target).

    Each candidate x in turn is accepted with probability min(1, p(x) / q(x)); else p becomes (p - q)+
    normalized, and q loses x. When all are rejected, one is drawn from p (recursive rejection, Jeon et
    al. 2024; of one candidate, Leviathan et al. 2023).

    Parameters
    ----------
    target : array [..., V]
        Logits of p.
    draft : array [..., V]
        Logits of q, from which the candidates were drawn.
    candidates : array of int [..., k]
        Distinct in each row, in the order drawn; k may be 0.
    seed, stream, threads
        As in :func:`gumbel_top_k`.

    Returns
    -------
    tokens : int64 [...]
    accepted : int64 [...]
        Which candidate each is; -1: all were rejected.

    Examples
    --------
    >>> import numpy as np, partita
    >>> z = np.zeros((2, 5))
    >>> tokens, accepted = partita.judge_drafts(z, z, [[3], [1]], seed=1)
    >>> tokens.tolist(), accepted.tolist()
    ([3, 1], [0, 0])
    """
    return _core.judge_drafts(target, draft, candidates, seed, stream, threads)


#: Whether tokens, without the prompt and the end, meet a constraint if they are complete, or else may come to.
Constraint = Callable[[list[int], bool], bool]


class ConstrainedSample(NamedTuple):
    """Texts that meet a constraint.

    Attributes
    ----------
    sequences : list[Hypothesis]
        Log-probabilities are the unconstrained model's.
    mass_bound : float
        An upper bound of the constraint's probability under the model.
    attempts : int
        How many texts were drawn, rejected ones included.
    """

    sequences: list[Hypothesis]
    mass_bound: float
    attempts: int


def constrained_sample(model: Model, constraint: Constraint, n: SupportsIndex, *, prompt: Tokens = (),
                       seed: SupportsIndex, stream: Stream = 0, max_length: SupportsIndex = 256,
                       filter: SamplerSettings | None = None,
                       most_attempts: SupportsIndex = 10_000) -> ConstrainedSample:
    """Draws n texts by the model's law given that they meet a constraint, exactly (docs/constrained.md).

    Masking what the constraint forbids has another law. Here whole texts are rejected, but no dead
    prefix is met twice (CARS, arXiv 2510.01902): best where a fair share of texts meets it.

    Parameters
    ----------
    model, n, prompt, seed, stream, max_length, filter
        As in :func:`ancestral_sample`, whose errors it has.
    constraint : callable
        ``constraint(tokens, complete)``: whether the tokens, without the prompt and the end, meet it if
        they are complete, or else may come to. What it refuses, no longer text may meet.
    most_attempts : int
        Texts that are drawn in vain before it gives up with a ValueError, which bounds the constraint's
        probability.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 2)))
    >>> rising = lambda tokens, complete: tokens == sorted(tokens)
    >>> drawn = partita.constrained_sample(coin, rising, 5, seed=1, max_length=6)
    >>> all(each.tokens == sorted(each.tokens) for each in drawn.sequences)
    True
    """
    sequences, mass_bound, attempts = _core.constrained_sample(model, constraint, prompt, n, most_attempts, seed,
                                                               stream, max_length, filter)
    return ConstrainedSample([Hypothesis(*each) for each in sequences], mass_bound, attempts)


class ConstrainedParticles(NamedTuple):
    """Weighted texts that meet a constraint.

    Attributes
    ----------
    sequences : list[Hypothesis]
        Some may be equal.
    weights : array
        Of each, adding up to 1; empty if no particle survived.
    log_mass : float
        Logarithm of an unbiased estimate of the constraint's probability.
    looks : int
        Calls of the constraint.
    """

    sequences: list[Hypothesis]
    weights: Array
    log_mass: float
    looks: int


def constrained_particles(model: Model, constraint: Constraint, particles: SupportsIndex, *, prompt: Tokens = (),
                          seed: SupportsIndex, stream: SupportsIndex | None = None, max_length: SupportsIndex = 256,
                          filter: SamplerSettings | None = None) -> ConstrainedParticles:
    """Weighted texts that meet a rare constraint, by sequential Monte Carlo (docs/constrained.md).

    Each step, every particle draws an allowed token and is weighed by the mass that was allowed (AWRS,
    Lipkin et al. 2025, arXiv 2504.05410).

    Parameters
    ----------
    model, prompt, seed, stream, max_length, filter
        As in :func:`stochastic_beam_search`.
    constraint : callable
        As in :func:`constrained_sample`.
    particles : int
        How many texts.

    Examples
    --------
    >>> import numpy as np, partita
    >>> coin = partita.CallableModel(lambda prefixes: np.zeros((len(prefixes), 2)))
    >>> ones = partita.constrained_particles(coin, lambda tokens, complete: 0 not in tokens, 9, seed=1, max_length=3)
    >>> [each.tokens for each in ones.sequences] == 9 * [[1, 1, 1]]
    True
    """
    sequences, weights, log_mass, looks = _core.constrained_particles(model, constraint, prompt, particles, seed, stream,
                                                                      max_length, filter)
    return ConstrainedParticles([Hypothesis(*each) for each in sequences], weights, log_mass, looks)


def counterfactual_sample(model: Model, observed: Hypothesis, n: SupportsIndex, *, prompt: Tokens = (),
                          other: Model | None = None, other_prompt: Tokens | None = None,
                          seed: SupportsIndex, stream: Stream = 0, max_length: SupportsIndex = 256,
                          filter: SamplerSettings | None = None, other_filter: SamplerSettings | None = None,
                          threads: SupportsIndex = 1) -> list[Hypothesis]:
    """What would another model have written with the noise of an observed text? (docs/counterfactual.md)

    Parameters
    ----------
    model : model
        Whose text it is, after `prompt` and under `filter`.
    observed : Hypothesis
        Its tokens, and whether it ended there.
    n : int
        How many texts, each under a noise of its own from the posterior given the text.
    other, other_prompt, other_filter
        What is changed: the model, the prompt, the settings. None: as they were.
    seed, stream, max_length, threads
        As in :func:`ancestral_sample`, whose errors it has.

    Examples
    --------
    >>> import numpy as np, partita
    >>> model = partita.CallableModel(lambda prefixes: np.tile(np.log([0.6, 0.4]), (len(prefixes), 1)))
    >>> text = partita.ancestral_sample(model, 1, seed=1, max_length=9)[0]
    >>> partita.counterfactual_sample(model, text, 1, seed=2, max_length=9)[0].tokens == text.tokens
    True
    """
    return [Hypothesis(*each) for each in _core.counterfactual_sample(
        model, observed.tokens, observed.finished, prompt, model if other is None else other,
        prompt if other_prompt is None else other_prompt, n, seed, stream, max_length, filter,
        filter if other_filter is None else other_filter, threads)]
