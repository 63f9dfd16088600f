# SPDX-License-Identifier: Apache-2.0
"""Measures of confidences beside numpy's and scikit-learn's."""

from typing import Any

import numpy as np
import pytest

from partita import calibration


def drawn(rng: np.random.Generator, n: int = 800, power: float = 1.5) -> tuple[Any, Any]:
    c = np.round(rng.uniform(0.1, 0.95, n), 2)  # with ties
    return c, (rng.random(n) < c**power).astype(int)


def test_confidences_are_those_of_the_rows(rng: np.random.Generator) -> None:
    z, y = 2 * rng.normal(size=(300, 5)), rng.integers(5, size=300)
    c, right = calibration.confidences(z, y)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(c, p.max(1), rtol=1e-12)
    np.testing.assert_array_equal(right, z.argmax(1) == y)
    given = calibration.confidences(p, y, probabilities=True)
    np.testing.assert_array_equal(given.confidence, p.max(1))
    scaling = calibration.TemperatureScaling().fit(z, z.argmax(1) * (rng.random(300) < 0.7))
    calibrated = calibration.confidences(z, y, calibrator=scaling).confidence
    assert calibrated.mean() != pytest.approx(c.mean())


def test_smooth_ece_is_that_of_the_kernel(rng: np.random.Generator) -> None:
    c, y = drawn(rng)
    found = calibration.smooth_ece(c, y)
    t = (np.arange(2000) + 0.5) / 2000
    kernel = sum(np.exp(-0.5 * ((t[:, None] - image) / found.bandwidth) ** 2) for image in (c, -c, 2 - c))
    kernel /= found.bandwidth * np.sqrt(2 * np.pi)
    assert found.value == pytest.approx(np.abs(kernel @ ((y - c) / len(c))).mean(), rel=1e-3)
    assert found.value == pytest.approx(found.bandwidth, abs=1e-7)
    diagram = calibration.kernel_diagram(c, y, seed=1, resamples=50)
    at = np.interp(diagram.confidence, t, kernel @ y / kernel.sum(1))
    np.testing.assert_allclose(diagram.accuracy, at, atol=2e-3)
    assert (diagram.band[:, 0] <= diagram.band[:, 1]).all()


def test_a_test_of_calibration(rng: np.random.Generator) -> None:
    c, y = drawn(rng, power=1)
    assert calibration.calibration_test(c, y, seed=1, simulations=99).p_value > 0.02
    c, y = drawn(rng, power=2)
    found = calibration.calibration_test(c, y.astype(bool), seed=1, simulations=99, threads=2)
    assert found == (calibration.smooth_ece(c, y).value, 0.01)


def test_areas_and_decompositions(rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    isotonic = pytest.importorskip("sklearn.isotonic")
    c, y = drawn(rng)
    curve = calibration.risk_coverage(c, y)
    wrong = 1 - y
    assert curve.aurc == pytest.approx(np.mean([wrong[c >= own].mean() for own in c]))
    a = y.mean()
    assert curve.augrc == pytest.approx((1 - metrics.roc_auc_score(y, c)) * a * (1 - a) + (1 - a) ** 2 / 2)
    assert curve.coverage[-1] == 1 and curve.risk[-1] == pytest.approx(1 - a)
    recalibrated = isotonic.IsotonicRegression().fit(c, y).predict(c)
    brier = calibration.decompose_brier(c, y)
    assert brier.score == pytest.approx(metrics.brier_score_loss(y, c))
    assert brier.score - brier.reliability == pytest.approx(metrics.brier_score_loss(y, recalibrated))
    nll = calibration.decompose_nll(c, y)
    assert nll.score == pytest.approx(metrics.log_loss(y, c))
    assert nll.score == pytest.approx(nll.reliability - nll.resolution + nll.uncertainty)


@pytest.mark.parametrize(
    "confidence,right,message",
    [
        ([], [], "confidence: expected 1 or more"),
        ([0.5], [1, 0], "right: expected 1 "),
        ([0.5, 2.0], [1, 0], "confidence: row 1: expected a probability, got 2"),
        ([0.5], [0.5], "right: row 0: expected 0 or 1"),
    ],
)
def test_refusals(confidence: Any, right: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration.smooth_ece(confidence, right)
