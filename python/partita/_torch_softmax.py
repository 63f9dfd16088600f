# SPDX-License-Identifier: Apache-2.0
"""Gradients of the functions that have one, for tensors that want them."""

from collections.abc import Callable
from typing import Any

from partita import _core
from partita._torch import torch


class _Differentiable(torch.autograd.Function):  # type: ignore[misc]
    """The value by the compiled part; the gradient by torch, so that it has gradients, too."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], threads: Any, *logits: Any) -> Any:
        ctx.gradients = _GRADIENTS[function]
        ctx.save_for_backward(*logits)
        return function(*logits, threads)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        logits = ctx.saved_tensors
        wide = [each.float() if each.dtype in (torch.half, torch.bfloat16) else each for each in logits]
        found = ctx.gradients(grad, *wide)
        return (None, None, *(each.to(given.dtype) for each, given in zip(found, logits, strict=True)))


def _softmax(grad: Any, z: Any) -> Any:
    p = z.softmax(-1)
    return (p * (grad - (p * grad).sum(-1, True)),)


def _log_softmax(grad: Any, z: Any) -> Any:
    return (grad - z.softmax(-1) * grad.sum(-1, True),)


def _log_sum_exp(grad: Any, z: Any) -> Any:
    return (grad[..., None] * z.softmax(-1),)


def _entropy(grad: Any, z: Any) -> Any:
    p = z.softmax(-1)
    log_p = z.log_softmax(-1).masked_fill(p == 0, 0.0)
    return (-grad[..., None] * p * (log_p - (p * log_p).sum(-1, True)),)


def _kl_divergence(grad: Any, z: Any, w: Any) -> Any:
    p, q = z.softmax(-1), w.softmax(-1)
    log_ratio = (z.log_softmax(-1) - w.log_softmax(-1)).masked_fill(p == 0, 0.0)
    return (grad[..., None] * p * (log_ratio - (p * log_ratio).sum(-1, True)), grad[..., None] * (q - p))


_GRADIENTS: dict[Callable[..., Any], Callable[..., Any]] = {
    _core.softmax: _softmax, _core.log_softmax: _log_softmax, _core.log_sum_exp: _log_sum_exp, _core.entropy: _entropy,
    _core.kl_divergence: _kl_divergence}


def differentiable(function: Callable[..., Any], *logits: Any, threads: Any) -> Any:
    """function(*logits, threads), differentiable in the logits."""
    return _Differentiable.apply(function, threads, *map(torch.as_tensor, logits))


def replay_log_prob(logits: Any, tokens: Any, settings: Any, seed: Any, stream: Any, threads: Any) -> Any:
    """partita.replay_log_prob, differentiable in the logits where gradients are recorded."""
    if not torch.is_grad_enabled():
        return _core.replay_log_prob(logits, tokens, settings, seed, stream, threads)
    import partita.torch  # says what is missing, if the compiled part is
    from partita import _learn

    rows = logits.reshape(-1, logits.shape[-1])
    return _learn.replay_log_prob(rows, tokens, settings, seed, stream).reshape(logits.shape[:-1])
