# SPDX-License-Identifier: Apache-2.0
"""Softmax and its relatives, with gradients where tensors want them."""

from collections.abc import Callable
from typing import Any, SupportsIndex

from partita import _core
from partita._types import Array, ArrayLike


def _differentiably(function: Callable[..., Any], *logits: ArrayLike, threads: SupportsIndex) -> Array:
    """A function of the compiled part, with its gradient if a tensor wants one."""
    if not any(getattr(each, "requires_grad", False) for each in logits):
        return function(*logits, threads)
    from partita._torch_softmax import differentiable

    return differentiable(function, *logits, threads=threads)


def softmax(logits: ArrayLike, *, threads: SupportsIndex = 1) -> Array:
    """The probabilities exp(z) / sum exp(z) over the last dimension.

    Parameters
    ----------
    logits : array [..., V]
        float16, bfloat16, float32 or float64; -inf is an impossible category.
    threads : int
        The most to use. The result does not depend on it.

    Returns
    -------
    array [..., V] of the same kind and format, within 2 ulp

    Raises
    ------
    ValueError
        Naming the row that holds NaN or +inf, or only -inf.

    Examples
    --------
    >>> import numpy as np, partita
    >>> partita.softmax(np.array([0.0, 0.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    return _differentiably(_core.softmax, logits, threads=threads)


def log_softmax(logits: ArrayLike, *, threads: SupportsIndex = 1) -> Array:
    """The log-probabilities z - log sum exp(z) over the last dimension.

    -inf where the logit is.

    Parameters
    ----------
    logits, threads
        As in :func:`softmax`, whose errors it has.

    Returns
    -------
    array [..., V] of the same kind and format

    Examples
    --------
    >>> import numpy as np, partita
    >>> partita.log_softmax(np.array([1e30, 1e30]))
    array([-0.69314718, -0.69314718])
    """
    return _differentiably(_core.log_softmax, logits, threads=threads)


def log_sum_exp(logits: ArrayLike, *, threads: SupportsIndex = 1) -> Array:
    """log sum exp(z) over the last dimension, the logarithm of what a softmax divides by.

    Parameters
    ----------
    logits, threads
        As in :func:`softmax`.

    Returns
    -------
    float64 [...], -inf for a row of all -inf

    Examples
    --------
    >>> import numpy as np, partita
    >>> float(partita.log_sum_exp(np.zeros(4)))
    1.3862943611198906
    """
    return _differentiably(_core.log_sum_exp, logits, threads=threads)


def entropy(logits: ArrayLike, *, threads: SupportsIndex = 1) -> Array:
    """Entropy of softmax(logits), -sum p log p, in nats.

    Parameters
    ----------
    logits, threads
        As in :func:`softmax`.

    Returns
    -------
    float64 [...], 0 to log V

    Examples
    --------
    >>> import numpy as np, partita
    >>> float(partita.entropy(np.zeros(4)))
    1.3862943611198906
    """
    return _differentiably(_core.entropy, logits, threads=threads)


def kl_divergence(p_logits: ArrayLike, q_logits: ArrayLike, *, threads: SupportsIndex = 1) -> Array:
    """KL(p || q) = sum p (log p - log q) of softmax(p_logits) and softmax(q_logits), in nats.

    Parameters
    ----------
    p_logits, q_logits : arrays [..., V] of one shape
    threads
        As in :func:`softmax`.

    Returns
    -------
    float64 [...], 0 or more; inf where a category is possible under p and not under q

    Examples
    --------
    >>> import numpy as np, partita
    >>> float(partita.kl_divergence(np.array([0.0, -np.inf]), np.zeros(2)))
    0.6931471805599453
    """
    return _differentiably(_core.kl_divergence, p_logits, q_logits, threads=threads)
