# SPDX-License-Identifier: Apache-2.0
"""Estimators of gradients, against enumeration."""

import copy
import pickle
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("partita._learn")

import partita.torch as pt  # noqa: E402

td = torch.distributions
ROWS = 20_000


def square(t: float = 0.45) -> Any:
    return lambda b: (b - t) ** 2


def gradient(estimator: Any, make: Any, f: Any, theta: Any, seed: int = 1) -> tuple[Any, Any]:
    theta = theta.clone().requires_grad_()
    surrogate, value = estimator(make(theta), f, seed=seed)
    surrogate.sum().backward()
    return theta.grad, value


def coins(theta: Any) -> Any:
    return td.Independent(td.Bernoulli(logits=theta), 1)


def of_three(x: Any) -> Any:
    return ((x - torch.tensor([0.6, 0.51, 0.48], dtype=torch.float64)) ** 2).prod(-1) + x[..., 0] * x[..., 2]


THETA = torch.tensor([0.3, -1.0, 0.7], dtype=torch.float64)

UNBIASED = {
    "ScoreFunction": pt.ScoreFunction(2),
    "LeaveOneOut": pt.ScoreFunction(3, pt.LeaveOneOut()),
    "MovingAverage": pt.ScoreFunction(2, pt.MovingAverage(0.5)),
    "Learned": pt.ScoreFunction(2, pt.Learned(lambda: torch.tensor(0.3, dtype=torch.float64))),
    "ControlVariate": pt.ScoreFunction(4, pt.ControlVariate()),
    "Rebar": pt.Rebar(),
    "Relax": pt.Relax(lambda z: z.sigmoid().sum(-1)),
    "RelaxWithRebar": pt.Relax(lambda z: 0.1 * z.sum(-1), temperature=0.5),
    "Arm": pt.Arm(),
    "DisArm": pt.DisArm(),
    "Arms": pt.Arms(3),
    "DoubleControlVariates": pt.DoubleControlVariates(3),
    "UnorderedSet": pt.UnorderedSet(3),
    "UnorderedSetAlone": pt.UnorderedSet(2, baseline=False),
    "SumAndSample": pt.SumAndSample(2),
}


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_estimators(name: str) -> None:
    """Means over 20,000 rows within six standard errors, which are less than a fifth of what matters."""
    exact, exact_value = gradient(pt.Enumeration(), coins, of_three, THETA)
    each, value = gradient(UNBIASED[name], coins, of_three, THETA.expand(ROWS, 3))
    for found, expected in ((each, exact), (value[:, None], exact_value[None])):
        error = found.std(0) / ROWS**0.5
        assert ((found.mean(0) - expected).abs() <= 6 * error + 1e-12).all(), name
        assert (6 * error).max() < 0.2 * expected.abs().max()


def test_enumeration_is_exact() -> None:
    """Against the sum over all outcomes by torch alone."""
    theta = THETA.clone().requires_grad_()
    outcomes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    expected = (coins(theta).log_prob(outcomes).exp() * of_three(outcomes)).sum()
    expected.backward()
    found, value = gradient(pt.Enumeration(), coins, of_three, THETA)
    torch.testing.assert_close(found, theta.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("family", [td.Categorical, td.OneHotCategorical])
@pytest.mark.parametrize("parameter", ["probs", "logits"])
def test_a_set_that_covers_the_support_is_exact(family: Any, parameter: str) -> None:
    weights = torch.tensor([[0.1, 0.4, 0.3, 0.2], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
    scores = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    f = (lambda i: scores[i]) if family is td.Categorical else (lambda x: x @ scores)
    theta = weights if parameter == "probs" else weights.log()
    make = lambda t: family(**{parameter: t})  # noqa: E731
    found, value = gradient(pt.UnorderedSet(4), make, f, theta)
    own = theta.clone().requires_grad_()
    (make(own).probs @ scores).sum().backward()
    torch.testing.assert_close(found, own.grad, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(value, weights @ scores, rtol=1e-10, atol=1e-12)


def test_pathwise_gradients() -> None:
    """E[z^2] of a normal vector: gradients 2 loc and 2 scale."""
    loc = torch.full((ROWS, 2), 0.5, dtype=torch.float64, requires_grad=True)
    scale = torch.full((ROWS, 2), 1.5, dtype=torch.float64, requires_grad=True)
    surrogate, value = pt.Pathwise()(td.Independent(td.Normal(loc, scale), 1), lambda z: (z**2).sum(-1), seed=3)
    surrogate.sum().backward()
    for found, expected in ((loc.grad.flatten(), 1.0), (scale.grad.flatten(), 3.0), (value, 5.0)):
        assert abs(found.mean() - expected) < 6 * found.std() / len(found) ** 0.5


def test_relaxations() -> None:
    """Of a sum: d E[sigmoid((theta + L) / T)] / d theta with logistic L, and without bias straight through."""
    temperature = 0.5
    u = (torch.arange(1_000_000, dtype=torch.float64) + 0.5) / 1_000_000
    relaxed = ((THETA[:, None] + u.logit()) / temperature).sigmoid()
    of_relaxation = (relaxed * (1 - relaxed)).mean(1) / temperature
    exact = THETA.sigmoid() * (1 - THETA.sigmoid())
    for estimator, expected in ((pt.Concrete(temperature=temperature), of_relaxation),
                                (pt.StraightThroughGumbel(temperature=temperature), of_relaxation),
                                (pt.GumbelRao(temperature=temperature, inner=3), of_relaxation),
                                (pt.StraightThrough(), exact), (pt.ReinMax(), exact)):
        found, _ = gradient(estimator, coins, lambda x: x.sum(-1), THETA.expand(ROWS, 3))
        assert ((found.mean(0) - expected).abs() < 6 * found.std(0) / ROWS**0.5 + 1e-9).all(), estimator
    plain, rao = (gradient(each, coins, lambda x: (x**4).sum(-1), THETA.expand(ROWS, 3))[0]
                  for each in (pt.ReinMax(), pt.ReinMaxRao(inner=3)))
    assert rao.var(0).sum() < 0.9 * plain.var(0).sum()


def test_sets_of_a_fixed_size() -> None:
    """Exact for linear f through the marginals; implicit MLE points the same way."""
    logits = torch.tensor([0.5, -1.0, 0.0, 1.2, -0.3], dtype=torch.float64)
    cost = torch.tensor([1.0, -0.5, 2.0, 0.3, -1.0], dtype=torch.float64)

    def sets(theta: Any) -> Any:
        return pt.Subset(theta, 2)

    exact, _ = gradient(pt.Enumeration(), sets, lambda z: z @ cost, logits)
    through, _ = gradient(pt.StraightThrough(), sets, lambda z: z @ cost, logits)
    torch.testing.assert_close(through, exact)
    implicit, _ = gradient(pt.ImplicitMle(2000, step=0.5), sets, lambda z: z @ cost, logits)
    assert torch.cosine_similarity(implicit, exact, 0) > 0.5
    score, _ = gradient(pt.ScoreFunction(4, pt.LeaveOneOut()), sets, lambda z: z @ cost, logits.expand(ROWS, 5))
    assert ((score.mean(0) - exact).abs() < 6 * score.std(0) / ROWS**0.5).all()
    perturbed, _ = gradient(pt.PerturbedTopK(8, inner=200), sets, lambda z: z @ cost, logits)
    assert torch.cosine_similarity(perturbed, exact, 0) > 0.8
    with pytest.raises(ValueError, match="inner: expected 2 or more, got 1"):
        pt.PerturbedTopK(inner=1)
    with pytest.raises(ValueError, match="step: expected a number in"):
        pt.ImplicitMle(step=0)


FAMILIES = [
    td.Beta(2.0, 3.0), td.Binomial(4, torch.tensor(0.3)), td.Cauchy(0.0, 1.0), td.Chi2(3.0),
    td.ContinuousBernoulli(torch.tensor(0.3)), td.Dirichlet(torch.tensor([1.0, 2.0])), td.Exponential(2.0),
    td.FisherSnedecor(3.0, 4.0), td.Gamma(2.0, 3.0), td.Geometric(torch.tensor(0.3)), td.Gumbel(1.0, 2.0),
    td.HalfCauchy(1.0), td.HalfNormal(2.0), td.Kumaraswamy(2.0, 3.0), td.Laplace(0.0, 1.0), td.LogNormal(0.0, 1.0),
    td.Multinomial(3, torch.tensor([0.2, 0.8])), td.MultivariateNormal(torch.zeros(2), torch.eye(2)),
    td.NegativeBinomial(3, torch.tensor(0.4)), td.Normal(0.0, 1.0), td.Pareto(1.0, 2.0), td.Poisson(3.0),
    td.StudentT(4.0, 1.0, 2.0), td.Uniform(0.0, 2.0), td.VonMises(0.0, 1.0), td.Weibull(1.0, 2.0),
    td.Bernoulli(logits=torch.tensor(0.3)), td.Categorical(torch.tensor([0.2, 0.8])),
    td.LKJCholesky(3, 1.5), td.LogisticNormal(torch.zeros(2), torch.ones(2)),
    td.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2)),
    td.OneHotCategoricalStraightThrough(torch.tensor([0.2, 0.8])), td.Wishart(torch.tensor(5.0), torch.eye(2)),
    td.MixtureSameFamily(td.Categorical(torch.tensor([0.2, 0.8])), td.Normal(torch.tensor([0.0, 3.0]), 1.0)),
    td.RelaxedBernoulli(torch.tensor(0.5), logits=torch.tensor([0.3])),
    td.RelaxedBernoulli(torch.tensor(0.5), probs=torch.tensor([0.3])),
    td.RelaxedBernoulli(torch.tensor(0.5), torch.tensor([0.3])).base_dist,
    td.RelaxedOneHotCategorical(torch.tensor(0.5), logits=torch.tensor([0.3, 1.0])),
    td.RelaxedOneHotCategorical(torch.tensor(0.5), torch.tensor([0.3, 0.7])).base_dist,
    *(td.TransformedDistribution(base, transforms) for base, transforms in [
        (td.Uniform(0.0, 1.0), [td.SigmoidTransform().inv, td.AffineTransform(1.0, -2.0)]),
        (td.Normal(0.0, 1.0), [td.ComposeTransform([td.ExpTransform(), td.PowerTransform(torch.tensor(2.0))])]),
        (td.Normal(torch.zeros(3), 1.0), [td.StickBreakingTransform()]),
        (td.Normal(torch.zeros(3), 1.0), [td.CorrCholeskyTransform()]),
        (td.Normal(torch.zeros(6), 1.0), [td.ReshapeTransform((6,), (2, 3)), td.TanhTransform()]),
        (td.Normal(torch.zeros(2), 1.0), [td.IndependentTransform(td.SoftplusTransform(), 1)]),
        (td.Normal(torch.zeros(2), 1.0), [td.CatTransform([td.ExpTransform(), td.SigmoidTransform()], -1)]),
        (td.Normal(0.0, 1.0), [td.CumulativeDistributionTransform(td.Normal(0.0, 2.0))]),
    ]),
]


@pytest.mark.parametrize("distribution", FAMILIES, ids=lambda d: type(d).__name__)
def test_families_are_mapped(distribution: Any) -> None:
    """The library's log_prob at torch's draws is torch's."""
    from partita._torch_distributions import native

    torch.manual_seed(0)
    draws = distribution.sample((30,))
    expected = torch.stack([distribution.log_prob(draw) for draw in draws])
    torch.testing.assert_close(native(distribution).log_prob(draws), expected, rtol=1e-4, atol=1e-4)


def test_a_mixture_by_the_score_function() -> None:
    """d E[z] / d w of 0.3 N(0, 1) + 0.7 N(3, 1), whose weights are softmax(w): 3 p (1 - p)."""
    w = torch.tensor([0.3, 0.7], dtype=torch.float64).log().expand(ROWS, 2).clone().requires_grad_()
    loc = torch.tensor([0.0, 3.0], dtype=torch.float64).expand(ROWS, 2)
    mixture = td.MixtureSameFamily(td.Categorical(logits=w), td.Normal(loc, 1.0))
    surrogate, value = pt.ScoreFunction(4, pt.LeaveOneOut())(mixture, lambda z: z, seed=1)
    surrogate.sum().backward()
    for found, expected in ((w.grad[:, 1], 3 * 0.7 * 0.3), (value, 2.1)):
        assert abs(found.mean() - expected) < 6 * found.std() / ROWS**0.5


def test_what_f_raises_comes_through() -> None:
    def f(x: Any) -> Any:
        raise KeyError("mine")

    for estimator in (pt.ScoreFunction(), pt.Rebar(), pt.UnorderedSet()):
        with pytest.raises(KeyError, match="mine"):
            estimator(coins(THETA), f, seed=1)


def test_bad_arguments() -> None:
    class Mine(td.Normal):  # type: ignore[misc]
        pass

    class Cube(td.transforms.ExpTransform):  # type: ignore[misc]
        pass

    with pytest.raises(TypeError, match="distribution: expected one of Bernoulli, .*, got Mine"):
        pt.ScoreFunction()(Mine(0.0, 1.0), square(), seed=1)
    with pytest.raises(TypeError, match="transform: expected one of AbsTransform, .*, got Cube"):
        pt.ScoreFunction()(td.TransformedDistribution(td.Normal(0.0, 1.0), [Cube()]), square(), seed=1)
    with pytest.raises(TypeError, match="got int"):
        pt.ScoreFunction()(3, square(), seed=1)
    with pytest.raises(TypeError, match="f: expected a function, got int"):
        pt.ScoreFunction()(coins(THETA), 3, seed=1)
    with pytest.raises(TypeError, match="f: result: expected a torch.Tensor, got float"):
        pt.ScoreFunction()(coins(THETA), lambda x: 1.0, seed=1)
    with pytest.raises(ValueError, match="f"):
        pt.ScoreFunction()(coins(THETA), lambda x: x, seed=1)
    with pytest.raises(ValueError, match="Arm|ARM"):
        pt.Arm()(td.Normal(0.0, 1.0), square(), seed=1)
    with pytest.raises(ValueError, match="samples"):
        pt.ScoreFunction(0)
    with pytest.raises(ValueError, match="seed"):
        pt.ScoreFunction()(coins(THETA), of_three, seed=-1)
    with pytest.raises(TypeError, match="baseline: expected None, MovingAverage"):
        pt.ScoreFunction(2, "mean")  # type: ignore[arg-type]


def test_the_seed_is_all_there_is() -> None:
    first = gradient(pt.ScoreFunction(4), coins, of_three, THETA, seed=5)
    torch.manual_seed(9)
    again = gradient(pt.ScoreFunction(4), coins, of_three, THETA, seed=5)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    streams = [pt.ScoreFunction(4)(coins(THETA), of_three, seed=5, stream=i).value.item() for i in range(4)]
    assert len(set(streams)) > 1 and streams[0] == first[1]


def test_a_learned_baseline_and_rebar_are_trained() -> None:
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    theta = THETA.clone().requires_grad_()
    estimator = pt.ScoreFunction(64, pt.Learned(lambda: b, [b]))
    rebar = pt.Rebar(temperature=0.9)
    optimizer = torch.optim.SGD([*estimator.parameters(), *rebar.parameters()], lr=0.05)
    assert estimator.parameters()[0] is b and len(rebar.parameters()) == 2
    for step in range(60):
        optimizer.zero_grad()
        for each in (estimator, rebar):
            each(coins(theta), of_three, seed=2, stream=step).surrogate.sum().backward()
        optimizer.step()
    exact = pt.Enumeration()(coins(THETA), of_three).value
    assert abs(b.item() - exact.item()) < 0.1
    assert rebar.temperature != 0.9 and rebar.scale != 1


def test_functions_of_python_with_a_backward_of_their_own() -> None:
    """Second derivatives of an f that goes through Python, as Rebar takes them."""

    class Square(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * grad

    through = gradient(pt.Rebar(), coins, lambda x: Square.apply(x).sum(-1), THETA)
    plain = gradient(pt.Rebar(), coins, lambda x: (x**2).sum(-1), THETA)
    torch.testing.assert_close(through[0], plain[0])


class Scale(torch.nn.Module):  # type: ignore[misc]
    """A control variate that can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, z: Any) -> Any:
        return self.weight * z.sum(-1)


@pytest.mark.parametrize("make", [
    lambda: pt.ScoreFunction(2, pt.MovingAverage(0.5)), lambda: pt.Rebar(temperature=0.7), lambda: pt.Concrete(2, 0.3),
    lambda: pt.UnorderedSet(3, baseline=False), lambda: pt.Enumeration(), lambda: (lambda c: pt.Relax(c, list(c.parameters())))(Scale()),
], ids=["MovingAverage", "Rebar", "Concrete", "UnorderedSet", "Enumeration", "Relax"])
def test_copies_and_pickles_go_on_where_the_original_was(make: Any) -> None:
    def steps(estimator: Any, first: int, count: int) -> list[Any]:
        found = []
        optimizer = torch.optim.SGD(estimator.parameters(), lr=0.1) if estimator.parameters() else None
        for step in range(first, first + count):
            theta = THETA.clone().requires_grad_()
            estimator(coins(theta), of_three, seed=3, stream=step).surrogate.sum().backward()
            found.append(theta.grad)
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
        return found

    estimator = make()
    steps(estimator, 0, 3)
    twins = [pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)]
    expected = steps(estimator, 3, 3)
    assert repr(estimator).startswith(type(estimator).__name__ + "(")
    for twin in twins:
        assert all(torch.equal(a, b) for a, b in zip(steps(twin, 3, 3), expected, strict=True))


def test_threads(at_once: Any) -> None:
    def work() -> list[Any]:
        return [gradient(pt.DisArm(8), coins, of_three, THETA)[0] for _ in range(20)]

    expected = work()[0]
    assert all(torch.equal(each, expected) for found in at_once(work) for each in found)
    assert copy.copy(pt.MovingAverage(0.5)) == pt.MovingAverage(0.5)
