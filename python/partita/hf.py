# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's models: searched over, and sampled from exactly.

``CausalLM(model)`` is a sequence model for :func:`partita.stochastic_beam_search` and the others.
``GumbelLogitsProcessor`` makes ``generate(do_sample=False)`` an exact sampler whose draws are the
same in any batch. Both take whatever behaves like the models of transformers, which is never
imported.
"""

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from partita._gumbel import gumbel_max

__all__ = ["CausalLM", "GumbelLogitsProcessor"]


class CausalLM:
    """A causal language model as a sequence model, with its key-value cache.

    Parameters
    ----------
    model : torch.nn.Module
        Called as ``model(input_ids=…, past_key_values=…, use_cache=True)``; prompts of different
        lengths come padded on the left, with ``attention_mask`` and ``position_ids``. The answer
        has ``logits`` [batch, length, vocabulary] and ``past_key_values``: a Cache, or nested tuples
        of tensors whose first dimension is the batch. Runs where its parameters are.
    end_token : int, optional
        If not given, ``model.config.eos_token_id``; -1 for none.
    vocabulary_size : int, optional
        If not given, ``model.config.vocab_size``.
    start_token : int, optional
        The token before every prefix, such as the tokenizer's bos_token_id. Without one, a prompt holds
        one token or more, and :func:`partita.score_sequences`, which begins with none, cannot be used.

    Examples
    --------
    >>> ids = tokenizer("The whale", return_tensors="pt").input_ids                                  # doctest: +SKIP
    >>> beam = partita.stochastic_beam_search(CausalLM(model), 16, prompt=ids[0], seed=1)            # doctest: +SKIP
    >>> [tokenizer.decode(s.tokens) for s in beam.sequences]                                         # doctest: +SKIP
    """

    def __init__(self, model: Any, *, end_token: SupportsIndex | None = None,
                 vocabulary_size: SupportsIndex | None = None, start_token: SupportsIndex | None = None) -> None:
        config = getattr(model, "config", None)
        if end_token is None:
            end_token = getattr(config, "eos_token_id", None)
        if isinstance(end_token, (list, tuple)):
            raise ValueError(f"end_token: the model has several, {end_token}: choose one")
        if vocabulary_size is None:
            vocabulary_size = getattr(config, "vocab_size", None)
        if vocabulary_size is None:
            raise ValueError("vocabulary_size: the model has no config.vocab_size: say how large it is")
        self.model = model
        self.end_token = None if end_token is None or int(end_token) == -1 else int(end_token)
        self.vocabulary_size = int(vocabulary_size)
        self.start_token = None if start_token is None else int(start_token)

    def start(self) -> "_Cache":
        """The empty cache of one search."""
        return _Cache(self.model, self.start_token)

    def next_logits(self, prefixes: list[list[int]], state: "_Cache") -> Any:
        """The logits of the token after each of the prefixes, on the CPU; `state` is from start()."""
        from partita._torch import torch

        with torch.no_grad():
            return state.read(prefixes).cpu()


class _Cache:
    """What a model has computed for the prefixes of one search."""

    def __init__(self, model: Any, start_token: int | None) -> None:
        self._model = model
        self._start = [] if start_token is None else [start_token]
        self._device = next((p.device for p in model.parameters()), "cpu")
        self._past: Any = None
        self._mask: Any = None  # [rows, length], if the prompts differ in length

    def reorder(self, rows: list[int]) -> None:
        """Row i continues what row rows[i] was."""
        from partita._torch import torch

        index = torch.tensor(rows, device=self._device)
        if hasattr(self._past, "reorder_cache"):  # transformers' Cache, which changes in place
            self._past.reorder_cache(index)
        elif hasattr(self._model, "_reorder_cache"):
            self._past = self._model._reorder_cache(self._past, index)
        else:
            self._past = _select(self._past, index)
        if self._mask is not None:
            self._mask = self._mask[index]

    def read(self, prefixes: list[list[int]]) -> Any:
        """Reads what is new of each prefix and returns the logits [rows, vocabulary] after it."""
        from partita._torch import torch

        first = self._past is None
        if first:  # later, only the last token of each is read
            prefixes = [self._start + prefix for prefix in prefixes]
        length = max(len(prefix) for prefix in prefixes)
        if first and min(len(prefix) for prefix in prefixes) == 0:
            raise ValueError("prompt: expected one token or more, such as the model's bos_token_id, or a start_token")
        new = [[0] * (length - len(prefix)) + prefix if first else prefix[-1:] for prefix in prefixes]
        arguments: dict[str, Any] = {} if first else {"past_key_values": self._past}
        if first and any(len(prefix) < length for prefix in prefixes):
            self._mask = torch.tensor([[0] * (length - len(prefix)) + [1] * len(prefix) for prefix in prefixes],
                                      device=self._device)
        elif self._mask is not None:
            self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], 1)
        if self._mask is not None:
            positions = (self._mask.cumsum(1) - 1).clamp(min=0)
            arguments |= {"attention_mask": self._mask, "position_ids": positions[:, -len(new[0]):]}
        out = self._model(input_ids=torch.tensor(new, device=self._device), use_cache=True, **arguments)
        self._past = out.past_key_values
        return out.logits[:, -1]


def _select(past: Any, index: Any) -> Any:
    """The rows `index` of every tensor."""
    if isinstance(past, (tuple, list)):
        return tuple(_select(each, index) for each in past)
    return past.index_select(0, index.to(past.device)) if hasattr(past, "index_select") else past


class GumbelLogitsProcessor:
    """Draws each token with Gumbel noise of its own address, and leaves only that one possible.

    As the last processor of ``generate(do_sample=False)`` it makes greedy search an exact sampler:
    of the softmax of the scores that it is given, whatever came before it.

    Parameters
    ----------
    seed : int
    streams : sequence of int, optional
        The number of each row's request, below 2**31; 0, 1, … if not given. The draw at step t (0 for
        the first new token) is ``gumbel_max(scores, seed=seed, stream=(number << 32) + t)``: the same
        whatever else is in the batch.

    One serves for one call of ``generate``.

    Examples
    --------
    >>> import torch                                                    # doctest: +SKIP
    >>> processor = GumbelLogitsProcessor(seed=1)                       # doctest: +SKIP
    >>> model.generate(ids, do_sample=False, logits_processor=[processor])    # doctest: +SKIP
    """

    def __init__(self, *, seed: SupportsIndex, streams: Sequence[int] | None = None) -> None:
        self.seed = seed
        self.streams = streams
        self._prompt: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        rows, length = input_ids.shape
        if self._prompt is None:
            self._prompt = length
        if length < self._prompt:
            raise ValueError("input_ids: shorter than in the first call: each generate() needs a processor of its own")
        numbers = np.arange(rows) if self.streams is None else np.asarray(self.streams, dtype=np.int64)
        if numbers.shape != (rows,) or numbers.min() < 0 or numbers.max() >= 1 << 31:
            raise ValueError(f"streams: expected {rows} integers below 2**31 (one for each row), got {self.streams}")
        drawn = gumbel_max(scores.detach().cpu(), seed=self.seed, stream=(numbers << 32) + (length - self._prompt))
        out = scores.new_full(scores.shape, -float("inf"))
        return out.scatter_(1, drawn.to(scores.device)[:, None], 0.0)
