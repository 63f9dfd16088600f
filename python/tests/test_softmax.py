"""Against scipy, in float64, on all kinds of rows."""

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
