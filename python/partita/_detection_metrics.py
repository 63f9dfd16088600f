# SPDX-License-Identifier: Apache-2.0
from typing import Generic, NamedTuple, SupportsIndex, TypeVar

from partita import _core
from partita._bootstrap import Interval
from partita._group import Group
from partita._progress import Progress
from partita._types import ArrayLike

T = TypeVar("T")


class DetectionMetrics(NamedTuple, Generic[T]):
    """How well scores tell known from unknown, or an interval for each figure.

    Attributes
    ----------
    auroc : float or Interval
    aupr_in : float or Interval
        Average precision with the known as positive.
    aupr_out : float or Interval
    fpr_at_95_tpr : float or Interval
        For the side that counts as positive.
    detection_accuracy : float or Interval
        Of the best threshold, if both sides are equally likely.
    """

    auroc: T
    aupr_in: T
    aupr_out: T
    fpr_at_95_tpr: T
    detection_accuracy: T


def detection_metrics(in_scores: ArrayLike, out_scores: ArrayLike, *, positive: str,
                      group: Group | None = None) -> DetectionMetrics[float]:
    """The usual figures, exact: ties count half, and both ends belong to the curve.

    Parameters
    ----------
    in_scores, out_scores : arrays of any shape
        Of known and of unknown inputs, larger where known.
    positive : {"in", "out"}
        Which side counts as positive; papers differ.
    group : partita.split.Group, optional
        Processes of which each gives its own scores: the figures of all of them, on every one.

    Examples
    --------
    >>> detection_metrics([2.0, 3.0], [1.0, 2.0], positive="in").auroc
    0.875
    """
    return DetectionMetrics(*_core.detection_metrics(in_scores, out_scores, positive, group))


def detection_intervals(in_scores: ArrayLike, out_scores: ArrayLike, *, positive: str, seed: SupportsIndex,
                        resamples: SupportsIndex = 1000, level: float = 0.95, threads: SupportsIndex = 1,
                        progress: Progress = None) -> DetectionMetrics[Interval]:
    """Bootstrap intervals of :func:`detection_metrics`, which `seed` determines, as in the command.

    Parameters
    ----------
    in_scores, out_scores, positive
        As in :func:`detection_metrics`.
    seed : int
    resamples : int
    level : float
        The share of resamples inside the interval, in (0, 1).
    threads : int
    progress : bool or callable
        True for a bar of tqdm's; or called as ``progress(done, total, "resamples")``.

    Examples
    --------
    >>> low, high = detection_intervals([2.0, 3.0], [1.0, 2.0], positive="in", seed=1).auroc
    >>> 0 <= low <= high <= 1
    True
    """
    found = _core.detection_intervals(in_scores, out_scores, positive, seed, resamples, level, threads, progress)
    return DetectionMetrics(*(Interval(*each) for each in found))
