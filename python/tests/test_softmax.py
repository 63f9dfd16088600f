# SPDX-License-Identifier: Apache-2.0
"""Against scipy, in float64, on all kinds of rows."""

from typing import Any

import numpy as np
import pytest

import partita

special = pytest.importorskip("scipy.special")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0, 1e5])
def test_against_scipy(scale: float, rng: np.random.Generator) -> None:
    z = scale * rng.normal(size=(20, 301))
    z[rng.random(z.shape) < 0.2] = -np.inf
    np.testing.assert_allclose(partita.softmax(z), special.softmax(z, axis=-1), rtol=1e-13)
    # scipy's are differences, and lose their last digits near 0
    np.testing.assert_allclose(partita.log_softmax(z), special.log_softmax(z, axis=-1), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(partita.log_sum_exp(z), special.logsumexp(z, axis=-1), rtol=1e-13)
    p, log_p = special.softmax(z, axis=-1), special.log_softmax(z, axis=-1)
    np.testing.assert_allclose(partita.entropy(z), special.entr(p).sum(-1), rtol=1e-9, atol=1e-13)
    q = z + rng.normal(size=z.shape)
    with np.errstate(invalid="ignore"):
        kl = np.where(p > 0, p * (log_p - special.log_softmax(q, axis=-1)), 0).sum(-1)
    np.testing.assert_allclose(partita.kl_divergence(z, q), kl, rtol=1e-7, atol=1e-12)


def test_threads_change_nothing(rng: np.random.Generator) -> None:
    z = rng.normal(size=(40, 1000)).astype(np.float32)
    for function in (partita.softmax, partita.log_softmax, partita.log_sum_exp, partita.entropy):
        np.testing.assert_array_equal(function(z), function(z, threads=4))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"q_logits: expected the shape of p_logits, \(2, 3\), got \(3, 2\)"):
        partita.kl_divergence(np.zeros((2, 3)), np.zeros((3, 2)))


def test_gradients(torch: Any, rng: np.random.Generator) -> None:
    """First and second ones, by finite differences; impossible categories get none."""
    z, w = (torch.from_numpy(rng.normal(size=(2, 3, 5))).requires_grad_() for _ in range(2))
    for function in (partita.softmax, partita.log_softmax, partita.log_sum_exp, partita.entropy):
        assert torch.autograd.gradcheck(function, z) and torch.autograd.gradgradcheck(function, z), function
    assert torch.autograd.gradcheck(partita.kl_divergence, (z, w))
    row = torch.tensor([1.0, -np.inf, 0.5], requires_grad=True)
    for value in (partita.softmax(row)[0], partita.log_softmax(row)[0], partita.log_sum_exp(row), partita.entropy(row),
                  partita.kl_divergence(row, row.detach() * 2)):
        (gradient,) = torch.autograd.grad(value, row)
        assert gradient.isfinite().all() and gradient[1] == 0
    partita.kl_divergence(np.zeros(3), row[[0, 2, 2]]).backward()  # the other side may be anybody's array
    half = torch.zeros(4, dtype=torch.bfloat16, requires_grad=True)
    partita.entropy(half + 1).backward()
    assert half.grad.dtype == torch.bfloat16
    with torch.no_grad():
        assert not partita.softmax(z).requires_grad
    torch.testing.assert_close(partita.log_softmax(z), z.log_softmax(-1))
    with pytest.raises(ValueError, match="NaN"):
        partita.softmax(z / 0 * 0)
