#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Small differences of large numbers: divergences of distributions that are close, variances next to
large means, log-probabilities and entropies with large parameters; by mpmath with 120 digits.

    /usr/bin/python3 tests/golden/make_distribution_differences.py \\
        > partita/learn/distributions/differences.json

differences_test.cpp reads what this prints: {d, method, at or q, right}. All inputs are numbers that
single precision holds.
"""
import itertools
import json

import mpmath
import numpy
from mpmath import mp, mpf, besseli, digamma, exp, expm1, gamma, log, log1p, loggamma, pi
from distribution_functions import log_beta

mp.dps = 120


def single(x):
    return [single(each) for each in x] if isinstance(x, list) else float(numpy.float32(x))


def exact(x):
    return [exact(each) for each in x] if isinstance(x, list) else mpf(x)


def gamma_kl(a, r, b, s):
    return loggamma(b) - loggamma(a) + (a - b) * digamma(a) + b * log(r / s) + a * (s - r) / r


def dirichlet_kl(a, b):
    n, m = sum(a), sum(b)
    return (loggamma(n) - loggamma(m) + sum(loggamma(y) - loggamma(x) for x, y in zip(a, b))
            + sum((x - y) * (digamma(x) - digamma(n)) for x, y in zip(a, b)))


def coin_kl(p, q):
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))


def normal_kl(m, s, n, t):
    return log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - mpf(1) / 2


def gumbel_kl(m, s, n, t):
    r, shift = s / t, (m - n) / t
    return (shift - log(r) + mp.euler * r + exp(-shift) * gamma(1 + r) - 1 - mp.euler)


def weibull_kl(s, k, t, j):
    r = j / k
    return (log(k / s**k) - log(j / t**j) + (k - j) * (log(s) - mp.euler / k)
            + (s / t) ** j * gamma(1 + r) - 1)


def von_mises_kl(m, k, n, j):
    a = besseli(1, k) / besseli(0, k)
    return log(besseli(0, j) / besseli(0, k)) + k * a - j * a * mpmath.cos(m - n)


def log_partition(p):
    s = log(p / (1 - p))
    return log(expm1(s) / s)


def continuous_bernoulli_mean(p):
    s = log(p / (1 - p))
    return 1 / (1 - exp(-s)) - 1 / s


def continuous_bernoulli_kl(p, q):
    return (continuous_bernoulli_mean(p) * (log(p / (1 - p)) - log(q / (1 - q)))
            - log_partition(p) + log_partition(q))


def laplace_kl(m, s, n, t):
    u = abs(m - n) / s
    return s / t * (u + exp(-u)) - 1 - log(s / t)


def cauchy_kl(m, s, n, t):
    return log(((s + t) ** 2 + (m - n) ** 2) / (4 * s * t))


def student_log_prob(x, v, m, s):
    return (loggamma((v + 1) / 2) - loggamma(v / 2) - log(v * pi) / 2 - log(s)
            - (v + 1) / 2 * log1p(((x - m) / s) ** 2 / v))


def log_normal_density(x, m, s):
    return -((x - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2


def on_the_line(p, q, *places):
    """KL of log-densities p and q by quadrature over x = place + scale sinh(t), about the narrower."""
    place, scale = min(places, key=lambda each: each[1])

    def term(t):
        x = place + scale * mpmath.sinh(t)
        a, b = p(x), q(x)
        return exp(a) * (a - b) * scale * mpmath.cosh(t) if a > -2000 else mpf(0)

    with mpmath.workdps(50):
        edges = [-1500, -300, -100, -40, *range(-24, 25, 2), 40, 100, 300, 1500]
        return mpmath.quad(term, edges)


def student_kl(v, m, s, w, n, t):
    if (v, m, s) == (w, n, t):
        return mpf(0)
    return on_the_line(lambda x: student_log_prob(x, v, m, s), lambda x: student_log_prob(x, w, n, t),
                       (m, s), (n, t))


def normal_student_kl(m, s, w, n, t):
    return on_the_line(lambda x: log_normal_density(x, m, s), lambda x: student_log_prob(x, w, n, t),
                       (m, s), (n, t))


def student_normal_kl(v, m, s, n, t):
    return on_the_line(lambda x: student_log_prob(x, v, m, s), lambda x: log_normal_density(x, n, t),
                       (m, s), (n, t))


def wishart_kl(v, p, w, q):
    d = len(p)
    p, q = mpmath.matrix(p), mpmath.matrix(q)
    ratio = q**-1 * p
    return (-w / 2 * log(mpmath.det(ratio)) + v / 2 * (sum(ratio[i, i] for i in range(d)) - d)
            + sum(loggamma((w - i) / 2) - loggamma((v - i) / 2) + (v - w) / 2 * digamma((v - i) / 2)
                  for i in range(d)))


def subset_kl(k, z, _, y):
    """Over all sets of k."""
    def log_probs(z):
        sums = [mpmath.fsum(members) for members in itertools.combinations(z, int(k))]
        largest = max(sums)
        return [x - largest - log(mpmath.fsum(exp(x - largest) for x in sums)) for x in sums]
    return mpmath.fsum(exp(a) * (a - b) for a, b in zip(log_probs(z), log_probs(y)))


# name, the names of its parameters, the divergence of (*p, *q)
DIVERGENCES = {
    "Beta": (["concentration1", "concentration0"],
             lambda a, b, c, d: dirichlet_kl([a, b], [c, d])),
    "Dirichlet": (["concentration"], dirichlet_kl),
    "Gamma": (["concentration", "rate"], gamma_kl),
    "InverseGamma": (["concentration", "rate"], gamma_kl),
    "Chi2": (["df"], lambda v, w: gamma_kl(v / 2, mpf(1) / 2, w / 2, mpf(1) / 2)),
    "Exponential": (["rate"], lambda r, s: log(r / s) + s / r - 1),
    "Normal": (["loc", "scale"], normal_kl),
    "LogNormal": (["loc", "scale"], normal_kl),
    "HalfNormal": (["scale"], lambda s, t: normal_kl(mpf(0), s, mpf(0), t)),
    "Laplace": (["loc", "scale"], laplace_kl),
    "Cauchy": (["loc", "scale"], cauchy_kl),
    "HalfCauchy": (["scale"], lambda s, t: cauchy_kl(mpf(0), s, mpf(0), t)),
    "Gumbel": (["loc", "scale"], gumbel_kl),
    "Weibull": (["scale", "concentration"], weibull_kl),
    "Pareto": (["scale", "alpha"],
               lambda s, a, t, b: b * log(s / t) + log(a / b) + b / a - 1),
    "VonMises": (["loc", "concentration"], von_mises_kl),
    "ContinuousBernoulli": (["probs"], continuous_bernoulli_kl),
    "Bernoulli": (["probs"], coin_kl),
    "Geometric": (["probs"], lambda p, q: coin_kl(p, q) / p),
    "Poisson": (["rate"], lambda r, s: r * log(r / s) + s - r),
    "StudentT": (["df", "loc", "scale"], student_kl),
    "Subset": (["k", "logits"], subset_kl),
    "Wishart": (["df", "covariance_matrix"], wishart_kl),
}
# Of two families.
CROSSED = [
    ("Normal", "StudentT", normal_student_kl, [((0, 1), (3, 0, 1)), ((0, 1), (1e6, 0, 1)),
                                               ((5, 0.125), (0.5, -3, 2))]),
    ("StudentT", "Normal", student_normal_kl, [((3, 0, 1), (0, 1)), ((30, 1, 2), (0.5, 2.5))]),
]
PAIRS = {
    "Beta": [((1e6, 1), (1000100, 1)), ((1e6, 1e6), (1000100, 1e6)), ((2, 3), (2.0001, 3)),
             ((1e-3, 5), (1.001e-3, 5)), ((1e12, 3e11), (1.0001e12, 3.0003e11)), ((2, 3), (40, 1)),
             ((0.5, 0.5), (0.5, 0.5)), ((1e-3, 1e6), (2e-3, 1e6))],
    "Dirichlet": [(([1e6, 2e6, 3],), ([1.0001e6, 2e6, 3],)), (([1, 2, 3],), ([1.001, 2, 3],)),
                  (([5, 1e-3, 3],), ([1, 2, 3],))],
    "Gamma": [((1e6, 1), (1000100, 1)), ((1e6, 1), (1000100, 1.0001)), ((2, 3), (2.0001, 3)),
              ((1e12, 1e-3), (1.0001e12, 1e-3)), ((0.3, 1), (30, 2)), ((1e-3, 5), (1.001e-3, 5))],
    "Chi2": [((1e6,), (1000100,)), ((3,), (3.001,))],
    "Exponential": [((1,), (1.0001,)), ((1e30,), (1e-7,))],
    "Normal": [((0, 1), (1e-4, 1.0001)), ((1e6, 3), (1e6 + 0.25, 3)), ((0, 1e-10), (1, 1e10))],
    "HalfNormal": [((1,), (1.0001,)), ((1e-10,), (1,))],
    "Laplace": [((0, 1), (1e-4, 1.0001)), ((3, 2), (-3, 5))],
    "Cauchy": [((0, 1), (1e-4, 1.0001)), ((3, 2), (-3, 5))],
    "HalfCauchy": [((1,), (1.0001,)), ((1e-10,), (1,))],
    "Gumbel": [((0, 1), (1e-4, 1)), ((0, 1), (0, 1.0001)), ((2, 3), (1, 0.5))],
    "Weibull": [((1, 2), (1.0001, 2)), ((1, 2), (1, 2.0001)), ((3, 0.5), (1, 2))],
    "Pareto": [((1, 2), (1, 2.0001)), ((1.0001, 2), (1, 2)), ((3, 0.5), (1, 2))],
    "VonMises": [((0, 1), (0, 1.0001)), ((0, 200), (0, 200.01)), ((0, 50), (1e-4, 50)),
                 ((0, 1e6), (0, 1000100)), ((1, 0.1), (2, 30))],
    "ContinuousBernoulli": [((0.3,), (0.30001,)), ((1e-6,), (1.001e-6,)), ((0.1,), (0.9,)),
                            ((0.5001,), (0.5002,))],
    "Bernoulli": [((0.3,), (0.30001,)), ((1e-6,), (1.001e-6,)), ((0.1,), (0.9,))],
    "Geometric": [((0.3,), (0.30001,)), ((1e-6,), (1.001e-6,)), ((0.1,), (0.9,))],
    "Poisson": [((1e6,), (1000100,)), ((1e12,), (1.0001e12,)), ((0.3,), (30,))],
    "StudentT": [((5, 0, 1), (5, 0, 1)), ((5, 0, 1), (5.0001, 0, 1)), ((5, 0, 1), (5, 1e-4, 1)),
                 ((3, 0, 1), (3, 2, 1)), ((1, 0, 1), (2, 100, 3)), ((0.25, 0, 1), (4, -1, 2)),
                 ((0.125, -3, 1), (0.25, 5, 2)), ((2, 0, 1e-3), (7, 1, 1)), ((2, 0, 1), (7, 1, 1e-3)),
                 ((30, 1e3, 1), (4, 0, 8)), ((1e6, 0, 1), (2e6, 0, 1))],
    "Subset": [((2, [1, -2, 0.5, 3, 0]), (2, [1, -2, 0.5, 3, 1e-4])),
               ((3, [1, -2, 0.5, 3, 0]), (3, [1.001, -2, 0.5, 3, 0])),
               ((2, [100, 0, 1, 100, 50]), (2, [100, 0, 1, 99, 80])),
               ((2, [1, -30, 0.5, 3, 0]), (2, [1, -28, 0.5, 3, 0])),
               ((4, [1, -2, 0.5, 3, 0]), (4, [-3, 0, 8, 1, 2]))],
    "Wishart": [((5, [[2, 0.5], [0.5, 1]]), (5, [[2, 0.5], [0.5, 1.0001]])),
                ((5, [[2, 0.5], [0.5, 1]]), (5.0001, [[2, 0.5], [0.5, 1]])),
                ((1.25, [[2, 0.5], [0.5, 1]]), (30, [[1, -0.25], [-0.25, 4]])),
                ((1e6, [[2, 0.5], [0.5, 1]]), (1000100, [[2, 0.5], [0.5, 1]])), ((3, [[2]]), (4, [[1]]))],
}
PAIRS["InverseGamma"] = PAIRS["Gamma"]
PAIRS["LogNormal"] = PAIRS["Normal"]


def log_multinomial(k, p):
    return loggamma(sum(k) + 1) + sum(x * log(q) - loggamma(x + 1) for x, q in zip(k, p))


def second_moment_less_square(first, second):
    return second - first**2


def kumaraswamy_variance(a, b):
    def moment(n):
        return b * exp(log_beta(1 + n / a, b))
    return moment(2) - moment(1) ** 2


# method, name, parameters, value, right answer
def dirichlet_log_prob(x, c):
    return (loggamma(sum(c)) + sum((a - 1) * log(y) - loggamma(a) for a, y in zip(c, x)))


def fisher_log_prob(x, a, b):
    return (a / 2 * log(a / b) + (a / 2 - 1) * log(x) - (a + b) / 2 * log1p(a * x / b)
            - log_beta(a / 2, b / 2))


def beta_entropy(a, b):
    return (log_beta(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b)
            + (a + b - 2) * digamma(a + b))


LOG_PROBS = [
    ("Beta", ["concentration1", "concentration0"],
     lambda x, a, b: (a - 1) * log(x) + (b - 1) * log1p(-x) - log_beta(a, b),
     [((1e15, 1e15), [0.5]), ((1e7, 1e7), [0.5, 0.5001, 0.501]), ((1e10, 1), [0.9999999]),
      ((1e30, 1e30), [0.5]), ((3, 1e8), [1e-8, 4e-8])]),
    ("Gamma", ["concentration", "rate"],
     lambda x, a, r: a * log(r) + (a - 1) * log(x) - r * x - loggamma(a),
     [((1e15, 1), [1e15, 1.0000001e15]), ((1e7, 2), [5e6, 5.001e6]), ((1e30, 1e-3), [1e33])]),
    ("InverseGamma", ["concentration", "rate"],
     lambda x, a, r: a * log(r) - (a + 1) * log(x) - r / x - loggamma(a),
     [((1e15, 1e15), [1]), ((1e7, 2e7), [2, 2.001])]),
    ("StudentT", ["df", "loc", "scale"], student_log_prob,
     [((1e15, 0, 1), [0, 1, 30]), ((1e30, 0, 1), [0.5])]),
    ("FisherSnedecor", ["df1", "df2"], fisher_log_prob,
     [((1e10, 1e10), [1, 1.0001]), ((1e15, 4), [0.5, 2])]),
    ("Poisson", ["rate"], lambda x, r: x * log(r) - r - loggamma(x + 1),
     [((1e15,), [1e15, 1.0000001e15]), ((1e7,), [1e7, 10001000]), ((1e30,), [1e30])]),
    ("Binomial", ["total_count", "probs"],
     lambda x, n, p: (loggamma(n + 1) - loggamma(x + 1) - loggamma(n - x + 1) + x * log(p)
                      + (n - x) * log1p(-p)),
     [((16777216, 0.5), [8388608, 8389608]), ((2.0**40, 0.25), [2.0**38, 2.0**38 + 2.0**20])]),
    ("NegativeBinomial", ["total_count", "probs"],
     lambda x, n, p: (loggamma(n + x) - loggamma(n) - loggamma(x + 1) + n * log1p(-p)
                      + x * log(p)),
     [((1e7, 0.5), [1e7, 10001000]), ((1e15, 0.5), [1e15]), ((0.5, 1 - 2.0**-24), [1e7])]),
]
VECTOR_LOG_PROBS = [
    ("Dirichlet", "concentration", dirichlet_log_prob, [1e15, 1e15, 2e15], [0.25, 0.25, 0.5]),
    ("Dirichlet", "concentration", dirichlet_log_prob, [1e7, 1e7, 2e7], [0.25, 0.25, 0.5]),
]
NUMBERS = [
    ("entropy", "Beta", {"concentration1": 1e15, "concentration0": 1e15}, beta_entropy),
    ("entropy", "Beta", {"concentration1": 1e7, "concentration0": 3}, beta_entropy),
    ("entropy", "Gamma", {"concentration": 1e15, "rate": 1},
     lambda a, r: a - log(r) + loggamma(a) + (1 - a) * digamma(a)),
    ("entropy", "InverseGamma", {"concentration": 1e15, "rate": 1},
     lambda a, r: a + log(r) + loggamma(a) - (1 + a) * digamma(a)),
    ("entropy", "StudentT", {"df": 1e15, "loc": 0, "scale": 1},
     lambda v, m, s: (log(s) + (v + 1) / 2 * (digamma((v + 1) / 2) - digamma(v / 2))
                      + log(v) / 2 + log_beta(v / 2, mpf(1) / 2))),
    ("entropy", "VonMises", {"loc": 0, "concentration": 1e8},
     lambda m, k: (log(2 * pi) + mpmath.log(besseli(0, k)) - k * besseli(1, k) / besseli(0, k))),
    ("variance", "VonMises", {"loc": 0, "concentration": 1e8},
     lambda m, k: 1 - besseli(1, k) / besseli(0, k)),
    ("variance", "Kumaraswamy", {"concentration1": 1e8, "concentration0": 1}, kumaraswamy_variance),
    ("variance", "Kumaraswamy", {"concentration1": 1e4, "concentration0": 30}, kumaraswamy_variance),
    ("variance", "Kumaraswamy", {"concentration1": 0.5, "concentration0": 1e8},
     kumaraswamy_variance),
    ("variance", "Kumaraswamy", {"concentration1": 2, "concentration0": 0.5}, kumaraswamy_variance),
    ("mean", "Kumaraswamy", {"concentration1": 2, "concentration0": 1e8},
     lambda a, b: b * exp(log_beta(1 + 1 / a, b))),
    ("variance", "Weibull", {"scale": 1, "concentration": 1e8},
     lambda s, k: s * s * (gamma(1 + 2 / k) - gamma(1 + 1 / k) ** 2)),
    ("variance", "Weibull", {"scale": 2, "concentration": 0.5},
     lambda s, k: s * s * (gamma(1 + 2 / k) - gamma(1 + 1 / k) ** 2)),
    ("variance", "LogNormal", {"loc": 1, "scale": 1e-6},
     lambda m, s: expm1(s * s) * exp(2 * m + s * s)),
    ("variance", "Beta", {"concentration1": 1e15, "concentration0": 1},
     lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1))),
    ("variance", "ContinuousBernoulli", {"probs": 0.5001},
     lambda p: 1 / log(p / (1 - p)) ** 2 - 1 / (4 * mpmath.sinh(log(p / (1 - p)) / 2) ** 2)),
]


def rows():
    for name, (names, divergence) in DIVERGENCES.items():
        for p, q in PAIRS[name]:
            p, q = single(list(p)), single(list(q))
            yield {"d": {"name": name, **dict(zip(names, p))}, "method": "kl",
                   "q": {"name": name, **dict(zip(names, q))},
                   "right": float(divergence(*exact(p), *exact(q)))}
    for name, other, divergence, pairs in CROSSED:
        for p, q in pairs:
            p, q = single(list(p)), single(list(q))
            yield {"d": {"name": name, **dict(zip(DIVERGENCES[name][0], p))}, "method": "kl",
                   "q": {"name": other, **dict(zip(DIVERGENCES[other][0], q))},
                   "right": float(divergence(*exact(p), *exact(q)))}
    for name, names, log_prob, cases in LOG_PROBS:
        for parameters, points in cases:
            parameters = single(list(parameters))
            for x in single(list(points)):
                yield {"d": {"name": name, **dict(zip(names, parameters))}, "method": "log_prob",
                       "at": x, "right": float(log_prob(mpf(x), *exact(parameters)))}
    for name, parameter, log_prob, c, x in VECTOR_LOG_PROBS:
        c, x = single(c), single(x)
        yield {"d": {"name": name, parameter: c}, "method": "log_prob", "at": x,
               "right": float(log_prob(exact(x), exact(c)))}
    for method, name, parameters, f in NUMBERS:
        parameters = {key: single(value) for key, value in parameters.items()}
        yield {"d": {"name": name, **parameters}, "method": method,
               "right": float(f(*exact(list(parameters.values()))))}


print("[")
print(",\n".join(json.dumps(row) for row in rows()))
print("]")
