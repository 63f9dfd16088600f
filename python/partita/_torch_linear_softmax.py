# SPDX-License-Identifier: Apache-2.0
"""A softmax layer without its logits in memory: loss, gradients and samples from hidden states."""

from typing import Any, SupportsIndex

from partita import _learn
from partita._gumbel import TopKSample
from partita._types import Stream


def linear_cross_entropy(hidden: Any, targets: Any, weight: Any, bias: Any = None, *, label_smoothing: float = 0.0,
                         z_loss: float = 0.0, row_weights: Any = None, soft_cap: float = 0.0, epsilon: float = 0.0,
                         reduction: str = "mean") -> Any:
    """cross_entropy(hidden @ weight.T + bias, targets), a tile of the logits at a time.

    As exact as with the logits, in the memory of the arguments and their gradients alone (Wijmans et al. 2024,
    "Cut Your Losses in Large-Vocabulary Language Models").

    Parameters
    ----------
    hidden : torch.Tensor [N, d]
        float, bfloat16 or half, on the CPU; as weight.
    targets : torch.Tensor [N]
        Integers in [0, V), or -100: ignored.
    weight : torch.Tensor [V, d]
    bias : torch.Tensor [V], optional
    label_smoothing : float
        In [0, 1], as torch's.
    z_loss : float
        0 or more, times the square of log Z.
    row_weights : torch.Tensor [N], optional
        Of each row in the sum, and in the mean.
    soft_cap : float
        Above 0, logits become soft_cap * tanh(logit / soft_cap).
    epsilon : float
        In the gradient, rows are left out of tiles of 512 outputs that are all less likely than this. 2**-12 is
        below what bfloat16 resolves, and on trained models saves most of the work; 0 is exact.
    reduction : str
        "mean", "sum" or "none".

    Returns
    -------
    torch.Tensor
        In nats, float32. There are no second derivatives.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import linear_cross_entropy
    >>> hidden, weight = torch.ones(2, 3), torch.zeros(50_000, 3, requires_grad=True)
    >>> loss = linear_cross_entropy(hidden, torch.tensor([7, -100]), weight)
    >>> loss.backward()
    >>> round(loss.item(), 4), round(weight.grad[7, 0].item(), 4)
    (10.8198, -1.0)
    """
    return _learn.linear_cross_entropy(hidden, targets, weight, bias, label_smoothing, z_loss, row_weights, soft_cap,
                                       epsilon, reduction)


def linear_gumbel_top_k(hidden: Any, weight: Any, k: SupportsIndex = 1, bias: Any = None, *, soft_cap: float = 0.0,
                        seed: SupportsIndex, stream: Stream = 0) -> TopKSample:
    """k distinct outputs of each row's softmax, in the pass that computes its logits.

    Parameters
    ----------
    hidden, weight, bias, soft_cap
        As in linear_cross_entropy.
    k : int
        1 draws a category; more are drawn without replacement.
    seed, stream : int
        As in partita.gumbel_top_k.

    Returns
    -------
    TopKSample
        Of tensors: indices, perturbed, log_prob [N, k]; log_sum_exp, threshold [N].

    Examples
    --------
    >>> import torch
    >>> from partita.torch import linear_gumbel_top_k
    >>> words = linear_gumbel_top_k(torch.ones(2, 3), torch.eye(3), 3, seed=1)
    >>> sorted(words.indices[0].tolist())
    [0, 1, 2]
    """
    return TopKSample(*_learn.linear_gumbel_top_k(hidden, weight, bias, k, soft_cap, seed, stream))
