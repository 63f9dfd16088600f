# SPDX-License-Identifier: Apache-2.0
"""The points of make_distributions.py: parameters, edges included, and values up to the far tails."""
import math

U = [0, 1e-300, 1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 2.0**-30, 1]  # for icdf


SPREAD = [-1e4, -40, -9, -2.5, -0.5, 0, 1e-3, 1, 6, 38, 800]
FROM_ZERO = [0, 1e-300, 1e-30, 1e-8, 0.05, 0.7, 2, 15, 120, 1e5]
WITHIN_ONE = [0, 1e-300, 1e-12, 0.02, 0.5, 0.9, 1 - 2.0**-40, 1]
OPEN = WITHIN_ONE[1:-1]
COUNTS = [0, 1, 2, 5, 17, 300, 1e6]


def scaled(loc, scale, points):
    return [loc + scale * x for x in points]


PROBS = [0, 1e-20, 1e-3, 0.25, 0.5, 0.8, 1 - 2.0**-40, 1]
LOGITS = [-800, -30, -1, 0, 0.5, 30, 800]
LOC_SCALE = [(0, 1), (1.5, 0.25), (-300, 7), (1e-3, 1e-6), (4, 1e5)]
POSITIVE = [1, 0.02, 3.5, 1e-8, 1e6]
SHAPES = [(1, 1), (0.5, 2), (2.5, 0.25), (1e-3, 1), (40, 3), (1e4, 1e4), (1, 30)]

# name, members, points of a member
UNIVARIATE = [
    ("Normal", LOC_SCALE, lambda m, s: scaled(m, s, SPREAD)),
    ("LogNormal", [(0, 1), (1.5, 0.25), (-30, 7), (2, 1e-3)], lambda m, s: [
        x for z in SPREAD[1:-1] if 0 < (x := math.exp(m + s * z)) < 1e300] + [1e-300]),
    ("HalfNormal", [(s,) for s in POSITIVE], lambda s: [s * x for x in FROM_ZERO]),
    ("Cauchy", LOC_SCALE, lambda m, s: scaled(m, s, SPREAD + [-1e200, 1e200])),
    ("HalfCauchy", [(s,) for s in POSITIVE], lambda s: [s * x for x in FROM_ZERO + [1e200]]),
    ("Laplace", LOC_SCALE, lambda m, s: scaled(m, s, SPREAD)),
    ("Gumbel", LOC_SCALE, lambda m, s: scaled(m, s, [-6, -3, -1, 0, 1e-3, 2, 12, 45, 700])),
    ("Exponential", [(s,) for s in POSITIVE], lambda r: [x / r for x in FROM_ZERO]),
    ("Gamma", SHAPES, lambda a, r: [x * max(a, 1) / r for x in FROM_ZERO[1:-1]] + [0]),
    ("Chi2", [(v,) for v in (1, 2, 0.01, 7, 5e4)],
     lambda v: [x * max(v, 1) for x in FROM_ZERO[1:-1]] + [0]),
    ("InverseGamma", SHAPES, lambda a, r: [r / (x * max(a, 1)) for x in (1e-8, .05, .7, 1, 3, 15)]),
    ("Beta", [(1, 1), (0.5, 0.5), (2, 5), (1e-3, 1), (30, 0.02), (300, 600), (1, 3)],
     lambda a, b: WITHIN_ONE),
    ("Uniform", [(0, 1), (-3, 5), (1e6, 1e6 + 1e-3), (-1e-300, 1e-300), (-1e300, 1e300)],
     lambda a, b: [a, b, a + 0.25 * (b - a)]),
    ("Kumaraswamy", [(1, 1), (0.5, 0.5), (2, 5), (20, 0.1), (3, 100)], lambda a, b: WITHIN_ONE),
    ("Pareto", [(1, 1), (0.5, 3), (2, 0.25), (10, 40), (1e-3, 200)],
     lambda s, a: [s * x for x in (1, 1 + 2.0**-30, 1.5, 8, 1e4, 1e12)]),
    ("Weibull", [(1, 1), (0.5, 3), (2, 0.25), (10, 40), (3, 0.02)],
     lambda s, k: [x for z in FROM_ZERO[3:-1] if 0 < (x := s * z ** (1 / k)) < 1e300]),
    ("StudentT", [(1, 0, 1), (2, 1.5, 0.25), (3.5, -300, 7), (0.1, 0, 1), (1e8, 0, 2)],
     lambda v, m, s: scaled(m, s, SPREAD[1:-1] + [1e100])),
    ("FisherSnedecor", [(1, 1), (2, 6), (7, 3), (0.2, 9), (50, 200)],
     lambda a, b: FROM_ZERO[1:]),
    ("VonMises", [(0, 1), (1.5, 0.25), (-3, 7), (0.5, 1e-6), (2, 800), (0, 1e5)],
     lambda m, k: [-3.1, -1, 0, 0.5, 2, 3.14]),
    ("ContinuousBernoulli",
     [(p,) for p in (0.5, 0.5 + 2.0**-30, 0.4995, 0.49, 0.1, 0.8, 1e-10, 1 - 2.0**-40)],
     lambda p: WITHIN_ONE),
    ("RelaxedBernoulli", [(0.5, 0.5), (2, 0.1), (0.1, 0.999), (1e-2, 0.3)], lambda t, p: OPEN),
    ("Bernoulli", [(p,) for p in PROBS], lambda p: [0, 1]),
    ("Geometric", [(p,) for p in PROBS[1:]], lambda p: COUNTS),
    ("Binomial", [(n, p) for n in (1, 10, 3000) for p in PROBS],
     lambda n, p: [0, 1, n // 3, n]),
    ("Poisson", [(r,) for r in (0, 1e-20, 0.3, 1, 12.5, 4000)], lambda r: COUNTS),
    ("NegativeBinomial", [(n, p) for n in (1, 10, 0.25, 1e6) for p in PROBS[:-1]],
     lambda n, p: COUNTS),
]
EXTREMES = [(0, 1, 0), (1.5, 0.25, 0.2), (-300, 7, -0.3), (0, 1, 1e-10), (0, 1, -1e-5), (2, 3, 0.7),
            (0, 1, 1.5), (4, 2, -1.25), (0, 1, -1)]
UNIVARIATE += [
    ("Logistic", LOC_SCALE, lambda m, s: scaled(m, s, SPREAD)),
    ("GeneralizedPareto", EXTREMES, lambda m, s, c: [
        m + s * x for x in (0, 1e-8, 0.05, 0.7, 0.75, 2, 15, 1e5) if 1 + c * x > 0][:4]),
    ("GeneralizedExtremeValue", EXTREMES, lambda m, s, c: [
        m + s * x for x in (-0.6, -1e-3, 0, 0.05, 0.7, 0.75)]),
    ("Frechet", [(1, 1), (0.5, 3), (2, 0.25), (10, 40), (1e-3, 200)],
     lambda s, a: [s * z ** (-1 / a) for z in (100, 7, 2, 1, 0.1, 1e-8)]),
    ("TruncatedNormal", [
        (0, 1, -1, 2), (0, 1, -math.inf, math.inf), (1.5, 0.25, 0, math.inf), (-300, 7, -math.inf, 0),
        (0, 1, 1e5, math.inf), (0, 1, -41, -40), (0, 1, 3, 3 + 1e-9), (0, 1, -1e-9, 2e-9),
        (2, 5, 1, 2.5), (0, 1, -0.5, 40)],
     lambda m, s, a, b: truncated_points(m, s, a, b)),
    ("BetaBinomial", [(n, a, b) for n in (1, 10, 300) for a, b in
                      ((1, 1), (0.5, 2), (1e-3, 30), (1e8, 3e8))],
     lambda n, a, b: [0, 1, n // 3, n]),
]


def truncated_points(m, s, a, b):
    """Five values inside, as far as a few scales from the nearer end."""
    low = a if a > -math.inf else min(b, m) - 6 * s
    high = b if b < math.inf else max(a, m) + 6 * s
    if low > m and high > low + 5 * s * s / (low - m):
        high = low + 5 * s * s / (low - m)
    return [min(low + (high - low) * t, high) for t in (0, 0.125, 0.5, 0.75, 1)]

# The same in terms of logits.
OF_LOGITS = [
    ("Bernoulli", [(x,) for x in LOGITS], lambda x: [0, 1]),
    ("Geometric", [(x,) for x in LOGITS], lambda x: COUNTS),
    ("Binomial", [(n, x) for n in (1, 10) for x in LOGITS], lambda n, x: [0, 1, n // 3, n]),
    ("NegativeBinomial", [(n, x) for n in (1, 10) for x in LOGITS], lambda n, x: COUNTS),
    ("ContinuousBernoulli", [(x,) for x in (-800, -3, -1e-9, 0, 1e-3, 0.1, 30)],
     lambda x: WITHIN_ONE),
    ("RelaxedBernoulli", [(0.5, 0), (2, -3), (0.1, 10)], lambda t, x: OPEN),
    ("Categorical", [([0, 1, -2, 700],), ([-1e300, 0, 0, 1],), ([1e3, -1e3, 0, 5e-324],)],
     lambda x: [0, 1, 2, 3]),
]
SIMPLEX = [[0.2, 0.3, 0.5], [0, 1, 0], [0.5, 0, 0.5], [1e-20, 0.25, 0.75]]
WEIGHTS = [[1, 1, 1], [0.5, 2, 8], [1e-3, 1, 30], [1e4, 1e4, 3e4]]
VECTORS = [
    ("Categorical", [(p,) for p in SIMPLEX], lambda p: [0, 1, 2]),
    ("OneHotCategorical", [(p,) for p in SIMPLEX], lambda p: [[1, 0, 0], [0, 0, 1]]),
    ("OneHotCategoricalStraightThrough", [(p,) for p in SIMPLEX], lambda p: [[1, 0, 0], [0, 1, 0]]),
    ("Dirichlet", [(c,) for c in WEIGHTS],
     lambda c: [[0.25, 0.25, 0.5], [1e-300, 0.5, 0.5], [0.5, 0.5 - 2.0**-40, 2.0**-40]]),
    ("RelaxedOneHotCategorical",
     [(0.5, [0.2, 0.3, 0.5]), (2, [0.01, 0.09, 0.9]), (0.01, [1e-20, 0.25, 0.75])],
     lambda t, p: [[0.25, 0.25, 0.5], [1e-300, 0.5, 0.5], [1e-12, 1 - 2e-12, 1e-12]]),
    ("MultivariateNormal", [([0, 1], [[1, 0.5], [0.5, 2]]), ([3, -1], [[1e6, 0], [0, 1e-6]]),
                            ([0, 0], [[1, 0.999999], [0.999999, 1]])],
     lambda m, c: [[0, 0], [1, 2], [-30, 40]]),
    ("MultivariateNormal of precision", [([0, 1], [[1, 0.5], [0.5, 2]])],
     lambda m, c: [[0, 0], [1, 2], [-30, 40]]),
    ("MultivariateNormal of scale_tril",
     [([0, 1], [[1, 0], [0.5, 2]]), ([1, 2], [[9, 0], [-3, 0.1]])],
     lambda m, c: [[0, 0], [1, 2], [-30, 40]]),
    ("LowRankMultivariateNormal",
     [([0, 1, 2], [[1, 0], [0.5, 2], [0, 1]], [1, 0.5, 2]),
      ([0, 0, 0], [[3, 1], [1, 1], [2, -1]], [1e-3, 1e-3, 1e-3])],
     lambda m, w, d: [[0, 0, 0], [1, 2, 3], [-30, 40, 0]]),
]
CUTS = [[-1, 0, 2.5], [-40, -39.5, 700], [0, 1e-9, 1]]
VECTORS += [
    ("OrderedLogistic", [(0, CUTS[0]), (3.5, CUTS[1]), (-0.25, CUTS[2])], lambda e, c: [0, 1, 2, 3]),
    ("LogisticNormal", [([0, 0], [1, 1]), ([1.5, -2], [0.25, 3])],
     lambda m, s: [[0.25, 0.25, 0.5], [1e-30, 0.5, 0.5], [0.5, 0.5 - 2.0**-40, 2.0**-40]]),
    ("LKJCholesky", [(c,) for c in (1, 0.5, 3, 1e6)],
     lambda c: [[[1, 0, 0], [0.6, 0.8, 0], [0, 0.28, 0.96]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]]),
    ("Wishart", [(3, [[1, 0.5], [0.5, 2]]), (1.25, [[1, 0], [0, 1]]), (1e4, [[1e-3, 0], [0, 10]])],
     lambda v, c: [[[1, 0.5], [0.5, 2]], [[3, 0], [0, 1e-3]]]),
    ("DirichletMultinomial", [(7, c) for c in WEIGHTS[:3] + [[1e10, 2e10, 4e10]]],
     lambda n, c: [[7, 0, 0], [2, 2, 3], [0, 7, 0]]),
]
# One number of draws for the whole batch.
MULTINOMIALS = [
    (0, [(p,) for p in SIMPLEX], lambda p: [[0, 0, 0]]),
    (7, [(p,) for p in SIMPLEX], lambda p: [[7, 0, 0], [2, 2, 3], [0, 7, 0], [3, 0, 4]]),
]
# One size for the whole batch.
SUBSETS = [
    (k, [([0, 0, 0, 0, 0],), ([1, -2, 0.5, 3, 0],), ([1e4, -1e4, 0, 9999, 1],),
         ([-40, 40, -39, 41, 0],), ([1e300, 0, -1e300, 1, 1e300],), ([-math.inf, 700, 1, 2, -800],)],
     lambda z, value=value: [value, value[::-1]])
    for k, value in ((0, [0, 0, 0, 0, 0]), (1, [0, 1, 0, 0, 0]), (2, [1, 1, 0, 0, 0]),
                     (4, [0, 1, 1, 1, 1]))]


def nested(name, **arguments):
    return {"name": name, **arguments}


NORMALS = nested("Normal", loc=[0.0, -1.0, 3.0], scale=[1.0, 0.5, 2.0])
# For which there are only Python's values: broadcast batches, and distributions made of others.
MADE_OF_OTHERS = [
    (nested("Normal", loc=[[0.0], [1.0]], scale=[1.0, 2.0, 3.0]),
     [[0.5, -7.0, 30.0], [2.0, 0.0, -1.0]], U[3:-2]),
    (nested("Gamma", concentration=[[0.5], [3.0]], rate=[1.0, 2.0]),
     [[1.0, 2.0], [0.5, 9.0]], None),
    (nested("Independent", base=NORMALS, reinterpreted_batch_ndims=1),
     [[0.0, 0.0, 0.0], [1.0, -30.0, 8.0]], None),
    (nested("Independent", base=nested("Beta", concentration1=[[1.0, 2.0], [3.0, 4.0]],
                                       concentration0=[2.0, 0.5]),
            reinterpreted_batch_ndims=2), [[[0.5, 0.25], [0.125, 0.75]]], None),
    (nested("MixtureSameFamily", mixture=nested("Categorical", probs=[0.25, 0.5, 0.25]),
            component=NORMALS), [-4.0, -1.0, 0.5, 3.0, 60.0], None),
    (nested("MixtureSameFamily", mixture=nested("Categorical", logits=[[0.0, -30.0], [1.0, 2.0]]),
            component=nested("Gamma", concentration=[[1.0, 2.0], [3.0, 4.0]], rate=[2.0, 0.5])),
     [[0.5, 0.25], [1e-30, 70.0]], None),
    (nested("MixtureSameFamily", mixture=nested("Categorical", probs=[0.25, 0.75]),
            component=nested("Independent", reinterpreted_batch_ndims=1,
                             base=nested("Normal", loc=[[0.0, 1.0], [2.0, 3.0]], scale=1.0))),
     [[0.5, 0.25], [-20.0, 70.0]], None),
]
TRANSFORMED = [
    ([["exp"]], [1e-300, 0.01, 1.0, 50.0], [0, 0.01, 0.5, 0.99, 1]),
    ([["affine", 2.0, -3.0]], [-60.0, 0.0, 2.0, 5.0], [0, 0.01, 0.5, 0.99, 1]),
    ([["sigmoid"]], [1e-12, 0.25, 0.5, 0.99], [0.01, 0.5, 0.99]),
    ([["tanh"]], [-0.99, 0.0, 0.5], [0.01, 0.5, 0.99]),
    ([["affine", 1.0, 0.5], ["exp"], ["power", -2.0]], [1e-3, 0.25, 1.0, 7.0], [0.01, 0.5, 0.99]),
]

# For kl_divergence: every pair of these.
KL_MEMBERS = {
    "Bernoulli": [(p,) for p in (0, 0.3, 0.9, 1)],
    "Beta": [(0.5, 0.5), (2, 5), (30, 3)],
    "Binomial": [(3, 0), (3, 0.3), (10, 0.3), (10, 0.9), (10, 1)],
    "Cauchy": [(0, 1), (1.5, 0.25), (0, 1.001)],
    "ContinuousBernoulli": [(0.5,), (0.3,), (0.999,)],
    "Exponential": [(1,), (0.25,), (1.001,)],
    "Gamma": [(1, 1), (0.5, 2), (9, 3)],
    "Geometric": [(0.3,), (0.9,), (1,)],
    "Gumbel": [(0, 1), (1.5, 0.25), (-2, 3)],
    "HalfCauchy": [(1,), (0.25,)],
    "HalfNormal": [(1,), (0.25,)],
    "InverseGamma": [(1, 1), (0.5, 2), (9, 3)],
    "Laplace": [(0, 1), (1.5, 0.25), (-2, 3)],
    "LogNormal": [(0, 1), (1.5, 0.25), (-2, 3)],
    "NegativeBinomial": [(3, 0), (3, 0.3), (3, 0.9)],
    "Normal": [(0, 1), (1.5, 0.25), (-2, 3)],
    "Pareto": [(1, 1), (0.5, 6), (2, 2), (3, 4), (0.1, 100)],
    "Poisson": [(0,), (0.3,), (12.5,)],
    "Uniform": [(0, 1), (0.25, 0.5), (-3, 5), (2, 4), (3, 3 + 2.0**-30)],
    "VonMises": [(0, 1), (1.5, 0.25), (-2, 30)],
    "Weibull": [(1, 1), (0.5, 3), (2, 0.5)],
}
OWN_PAIRS = ["InverseGamma", "HalfCauchy", "LogNormal", "NegativeBinomial", "VonMises", "Weibull"]
