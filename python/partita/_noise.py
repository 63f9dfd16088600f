# SPDX-License-Identifier: Apache-2.0
"""What shared noise makes possible: watermarks, speculative sampling, counterfactual texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

from partita import _core
from partita._sampler import SamplerSettings
from partita._search import Hypothesis
from partita._sequence_models import Model
from partita._types import Array, Stream, Tokens


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
    several = bool(texts) and hasattr(texts[0], "__len__")
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
