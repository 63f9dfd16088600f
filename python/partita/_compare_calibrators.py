# SPDX-License-Identifier: Apache-2.0
"""Which calibrator to use."""

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

from partita import _core
from partita._bootstrap import Interval
from partita._progress import Progress
from partita._types import ArrayLike


class ComparedCalibrator(NamedTuple):
    """What :func:`compare_calibrators` finds of one: means over rows that its fits have not seen.

    Attributes
    ----------
    method : str or None
        None for probabilities as they are.
    status : str
        "converged", or why some fold has no fit; the figures are then NaN.
    nll, brier : float
    smooth_ece : float
    nll_over_best : Interval
        Of its NLL less that of the best method: where it reaches 0, the difference may be chance.
    """

    method: str | None
    status: str
    nll: float
    brier: float
    smooth_ece: float
    nll_over_best: Interval


def compare_calibrators(logits: ArrayLike, y: ArrayLike, *, seed: SupportsIndex, folds: SupportsIndex = 5,
                        methods: Sequence[str] | None = None, by: ArrayLike | None = None, bins: SupportsIndex = 15,
                        probabilities: bool = False, resamples: SupportsIndex = 1000, level: float = 0.95,
                        threads: SupportsIndex = 1, progress: Progress = None) -> list[ComparedCalibrator]:
    """Which calibrator to use, by cross-validation: the least NLL first, as in the command.

    Parameters
    ----------
    logits : array [n, K]
        Logits, log-probabilities or (``probabilities=True``) probabilities.
    y : array of int [n]
    seed : int
        Of the folds and resamples.
    folds : int
    methods : sequence of str, optional
        Beside none; if not given all, which a language model's many classes are too many for.
    by : array [n], optional
        What binned-temperature tells rows apart by, if not their entropy.
    bins : int
        Of histogram and binned-temperature.
    resamples, level
        Of the intervals.
    threads : int
    progress : bool or callable
        True for a bar of tqdm's; or called as ``progress(done, total, "resamples")``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=(500, 5))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)
    >>> found = compare_calibrators(3 * z, y, seed=1, resamples=100)
    >>> [each.method for each in found if each.nll_over_best.low <= 0]
    ['temperature']
    """
    chosen = _core.calibration_methods() if methods is None else list(methods)
    found = _core.compare_calibrators(logits, y, probabilities, by, chosen, bins, folds, seed, resamples, level, threads, progress)
    return [ComparedCalibrator(*each[:-1], Interval(*each[-1])) for each in found]
