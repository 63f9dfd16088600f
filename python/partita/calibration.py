"""Probabilities that match how often a network is right.

>>> import numpy as np
>>> from partita.calibration import TemperatureScaling, evaluate_calibration
>>> rng = np.random.default_rng(1)
>>> z = rng.normal(size=(4000, 10))
>>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)       # drawn from softmax(z)
>>> overconfident = 3 * z
>>> scaling = TemperatureScaling().fit(overconfident, y)
>>> round(scaling.temperature_, 1)
3.0
>>> before, after = (evaluate_calibration(overconfident, y, calibrator=c).metrics.ece for c in (None, scaling))
>>> after < before / 5
True

Calibrators are scikit-learn estimators whose X are the logits of a network (or, with
``probabilities=True``, its probabilities): they can be cloned, searched over, and end a Pipeline.
"""

from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Generic, NamedTuple, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from partita import _core
from partita._estimator import Estimator
from partita._types import Array, ArrayLike

__all__ = [
    "CalibrationEvaluation",
    "Calibrator",
    "FitError",
    "HistogramBinning",
    "Interval",
    "IsotonicCalibration",
    "MatrixScaling",
    "Metrics",
    "ReliabilityDiagram",
    "SplitConformal",
    "TemperatureScaling",
    "VectorScaling",
    "evaluate_calibration",
    "load",
    "reliability_diagram",
]

Self = TypeVar("Self", bound="Calibrator")
T = TypeVar("T")

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
    """What all calibrators have in common; see :class:`TemperatureScaling`."""

    _estimator_type = "classifier"
    _method: ClassVar[str]
    _bins: ClassVar[tuple[str, ...]] = ()
    probabilities: bool
    threads: SupportsIndex

    def fit(self: Self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fits to held-out rows.

        Parameters
        ----------
        X : array [n, K]
            Logits, log-probabilities or (``probabilities=True``) probabilities.
        y : array of int [n]
            The right classes, 0 to K - 1.

        Raises
        ------
        FitError
            If nothing fits best.
        ValueError
            For a bad row or label, which it names.
        """
        options = (getattr(self, "bins", 15), getattr(self, "equal_mass", False))
        status, self.n_iter_, self.gradient_residual_, fitted = _core.fit_calibrator(
            self._method, X, y, self.probabilities, *options, self.threads, None)
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

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Calibrated log-probabilities [n, K], -inf where a probability is 0."""
        out = self._fitted("calibrator_").transform(X, self.probabilities, self.threads)
        if not self.probabilities:
            return out
        with np.errstate(divide="ignore"):
            return out.log() if hasattr(out, "log") else np.log(out)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Calibrated probabilities [n, K], in the format of X."""
        out = self._fitted("calibrator_").transform(X, self.probabilities, self.threads)
        if self.probabilities:
            return out
        return out.exp() if hasattr(out, "exp") else np.exp(out)

    def predict(self, X: ArrayLike) -> Array:
        """The most likely class of each row, [n]."""
        return self._fitted("calibrator_").transform(X, self.probabilities, self.threads).argmax(-1)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of rows whose most likely class is y."""
        return float((np.asarray(self.predict(X)) == np.asarray(y)).mean())

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the JSON that ``partita calibrate`` reads and writes."""
        self._fitted("calibrator_").save(path)

    @classmethod
    def load(cls: type[Self], path: str | PathLike[str]) -> Self:
        """Reads a calibrator of this kind. OSError if the file holds none."""
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
    """

    _method = "temperature"
    temperature_: float

    def __init__(self, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        self.probabilities = probabilities
        self.threads = threads


class VectorScaling(Calibrator):
    """softmax(weights * z + bias), element by element, by maximum likelihood (Guo et al. 2017).

    Parameters are those of :class:`TemperatureScaling`.

    Attributes
    ----------
    weights_, bias_ : arrays [K]
    """

    _method = "vector"
    weights_: NDArray[np.float64]
    bias_: NDArray[np.float64]

    def __init__(self, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        self.probabilities = probabilities
        self.threads = threads


class MatrixScaling(Calibrator):
    """softmax(weights @ z + bias), by maximum likelihood (Guo et al. 2017); needs many rows.

    Parameters are those of :class:`TemperatureScaling`.

    Attributes
    ----------
    weights_ : array [K, K]
    bias_ : array [K]
    """

    _method = "matrix"
    weights_: NDArray[np.float64]
    bias_: NDArray[np.float64]

    def __init__(self, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        self.probabilities = probabilities
        self.threads = threads


class IsotonicCalibration(Calibrator):
    """A non-decreasing curve for each class, one against the rest (Zadrozny and Elkan 2002).

    Parameters are those of :class:`TemperatureScaling`.

    Attributes
    ----------
    curves_ : list of (x, y)
        Linear between the points; one for class 1 if there are two classes.
    """

    _method = "isotonic"
    curves_: list[tuple[NDArray[np.float64], NDArray[np.float64]]]

    def __init__(self, *, probabilities: bool = False, threads: SupportsIndex = 1) -> None:
        self.probabilities = probabilities
        self.threads = threads


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
        self.bins = bins
        self.equal_mass = equal_mass
        self.probabilities = probabilities
        self.threads = threads


_KINDS: list[type[Calibrator]] = [
    TemperatureScaling, VectorScaling, MatrixScaling, IsotonicCalibration, HistogramBinning]


def load(path: str | PathLike[str]) -> Calibrator:
    """A calibrator of any kind, from its JSON. OSError if the file holds none."""
    fitted = _core.Calibrator.load(path)
    calibrator = next(kind for kind in _KINDS if kind._method == fitted.method)()
    calibrator._take(fitted)
    return calibrator


class Interval(NamedTuple):
    """The ends of a bootstrap interval."""

    low: float
    high: float


class Metrics(NamedTuple, Generic[T]):
    """Measures of calibration, or an interval for each."""

    accuracy: T
    confidence: T
    """Mean probability of the most likely class."""
    nll: T
    ece: T
    """Expected calibration error: sum over bins of n_b / n |accuracy - confidence|."""
    mce: T
    """The largest of a bin."""
    classwise_ece: T
    adaptive_ece: T
    """ECE with bins that hold equally many rows."""
    brier: T
    """mean of sum_k (p_k - [k = y])**2, 0 to 2."""
    debiased_ece: T


@dataclass(frozen=True)
class ReliabilityDiagram:
    """Bins of confidence, (lower, upper], and how often their rows are right: arrays [bins]."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean of each bin; NaN if it is empty."""
    accuracy: NDArray[np.float64]
    accuracy_interval: NDArray[np.float64] | None
    """[bins, 2], if there are intervals."""

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
    """What :func:`evaluate_calibration` finds."""

    metrics: Metrics[float]
    intervals: Metrics[Interval] | None
    diagram: ReliabilityDiagram


def evaluate_calibration(logits: ArrayLike, y: ArrayLike, *, bins: SupportsIndex = 15, equal_mass: bool = False,
                         probabilities: bool = False, calibrator: Calibrator | None = None,
                         seed: SupportsIndex | None = None, resamples: SupportsIndex = 1000, level: float = 0.95,
                         threads: SupportsIndex = 1) -> CalibrationEvaluation:
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
    seed : int
        If given, there are bootstrap intervals, which it determines, as in the command.
    resamples, level
        Of the bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> p = [[0.95, 0.05], [1.0, 0.0]]
    >>> round(evaluate_calibration(p, [0, 1], bins=10, probabilities=True).metrics.ece, 3)
    0.475
    """
    fitted = None if calibrator is None else calibrator._fitted("calibrator_")
    metrics, intervals, diagram = _core.evaluate_calibration(logits, y, probabilities, bins, equal_mass, fitted, seed,
                                                             resamples, level, threads)
    return CalibrationEvaluation(
        Metrics(*metrics),
        None if intervals is None else Metrics(*(Interval(*each) for each in intervals)),
        ReliabilityDiagram(*diagram))


def reliability_diagram(logits: ArrayLike, y: ArrayLike, *, bins: SupportsIndex = 15, equal_mass: bool = False,
                        probabilities: bool = False, calibrator: Calibrator | None = None,
                        seed: SupportsIndex | None = None, threads: SupportsIndex = 1) -> ReliabilityDiagram:
    """The diagram of :func:`evaluate_calibration`, whose arguments it has: data, which ``plot()`` draws.

    Examples
    --------
    >>> import numpy as np
    >>> reliability_diagram([[0.95, 0.05], [1.0, 0.0]], [0, 1], bins=10, probabilities=True).count
    array([0, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    """
    return evaluate_calibration(logits, y, bins=bins, equal_mass=equal_mass, probabilities=probabilities,
                                calibrator=calibrator, seed=seed, threads=threads).diagram


class SplitConformal(Estimator):
    """Sets of classes that hold the right one with probability 1 - alpha or more.

    Parameters
    ----------
    score : {"aps", "raps", "lac"}
        How unlikely a class is: the probability of all likelier ones and a random part of its own
        (Romano, Sesia, Candes 2020); the same with a penalty on ranks (Angelopoulos et al. 2021);
        or 1 - p (Sadinle, Lei, Wasserman 2019), which makes the smallest sets.
    alpha : float
        The largest share of sets that miss the right class, in (0, 1).
    seed : int
        Of what aps and raps draw for each row.
    randomized : bool
        If False nothing is drawn, and sets are larger than necessary.
    penalty, free_rank
        raps: what each rank beyond free_rank adds.
    threads : int

    Attributes
    ----------
    threshold_ : float
        The ceil((n + 1)(1 - alpha))-th smallest score of the n held-out labels.

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
                 penalty: float = 0.01, free_rank: SupportsIndex = 5, threads: SupportsIndex = 1) -> None:
        self.seed = seed
        self.score = score
        self.alpha = alpha
        self.randomized = randomized
        self.penalty = penalty
        self.free_rank = free_rank
        self.threads = threads

    def _options(self) -> tuple[Any, ...]:
        return (self.seed, self.score, self.alpha, self.randomized, self.penalty, self.free_rank, self.threads)

    def fit(self, X: ArrayLike, y: ArrayLike) -> "SplitConformal":
        """Fits to held-out logits [n, K] and classes [n]."""
        self.threshold_ = _core.fit_conformal(X, y, *self._options())
        self.classes_ = np.arange(np.shape(X)[-1])
        return self

    def predict_sets(self, X: ArrayLike) -> list[NDArray[np.int64]]:
        """The set of each row, its most likely class first."""
        threshold = self._fitted("threshold_")
        classes, start = _core.predict_sets(X, len(self.classes_), threshold, *self._options())
        return np.split(classes, start[1:-1])
