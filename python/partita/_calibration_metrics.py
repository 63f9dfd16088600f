# SPDX-License-Identifier: Apache-2.0
"""How well probabilities match how often they are right."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._bootstrap import Interval
from partita._calibrators import Calibrator
from partita._group import Group
from partita._progress import Progress
from partita._types import ArrayLike

T = TypeVar("T")


class Metrics(NamedTuple, Generic[T]):
    """Measures of calibration, or an interval for each.

    Attributes
    ----------
    accuracy : float or Interval
    confidence : float or Interval
        Mean probability of the most likely class.
    nll : float or Interval
    ece : float or Interval
        Expected calibration error: sum over bins of n_b / n |accuracy - confidence|.
    mce : float or Interval
        The largest of a bin.
    classwise_ece : float or Interval
    adaptive_ece : float or Interval
        ECE with bins that hold equally many rows.
    brier : float or Interval
        mean of sum_k (p_k - [k = y])**2, 0 to 2.
    debiased_ece : float or Interval
    """

    accuracy: T
    confidence: T
    nll: T
    ece: T
    mce: T
    classwise_ece: T
    adaptive_ece: T
    brier: T
    debiased_ece: T


@dataclass(frozen=True)
class ReliabilityDiagram:
    """Bins of confidence, (lower, upper], and how often their rows are right: arrays [bins].

    Attributes
    ----------
    lower : array
    upper : array
    count : array
    confidence : array
        Mean of each bin; NaN if it is empty.
    accuracy : array
    accuracy_interval : array, optional
        [bins, 2], if there are intervals.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    accuracy_interval: NDArray[np.float64] | None

    def plot(self, ax: Any = None) -> Any:
        """Draws the diagram with matplotlib, on `ax` or on the current axes, and returns them."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.gca()
        full = self.count > 0
        ax.plot([0, 1], [0, 1], ":", color="gray", label="perfectly calibrated")
        ax.bar(self.lower[full], self.accuracy[full], (self.upper - self.lower)[full], align="edge", edgecolor="black",
               alpha=0.5, label="accuracy")
        ax.plot(self.confidence[full], self.accuracy[full], "o", color="black", label="mean confidence of a bin")
        if self.accuracy_interval is not None:
            ends = self.accuracy_interval[full].T
            reach = np.maximum(0, [self.accuracy[full] - ends[0], ends[1] - self.accuracy[full]])
            ax.errorbar(self.confidence[full], self.accuracy[full], yerr=reach, fmt="none", color="black")
        ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        ax.legend(loc="upper left")
        return ax


class CalibrationEvaluation(NamedTuple):
    """What :func:`evaluate_calibration` finds.

    Attributes
    ----------
    metrics : Metrics[float]
    intervals : Metrics[Interval], optional
    diagram : ReliabilityDiagram
    """

    metrics: Metrics[float]
    intervals: Metrics[Interval] | None
    diagram: ReliabilityDiagram


def evaluate_calibration(logits: ArrayLike, y: ArrayLike, *, bins: SupportsIndex = 15, equal_mass: bool = False,
                         probabilities: bool = False, calibrator: Calibrator | None = None,
                         group: Group | None = None, seed: SupportsIndex | None = None, resamples: SupportsIndex = 1000, level: float = 0.95,
                         threads: SupportsIndex = 1, progress: Progress = None) -> CalibrationEvaluation:
    """How well probabilities match how often they are right.

    Parameters
    ----------
    logits : array [n, K]
        Logits, log-probabilities or (``probabilities=True``) probabilities.
    y : array of int [n]
    bins : int
        Of confidence: (lower, upper], 0 in the first.
    equal_mass : bool
        Bins that hold equally many rows.
    calibrator : fitted Calibrator
        Evaluate what it makes of the logits.
    group : partita.split.Group, optional
        Processes of which each gives its own rows: the metrics of all of them, on every one, without
        intervals.
    seed : int
        If given, there are bootstrap intervals, which it determines, as in the command.
    resamples : int
        Of the bootstrap.
    level : float
        The share of resamples inside an interval, in (0, 1).
    threads : int
        The most to use.
    progress : bool or callable
        True for a bar of tqdm's; or called as ``progress(done, total, "resamples")``.

    Examples
    --------
    >>> import numpy as np
    >>> p = [[0.95, 0.05], [1.0, 0.0]]
    >>> round(evaluate_calibration(p, [0, 1], bins=10, probabilities=True).metrics.ece, 3)
    0.475
    """
    fitted = None if calibrator is None else calibrator._fitted("calibrator_")
    metrics, intervals, diagram = _core.evaluate_calibration(logits, y, probabilities, bins, equal_mass, fitted, group, seed,
                                                             resamples, level, threads, progress)
    return CalibrationEvaluation(
        Metrics(*metrics),
        None if intervals is None else Metrics(*(Interval(*each) for each in intervals)),
        ReliabilityDiagram(*diagram))


def reliability_diagram(logits: ArrayLike, y: ArrayLike, *, bins: SupportsIndex = 15, equal_mass: bool = False,
                        probabilities: bool = False, calibrator: Calibrator | None = None,
                        seed: SupportsIndex | None = None, threads: SupportsIndex = 1) -> ReliabilityDiagram:
    """The diagram of :func:`evaluate_calibration`: data, which ``plot()`` draws.

    Parameters
    ----------
    logits, y, bins, equal_mass, probabilities, calibrator, seed, threads
        As in :func:`evaluate_calibration`.

    Returns
    -------
    ReliabilityDiagram

    Examples
    --------
    >>> import numpy as np
    >>> reliability_diagram([[0.95, 0.05], [1.0, 0.0]], [0, 1], bins=10, probabilities=True).count
    array([0, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    """
    return evaluate_calibration(logits, y, bins=bins, equal_mass=equal_mass, probabilities=probabilities,
                                calibrator=calibrator, seed=seed, threads=threads).diagram
