# SPDX-License-Identifier: Apache-2.0
"""Gradients through samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsIndex

from partita import _learn
from partita._torch_distributions import native

Function = Callable[[Any], Any]


class GradientEstimate(NamedTuple):
    """What an estimator returns, two tensors of the distribution's batch shape.

    Attributes
    ----------
    surrogate : torch.Tensor [batch]
        Its gradient is the estimate of the gradient of E[f]; its own value means nothing.
    value : torch.Tensor [batch]
        The estimate of E[f], without gradient.
    """

    surrogate: Any
    value: Any


class Estimator:
    """An estimator of d E[f(z)] / d theta, z ~ p(z | theta); made by its subclasses.

    It can be copied and pickled, with what it has learned, if the functions that it was made of can.
    """

    def __init__(self, make: Callable[..., _learn.Estimator], **options: Any) -> None:
        self._compiled = make(*options.values())
        self._options = options

    @property
    def samples(self) -> int:
        """How many it draws for each row of the batch."""
        return int(self._options.get("samples", 1))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._options.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._options, [each.detach() for each in self.parameters()])

    def __call__(self, distribution: Any, f: Function, *, seed: SupportsIndex,
                 stream: SupportsIndex = 0) -> GradientEstimate:
        """One estimate.

        Parameters
        ----------
        distribution : torch.distributions.Distribution
            Of torch or of this module. Bits are Bernoulli, one-hot vectors OneHotCategorical, and
            several variables that f takes together an Independent of them.
        f : callable
            [samples, batch, event] -> [samples, batch], each batch row from that row alone, for any
            number of samples. It may depend on parameters itself: their gradient is part of the
            estimate. What it raises comes through.
        seed, stream : int
            The estimate is a function of both; let the stream say which step it is.

        Returns
        -------
        GradientEstimate
            ``(surrogate, value)``; ``surrogate.sum().backward()`` leaves the gradient.

        Raises
        ------
        TypeError
            For a distribution of a class that is not known; the message lists those that are.
        ValueError
            If the estimator does not fit the distribution, or f returns another shape.
        """
        return GradientEstimate(*self._compiled.estimate(native(distribution), f, seed, stream))

    def parameters(self) -> list[Any]:
        """What the estimator itself learns, for an optimizer.

        ``backward()`` of the surrogate leaves the gradient of the estimator's own loss there.
        """
        return self._compiled.parameters()


def _restore(kind: Any, options: dict[str, Any], learned: list[Any]) -> Any:
    """What __reduce__ took apart, for pickle and copy."""
    estimator = kind(**options)
    for parameter, value in zip(estimator.parameters(), learned, strict=True):
        parameter.data.copy_(value)
    return estimator


@dataclass(frozen=True)
class MovingAverage:
    """A baseline: the exponential moving average of f over the earlier calls.

    Parameters
    ----------
    decay : float
        In [0, 1).
    """

    decay: float = 0.9


@dataclass(frozen=True)
class LeaveOneOut:
    """A baseline: the mean of f over the other samples, of which there must be at least one."""


@dataclass(frozen=True)
class Learned:
    """A baseline: a function of the input that the distribution was computed from.

    Parameters
    ----------
    function : callable
        Without arguments; returns a tensor of a shape that broadcasts to f's.
    parameters : sequence of torch.Tensor
        Trained by the mean of (f - b)^2; empty for a fixed function.
    """

    function: Callable[[], Any]
    parameters: Sequence[Any] = ()


@dataclass(frozen=True)
class ControlVariate:
    """A baseline: a h(z), with the a that has the least variance for each parameter's entry.

    The a of a sample is estimated from the others, of which there must be at least two.

    Parameters
    ----------
    function : callable, optional
        h, as f; its values must not depend on the distribution's parameters. If not given, h = 1: the
        optimal constant baseline.
    expectation : callable, optional
        Without arguments; returns E[h], [batch], differentiable in the distribution's parameters.
    """

    function: Function | None = None
    expectation: Callable[[], Any] | None = None


class ScoreFunction(Estimator):
    """Mean over the samples of (f(z) - b) grad log p(z), for any distribution and any f. Unbiased.

    Parameters
    ----------
    samples : int
    baseline : MovingAverage, LeaveOneOut, Learned or ControlVariate, optional
        b, which lowers the variance and leaves the estimate unbiased.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import LeaveOneOut, ScoreFunction
    >>> theta = torch.zeros(1000, requires_grad=True)
    >>> coin = torch.distributions.Bernoulli(logits=theta)
    >>> estimator = ScoreFunction(samples=8, baseline=LeaveOneOut())
    >>> surrogate, value = estimator(coin, lambda b: (b - 0.45) ** 2, seed=1)
    >>> surrogate.sum().backward()
    >>> abs(float(theta.grad.mean()) - 0.025) < 0.005        # p (1 - p) (f(1) - f(0))
    True
    """

    _compiled: _learn.ScoreFunction

    def __init__(self, samples: SupportsIndex = 1,
                 baseline: MovingAverage | LeaveOneOut | Learned | ControlVariate | None = None) -> None:
        super().__init__(_learn.ScoreFunction, samples=samples, baseline=baseline)

    def __setstate__(self, state: Any) -> None:
        self._compiled.average = state

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), self._compiled.average)  # what MovingAverage remembers


class Pathwise(Estimator):
    """The gradient of f at reparameterized samples, of distributions with rsample. Unbiased.

    Parameters
    ----------
    samples : int

    Examples
    --------
    >>> import torch
    >>> from partita.torch import Pathwise
    >>> loc = torch.zeros(1000, requires_grad=True)
    >>> surrogate, value = Pathwise(samples=8)(torch.distributions.Normal(loc, 1.0), lambda z: z + z**2, seed=1)
    >>> surrogate.sum().backward()
    >>> abs(float(loc.grad.mean()) - 1) < 0.1                   # d/d loc of loc + loc^2 + 1
    True
    """

    def __init__(self, samples: SupportsIndex = 1) -> None:
        super().__init__(_learn.pathwise, samples=samples)


class Rebar(Estimator):
    """The score function less a control variate made of the relaxed f (Tucker et al. 2017). Unbiased.

    f must take relaxed bits or one-hot vectors, and is evaluated three times per sample.

    Parameters
    ----------
    samples : int
    temperature : float
        > 0, at the start.
    scale : float
        eta, how much of the control variate is used at the start.
    tune : bool
        Whether ``backward()`` also leaves the gradient of the variance in ``parameters()``, the
        logarithm of the temperature and the scale. It takes second derivatives of f.
    """

    _compiled: _learn.Rebar

    def __init__(self, samples: SupportsIndex = 1, temperature: float = 0.5, scale: float = 1.0,
                 tune: bool = True) -> None:
        super().__init__(_learn.Rebar, samples=samples, temperature=temperature, scale=scale, tune=tune)

    @property
    def temperature(self) -> float:
        """The temperature now."""
        return self._compiled.temperature

    @property
    def scale(self) -> float:
        """The scale now."""
        return self._compiled.scale


class Relax(Estimator):
    """The score function less a control variate of your own (Grathwohl et al. 2018). Unbiased.

    Parameters
    ----------
    control_variate : callable
        c: perturbed logits [samples, batch, event] -> [samples, batch], differentiable.
    parameters : sequence of torch.Tensor
        c's, to be trained towards the least variance; empty for a fixed c.
    samples : int
    temperature : float, optional
        If given, c is ``control_variate`` plus f of the relaxation at this temperature: what is
        learned only corrects Rebar's. f is then evaluated three times per sample.
    """

    def __init__(self, control_variate: Function, parameters: Sequence[Any] = (), *,
                 samples: SupportsIndex = 1, temperature: float | None = None) -> None:
        super().__init__(_learn.relax, control_variate=control_variate, parameters=parameters, samples=samples,
                         temperature=temperature)


class Arm(Estimator):
    """Antithetic pairs of bits (Yin and Zhou 2019). Unbiased.

    Parameters
    ----------
    samples : int
        Pairs; f is evaluated twice for each.
    """

    def __init__(self, samples: SupportsIndex = 1) -> None:
        super().__init__(_learn.arm, samples=samples)


class DisArm(Estimator):
    """Arm with its uniform integrated out (Dong, Mnih, Tucker 2020). Unbiased, never more variance.

    Parameters
    ----------
    samples
        As in :class:`Arm`.
    """

    def __init__(self, samples: SupportsIndex = 1) -> None:
        super().__init__(_learn.dis_arm, samples=samples)


class Arms(Estimator):
    """From samples that avoid each other: ARMS, and CARMS (Dimitriev and Zhou 2021). Unbiased.

    For Bernoulli, OneHotCategorical and an Independent of them. Of two bits, it is :class:`DisArm`.

    Parameters
    ----------
    samples : int
        2 or more.
    """

    def __init__(self, samples: SupportsIndex = 2) -> None:
        super().__init__(_learn.arms, samples=samples)


class DoubleControlVariates(Estimator):
    """Leave-one-out, with f's slope at the other samples as a second control variate. Unbiased.

    Titsias and Shi (2022). For Bernoulli, OneHotCategorical and an Independent of them; f must be
    differentiable, and is evaluated once per sample.

    Parameters
    ----------
    samples : int
        2 or more.
    scale : float
        How much of the second control variate is used at the start: 0 is leave-one-out, and 1 exact
        for linear f.
    tune : bool
        Whether ``backward()`` also leaves the gradient of the variance in ``parameters()``, the scale.
    """

    _compiled: _learn.DoubleControlVariates

    def __init__(self, samples: SupportsIndex = 2, scale: float = 1.0, tune: bool = True) -> None:
        super().__init__(_learn.DoubleControlVariates, samples=samples, scale=scale, tune=tune)

    @property
    def scale(self) -> float:
        """The scale now."""
        return self._compiled.scale


class UnorderedSet(Estimator):
    """From distinct outcomes, drawn without replacement (Kool, van Hoof, Welling 2020). Unbiased.

    For distributions of finite support, and an Independent of them. Exact where the samples cover
    the support.

    Parameters
    ----------
    samples : int
        Distinct outcomes: 2 or more with the baseline.
    baseline : bool
        Whether the built-in baseline is subtracted.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import UnorderedSet
    >>> theta = torch.zeros(3, requires_grad=True)
    >>> die = torch.distributions.OneHotCategorical(logits=theta)
    >>> surrogate, value = UnorderedSet(samples=3)(die, lambda x: x @ torch.tensor([1.0, 2.0, 6.0]), seed=1)
    >>> surrogate.backward()
    >>> theta.grad                                              # exact: three of three
    tensor([-0.6667, -0.3333,  1.0000])
    """

    def __init__(self, samples: SupportsIndex = 2, baseline: bool = True) -> None:
        super().__init__(_learn.unordered_set, samples=samples, baseline=bool(baseline))


class SumAndSample(Estimator):
    """All but the last of distinct outcomes summed, the last for the rest (Liu et al. 2019). Unbiased.

    Parameters
    ----------
    samples : int
        Distinct outcomes.
    """

    def __init__(self, samples: SupportsIndex = 2) -> None:
        super().__init__(_learn.sum_and_sample, samples=samples)


class Enumeration(Estimator):
    """The exact value and gradient, by the whole support; draws nothing, whatever the seed."""

    def __init__(self) -> None:
        super().__init__(_learn.enumeration)

    def __call__(self, distribution: Any, f: Function, *, seed: SupportsIndex = 0,
                 stream: SupportsIndex = 0) -> GradientEstimate:
        """The gradient, as of every Estimator; f is given all outcomes, at most 2^20 of them."""
        return super().__call__(distribution, f, seed=seed, stream=stream)
