# SPDX-License-Identifier: Apache-2.0
"""Expectations from samples without replacement."""

from typing import NamedTuple

from partita import _core
from partita._types import Array, ArrayLike


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
