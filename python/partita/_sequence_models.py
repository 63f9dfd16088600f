# SPDX-License-Identifier: Apache-2.0
"""What a search takes as a model of sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from partita._core import NativeModel
from partita._types import ArrayLike


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
