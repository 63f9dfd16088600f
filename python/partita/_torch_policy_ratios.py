# SPDX-License-Identifier: Apache-2.0
"""Policy optimization on samples that an earlier policy, or another engine, has drawn (RLOO, GRPO, PPO)."""

from typing import Any

from partita import _learn
from partita._torch_estimators import GradientEstimate


def group_advantages(rewards: Any, baseline: str = "leave_one_out") -> Any:
    """What each of a prompt's n answers is worth beside the others.

    Parameters
    ----------
    rewards : torch.Tensor [..., n]
        n >= 2.
    baseline : str
        ``leave_one_out``, the reward less the mean of the others' (RLOO), is unbiased; ``standardized``,
        less the mean of all and over their standard deviation (GRPO), weighs prompts by how even their
        rewards are.

    Returns
    -------
    torch.Tensor [..., n]
        Without gradient.
    """
    return _learn.group_advantages(rewards, baseline)


def clipped_ratio_objective(log_prob: Any, drawn_log_prob: Any, advantage: Any, *, low: float = 0.2,
                            high: float = 0.2) -> Any:
    """min(r A, clip(r, 1 - low, 1 + high) A), r = exp(log_prob - drawn_log_prob), to be raised (PPO).

    Parameters
    ----------
    log_prob, drawn_log_prob, advantage : torch.Tensor
        Of one shape; the gradient is log_prob's.
    low : float
        In (0, 1).
    high : float
        > 0; above ``low`` it is "clip higher" (DAPO).
    """
    return _learn.clipped_ratio_objective(log_prob, drawn_log_prob, advantage, low, high)


def truncated_ratios(log_prob: Any, drawn_log_prob: Any, most: float = 2.0) -> Any:
    """min(exp(log_prob - drawn_log_prob), most): importance weights, without gradient (Ionides 2008)."""
    return _learn.truncated_ratios(log_prob, drawn_log_prob, most)


def reverse_kl(log_prob: Any, reference_log_prob: Any, value: str = "k3") -> GradientEstimate:
    """Estimates of KL(policy || reference) and of its gradient, from samples of the policy.

    Parameters
    ----------
    log_prob : torch.Tensor
        The policy's, with its gradient: of whole samples. Those of an answer's tokens are summed
        first, since what is drawn at one token changes the divergence of all that follow.
    reference_log_prob : torch.Tensor
        Of the same shape.
    value : str
        ``k1``, log r with r = policy / reference: unbiased; ``k2``, (log r)^2 / 2: biased, never
        negative; ``k3``, 1/r - 1 + log r: unbiased, never negative.

    Returns
    -------
    GradientEstimate
        ``value`` is to be logged. ``surrogate`` is to be differentiated: the gradient of ``k1``
        itself has mean 0, and that of ``k3`` is the other divergence's (Tang and Munos 2025).

    Examples
    --------
    >>> import torch
    >>> from partita.torch import reverse_kl
    >>> logits = torch.tensor([0.5, -0.5, 0.0], requires_grad=True)
    >>> policy = torch.distributions.Categorical(logits=logits)
    >>> actions = policy.sample((4,))
    >>> kl = reverse_kl(policy.log_prob(actions), torch.full((4,), 1 / 3).log())
    >>> kl.surrogate.mean().backward()
    >>> bool((kl.value >= 0).all())
    True
    """
    surrogate, estimate = _learn.reverse_kl(log_prob, reference_log_prob, value)
    return GradientEstimate(surrogate, estimate)
