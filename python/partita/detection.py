# SPDX-License-Identifier: Apache-2.0
"""Inputs of no known class: scores that are larger where an input is known, and how well they tell.

>>> import numpy as np
>>> from partita import detection
>>> rng = np.random.default_rng(1)
>>> known = rng.normal(size=(2000, 10)) + 6 * np.eye(10)[rng.integers(10, size=2000)]
>>> unknown = rng.normal(size=(1000, 10))
>>> in_scores, out_scores = (detection.logit_scores(z, "energy") for z in (known, unknown))
>>> detection.detection_metrics(in_scores, out_scores, positive="in").auroc > 0.95
True
>>> threshold = detection.threshold_at_tpr(in_scores, 0.95)     # accepts 95 % of what is known
>>> bool(0.95 <= np.mean(in_scores >= threshold) < 0.951)
True
"""

from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._detection_metrics import DetectionMetrics, detection_intervals, detection_metrics
from partita._detector import SCORES, ComparedDetector, Detector, ScoreFusion, compare_detectors
from partita._estimator import Estimator
from partita._progress import Progress
from partita._types import Array, ArrayLike

__all__ = [
    "KNN",
    "SCORES",
    "ComparedDetector",
    "DetectionMetrics",
    "Detector",
    "Mahalanobis",
    "RocCurve",
    "ScoreFusion",
    "compare_detectors",
    "conformal_threshold",
    "detection_intervals",
    "detection_metrics",
    "logit_scores",
    "roc_curve",
    "threshold_at_tpr",
]


def logit_scores(logits: ArrayLike, score: str = "energy", *, temperature: float = 1.0,
                 threads: SupportsIndex = 1) -> Array:
    """A score for each row of logits, larger where the input is known: float64 [...].

    Parameters
    ----------
    logits : array [..., K]
    score : {"energy", "msp", "max-logit", "entropy"}
        T log sum exp(z / T) (Liu et al. 2020); log max p (Hendrycks and Gimpel 2017); max z
        (Hendrycks et al. 2022); -H(p).
    temperature : float
        T, of energy, msp and entropy.
    threads : int
        The most to use.

    Examples
    --------
    >>> import numpy as np
    >>> logit_scores(np.array([[2.0, 1.0, 0.0]]), "max-logit")
    array([2.])
    """
    return _core.logit_scores(score, logits, temperature, threads)


class Mahalanobis(Estimator):
    """How far features lie from the nearest class, in units of the classes' spread (Lee et al. 2018).

    Parameters
    ----------
    shrinkage : float, optional
        The share of the covariance replaced by a multiple of the identity, 0 to 1; if not given,
        Ledoit and Wolf's.
    threads : int

    Attributes
    ----------
    shrinkage_ : float
    n_features_in_, n_classes_ : int

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(200, 3))
    >>> detector = Mahalanobis().fit(X, np.zeros(200, int))
    >>> bool(detector.score_samples(X + 10).max() < detector.score_samples(X).min())
    True
    """

    def __init__(self, *, shrinkage: float | None = None, threads: SupportsIndex = 1) -> None:
        self.shrinkage = shrinkage
        self.threads = threads

    def fit(self, X: ArrayLike, y: ArrayLike, *, progress: Progress = None) -> "Mahalanobis":
        """Fits to features X [n, columns] and their classes y [n], any integers.

        ``progress=True`` shows a bar of tqdm's; a function is called as ``progress(done, total, unit)``.
        """
        self.detector_ = _core.Mahalanobis.fit(X, y, self.shrinkage, self.threads, progress)
        self.shrinkage_ = self.detector_.shrinkage
        self.n_classes_ = self.detector_.classes
        self.n_features_in_ = int(np.shape(X)[-1])
        return self

    def score_samples(self, X: ArrayLike, *, progress: Progress = None) -> Array:
        """Minus the squared distance of each row of X to the nearest class, at most 0: float64 [n].

        `progress` is as in :meth:`fit`.
        """
        return self._fitted("detector_").scores(X, self.threads, progress)


class KNN(Estimator):
    """How far features lie from their k-th nearest neighbor in training, by direction (Sun et al. 2022).

    Parameters
    ----------
    k : int
    threads : int

    Attributes
    ----------
    training_ : array [n, columns]
        As it was given to fit.

    Examples
    --------
    >>> import numpy as np
    >>> KNN(2).fit(np.eye(2)).score_samples(np.array([[2.0, 0.0]]))
    array([-1.41421356])
    """

    def __init__(self, k: SupportsIndex = 50, *, threads: SupportsIndex = 1) -> None:
        self.k = k
        self.threads = threads

    def fit(self, X: ArrayLike, y: object = None) -> "KNN":
        """Keeps the features X [n, columns]; y is ignored."""
        self.training_ = X
        self.n_features_in_ = int(np.shape(X)[-1])
        return self

    def score_samples(self, X: ArrayLike, *, progress: Progress = None) -> Array:
        """Minus the distance of the direction of each row of X to its k-th neighbor's, -2 to 0: float64 [n].

        ``progress=True`` shows a bar of tqdm's; a function is called as ``progress(done, total, unit)``.
        """
        return _core.knn_scores(X, self._fitted("training_"), self.k, self.threads, progress)


class RocCurve(NamedTuple):
    """Counts when all scores of a threshold or more are called positive: arrays [points].

    Attributes
    ----------
    thresholds : array
        inf, then each distinct score, descending.
    true_positives : array
    false_positives : array
    """

    thresholds: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]


def roc_curve(positive: ArrayLike, negative: ArrayLike) -> RocCurve:
    """The exact curve of two samples of scores.

    Parameters
    ----------
    positive, negative : arrays of any shape
        Scores, larger where positive.

    Returns
    -------
    RocCurve

    Examples
    --------
    >>> roc_curve([2.0, 3.0], [1.0, 2.0]).true_positives
    array([0, 1, 2, 2])
    """
    return RocCurve(*_core.roc_curve(positive, negative))


def threshold_at_tpr(positive: ArrayLike, tpr: float) -> float:
    """The largest score that at least a share `tpr` of the positives reaches.

    Parameters
    ----------
    positive : array of any shape
        Scores of what is to be accepted.
    tpr : float
        In (0, 1].

    Examples
    --------
    >>> threshold_at_tpr([1.0, 2.0, 3.0, 4.0], 0.75)
    2.0
    """
    return _core.threshold_at_tpr(positive, tpr)


def conformal_threshold(known: ArrayLike, alpha: float) -> float:
    """The threshold that rejects a new known input with probability at most `alpha`.

    It is the floor(alpha (n + 1))-th smallest of n scores, -inf if that is 0, and holds whatever the
    distribution, if the rows were not used to fit the score (Bates et al. 2023).

    Parameters
    ----------
    known : array of any shape
        Scores of known inputs, exchangeable with those to come.
    alpha : float
        In (0, 1).

    Examples
    --------
    >>> conformal_threshold([4.0, 3.0, 2.0, 1.0], 0.4)
    2.0
    """
    return _core.conformal_threshold(known, alpha)


for _each in [globals()[_name] for _name in __all__]:
    if callable(_each):
        _each.__module__ = "partita.detection"  # where users find it, in messages and pickles
