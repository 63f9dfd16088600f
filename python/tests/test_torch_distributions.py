# SPDX-License-Identifier: Apache-2.0
"""The distributions that torch lacks, as torch's own code sees them."""

import copy
import math
import pickle
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("partita._learn")

import partita.torch as pt  # noqa: E402

td = torch.distributions


def t(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def each() -> list[Any]:
    """One of each class that has log_prob, with a batch [2] (those of vectors: and an event)."""
    return [
        pt.BetaBinomial(10, t(2, 0.5), t(3, 1)),
        pt.DirichletMultinomial(5, torch.stack([t(1, 2, 3), t(0.5, 0.5, 4)])),
        pt.Frechet(t(1, 2), t(3, 5)),
        pt.GeneralizedExtremeValue(t(0, 1), t(1, 2), t(0.2, -0.3)),
        pt.GeneralizedPareto(t(0, 1), t(1, 2), t(0.2, -0.3)),
        pt.InverseGamma(t(3, 5), t(1, 2)),
        pt.Logistic(t(0, 1), t(1, 2)),
        pt.OrderedLogistic(t(0.3, -1), t(-1, 0, 2)),
        pt.PlackettLuce(torch.stack([t(0, 1, 2, -1), t(0, 0, 0, 3)]), k=2),
        pt.Rademacher([2], dtype=torch.float64),
        pt.Subset(torch.stack([t(0, 1, 2, -1), t(0, 0, 0, 3)]), 2),
        pt.TruncatedGumbel(t(0, 1), t(1, 2), t(0.5, 3)),
        pt.TruncatedNormal(t(0, 1), t(1, 2), t(-1, 0), t(2, math.inf)),
        pt.ZeroInflated(td.Poisson(t(2, 5)), t(0.3, 0.1)),
    ]


parametrized = pytest.mark.parametrize("d", each(), ids=lambda d: type(d).__name__)


def test_all_are_here() -> None:
    families = {name for name in pt.__all__ if isinstance(getattr(pt, name), type)
                and issubclass(getattr(pt, name), td.Distribution)}
    assert families == {type(d).__name__ for d in each()} | {"RelaxedPlackettLuce"}


@parametrized
def test_torch_validates_parameters_and_draws(d: Any) -> None:
    assert isinstance(d, td.Distribution) and d._validate_args
    assert d.batch_shape == (2,) and isinstance(d.batch_shape, torch.Size)
    for name, constraint in d.arg_constraints.items():
        assert constraint.check(getattr(d, name)).all(), name
    draws = d.sample((50,))
    assert draws.shape == d._extended_shape((50,))
    d._validate_sample(draws)
    assert d.support.check(draws).all()
    assert d.log_prob(draws).shape == (50, 2) and d.log_prob(draws).isfinite().all()
    assert repr(d).startswith(type(d).__name__)
    for bad in (draws + 0.5, draws.double() * math.nan):
        if d.support.is_discrete or bad.isnan().any():
            with pytest.raises(ValueError):
                d.log_prob(bad)


@parametrized
def test_draws_follow_the_seed_or_torchs_generator(d: Any) -> None:
    torch.manual_seed(4)
    first, second = d.sample((20,)), d.sample((20,))
    torch.manual_seed(4)
    assert torch.equal(d.sample((20,)), first) and not torch.equal(first, second)
    assert torch.equal(d.sample((20,), seed=3), d.sample((20,), seed=3))
    assert not torch.equal(d.sample((20,), seed=3), d.sample((20,), seed=3, stream=1))


@parametrized
def test_moments_are_those_of_draws(d: Any) -> None:
    """200,000 draws, six standard errors (of the variance, too)."""
    n = 200_000
    draws = d.sample((n,), seed=1).double()
    if isinstance(d, (pt.OrderedLogistic, pt.PlackettLuce)):
        return  # categories have no moments
    mean, sd = draws.mean(0), draws.std(0)
    assert ((mean - d.mean).abs() < 6 * sd / n**0.5).all()
    if isinstance(d, pt.TruncatedGumbel):
        with pytest.raises(NotImplementedError, match="variance"):
            d.variance
        return
    square = (draws - mean) ** 2
    assert ((square.mean(0) - d.variance).abs() < 6 * square.std(0) / n**0.5).all()
    torch.testing.assert_close(d.stddev, d.variance.sqrt())


@parametrized
def test_entropies_are_those_of_draws(d: Any) -> None:
    if isinstance(d, pt.ZeroInflated):
        return  # Poisson has its own; that of the mixture is not defined
    surprise = -d.log_prob(d.sample((100_000,), seed=2))
    assert ((surprise.mean(0) - d.entropy()).abs() <= 6 * surprise.std(0) / 100_000**0.5 + 1e-12).all()


@parametrized
def test_quantiles_invert_the_cdf(d: Any) -> None:
    if d.event_shape:
        return
    u = t(0.1, 0.5, 0.9)[:, None].expand(3, 2)
    x = d.icdf(u)
    if d.support.is_discrete:
        assert (d.cdf(x) >= u - 1e-12).all() and (d.cdf(x) - d.log_prob(x).exp() < u).all()
    else:
        torch.testing.assert_close(d.cdf(x), u, rtol=1e-9, atol=0)
    torch.testing.assert_close(d.isf(1 - u), x, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(d.log_cdf(x).exp() + d.log_survival(x).exp(), torch.ones_like(u))


@parametrized
def test_expand_and_independent(d: Any) -> None:
    wide = d.expand((3, 2))
    assert type(wide) is type(d) and wide.batch_shape == (3, 2) and wide.event_shape == d.event_shape
    value = wide.sample(seed=1)
    torch.testing.assert_close(wide.log_prob(value), d.log_prob(value))
    joint = td.Independent(wide, 1)
    joint._validate_sample(value)
    torch.testing.assert_close(joint.log_prob(value), d.log_prob(value).sum(-1))


@parametrized
def test_copies_and_pickles(d: Any) -> None:
    for original in (d, d.expand((3, 2))):
        value = original.sample(seed=1)
        for twin in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert twin.batch_shape == original.batch_shape
            assert torch.equal(twin.log_prob(value), original.log_prob(value))


@parametrized
def test_finite_supports(d: Any) -> None:
    if d.has_enumerate_support:
        torch.testing.assert_close(d.log_prob(d.enumerate_support()).exp().sum(0), torch.ones(2, dtype=torch.float64))


def test_scipy_agrees() -> None:
    stats = pytest.importorskip("scipy.stats")
    pairs = [
        (pt.BetaBinomial(10, 2.0, 3.0), stats.betabinom(10, 2, 3), 4.0),
        (pt.Frechet(2.0, 3.0), stats.invweibull(3, scale=2), 1.7),
        (pt.GeneralizedExtremeValue(1.0, 2.0, 0.2), stats.genextreme(-0.2, 1, 2), 1.7),
        (pt.GeneralizedPareto(1.0, 2.0, 0.2), stats.genpareto(0.2, 1, 2), 1.7),
        (pt.InverseGamma(3.0, 2.0), stats.invgamma(3, scale=2), 1.7),
        (pt.Logistic(1.0, 2.0), stats.logistic(1, 2), 1.7),
        (pt.TruncatedNormal(1.0, 2.0, 0.0, 3.0), stats.truncnorm(-0.5, 1, 1, 2), 1.7),
    ]
    for ours, theirs, x in pairs:
        log = theirs.logpmf if ours.support.is_discrete else theirs.logpdf
        found = [ours.log_prob(t(x)[0]), ours.cdf(t(x)[0]), ours.mean, ours.variance]
        expected = [log(x), theirs.cdf(x), theirs.mean(), theirs.var()]
        for a, b in zip(found, expected, strict=True):
            assert math.isclose(float(a), b, rel_tol=1e-5), (ours, found, expected)


def test_rankings() -> None:
    """P(i, j) = p_i p_j / (1 - p_i)."""
    logits = t(0, 1, 2, -1)
    p = logits.softmax(-1)
    found = pt.PlackettLuce(logits, k=2).log_prob(torch.tensor([2, 0])).exp()
    torch.testing.assert_close(found, p[2] * p[0] / (1 - p[2]))
    assert pt.PlackettLuce(logits).mode.tolist() == [2, 1, 0, 3]


def test_sets() -> None:
    """P(S) is the product of its members' weights, over the sum of those of all pairs."""
    logits = t(0, 1, 2, -1).requires_grad_()
    d = pt.Subset(logits, 2)
    pairs = torch.combinations(torch.arange(4))
    sets = torch.zeros(6, 4, dtype=torch.float64).scatter(-1, pairs, 1)
    assert torch.equal(d.enumerate_support(), sets)
    torch.testing.assert_close(d.log_prob(sets), logits[pairs].sum(-1).log_softmax(0))
    torch.testing.assert_close(d.mean, (d.log_prob(sets).exp()[:, None] * sets).sum(0))
    assert torch.autograd.gradcheck(lambda z: pt.Subset(z, 2).log_prob(sets), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: pt.Subset(z, 2).log_prob(sets[1]), (logits,))
    assert torch.autograd.gradcheck(lambda z: pt.Subset(z, 2).mean, (logits,))
    other = pt.Subset(t(0, 0, 0, 0), 2)
    torch.testing.assert_close(td.kl_divergence(d, other), math.log(6) - d.entropy())
    with pytest.raises(ValueError, match="k: Subset: expected 0 to 4, the number of categories, got 5"):
        pt.Subset(logits, 5)


def test_relaxed_rankings_are_rankings_when_cold() -> None:
    logits = t(0, 1, 2, -1).requires_grad_()
    places = pt.RelaxedPlackettLuce(1e-6, logits, 3).sample((100,), seed=1)
    assert (places.argmax(-1).sort().values.diff() > 0).all()
    soft = pt.RelaxedPlackettLuce(0.5, logits, 3).rsample((100,), seed=1)
    torch.testing.assert_close(soft.sum((-1, -2)), torch.full((100,), 3.0, dtype=torch.float64))
    soft.square().sum().backward()
    assert logits.grad.isfinite().all() and (logits.grad != 0).all()
    d = pt.RelaxedPlackettLuce(t(0.5, 2), t(0, 1, 2, -1), 3)
    assert (d.batch_shape, d.event_shape) == ((2,), (3, 4)) and d.has_rsample
    for other in (d.expand((5, 2)), pickle.loads(pickle.dumps(d)), copy.deepcopy(d)):
        assert other.support.check(other.sample(seed=1)).all()
    with pytest.raises(NotImplementedError, match="log_prob: not available for RelaxedPlackettLuce"):
        d.log_prob(d.sample(seed=1))
    with pytest.raises(ValueError, match="k: RelaxedPlackettLuce: expected 1 to 4"):
        pt.RelaxedPlackettLuce(0.5, logits, 5)


def test_gradients_reach_the_parameters() -> None:
    loc = torch.tensor(0.3, requires_grad=True)
    d = pt.TruncatedNormal(loc, 1.0, -1.0, 2.0)
    d.rsample((1000,), seed=1).mean().backward()
    pathwise = loc.grad.clone()
    loc.grad = None
    d.mean.backward()
    assert abs(pathwise - loc.grad) < 0.05
    loc.grad = None
    d.log_prob(torch.tensor(0.5)).backward()
    assert loc.grad.isfinite() and loc.grad != 0
    assert not d.sample().requires_grad
    with pytest.raises(NotImplementedError, match="rsample: not available for Rademacher"):
        pt.Rademacher().rsample()


def test_estimators_take_them() -> None:
    predictor = torch.zeros((), dtype=torch.float64, requires_grad=True)
    d = pt.OrderedLogistic(predictor, t(-1, 1))
    surrogate, value = pt.UnorderedSet(3)(d, lambda i: i.double(), seed=1)
    surrogate.backward()
    own = torch.zeros((), dtype=torch.float64, requires_grad=True)
    expected = (own + 1).sigmoid() + (own - 1).sigmoid()  # P(X > 0) + P(X > 1)
    expected.backward()
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(predictor.grad, own.grad)


@parametrized
def test_methods_that_are_not_there(d: Any) -> None:
    """As torch's: NotImplementedError, in one line."""
    value, half = d.sample(seed=1).double(), torch.full(d._extended_shape(), 0.5)
    for call in (lambda: d.cdf(value), lambda: d.icdf(half), d.entropy, lambda: d.mean, lambda: d.mode,
                 lambda: d.variance, d.enumerate_support, d.rsample):
        try:
            call()
        except NotImplementedError as error:
            assert "not available for" in str(error) and "\n" not in str(error)


def test_divergences() -> None:
    """The mean log ratio of 200,000 draws, six standard errors; and torch's registry knows the new pair."""
    n = 200_000
    pairs = [
        (pt.InverseGamma(t(3.0), t(2.0)), pt.InverseGamma(t(4.0), t(2.5))),
        (td.VonMises(t(0.3), t(2.0)), td.VonMises(t(-0.2), t(1.0))),
        (td.StudentT(t(5.0)), td.Normal(t(0.2), t(1.5))),
        (td.Normal(t(0.2), t(1.5)), td.StudentT(t(5.0))),
        (td.Weibull(t(1.0), t(2.0)), td.Weibull(t(1.2), t(1.5))),
        (td.NegativeBinomial(t(3.0), t(0.4)), td.NegativeBinomial(t(3.0), t(0.5))),
        (td.Normal(t(0.0), t(1.0)), td.Normal(t(1.0), t(2.0))),
    ]
    torch.manual_seed(1)
    for p, q in pairs:
        draws = p.sample((n,))
        ratio = p.log_prob(draws) - q.log_prob(draws)
        assert ((ratio.mean(0) - pt.kl_divergence(p, q)).abs() < 6 * ratio.std(0) / n**0.5).all(), (p, q)
    p, q = pairs[0]
    assert torch.equal(td.kl_divergence(p, q), pt.kl_divergence(p, q))
    joint = td.kl_divergence(td.Independent(p, 1), td.Independent(q, 1))
    torch.testing.assert_close(joint, pt.kl_divergence(p, q).sum())
    near = td.Normal(torch.tensor(0.0), torch.tensor(1.0)), td.Normal(torch.tensor(1e-4), torch.tensor(1.0))
    assert float(pt.kl_divergence(*near)) == pytest.approx(5e-9, rel=1e-5)
    with pytest.raises(NotImplementedError):
        pt.kl_divergence(pt.Rademacher(), pt.Rademacher())
    with pytest.raises(NotImplementedError):
        td.kl_divergence(pt.PlackettLuce(t(0, 1)), pt.PlackettLuce(t(0, 1)))


def test_divergences_that_others_register() -> None:
    class Mine(td.Normal):  # type: ignore[misc]
        pass

    @td.register_kl(Mine, Mine)  # type: ignore[misc]
    def _(p: Any, q: Any) -> Any:
        return torch.tensor(7.0)

    assert pt.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == 7


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="scale"):
        pt.Logistic(0.0, -1.0)
    with pytest.raises(ValueError, match="gate: give either"):
        pt.ZeroInflated(td.Poisson(1.0))
    with pytest.raises(TypeError, match="loc: expected a number, got str"):
        pt.Logistic("a", 1.0)
    with pytest.raises(TypeError, match="value: expected a torch.Tensor, got float"):
        pt.Logistic(0.0, 1.0).log_prob(0.3)
    assert pt.Logistic(0.0, -1.0, validate_args=False).scale == -1
    assert pt.Frechet(1.0, 2.0, validate_args=False).log_prob(torch.tensor(-1.0)) == -math.inf
