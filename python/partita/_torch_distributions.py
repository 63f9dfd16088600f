# SPDX-License-Identifier: Apache-2.0
"""torch.distributions objects, and those that torch lacks, as distributions of the library."""

from collections.abc import Iterable
from typing import Any, SupportsIndex

from partita import _learn
from partita._torch import torch

distributions: Any = torch.distributions
constraints: Any = distributions.constraints

#: Exact types and the attributes that their counterparts are made of. "p" is probs or logits, whichever
#: was given.
_FAMILIES: dict[Any, tuple[str, ...]] = {
    distributions.Bernoulli: ("p",),
    distributions.Beta: ("concentration1", "concentration0"),
    distributions.Binomial: ("total_count", "p"),
    distributions.Categorical: ("p",),
    distributions.Cauchy: ("loc", "scale"),
    distributions.Chi2: ("df",),
    distributions.ContinuousBernoulli: ("p",),
    distributions.Dirichlet: ("concentration",),
    distributions.Exponential: ("rate",),
    distributions.relaxed_categorical.ExpRelaxedCategorical: ("temperature", "p"),
    distributions.FisherSnedecor: ("df1", "df2"),
    distributions.Gamma: ("concentration", "rate"),
    distributions.Geometric: ("p",),
    distributions.Gumbel: ("loc", "scale"),
    distributions.HalfCauchy: ("scale",),
    distributions.HalfNormal: ("scale",),
    distributions.Independent: ("base_dist", "reinterpreted_batch_ndims"),
    distributions.Kumaraswamy: ("concentration1", "concentration0"),
    distributions.LKJCholesky: ("dim", "concentration"),
    distributions.Laplace: ("loc", "scale"),
    distributions.LogNormal: ("loc", "scale"),
    distributions.LogisticNormal: ("loc", "scale"),
    distributions.relaxed_bernoulli.LogitRelaxedBernoulli: ("temperature", "p"),
    distributions.LowRankMultivariateNormal: ("loc", "cov_factor", "cov_diag"),
    distributions.MixtureSameFamily: ("mixture_distribution", "component_distribution"),
    distributions.Multinomial: ("total_count", "p"),
    distributions.MultivariateNormal: ("loc", "scale_tril"),
    distributions.NegativeBinomial: ("total_count", "p"),
    distributions.Normal: ("loc", "scale"),
    distributions.OneHotCategorical: ("p",),
    distributions.OneHotCategoricalStraightThrough: ("p",),
    distributions.Pareto: ("scale", "alpha"),
    distributions.Poisson: ("rate",),
    distributions.RelaxedBernoulli: ("temperature", "p"),
    distributions.RelaxedOneHotCategorical: ("temperature", "p"),
    distributions.StudentT: ("df", "loc", "scale"),
    distributions.TransformedDistribution: ("base_dist", "transforms"),
    distributions.Uniform: ("low", "high"),
    distributions.VonMises: ("loc", "concentration"),
    distributions.Weibull: ("scale", "concentration"),
    distributions.Wishart: ("df", "scale_tril"),
}

transforms: Any = distributions.transforms

_TRANSFORMS: dict[Any, tuple[str, ...]] = {
    transforms.AbsTransform: (),
    transforms.AffineTransform: ("loc", "scale", "event_dim"),
    transforms.CatTransform: ("transforms", "dim", "lengths"),
    transforms.ComposeTransform: ("parts",),
    transforms.CorrCholeskyTransform: (),
    transforms.CumulativeDistributionTransform: ("distribution",),
    transforms.ExpTransform: (),
    transforms.IndependentTransform: ("base_transform", "reinterpreted_batch_ndims"),
    transforms.LowerCholeskyTransform: (),
    transforms.PowerTransform: ("exponent",),
    transforms.ReshapeTransform: ("in_shape", "out_shape"),
    transforms.SigmoidTransform: (),
    transforms.SoftmaxTransform: (),
    transforms.SoftplusTransform: (),
    transforms.StackTransform: ("transforms", "dim"),
    transforms.StickBreakingTransform: (),
    transforms.TanhTransform: (),
    transforms._InverseTransform: ("_inv",),
}


def native(distribution: Any) -> _learn.Distribution:
    """The library's distribution with the same parameters, whose gradients reach the same tensors."""
    if isinstance(distribution, NativeDistribution):
        return distribution._native
    family = type(distribution)
    if family not in _FAMILIES:
        raise _unknown("distribution", (*_FAMILIES, *NativeDistribution.__subclasses__()), family)
    names = [_given(distribution) if name == "p" else name for name in _FAMILIES[family]]
    return _make(family, {name: getattr(distribution, name) for name in names}, bool(distribution._validate_args))


def _make(family: Any, arguments: dict[str, Any], validate_args: bool) -> _learn.Distribution:
    compiled = {name: _compiled(value) for name, value in arguments.items()}
    return _learn.make(family.__name__, compiled, validate_args)


def _compiled(value: Any) -> Any:
    """What distributions and transforms are made of: others, lists of them, tensors and numbers."""
    if isinstance(value, distributions.Distribution):
        return native(value)
    if isinstance(value, transforms.Transform):
        return _transform(value)
    return [_compiled(each) for each in value] if isinstance(value, list) else value


def _transform(transform: Any) -> _learn.Transform:
    family = type(transform)
    if family not in _TRANSFORMS:
        raise _unknown("transform", _TRANSFORMS, family)
    return _learn.make_transform(family.__name__, {name: _compiled(getattr(transform, name)) for name in _TRANSFORMS[family]})


def _unknown(kind: str, known: Iterable[Any], given: Any) -> TypeError:
    names = ", ".join(sorted({each.__name__ for each in known if not each.__name__.startswith("_")}))
    return TypeError(f"{kind}: expected one of {names}, got {given.__name__}")


def _given(distribution: Any) -> str:
    """Which of probs and logits a distribution was made from: the other is derived from it."""
    relaxed = isinstance(distribution, (distributions.RelaxedBernoulli, distributions.RelaxedOneHotCategorical))
    holder = distribution.base_dist if relaxed else distribution
    holder = getattr(holder, "_categorical", holder)
    given = vars(holder)
    return "logits" if "logits" in given and given.get("_param", given["logits"]) is given["logits"] else "probs"


class _Support(constraints.Constraint):  # type: ignore[misc]
    """What a compiled distribution says of its own support."""

    def __init__(self, compiled: _learn.Distribution) -> None:
        self._native = compiled
        self._description, self.event_dim, self.is_discrete = compiled.support()

    def check(self, value: Any) -> Any:
        """Whether each value lies in the support."""
        return self._native.in_support(value)

    def __repr__(self) -> str:
        return self._description


class NativeDistribution(distributions.Distribution):  # type: ignore[misc]
    """A torch.distributions.Distribution that the library computes; made by its subclasses."""

    arg_constraints: Any = {}

    def __init__(self, validate_args: bool | None, **arguments: Any) -> None:
        validate = self._validate_args if validate_args is None else bool(validate_args)
        self._arguments = arguments
        self._adopt(_make(type(self), arguments, validate), validate)

    def _adopt(self, compiled: _learn.Distribution, validate: bool) -> None:
        """Takes parameters and shapes from the compiled distribution."""
        self._native = compiled
        for name, value in compiled.parameters().items():
            if name not in vars(self):
                setattr(self, name, value)
        super().__init__(torch.Size(compiled.batch_shape), torch.Size(compiled.event_shape), validate)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with its batch expanded to batch_shape; `_instance` is for torch."""
        new = type(self).__new__(type(self)) if _instance is None else _instance
        new._arguments = self._arguments
        new._adopt(self._native.expand(list(batch_shape)), False)
        new._validate_args = self._validate_args
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._arguments, self._validate_args, self.batch_shape)

    def __repr__(self) -> str:
        return repr(self._native)

    @property
    def has_rsample(self) -> bool:
        """Whether rsample() has a gradient."""
        return self._native.has_rsample

    @property
    def has_enumerate_support(self) -> bool:
        """Whether the support is finite, and the same across the batch."""
        return self._native.has_enumerate_support

    @constraints.dependent_property  # type: ignore[misc]
    def support(self) -> Any:
        """A constraint."""
        return _Support(self._native)

    def sample(self, sample_shape: Any = (), *, seed: SupportsIndex | None = None, stream: SupportsIndex = 0) -> Any:
        """Draws without gradient, [sample_shape, batch_shape, event_shape].

        Parameters
        ----------
        sample_shape : sequence of int
        seed, stream : int
            The draws are a function of both; without a seed, torch's default generator makes them.
        """
        return self._native.draw(list(sample_shape), False, seed, stream)

    def rsample(self, sample_shape: Any = (), *, seed: SupportsIndex | None = None, stream: SupportsIndex = 0) -> Any:
        """Draws whose gradient reaches the parameters, where has_rsample.

        sample_shape, seed and stream are as in :meth:`sample`.
        """
        return self._native.draw(list(sample_shape), True, seed, stream)

    def log_prob(self, value: Any) -> Any:
        """The log density or log probability of a value, [..., batch_shape, event_shape]: [..., batch_shape]."""
        return self._native.log_prob(value)

    def cdf(self, value: Any) -> Any:
        """P(X <= value)."""
        return self._native.cdf(value)

    def log_cdf(self, value: Any) -> Any:
        """log P(X <= value), where cdf() would underflow."""
        return self._native.log_cdf(value)

    def log_survival(self, value: Any) -> Any:
        """log P(X > value), where 1 - cdf() would cancel."""
        return self._native.log_survival(value)

    def icdf(self, value: Any) -> Any:
        """The quantile: the least x with P(X <= x) >= value."""
        return self._native.icdf(value)

    def isf(self, value: Any) -> Any:
        """The inverse of the survival function: icdf(1 - value), for small values."""
        return self._native.isf(value)

    def entropy(self) -> Any:
        """In nats, [batch_shape]."""
        return self._native.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values, [cardinality, batch_shape, event_shape]; batch dimensions are 1 unless expand."""
        return self._native.enumerate_support(bool(expand))

    @property
    def mean(self) -> Any:
        """NaN where undefined, inf where infinite."""
        return self._native.mean()

    @property
    def mode(self) -> Any:
        """The value of the largest density or probability."""
        return self._native.mode()

    @property
    def variance(self) -> Any:
        """NaN where undefined, inf where infinite."""
        return self._native.variance()


def kl_divergence(p: Any, q: Any) -> Any:
    """KL(p || q) = E_p[log p(x) - log q(x)], in closed form (with Student's t, by quadrature).

    As torch.distributions.kl_divergence, with more pairs: InverseGamma, Multinomial, NegativeBinomial,
    StudentT, VonMises, Weibull and Wishart beside themselves, StudentT beside Normal, and
    MultivariateNormal beside an Independent of Normal. It is never negative, and keeps its digits where
    p and q are nearly equal. For any other pair it asks torch, where register_kl() adds one.

    Parameters
    ----------
    p, q : torch.distributions.Distribution
        Of torch or of this module.

    Returns
    -------
    torch.Tensor
        Of the shape to which both batch shapes broadcast; inf where q is 0 and p is not.

    Raises
    ------
    NotImplementedError
        If torch has none for the pair either.

    Examples
    --------
    >>> from partita.torch import kl_divergence
    >>> from torch.distributions import VonMises
    >>> kl_divergence(VonMises(0.0, 1.0), VonMises(0.0, 1.0))
    tensor(0.)
    """
    try:
        return _learn.kl_divergence(native(p), native(q))
    except (NotImplementedError, TypeError):
        return distributions.kl_divergence(p, q)


def _restore(family: Any, arguments: dict[str, Any], validate_args: bool, batch_shape: Any) -> Any:
    """What __reduce__ took apart, for pickle and copy."""
    new = family.__new__(family)
    NativeDistribution.__init__(new, validate_args, **arguments)
    return new if new.batch_shape == batch_shape else new.expand(batch_shape)
