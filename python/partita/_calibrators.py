# SPDX-License-Identifier: Apache-2.0
"""Calibrators: fitted on held-out logits and labels, then applied to others of the same network."""

from os import PathLike
from typing import ClassVar, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._estimator import Estimator
from partita._fit_error import FitError
from partita._group import Group
from partita._progress import Progress
from partita._types import Array, ArrayLike

Self = TypeVar("Self", bound="Calibrator")


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
        return self._fit(X, y, None, group, progress)

    def _fit(self: Self, X: ArrayLike, y: ArrayLike, by: ArrayLike | None, group: Group | None,
             progress: Progress) -> Self:
        options = (getattr(self, "bins", 15), getattr(self, "equal_mass", False), getattr(self, "off_diagonal", 0.0),
                   getattr(self, "intercept", 0.0))
        status, self.n_iter_, self.gradient_residual_, fitted = _core.fit_calibrator(
            self._method, X, y, self.probabilities, by, *options, group, self.threads, progress)
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

    def _transform(self, X: ArrayLike, by: ArrayLike | None = None) -> Array:
        """Log-probabilities or, with ``probabilities=True``, probabilities."""
        return self._fitted("calibrator_").transform(X, self.probabilities, by, self.threads)

    def _log_proba(self, out: Array) -> Array:
        if not self.probabilities:
            return out
        with np.errstate(divide="ignore"):
            return out.log() if hasattr(out, "log") else np.log(out)

    def _proba(self, out: Array) -> Array:
        if self.probabilities:
            return out
        return out.exp() if hasattr(out, "exp") else np.exp(out)

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Calibrated log-probabilities [n, K] of X [n, K], -inf where a probability is 0."""
        return self._log_proba(self._transform(X))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Calibrated probabilities [n, K], in the format of X."""
        return self._proba(self._transform(X))

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
    def load(cls: type[Self], path: str | PathLike[str], *, probabilities: bool = False,
             threads: SupportsIndex = 1) -> Self:
        """Reads a calibrator of this kind from a path, as :func:`partita.calibration.load`. OSError if the file
        holds none."""
        loaded = load(path, probabilities=probabilities, threads=threads)
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


class BinnedTemperature(Calibrator):
    """A temperature for each kind of row, of tokens at early positions, say, or where the model is unsure.

    Bins of equally many rows have temperatures of their own; one whose likelihood has no maximum takes that of
    all rows.

    Parameters
    ----------
    bins : int
        At most so many: equal numbers share one.
    probabilities, threads
        As in :class:`TemperatureScaling`.

    Attributes
    ----------
    of_entropy_ : bool
        Whether bins are of the entropy of the rows, and not of numbers given with them.
    upper_ : array
        The last number of each bin but the last.
    temperatures_ : array
        Of each bin.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> position = np.arange(4000) % 2
    >>> z = rng.normal(size=(4000, 10))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)
    >>> scaling = BinnedTemperature(bins=2).fit(np.where(position == 0, 1, 3)[:, None] * z, y, by=position)
    >>> scaling.temperatures_.round()
    array([1., 3.])
    """

    _method = "binned-temperature"
    of_entropy_: bool
    upper_: NDArray[np.float64]
    temperatures_: NDArray[np.float64]

    def __init__(self, bins: SupportsIndex = 15, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        super().__init__(probabilities=probabilities, threads=threads)
        self.bins = bins

    def fit(self: Self, X: ArrayLike, y: ArrayLike, *, by: ArrayLike | None = None, group: Group | None = None,
            progress: Progress = None) -> Self:
        """Fits to held-out rows X [n, K] and classes y [n].

        ``by`` [n] are numbers that tell rows apart; without, their entropy does. ``group`` is refused; ``progress``
        is as in :meth:`TemperatureScaling.fit`.
        """
        return self._fit(X, y, by, group, progress)

    def predict_log_proba(self, X: ArrayLike, by: ArrayLike | None = None) -> Array:
        """Calibrated log-probabilities [n, K] of X [n, K] with the numbers `by` [n], if fitted with such."""
        return self._log_proba(self._transform(X, by))

    def predict_proba(self, X: ArrayLike, by: ArrayLike | None = None) -> Array:
        """Calibrated probabilities [n, K], in the format of X, by the same numbers as ``predict_log_proba``."""
        return self._proba(self._transform(X, by))

    def predict(self, X: ArrayLike) -> Array:
        """The most likely class of each row of X [n, K], which no temperature changes: [n]."""
        return X.argmax(-1) if hasattr(X, "argmax") else np.asarray(X).argmax(-1)


_KINDS: list[type[Calibrator]] = [
    TemperatureScaling, VectorScaling, MatrixScaling, IsotonicCalibration, HistogramBinning, DirichletCalibration,
    PlattScaling, BetaCalibration, BinnedTemperature]


def load(path: str | PathLike[str], *, probabilities: bool = False, threads: SupportsIndex = 1) -> Calibrator:
    """Reads a calibrator of any kind, as ``save`` or ``partita calibrate fit`` wrote it.

    Parameters
    ----------
    path : path
        Of the JSON.
    probabilities, threads
        As in :class:`TemperatureScaling`: whether it is for probabilities, the file does not say.

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
    kind = next(each for each in _KINDS if each._method == fitted.method)
    calibrator = kind(probabilities=probabilities, threads=threads)
    calibrator._take(fitted)
    return calibrator
