# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._calibrators import Calibrator
from partita._types import ArrayLike


class Confidences(NamedTuple):
    """How sure a network was of each row's prediction, and whether it was right.

    Attributes
    ----------
    confidence : array [n]
    right : array of int [n]
        1 or 0.
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.int64]


def confidences(logits: ArrayLike, y: ArrayLike, *, probabilities: bool = False, calibrator: Calibrator | None = None,
                threads: SupportsIndex = 1) -> Confidences:
    """The largest probability of each row, and whether its class is the label.

    Parameters
    ----------
    logits : array [n, K]
        Logits, log-probabilities or (``probabilities=True``) probabilities.
    y : array of int [n]
    calibrator : fitted Calibrator
        Take what it makes of the logits.
    threads : int

    Examples
    --------
    >>> confidences([[0.75, 0.25], [0.5, 0.5]], [0, 1], probabilities=True)
    Confidences(confidence=array([0.75, 0.5 ]), right=array([1, 0]))
    """
    fitted = None if calibrator is None else calibrator._fitted("calibrator_")
    return Confidences(*_core.confidences(logits, y, probabilities, fitted, threads))


class SmoothECE(NamedTuple):
    """What :func:`smooth_ece` finds.

    Attributes
    ----------
    value : float
    bandwidth : float
        Of the kernel.
    """

    value: float
    bandwidth: float


def smooth_ece(confidence: ArrayLike, right: ArrayLike) -> SmoothECE:
    """The calibration error without bins, of a reliability diagram smoothed by a reflected Gaussian.

    The kernel is as wide as the error (Błasiok and Nakkiran 2024), but at least 1/512.

    Parameters
    ----------
    confidence : array [n]
        Probabilities.
    right : array [n]
        Whether each row's prediction was right: 0 and 1, or booleans.

    Examples
    --------
    >>> round(smooth_ece([1.0, 1.0], [1, 0]).value, 3)
    0.5
    """
    return SmoothECE(*_core.smooth_ece(confidence, right))


class CalibrationTest(NamedTuple):
    """What :func:`calibration_test` finds.

    Attributes
    ----------
    statistic : float
        The smooth ECE.
    p_value : float
    """

    statistic: float
    p_value: float


def calibration_test(confidence: ArrayLike, right: ArrayLike, *, seed: SupportsIndex, simulations: SupportsIndex = 999,
                     threads: SupportsIndex = 1) -> CalibrationTest:
    """Could this be calibrated: was every row right with the probability that its confidence says?

    The p-value is the share of data sets, drawn so, whose smooth ECE is as large, counting the one given. It is
    at most a with probability at most a.

    Parameters
    ----------
    confidence, right
        As in :func:`smooth_ece`.
    seed : int
    simulations : int
    threads : int

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> confidence = rng.uniform(0.5, 1, 1000)
    >>> calibration_test(confidence, rng.random(1000) < confidence**2, seed=1).p_value
    0.001
    """
    return CalibrationTest(*_core.calibration_test(confidence, right, seed, simulations, threads))


class KernelDiagram(NamedTuple):
    """Accuracy as a smooth function of confidence: arrays [128].

    Attributes
    ----------
    bandwidth : float
    confidence : array
    accuracy : array
        NaN where there are no rows within some bandwidths.
    density : array
        Of the rows' confidences; its mean is 1.
    band : array [128, 2]
        Of the accuracy, pointwise, by bootstrap.
    """

    bandwidth: float
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    density: NDArray[np.float64]
    band: NDArray[np.float64]


def kernel_diagram(confidence: ArrayLike, right: ArrayLike, *, seed: SupportsIndex, resamples: SupportsIndex = 1000,
                   level: float = 0.95, threads: SupportsIndex = 1) -> KernelDiagram:
    """The reliability diagram of which :func:`smooth_ece` is the error.

    Parameters
    ----------
    confidence, right
        As in :func:`smooth_ece`.
    seed, resamples, level
        Of the band.
    threads : int

    Examples
    --------
    >>> import numpy as np
    >>> diagram = kernel_diagram(np.full(1000, 0.5), np.arange(1000) % 2, seed=1, resamples=100)
    >>> bool(abs(diagram.accuracy[64] - 0.5) < 1e-6)
    True
    """
    return KernelDiagram(*_core.kernel_diagram(confidence, right, seed, resamples, level, threads))


class RiskCoverage(NamedTuple):
    """Risk among the rows that a network is surest of, against their share: arrays [points].

    Attributes
    ----------
    threshold, coverage, risk : array
        One point for each confidence, descending: the share of rows of that confidence or more, and the share
        of wrong ones among these.
    aurc : float
        Mean over rows of the risk at their own confidence (Geifman et al. 2019).
    e_aurc : float
        Less the least possible with as many errors.
    augrc : float
        Mean risk of an answer that is given and wrong (Traub et al. 2024).
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    aurc: float
    e_aurc: float
    augrc: float


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """What a classifier that may abstain gains by its confidence.

    Parameters
    ----------
    confidence : array [n]
        Any numbers: only their order counts, and equal ones are accepted together.
    right : array [n]
        As in :func:`smooth_ece`.

    Examples
    --------
    >>> curve = risk_coverage([0.9, 0.8, 0.8, 0.5], [1, 1, 0, 0])
    >>> curve.coverage, curve.risk.round(2)
    (array([0.25, 0.75, 1.  ]), array([0.  , 0.33, 0.5 ]))
    """
    return RiskCoverage(*_core.risk_coverage(confidence, right))


class ScoreDecomposition(NamedTuple):
    """score = reliability - resolution + uncertainty.

    Attributes
    ----------
    score : float
    reliability : float
        What recalibration, by isotonic regression on the same rows, takes off.
    resolution : float
        What recalibrated confidences have over their mean.
    uncertainty : float
        The score of the accuracy as every row's confidence.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


def decompose_brier(confidence: ArrayLike, right: ArrayLike) -> ScoreDecomposition:
    """Of the mean of (confidence - right)**2 (Dimitriadis, Gneiting, Jordan 2021).

    Parameters
    ----------
    confidence, right
        As in :func:`smooth_ece`.

    Examples
    --------
    >>> decompose_brier([0.5, 0.5], [1, 0])
    ScoreDecomposition(score=0.25, reliability=0.0, resolution=0.0, uncertainty=0.25)
    """
    return ScoreDecomposition(*_core.decompose_brier(confidence, right))


def decompose_nll(confidence: ArrayLike, right: ArrayLike) -> ScoreDecomposition:
    """Of the mean negative log-likelihood of `right`, in nats; infinite if a row of confidence 1 is wrong.

    Parameters
    ----------
    confidence, right
        As in :func:`smooth_ece`.

    Examples
    --------
    >>> round(decompose_nll([0.5, 0.5], [1, 0]).uncertainty, 3)
    0.693
    """
    return ScoreDecomposition(*_core.decompose_nll(confidence, right))
