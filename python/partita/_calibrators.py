# SPDX-License-Identifier: Apache-2.0
"""Calibrators: fitted on held-out logits and labels, then applied to others of the same network."""

from os import PathLike
from typing import ClassVar, NamedTuple, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._bootstrap import Interval
from partita._estimator import Estimator
from partita._group import Group
from partita._progress import Progress
from partita._types import Array, ArrayLike

Self = TypeVar("Self", bound="Calibrator")

_WHY = {
    "zero-temperature": "every label has its row's largest logit, and the likelihood rises as the temperature goes to 0",
    "infinite-temperature": "the labels' logits are on average no larger than the others': the logits say nothing",
    "undetermined": "all logits of a row are equal, in every row",
    "not-attained": "the likelihood has no maximum: a class has no label, or the scaled logits are right about every row",
    "iteration-limit": "the search did not end",
}


class FitError(ValueError):
    """There are no parameters that fit best; `status` says why, as the command does."""

    def __init__(self, status: str) -> None:
        super().__init__(f"no fit ({status}): {_WHY.get(status, status)}")
        self.status = status

    def __reduce__(self) -> tuple[type["FitError"], tuple[str]]:
        return FitError, (self.status,)


class Calibrator(Estimator):
    """What all calibrators have in common.

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.
    """

    _estimator_type = "classifier"
    _method: ClassVar[str]

    def __init__(self, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        self.probabilities = probabilities
        self.threads = threads

    def fit(self: Self, X: ArrayLike, y: ArrayLike, *, group: Group | None = None, progress: Progress = None) -> Self:
        """Fits to held-out rows.

        Parameters
        ----------
        X : array [n, K]
            Logits, log-probabilities or (``probabilities=True``) probabilities.
        y : array of int [n]
            The right classes, 0 to K - 1.
        group : partita.split.Group, optional
            Processes of which each gives its own rows: a temperature for all of them, on every one.
        progress : bool or callable
            True for a bar of tqdm's; or called as ``progress(done, total, unit)`` a few times a
            second. What it raises ends the fit, as Ctrl-C does.

        Raises
        ------
        FitError
            If nothing fits best.
        ValueError
            For a bad row or label, which it names.
        """
        options = (getattr(self, "bins", 15), getattr(self, "equal_mass", False), getattr(self, "off_diagonal", 0.0),
                   getattr(self, "intercept", 0.0))
        status, self.n_iter_, self.gradient_residual_, fitted = _core.fit_calibrator(
            self._method, X, y, self.probabilities, *options, group, self.threads, progress)
        if fitted is None:
            raise FitError(status)
        self._take(fitted)
        return self

    def _take(self, fitted: _core.Calibrator) -> None:
        self.calibrator_ = fitted
        self.classes_ = np.arange(fitted.classes)
        self.n_features_in_ = fitted.classes
        for name, value in fitted.parameters().items():
            setattr(self, f"{name}_", value)

    def _transform(self, X: ArrayLike) -> Array:
        """Log-probabilities or, with ``probabilities=True``, probabilities."""
        return self._fitted("calibrator_").transform(X, self.probabilities, self.threads)

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Calibrated log-probabilities [n, K] of X [n, K], -inf where a probability is 0."""
        out = self._transform(X)
        if not self.probabilities:
            return out
        with np.errstate(divide="ignore"):
            return out.log() if hasattr(out, "log") else np.log(out)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Calibrated probabilities [n, K], in the format of X."""
        out = self._transform(X)
        if self.probabilities:
            return out
        return out.exp() if hasattr(out, "exp") else np.exp(out)

    def predict(self, X: ArrayLike) -> Array:
        """The most likely class of each row of X [n, K]: [n]."""
        return self._transform(X).argmax(-1)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of rows of X [n, K] whose most likely class is y [n]."""
        return float((np.asarray(self.predict(X)) == np.asarray(y)).mean())

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the JSON that ``partita calibrate`` reads and writes to a path."""
        self._fitted("calibrator_").save(path)

    @classmethod
    def load(cls: type[Self], path: str | PathLike[str]) -> Self:
        """Reads a calibrator of this kind from a path. OSError if the file holds none."""
        loaded = load(path)
        if not isinstance(loaded, cls):
            raise ValueError(f"{path}: expected a {cls.__name__}, got a {type(loaded).__name__}")
        return loaded


class TemperatureScaling(Calibrator):
    """softmax(z / temperature), by maximum likelihood (Guo et al. 2017).

    Parameters
    ----------
    probabilities : bool
        Whether X holds probabilities, which are taken as they are, and not logits.
    threads : int
        The most to use; no result depends on it.

    Attributes
    ----------
    temperature_ : float
    n_iter_, gradient_residual_ : how the fit went
    classes_ : array [K]

    Examples
    --------
    >>> import numpy as np
    >>> from partita.calibration import TemperatureScaling
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=(4000, 10))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)       # drawn from softmax(z)
    >>> scaling = TemperatureScaling().fit(3 * z, y)
    >>> round(scaling.temperature_, 1)
    3.0
    """

    _method = "temperature"
    temperature_: float


class VectorScaling(Calibrator):
    """softmax(weights * z + bias), element by element, by maximum likelihood (Guo et al. 2017).

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    weights_, bias_ : arrays [K]
    """

    _method = "vector"
    weights_: NDArray[np.float64]
    bias_: NDArray[np.float64]


class MatrixScaling(Calibrator):
    """softmax(weights @ z + bias), by maximum likelihood (Guo et al. 2017); needs many rows.

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    weights_ : array [K, K]
    bias_ : array [K]
    """

    _method = "matrix"
    weights_: NDArray[np.float64]
    bias_: NDArray[np.float64]


class IsotonicCalibration(Calibrator):
    """A non-decreasing curve for each class, one against the rest (Zadrozny and Elkan 2002).

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    curves_ : list of (x, y)
        Linear between the points; one for class 1 if there are two classes.
    """

    _method = "isotonic"
    curves_: list[tuple[NDArray[np.float64], NDArray[np.float64]]]


class HistogramBinning(Calibrator):
    """The share of right rows in each bin of probability (Zadrozny and Elkan 2001).

    Parameters
    ----------
    bins : int
    equal_mass : bool
        Bins of equally many rows, not of equal width.
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    curves_ : list of (upper ends of bins, values)
    """

    _method = "histogram"
    curves_: list[tuple[NDArray[np.float64], NDArray[np.float64]]]

    def __init__(self, bins: SupportsIndex = 15, *, equal_mass: bool = False, probabilities: bool = False,
                 threads: SupportsIndex = 1) -> None:
        super().__init__(probabilities=probabilities, threads=threads)
        self.bins = bins
        self.equal_mass = equal_mass


class DirichletCalibration(Calibrator):
    """softmax(weights @ log p + bias), by regularized maximum likelihood (Kull et al. 2019).

    Parameters
    ----------
    off_diagonal : float
        Times the mean of the squared weights off the diagonal, added to the NLL.
    intercept : float
        The same of the squared biases.
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    weights_ : array [K, K]
    bias_ : array [K]
    """

    _method = "dirichlet"
    weights_: NDArray[np.float64]
    bias_: NDArray[np.float64]

    def __init__(self, off_diagonal: float = 1.0, intercept: float = 1.0, *, probabilities: bool = False,
                 threads: SupportsIndex = 1) -> None:
        super().__init__(probabilities=probabilities, threads=threads)
        self.off_diagonal = off_diagonal
        self.intercept = intercept


class PlattScaling(Calibrator):
    """Two classes: p_1 = 1 / (1 + exp(-slope (z_1 - z_0) - intercept)), fitted to Platt's targets (1999).

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    slope_, intercept_ : float
    """

    _method = "platt"
    slope_: float
    intercept_: float


class BetaCalibration(Calibrator):
    """Two classes: logit p'_1 = a log p_1 - b log(1 - p_1) + c, a and b not negative (Kull et al. 2017).

    Parameters
    ----------
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    a_, b_, c_ : float
    """

    _method = "beta"
    a_: float
    b_: float
    c_: float


_KINDS: list[type[Calibrator]] = [
    TemperatureScaling, VectorScaling, MatrixScaling, IsotonicCalibration, HistogramBinning, DirichletCalibration,
    PlattScaling, BetaCalibration]


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
    found = _core.compare_calibrators(logits, y, probabilities, folds, seed, resamples, level, threads, progress)
    return [ComparedCalibrator(*each[:-1], Interval(*each[-1])) for each in found]


def load(path: str | PathLike[str]) -> Calibrator:
    """Reads a calibrator of any kind, as ``save`` or ``partita calibrate fit`` wrote it.

    Parameters
    ----------
    path : path
        Of the JSON.

    Returns
    -------
    Calibrator
        Of the kind that was saved, fitted.

    Raises
    ------
    OSError
        If the file holds none.
    """
    fitted = _core.Calibrator.load(path)
    calibrator = next(kind for kind in _KINDS if kind._method == fitted.method)()
    calibrator._take(fitted)
    return calibrator
