# SPDX-License-Identifier: Apache-2.0
"""Which k of V are the largest, with a gradient, and the loss that learns it from sets."""

from typing import Any, SupportsIndex

from partita import _learn


def perturbed_top_k(logits: Any, k: SupportsIndex, *, samples: SupportsIndex = 100, epsilon: float = 1.0,
                    seed: SupportsIndex, stream: SupportsIndex = 0) -> Any:
    """E[top_k(logits + epsilon G)], G Gumbel noise: the k largest, smooth (Berthet et al. 2020).

    It is how often PlackettLuce(logits / epsilon) has each category among its first k places; for k = 1 the softmax.

    Parameters
    ----------
    logits : torch.Tensor [..., V]
        -inf is a category that is never chosen.
    k : int
        1 to V.
    samples : int
        >= 2 draws of the noise, of which the result is the mean.
    epsilon : float
        > 0, the size of the noise: less is nearer the k largest.
    seed, stream : int
        Determine the noise.

    Returns
    -------
    torch.Tensor [..., V]
        In [0, 1], rows summing to k. Unbiased, and so are its derivatives of any order.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import perturbed_top_k
    >>> perturbed_top_k(torch.tensor([9.0, 0.0, 8.0, -9.0]), 2, seed=1)
    tensor([1., 0., 1., 0.])
    """
    return _learn.perturbed_top_k(logits, k, samples, epsilon, seed, stream)


def perturbed_top_k_loss(logits: Any, target: Any, k: SupportsIndex, *, samples: SupportsIndex = 100,
                         epsilon: float = 1.0, seed: SupportsIndex, stream: SupportsIndex = 0,
                         reduction: str = "mean") -> Any:
    """The loss whose prediction is perturbed_top_k(logits, k), and whose gradient is that less the target.

    Convex in expectation. For k = 1 it is epsilon times the cross-entropy of logits / epsilon.

    Parameters
    ----------
    logits, k, samples, epsilon, seed, stream
        As in :func:`perturbed_top_k`.
    target : torch.Tensor [..., V]
        Sets of k as 1s and 0s, or means of some: in [0, 1], rows summing to k.
    reduction : str
        "mean" over rows, "sum" or "none".

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> import torch
    >>> from partita.torch import perturbed_top_k_loss
    >>> logits = torch.zeros(64, 10, requires_grad=True)
    >>> chosen = torch.zeros(64, 10).index_fill(1, torch.tensor([2, 3, 5]), 1.0)
    >>> perturbed_top_k_loss(logits, chosen, 3, seed=1).backward()
    """
    return _learn.perturbed_top_k_loss(logits, target, k, samples, epsilon, seed, stream, reduction)
