# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._bootstrap import Interval
from partita._detection_metrics import DetectionMetrics
from partita._estimator import Estimator
from partita._progress import Progress
from partita._types import Array, ArrayLike

#: The scores of :class:`Detector`.
SCORES: tuple[str, ...] = _core.detection_scores()


class Detector(Estimator):
    """A score of unknown inputs: what it learns of known rows, then a number for each row, larger where known.

    Where a layer is given, rows are features x, and the scores of logits are those of z = W x + b. Without one,
    rows are logits to such scores. p is softmax(z), energy(z) log sum exp(z), and y the class of the largest logit.

    ========================  =========================================================================  ============
    score                     formula                                                                    needs
    ========================  =========================================================================  ============
    ``msp``                   log max p (Hendrycks and Gimpel 2017)                                      logits
    ``max-logit``             max z (Hendrycks et al. 2022)                                              logits
    ``entropy``               -H(p)                                                                      logits
    ``energy``                energy(z) (Liu et al. 2020)                                                logits
    ``gen``                   -sum (p (1 - p))^gamma over the largest p (Liu et al. 2023)                logits
    ``kl-matching``           -min_c KL(p | mean p of rows with y = c) (Hendrycks et al. 2022)           logits, X
    ``openmax``               log odds of a known class, activations revised by how unusual their        logits, X, y
                              distances from y's mean are (Bendale and Boult 2016)
    ``gradnorm``              L1 norm of W's gradient: sum|x| sum|p - 1/K| (Huang et al. 2021)           layer
    ``react``                 energy(W min(x, percentile) + b) (Sun et al. 2021)                         layer, X
    ``dice``                  energy by the weights of the largest contributions (Sun and Li 2022)       layer, X
    ``ash-s``                 energy(e^r W x' + b), x' the largest of x, r = sum x / sum x'              layer
                              (Djurisic et al. 2023)
    ``scale``                 energy(e^r W x + b) (Xu et al. 2024)                                       layer
    ``she``                   x . mean of y's rows that are classified right (Zhang et al. 2023)         layer, X, y
    ``vim``                   energy(z) - a |x outside the principal space| (Wang et al. 2022)           layer, X
    ``fdbd``                  mean distance to the boundaries / |x - mean| (Liu and Qin 2024)            layer, X
    ``mahalanobis``           as :class:`Mahalanobis` (Lee et al. 2018)                                  X, y
    ``relative-mahalanobis``  less that of one Gaussian for all (Ren et al. 2021)                        X, y
    ``knn``                   as :class:`KNN` (Sun et al. 2022)                                          X
    ``nnguide``               energy(z) times that of the most similar rows (Park et al. 2023)           layer, X
    ========================  =========================================================================  ============

    Parameters
    ----------
    score : str
        One of ``SCORES``.
    layer : array [K, columns] or tuple of it and an array [K], optional
        W and b, as of ``torch.nn.Linear``: ``(fc.weight.detach(), fc.bias.detach())``.
    temperature : float
        Of msp, entropy and energy.
    gamma : float
        Of gen.
    largest : int, optional
        Of how many probabilities gen is (100), and how many activations openmax revises (10).
    tail : int
        Of openmax: how many of a class's largest distances its Weibull distribution is fitted to.
    percentile : float, optional
        Of react, dice and ash-s (90), and scale (85).
    k : int, optional
        Of knn (50) and nnguide (10).
    dimension : int, optional
        Of vim's principal space: 1000 of 2048 features or more, 512 of 768 or more, else half.
    shrinkage : float, optional
        Of both kinds of Mahalanobis; if not given, Ledoit and Wolf's.
    threads : int

    Attributes
    ----------
    known_ : tuple
        X and y as they were given to fit: a pickle holds them, and fits again.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> X = np.maximum(0, rng.normal(size=(300, 8)) + 4 * np.eye(3, 8)[np.arange(300) % 3])
    >>> detector = Detector("vim", layer=np.eye(3, 8)).fit(X)
    >>> unknown = np.maximum(0, rng.normal(size=(100, 8)))
    >>> bool(detector.score_samples(unknown).mean() < detector.score_samples(X).mean())
    True
    """

    def __init__(self, score: str = "energy", *, layer: Any = None, temperature: float = 1.0, gamma: float = 0.1,
                 largest: SupportsIndex | None = None, tail: SupportsIndex = 20,
                 percentile: float | None = None, k: SupportsIndex | None = None,
                 dimension: SupportsIndex | None = None, shrinkage: float | None = None,
                 threads: SupportsIndex = 1) -> None:
        self.score = score
        self.layer = layer
        self.temperature = temperature
        self.gamma = gamma
        self.largest = largest
        self.tail = tail
        self.percentile = percentile
        self.k = k
        self.dimension = dimension
        self.shrinkage = shrinkage
        self.threads = threads

    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None, *, progress: Progress = None) -> "Detector":
        """Learns from known rows X [n, columns] and their classes y [n], as far as the score needs them.

        ``progress=True`` shows a bar of tqdm's; a function is called as ``progress(done, total, unit)``.
        """
        weight, bias = self.layer if isinstance(self.layer, tuple) else (self.layer, None)
        self.detector_ = _core.Detector.fit(self.score, X, y, weight, bias, self.temperature, self.gamma, self.largest,
                                            self.tail, self.percentile, self.k, self.dimension, self.shrinkage, self.threads,
                                            progress)
        self.known_ = (X, y)
        return self

    def score_samples(self, X: ArrayLike, *, progress: Progress = None) -> Array:
        """A number for each row of X, larger where it looks known: float64 [n].

        `progress` is as in :meth:`fit`.
        """
        return self._fitted("detector_").scores(X, self.threads, progress)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "detector_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "known_" in state:
            self.fit(*state["known_"])


class ScoreFusion(Estimator):
    """Several scores as one: the log odds that a row is known, where as many are unknown, by logistic regression.

    Attributes
    ----------
    weights_ : dict of float
        Of each score, by its name.
    bias_ : float

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> known, unknown = rng.normal(1, size=(2, 2000)), rng.normal(size=(2, 2000))
    >>> fusion = ScoreFusion().fit({"a": (known[0], unknown[0]), "b": (known[1], unknown[1])})
    >>> fusion.score_samples({"a": [3.0, -3.0], "b": [2.0, -2.0]}).round() > 0
    array([ True, False])
    """

    def fit(self, scores: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> "ScoreFusion":
        """Fits to scores of known and of unknown rows, which no score has learned from.

        Parameters
        ----------
        scores : mapping from a name to (in_scores, out_scores)
            The i-th scores of all belong to the same row.
        """
        weights, self.bias_ = _core.fit_score_fusion([s[0] for s in scores.values()], [s[1] for s in scores.values()])
        self.weights_ = {name: float(weight) for name, weight in zip(scores, weights, strict=True)}
        return self

    def score_samples(self, scores: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
        """The log odds of each row, larger where known, from a mapping ``scores`` of all names to their scores [n]."""
        weights = self._fitted("weights_")
        if missing := [name for name in weights if name not in scores]:
            raise ValueError(f"scores: {missing[0]} is missing")
        columns = np.stack([np.asarray(scores[name], float) for name in weights], axis=-1)
        log_odds: NDArray[np.float64] = columns @ np.array(list(weights.values())) + self.bias_
        return log_odds


class ComparedDetector(NamedTuple):
    """What :func:`compare_detectors` finds of one.

    Attributes
    ----------
    metrics : DetectionMetrics of float
    intervals : DetectionMetrics of Interval
    auroc_less_best : Interval
        Of its AUROC less that of the best, in the same resamples: what reaches 0 may be chance.
    """

    metrics: DetectionMetrics[float]
    intervals: DetectionMetrics[Interval]
    auroc_less_best: Interval


def compare_detectors(scores: Mapping[str, tuple[ArrayLike, ArrayLike]], *, positive: str, seed: SupportsIndex,
                      resamples: SupportsIndex = 1000, level: float = 0.95, threads: SupportsIndex = 1,
                      progress: Progress = None) -> dict[str, ComparedDetector]:
    """Detectors on the same rows, the largest AUROC first, by a bootstrap that they share.

    Parameters
    ----------
    scores : mapping from a name to (in_scores, out_scores)
        The i-th scores of all belong to the same row.
    positive, seed, resamples, level, threads, progress
        As in :func:`detection_intervals`.

    Examples
    --------
    >>> found = compare_detectors({"a": ([2.0, 3.0], [1.0, 2.0]), "b": ([2.0, 3.0], [1.0, 1.5])},
    ...                           positive="in", seed=1)
    >>> list(found), found["b"].metrics.auroc, found["b"].auroc_less_best
    (['b', 'a'], 1.0, Interval(low=0.0, high=0.0))
    """
    found = _core.compare_detectors([s[0] for s in scores.values()], [s[1] for s in scores.values()], positive, seed,
                                    resamples, level, threads, progress)
    compared = {
        name: ComparedDetector(DetectionMetrics(*metrics), DetectionMetrics(*(Interval(*each) for each in intervals)),
                               Interval(*less_best))
        for name, (metrics, intervals, less_best) in zip(scores, found)
    }
    return dict(sorted(compared.items(), key=lambda item: -item[1].metrics.auroc))
