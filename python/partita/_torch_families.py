# SPDX-License-Identifier: Apache-2.0
"""The distributions that torch.distributions lacks."""

from typing import Any, SupportsIndex

from partita._torch import torch
from partita._torch_distributions import NativeDistribution, constraints


class BetaBinomial(NativeDistribution):
    """Heads in n tosses of a coin whose bias is drawn from a Beta.

    Parameters
    ----------
    total_count : int or torch.Tensor
    concentration1, concentration0 : float or torch.Tensor
        > 0.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"total_count": constraints.nonnegative_integer, "concentration1": constraints.positive,
                       "concentration0": constraints.positive}

    def __init__(self, total_count: Any, concentration1: Any, concentration0: Any,
                 validate_args: bool | None = None) -> None:
        super().__init__(validate_args, total_count=total_count, concentration1=concentration1,
                         concentration0=concentration0)


class DirichletMultinomial(NativeDistribution):
    """Counts of n draws from a Categorical whose probabilities are drawn from a Dirichlet.

    Parameters
    ----------
    total_count : int or torch.Tensor
    concentration : torch.Tensor [..., V]
        > 0.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"total_count": constraints.nonnegative_integer,
                       "concentration": constraints.independent(constraints.positive, 1)}

    def __init__(self, total_count: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, total_count=total_count, concentration=concentration)


class Frechet(NativeDistribution):
    """The largest of many values with a heavy tail: P(X <= x) = exp(-(x / scale)^-concentration).

    Parameters
    ----------
    scale, concentration : float or torch.Tensor
        > 0.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, scale=scale, concentration=concentration)


class GeneralizedExtremeValue(NativeDistribution):
    """The largest of many values: P(X <= x) = exp(-(1 + c z)^(-1 / c)), z = (x - loc) / scale.

    Parameters
    ----------
    loc, scale, concentration : float or torch.Tensor
        scale > 0; c = concentration is any number, 0 for Gumbel's (SciPy's has the opposite sign).
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, concentration=concentration)


class GeneralizedPareto(NativeDistribution):
    """How far what exceeds a threshold does so: P(X > x) = (1 + c z)^(-1 / c), z = (x - loc) / scale >= 0.

    Parameters
    ----------
    loc, scale, concentration : float or torch.Tensor
        scale > 0; c = concentration is any number, 0 for the exponential distribution.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, concentration=concentration)


class InverseGamma(NativeDistribution):
    """1 / X of X ~ Gamma(concentration, rate).

    Parameters
    ----------
    concentration, rate : float or torch.Tensor
        > 0.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, concentration=concentration, rate=rate)


class Logistic(NativeDistribution):
    """P(X <= x) = 1 / (1 + exp(-(x - loc) / scale)).

    Parameters
    ----------
    loc, scale : float or torch.Tensor
        scale > 0.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale)


class OrderedLogistic(NativeDistribution):
    """One of K + 1 ordered categories: P(X <= k) = 1 / (1 + exp(predictor - cutpoints_k)).

    Parameters
    ----------
    predictor : float or torch.Tensor
    cutpoints : torch.Tensor [..., K]
        Increasing.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"predictor": constraints.real, "cutpoints": constraints.real_vector}

    def __init__(self, predictor: Any, cutpoints: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, predictor=predictor, cutpoints=cutpoints)


class PlackettLuce(NativeDistribution):
    """Rankings: each place goes to one of those left, in proportion to exp(logits).

    Parameters
    ----------
    logits : torch.Tensor [..., V]
        -inf for a category that is never drawn.
    k : int, optional
        How many places, the first; all V if not given.
    validate_args : bool, optional
        As of all of torch's distributions.

    Draws are indices [..., k], best first.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import PlackettLuce
    >>> rankings = PlackettLuce(torch.tensor([0.0, 1.0, 2.0]))
    >>> rankings.log_prob(torch.tensor([2, 1, 0])).exp()        # the likeliest
    tensor(0.4863)
    """

    arg_constraints = {"logits": constraints.real_vector}

    def __init__(self, logits: Any, k: SupportsIndex | None = None, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, logits=logits, k=k)


class Rademacher(NativeDistribution):
    """-1 and 1 with probability 1/2 each.

    Parameters
    ----------
    batch_shape : sequence of int
    dtype : torch.dtype, optional
        A floating-point type; torch's default if not given.
    device : torch.device, optional
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    def __init__(self, batch_shape: Any = (), *, dtype: Any = None, device: Any = None,
                 validate_args: bool | None = None) -> None:
        super().__init__(validate_args, like=torch.empty(tuple(batch_shape), dtype=dtype, device=device))


class RelaxedPlackettLuce(NativeDistribution):
    """Rankings that can be differentiated: the first k places of a PlackettLuce, relaxed.

    Parameters
    ----------
    temperature : float or torch.Tensor
        > 0; a sample is a ranking in the limit of 0.
    logits : torch.Tensor [..., V]
        -inf for a category that is never drawn.
    k : int
        How many places.
    validate_args : bool, optional
        As of all of torch's distributions.

    Draws are [..., k, V], a row of a simplex for each place; their sum over places is a relaxed set
    (Xie and Ermon 2019). There is no log_prob.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import RelaxedPlackettLuce
    >>> places = RelaxedPlackettLuce(0.01, torch.tensor([0.0, 9.0, 5.0, 1.0]), 2).rsample(seed=1)
    >>> places.sum(-2).round().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    arg_constraints = {"temperature": constraints.positive, "logits": constraints.real_vector}

    def __init__(self, temperature: Any, logits: Any, k: SupportsIndex, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, temperature=temperature, logits=logits, k=k)


class Subset(NativeDistribution):
    """Sets of k of V categories, in proportion to the product of their members' weights exp(logits).

    Parameters
    ----------
    logits : torch.Tensor [..., V]
        -inf for a category that is never included.
    k : int
        The size of the sets, 0 to V.
    validate_args : bool, optional
        As of all of torch's distributions.

    Draws are [..., V], k ones and zeros otherwise; mean holds the marginals, P(i in S), with a gradient.
    For sets as indices [..., k]: ``torch.zeros(V).scatter(-1, indices, 1)``, and back ``value.topk(k).indices``.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import Subset
    >>> sets = Subset(torch.tensor([0.0, 0.0, 1.0, 2.0]), 2)
    >>> sets.mean                                               # they sum to 2
    tensor([0.2689, 0.2689, 0.6180, 0.8442])
    >>> sets.log_prob(torch.tensor([0.0, 0.0, 1.0, 1.0])).exp()
    tensor(0.4863)
    """

    arg_constraints = {"logits": constraints.real_vector}

    def __init__(self, logits: Any, k: SupportsIndex, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, logits=logits, k=k)


class TruncatedGumbel(NativeDistribution):
    """A Gumbel known not to exceed a maximum: the others of a set whose maximum is known.

    Parameters
    ----------
    loc, scale, maximum : float or torch.Tensor
        scale > 0; a maximum of inf is no bound.
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "maximum": constraints.real}

    def __init__(self, loc: Any, scale: Any, maximum: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, maximum=maximum)


class TruncatedNormal(NativeDistribution):
    """A normal variable known to lie in [low, high], of which either may be infinite.

    Parameters
    ----------
    loc, scale : float or torch.Tensor
        Of the normal variable, scale > 0.
    low, high : float or torch.Tensor
        low < high.
    validate_args : bool, optional
        As of all of torch's distributions.

    Examples
    --------
    >>> import torch
    >>> from partita.torch import TruncatedNormal
    >>> far = TruncatedNormal(torch.tensor(0.0), 1.0, 40.0, float("inf"))      # where the normal density underflows
    >>> far.mean, bool((far.sample((100,), seed=1) > 40).all())
    (tensor(40.0250), True)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive,
                       "low": constraints.real, "high": constraints.real}

    def __init__(self, loc: Any, scale: Any, low: Any, high: Any, validate_args: bool | None = None) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, low=low, high=high)


class ZeroInflated(NativeDistribution):
    """0 with probability gate, else a draw of a distribution of whole numbers.

    Parameters
    ----------
    base_dist : torch.distributions.Distribution
        Discrete and univariate, such as Poisson.
    gate : float or torch.Tensor, optional
        In [0, 1]; or
    gate_logits : float or torch.Tensor, optional
    validate_args : bool, optional
        As of all of torch's distributions.
    """

    def __init__(self, base_dist: Any, gate: Any = None, gate_logits: Any = None,
                 validate_args: bool | None = None) -> None:
        if (gate is None) == (gate_logits is None):
            raise ValueError("gate: give either gate or gate_logits")
        chosen = {"gate": gate} if gate_logits is None else {"gate_logits": gate_logits}
        super().__init__(validate_args, base_dist=base_dist, **chosen)
