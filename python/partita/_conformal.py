# SPDX-License-Identifier: Apache-2.0
"""Conformal prediction."""

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._estimator import Estimator
from partita._types import ArrayLike


class SplitConformal(Estimator):
    """Sets of classes that hold the right one with probability 1 - alpha or more.

    Parameters
    ----------
    score : {"aps", "raps", "saps", "lac"}
        How unlikely a class is: the probability of all likelier ones and a random part of its own
        (Romano, Sesia, Candes 2020); the same with a penalty on ranks (Angelopoulos et al. 2021); the
        largest probability and a penalty on ranks (Huang et al. 2024); or 1 - p (Sadinle, Lei,
        Wasserman 2019), which makes the smallest sets.
    alpha : float
        The largest share of sets that miss the right class, in (0, 1).
    seed : int
        Of what aps, raps and saps draw for each row.
    randomized : bool
        If False nothing is drawn, and sets are larger than necessary.
    penalty, free_rank
        raps: what each rank beyond free_rank adds (0.01 if not given); saps: what each rank adds (0.2).
    coverage : {"marginal", "class-conditional", "clustered"}
        Over which rows the promise is kept: on average over all; over those of each class, where one of
        fewer than 1 / alpha - 1 held-out rows is in every set (Vovk 2012); or over those of classes whose
        scores are distributed alike, and so nearly over those of each class (Ding et al. 2023).
    threads : int

    Attributes
    ----------
    threshold_ : float
        The ceil((n + 1)(1 - alpha))-th smallest score of the n held-out labels.
    class_thresholds_ : array [K]
        The same of the rows of each class, or of its cluster; empty if marginal.
    clusters_ : array [K]
        The cluster of each class, -1 if it has too few rows; empty unless clustered.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> z = 2 * rng.normal(size=(4000, 10))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)
    >>> predictor = SplitConformal(alpha=0.1, seed=1).fit(z[:2000], y[:2000])
    >>> sets = predictor.predict_sets(z[2000:])
    >>> covered = np.mean([label in each for label, each in zip(y[2000:], sets)])
    >>> bool(0.87 < covered < 0.93)
    True
    """

    def __init__(self, *, seed: SupportsIndex, score: str = "aps", alpha: float = 0.1, randomized: bool = True,
                 penalty: float | None = None, free_rank: SupportsIndex = 5, coverage: str = "marginal",
                 threads: SupportsIndex = 1) -> None:
        self.seed = seed
        self.score = score
        self.alpha = alpha
        self.randomized = randomized
        self.penalty = penalty
        self.free_rank = free_rank
        self.coverage = coverage
        self.threads = threads

    def _options(self) -> tuple[Any, ...]:
        return (self.seed, self.score, self.alpha, self.randomized, self.penalty, self.free_rank,
                self.coverage, self.threads)

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "SplitConformal":
        """Fits to held-out logits X [n, K] and classes y [n].

        Where the rows to predict are of another kind (covariate shift), ``sample_weight`` [n] says how many
        times likelier each row is among them than among those held out, up to a constant: the odds that
        a calibrated classifier of the two gives will do (Tibshirani, Barber, Candes, Ramdas 2019).
        """
        self.fitted_ = _core.fit_conformal(X, y, sample_weight, *self._options())
        self.threshold_, self.class_thresholds_, self.clusters_ = self.fitted_[:3]
        self.classes_ = np.arange(np.shape(X)[-1])
        return self

    def predict_sets(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> list[NDArray[np.int64]]:
        """The set of each row of X [n, K], its most likely class first.

        ``sample_weight`` [n] goes with that of :meth:`fit`, and is on the same scale.
        """
        fitted = self._fitted("fitted_")
        classes, start = _core.predict_sets(X, len(self.classes_), fitted, sample_weight, *self._options())
        return [classes[first:last] for first, last in zip(start[:-1], start[1:])]
