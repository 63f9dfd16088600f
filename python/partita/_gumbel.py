# SPDX-License-Identifier: Apache-2.0
"""Draws from a softmax, without replacement and with."""

from typing import NamedTuple, SupportsIndex

from partita import _core
from partita._types import Array, ArrayLike, Stream


class TopKSample(NamedTuple):
    """Ordered samples without replacement, one from each row.

    Attributes
    ----------
    indices : array
        int64 [..., k]: the categories, in the order drawn.
    perturbed : array
        float64 [..., k]: log_prob plus Gumbel noise, descending.
    log_prob : array
        float64 [..., k]: each category's log-probability, before anything was drawn.
    log_sum_exp : array
        float64 [...]: that of the logits.
    threshold : array
        float64 [...]: perturbed of the (k + 1)-th, -inf if there is none; see importance_weights.
    """

    indices: Array
    perturbed: Array
    log_prob: Array
    log_sum_exp: Array
    threshold: Array


def gumbel_top_k(logits: ArrayLike, k: SupportsIndex, *, seed: SupportsIndex, stream: Stream = 0,
                 addressed: bool = False, threads: SupportsIndex = 1) -> TopKSample:
    """Draws k distinct categories from the softmax of each row, in order.

    The Gumbel-top-k trick (Kool, van Hoof, Welling 2019), at the cost of about one pass over the
    logits. The result for k is a prefix of the one for k + 1.

    Parameters
    ----------
    logits : array [..., V]
        float16, bfloat16, float32 or float64; -inf is an impossible category.
    k : int
        1 to V.
    seed : int
        0 to 2**64 - 1. The same seed gives the same draws, here, in C++ and in the command.
    stream : int or array of int [...]
        Row r, counted over the leading dimensions, draws from stream + r of the seed, or from
        stream[r]. Nothing else changes a row's draws: neither the other rows nor the threads.
    addressed : bool
        Take category i's Gumbel from the address (seed, stream, i), whatever the logits are, as
        docs/noise.md specifies it. Rows that share a stream then share their noise. Slower.
    threads : int
        The most to use.

    Returns
    -------
    TopKSample
        ``(indices, perturbed, log_prob, log_sum_exp, threshold)``

    Raises
    ------
    ValueError
        If k or seed is out of range; naming the row that holds NaN, +inf or fewer than k possible
        categories.

    Examples
    --------
    >>> import numpy as np, partita
    >>> drawn = partita.gumbel_top_k(np.log([0.1, 0.2, 0.3, 0.4]), 2, seed=1)
    >>> drawn.indices.shape, drawn.log_prob.shape
    ((2,), (2,))
    """
    return TopKSample(*_core.gumbel_top_k(logits, k, seed, stream, addressed, threads))


def gumbel_max(logits: ArrayLike, *, seed: SupportsIndex, stream: Stream = 0, addressed: bool = False,
               threads: SupportsIndex = 1) -> Array:
    """Draws one category from the softmax of each row, at the cost of an arg max.

    Parameters
    ----------
    logits, seed, stream, addressed, threads
        As in :func:`gumbel_top_k`, whose errors it has.

    Returns
    -------
    int64 [...]

    Examples
    --------
    >>> import numpy as np, partita
    >>> int(partita.gumbel_max(np.array([-np.inf, 0.0, -np.inf]), seed=1))
    1
    """
    return _core.gumbel_max(logits, seed, stream, addressed, threads)


def categorical(logits: ArrayLike, draws: SupportsIndex, *, seed: SupportsIndex, stream: Stream = 0,
                threads: SupportsIndex = 1) -> Array:
    """Draws categories with replacement from the softmax of each row.

    Parameters
    ----------
    draws : int
        How many from each row; the first are the same for any number of them.
    logits, seed, stream, threads
        As in :func:`gumbel_top_k`, whose errors it has.

    Returns
    -------
    int64 [..., draws]

    Examples
    --------
    >>> import numpy as np, partita
    >>> partita.categorical(np.zeros((2, 3)), 5, seed=1).shape
    (2, 5)
    """
    return _core.categorical(logits, draws, seed, stream, threads)
