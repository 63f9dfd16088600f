# SPDX-License-Identifier: Apache-2.0
"""Advantages, ratios and the divergence from a reference: by enumeration of a policy's actions."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("partita._learn")

import partita.torch as pt  # noqa: E402

LOGITS = torch.tensor([0.3, -1.2, 0.8, 0.1], dtype=torch.float64)
REFERENCE = torch.tensor([-0.4, 0.2, 0.5, -0.1], dtype=torch.float64).log_softmax(-1)


def test_the_surrogate_of_the_divergence_is_right_and_its_values_are_not() -> None:
    logits = LOGITS.clone().requires_grad_()
    log_p = logits.log_softmax(-1)
    p = log_p.detach().exp()
    divergence = (log_p.exp() * (log_p - REFERENCE)).sum()
    (exact,) = torch.autograd.grad(divergence, logits, retain_graph=True)
    for value in ("k1", "k2", "k3"):
        kl = pt.reverse_kl(log_p, REFERENCE, value)
        (found,) = torch.autograd.grad((p * kl.surrogate).sum(), logits, retain_graph=True)
        torch.testing.assert_close(found, exact)
        assert not kl.value.requires_grad
        if value != "k2":
            torch.testing.assert_close((p * kl.value).sum(), divergence.detach())
    (of_k1,) = torch.autograd.grad((p * (log_p - REFERENCE)).sum(), logits)
    assert of_k1.abs().max() < 1e-15


def test_advantages_and_ratios() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]])
    torch.testing.assert_close(pt.group_advantages(rewards)[0], torch.tensor([-3.0, -1.5, 4.5]))
    assert (pt.group_advantages(rewards, "standardized")[1] == 0).all()
    log_prob = torch.tensor([0.5, 1.1, 1.5]).log().requires_grad_()
    objective = pt.clipped_ratio_objective(log_prob, torch.zeros(3), torch.ones(3), high=0.3)
    torch.testing.assert_close(objective, torch.tensor([0.5, 1.1, 1.3]))
    weights = pt.truncated_ratios(log_prob, torch.zeros(3), 1.2)
    torch.testing.assert_close(weights, torch.tensor([0.5, 1.1, 1.2]))
    assert not weights.requires_grad
    with pytest.raises(ValueError, match="rewards: expected"):
        pt.group_advantages(torch.ones(1))
    with pytest.raises(ValueError, match="value: expected"):
        pt.reverse_kl(log_prob, log_prob, "k4")
