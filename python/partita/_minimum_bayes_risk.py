# SPDX-License-Identifier: Apache-2.0
"""The choice of one sequence from a weighted set."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from partita import _core
from partita._types import Array

T = TypeVar("T")


class MinimumBayesRisk(NamedTuple):
    """The sequence that agrees best with all.

    Attributes
    ----------
    choice : int
        Which sequence to choose; of equal ones, the first.
    utilities : array
        Each sequence's expected utility.
    """

    choice: int
    utilities: Array


def minimum_bayes_risk(sequences: Sequence[T], weights: Any = None, *,
                       utility: str | Callable[[T, T], float] = "ngram-f") -> MinimumBayesRisk:
    """The sequence of highest expected utility, where the most likely one may be an outlier.

    Parameters
    ----------
    sequences : sequence of tokens
        For a function as `utility`, anything.
    weights : array [n], optional
        Importance weights of distinct sequences; not given for independent samples, which weigh the same.
    utility : "ngram-f", "token-f1" or callable
        The F-score of n-grams, which is chrF (Popovic 2015) where tokens are characters; F1 of the tokens,
        whatever their order; or ``utility(hypothesis, reference)``, a finite number.

    Returns
    -------
    MinimumBayesRisk

    Examples
    --------
    >>> import partita
    >>> partita.minimum_bayes_risk([[9, 9], [1, 2, 3], [1, 2, 4], [1, 5, 3]], utility="token-f1").choice
    1
    """
    if weights is None:
        weights = [1.0] * len(sequences)
    return MinimumBayesRisk(*_core.minimum_bayes_risk(sequences, weights, utility))
