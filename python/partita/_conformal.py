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
        largest probability and a penalty on ranks (Huang et al. 2024); or 1 - p (Sadinle, Lei, Wasserman 2019), which makes the smallest sets.
    alpha : float
        The largest share of sets that miss the right class, in (0, 1).
    seed : int
        Of what aps, raps and saps draw for each row.
    randomized : bool
        If False nothing is drawn, and sets are larger than necessary.
    penalty, free_rank
        raps: what each rank beyond free_rank adds; saps: what each rank adds.
    class_conditional : bool
        Keep the promise for the rows of each class, not only on average over all. A class of few held-out
        rows is then in every set.
    threads : int

    Attributes
    ----------
    threshold_ : float
        The ceil((n + 1)(1 - alpha))-th smallest score of the n held-out labels.
    class_thresholds_ : array [K]
        The same of the rows of each class; empty unless class_conditional.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> z = 2 * rng.normal(size=(4000, 10))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)
    >>> predictor = SplitConformal(alpha=0.1, seed=1).fit(z[:2000], y[:2000])
    >>> sets = predictor.predict_sets(z[2000:])
    >>> covered = np.mean([label in each for label, each in zip(y[2000:], sets)])
    >>> 0.87 < covered < 0.93
    True
    """

    def __init__(self, *, seed: SupportsIndex, score: str = "aps", alpha: float = 0.1, randomized: bool = True,
                 penalty: float = 0.01, free_rank: SupportsIndex = 5, class_conditional: bool = False,
                 threads: SupportsIndex = 1) -> None:
        self.seed = seed
        self.score = score
        self.alpha = alpha
        self.randomized = randomized
        self.penalty = penalty
        self.free_rank = free_rank
        self.class_conditional = class_conditional
        self.threads = threads

    def _options(self) -> tuple[Any, ...]:
        return (self.seed, self.score, self.alpha, self.randomized, self.penalty, self.free_rank,
                self.class_conditional, self.threads)

    def fit(self, X: ArrayLike, y: ArrayLike) -> "SplitConformal":
        """Fits to held-out logits X [n, K] and classes y [n]."""
        self.threshold_, self.class_thresholds_ = _core.fit_conformal(X, y, *self._options())
        self.classes_ = np.arange(np.shape(X)[-1])
        return self

    def predict_sets(self, X: ArrayLike) -> list[NDArray[np.int64]]:
        """The set of each row of X [n, K], its most likely class first."""
        threshold = self._fitted("threshold_")
        classes, start = _core.predict_sets(X, len(self.classes_), threshold, self.class_thresholds_, *self._options())
        return np.split(classes, start[1:-1])
