# SPDX-License-Identifier: Apache-2.0
"""Softmaxes with exact zeros, and the losses that train them."""

from typing import Any

from partita import _learn


def sparsemax(logits: Any) -> Any:
    """argmax_p <p, z> + sum_j p_j (1 - p_j) / 2: each row's projection on the simplex (Martins and Astudillo 2016).

    Classes whose logits lie 1 or more below the row's largest have probability 0, and often nearer ones too.

    Parameters
    ----------
    logits : torch.Tensor [..., K]
        -inf is an impossible class.

    Returns
    -------
    torch.Tensor [..., K]
        The threshold is computed in double. First and second derivatives are exact.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import sparsemax
    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    return _learn.sparsemax(logits)


def entmax15(logits: Any) -> Any:
    """argmax_p <p, z> + 4/3 sum_j (p_j - p_j^1.5): between softmax and sparsemax (Peters, Niculae, Martins 2019).

    Classes whose logits lie 2 or more below the row's largest have probability 0, and often nearer ones too.

    Parameters
    ----------
    logits
        As in :func:`sparsemax`.

    Returns
    -------
    torch.Tensor [..., K]

    Examples
    --------
    >>> import torch
    >>> from partita.torch import entmax15
    >>> entmax15(torch.tensor([1.0, 0.0, -1.0]))
    tensor([0.8307, 0.1693, 0.0000])
    """
    return _learn.entmax15(logits)


def sparsemax_loss(logits: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The loss whose prediction is sparsemax(logits), and whose gradient is that less the target.

    Convex, and exactly 0 where the target's logit is larger than all others by 1.

    Parameters
    ----------
    logits : torch.Tensor [..., K]
    target : torch.Tensor [...]
        Integers in [0, K), or -100: ignored.
    reduction : str
        "mean" over rows that are not ignored, "sum" or "none".

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> import torch
    >>> from partita.torch import sparsemax_loss
    >>> sparsemax_loss(torch.tensor([[1.0, 0.5, -1.0], [3.0, 1.0, 0.0]]), torch.tensor([0, 0]), reduction="none")
    tensor([0.0625, 0.0000])
    """
    return _learn.sparsemax_loss(logits, target, reduction)


def entmax15_loss(logits: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The loss whose prediction is entmax15(logits), and whose gradient is that less the target.

    Convex, and exactly 0 where the target's logit is larger than all others by 2.

    Parameters
    ----------
    logits, target, reduction
        As in :func:`sparsemax_loss`.

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> import torch
    >>> from partita.torch import entmax15_loss
    >>> entmax15_loss(torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([0]))
    tensor(0.0617)
    """
    return _learn.entmax15_loss(logits, target, reduction)
