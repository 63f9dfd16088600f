#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tails of distributions and their gradients, by mpmath.

    /usr/bin/python3 tests/golden/make_distribution_tails.py \\
        > partita/learn/distributions/tails.json

Needs mpmath and numpy. tails_golden_test.cpp reads what this prints: for each distribution, batches
of parameters and of values, all of which single precision holds, so that one right answer serves
both types; and of log_prob, cdf, log_cdf and log_survival the value, then its derivatives by the
value and by every parameter. Derivatives are differences with as many digits as it takes.
"""
import json
import sys

import mpmath
import numpy
from mpmath import mp, mpf, atan, erf, erfc, expm1, gammainc, log1p, loggamma, pi, sqrt
from distribution_functions import inf, log_beta

mp.dps = 50


def exp(x):
    """Of which the exponent is still a number that mpmath can write down."""
    return mpf(0) if x < -1e9 else mpmath.exp(x)


def log(x):
    return -inf if x == 0 else mpmath.log(x)


def gamma_tails(y, a):
    return (gammainc(a, 0, y, regularized=True), gammainc(a, y, inf, regularized=True))


def beta_tails(x, rest, a, b):
    return (mpmath.betainc(a, b, 0, x, regularized=True),
            mpmath.betainc(b, a, 0, rest, regularized=True))


def normal_tails(z):
    return erfc(-z / sqrt(2)) / 2, erfc(z / sqrt(2)) / 2


def hazard_tails(h):
    return (-expm1(-h) if h < 1e6 else mpf(1)), exp(-h), None, -h


def cauchy_tails(z):
    small = atan(1 / abs(z)) / pi if z else mpf(1) / 2
    return (small, 1 - small) if z < 0 else (1 - small, small)


def laplace_tails(z):
    small = exp(-abs(z)) / 2
    logs = -abs(z) - log(2), log1p(-small)
    return (small, 1 - small, *logs) if z < 0 else (1 - small, small, *logs[::-1])


def logistic_tails(z):
    if abs(z) > 1e6:  # a number that exp could not return
        return (mpf(0), mpf(1), z, mpf(0)) if z < 0 else (mpf(1), mpf(0), mpf(0), -z)
    return 1 / (1 + exp(-z)), 1 / (1 + exp(z))


def continuous_bernoulli_tails(x, p):
    s = log(p) - log1p(-p)
    return expm1(s * x) / expm1(s), expm1(-s * (1 - x)) / expm1(-s)


def von_mises_tails(x, m, k):
    def density(t):
        return exp(k * (mpmath.cos(t) - 1))

    angle = abs(x - m)
    edges = [angle + (pi - angle) * mpf(i) / 8 for i in range(9)]
    upper = mpmath.quad(density, edges) / (2 * pi * mpmath.besseli(0, k) * exp(-k))
    return (upper, 1 - upper) if x < m else (1 - upper, upper)


def student_tails(x, v, m, s):
    z = (x - m) / s
    small = mpmath.betainc(v / 2, mpf(1) / 2, 0, v / (v + z * z), regularized=True) / 2
    return (small, 1 - small) if z < 0 else (1 - small, small)


def fisher_tails(x, a, b):
    return beta_tails(a * x / (a * x + b), b / (a * x + b), a / 2, b / 2)


def truncated_gumbel_log_cdf(x, m, s, top):
    return exp(-(top - m) / s) - exp(-(x - m) / s)


def from_log_cdf(value, log_of_minus):
    """log_of_minus: log(-value), which is that of P(X > x) where the latter is tiny."""
    return (exp(value), -expm1(value) if value > -1e6 else mpf(1), value,
            log_of_minus if log_of_minus < -1e6 else None)


def log1p_over(x, s):
    return log1p(s * x) / s if s else x


def gumbel_of(x, m, s, c):
    return log1p_over((x - m) / s, c)


def truncated_normal_tails(x, m, s, low, high):
    a, z, b = ((each - m) / s for each in (low, x, high))
    if a > 0:  # by the tails that are small
        a, z, b = -b, -z, -a
        return tuple(reversed(truncated_normal_tails(z, mpf(0), mpf(1), a, b)))
    mass = normal_tails(b)[0] - normal_tails(a)[0]
    return ((normal_tails(z)[0] - normal_tails(a)[0]) / mass,
            (normal_tails(b)[0] - normal_tails(z)[0]) / mass)


def truncated_normal_log_prob(x, m, s, low, high):
    a, b = (low - m) / s, (high - m) / s
    mass = normal_tails(-a)[0] - normal_tails(-b)[0] if a > 0 else normal_tails(b)[0] - normal_tails(a)[0]
    return -((x - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2 - log(mass)


# name: parameters, log density, (P(X <= x), P(X > x)), both of (x, *parameters)
FAMILIES = {
    "Normal": (["loc", "scale"],
               lambda x, m, s: -((x - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2,
               lambda x, m, s: normal_tails((x - m) / s)),
    "LogNormal": (["loc", "scale"],
                  lambda x, m, s: -((log(x) - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2 - log(x),
                  lambda x, m, s: normal_tails((log(x) - m) / s)),
    "HalfNormal": (["scale"], lambda x, s: -(x / s) ** 2 / 2 + log(2 / pi) / 2 - log(s),
                   lambda x, s: (erf(x / s / sqrt(2)), erfc(x / s / sqrt(2)))),
    "Cauchy": (["loc", "scale"],
               lambda x, m, s: -log(pi) - log(s) - log1p(((x - m) / s) ** 2),
               lambda x, m, s: cauchy_tails((x - m) / s)),
    "HalfCauchy": (["scale"], lambda x, s: log(2 / pi) - log(s) - log1p((x / s) ** 2),
                   lambda x, s: (2 / pi * atan(x / s), 2 / pi * atan(s / x))),
    "Laplace": (["loc", "scale"], lambda x, m, s: -abs(x - m) / s - log(2 * s),
                lambda x, m, s: laplace_tails((x - m) / s)),
    "Gumbel": (["loc", "scale"], lambda x, m, s: -(x - m) / s - exp(-(x - m) / s) - log(s),
               lambda x, m, s: from_log_cdf(-exp(-(x - m) / s), -(x - m) / s)),
    "TruncatedGumbel": (
        ["loc", "scale", "maximum"],
        lambda x, m, s, t: truncated_gumbel_log_cdf(x, m, s, t) - (x - m) / s - log(s),
        lambda x, m, s, t: from_log_cdf(truncated_gumbel_log_cdf(x, m, s, t), mpf(0))),
    "Exponential": (["rate"], lambda x, r: log(r) - r * x, lambda x, r: hazard_tails(r * x)),
    "Weibull": (["scale", "concentration"],
                lambda x, s, k: log(k / s) + (k - 1) * log(x / s) - (x / s) ** k,
                lambda x, s, k: hazard_tails((x / s) ** k)),
    "Pareto": (["scale", "alpha"], lambda x, s, a: log(a) + a * log(s) - (a + 1) * log(x),
               lambda x, s, a: hazard_tails(a * log(x / s))),
    "Kumaraswamy": (["concentration1", "concentration0"],
                    lambda x, a, b: log(a * b) + (a - 1) * log(x) + (b - 1) * log1p(-x**a),
                    lambda x, a, b: hazard_tails(-b * log1p(-x**a))),
    "Uniform": (["low", "high"], lambda x, a, b: -log(b - a),
                lambda x, a, b: ((x - a) / (b - a), (b - x) / (b - a))),
    "Gamma": (["concentration", "rate"],
              lambda x, a, r: a * log(r) + (a - 1) * log(x) - r * x - loggamma(a),
              lambda x, a, r: gamma_tails(r * x, a)),
    "Chi2": (["df"],
             lambda x, v: -v / 2 * log(2) + (v / 2 - 1) * log(x) - x / 2 - loggamma(v / 2),
             lambda x, v: gamma_tails(x / 2, v / 2)),
    "InverseGamma": (["concentration", "rate"],
                     lambda x, a, r: a * log(r) - (a + 1) * log(x) - r / x - loggamma(a),
                     lambda x, a, r: gamma_tails(r / x, a)[::-1]),
    "Beta": (["concentration1", "concentration0"],
             lambda x, a, b: (a - 1) * log(x) + (b - 1) * log1p(-x) - log_beta(a, b),
             lambda x, a, b: beta_tails(x, 1 - x, a, b)),
    "FisherSnedecor": (
        ["df1", "df2"],
        lambda x, a, b: (a / 2 * log(a / b) + (a / 2 - 1) * log(x)
                         - (a + b) / 2 * log1p(a * x / b) - log_beta(a / 2, b / 2)),
        fisher_tails),
    "StudentT": (["df", "loc", "scale"],
                 lambda x, v, m, s: (loggamma((v + 1) / 2) - loggamma(v / 2) - log(v * pi) / 2
                                     - log(s) - (v + 1) / 2 * log1p(((x - m) / s) ** 2 / v)),
                 student_tails),
    "VonMises": (["loc", "concentration"],
                 lambda x, m, k: k * mpmath.cos(x - m) - log(2 * pi) - log(mpmath.besseli(0, k)),
                 von_mises_tails),
    "ContinuousBernoulli": (
        ["probs"],
        lambda x, p: (log(p) - log1p(-p)) * x + log((log(p) - log1p(-p)) / (2 * p - 1) * (1 - p)),
        continuous_bernoulli_tails),
    "LogitRelaxedBernoulli": (
        ["temperature", "logits"],
        lambda x, t, z: log(t) - (t * x - z) - 2 * log1p(exp(-(t * x - z))),
        lambda x, t, z: logistic_tails(t * x - z)),
    "RelaxedBernoulli": (
        ["temperature", "logits"],
        lambda x, t, z: (log(t) - (t * (log(x) - log1p(-x)) - z)
                         - 2 * log1p(exp(-(t * (log(x) - log1p(-x)) - z))) - log(x) - log1p(-x)),
        lambda x, t, z: logistic_tails(t * (log(x) - log1p(-x)) - z)),
    "Geometric": (["probs"], lambda x, p: x * log1p(-p) + log(p),
                  lambda x, p: hazard_tails(-(x + 1) * log1p(-p))),
    "Poisson": (["rate"], lambda x, r: x * log(r) - r - loggamma(x + 1),
                lambda x, r: gamma_tails(r, x + 1)[::-1]),
    "Binomial": (["total_count", "probs"],
                 lambda x, n, p: (loggamma(n + 1) - loggamma(x + 1) - loggamma(n - x + 1)
                                  + x * log(p) + (n - x) * log1p(-p)),
                 lambda x, n, p: beta_tails(p, 1 - p, x + 1, n - x)[::-1]),
    "NegativeBinomial": (["total_count", "probs"],
                         lambda x, n, p: (loggamma(n + x) - loggamma(n) - loggamma(x + 1)
                                          + n * log1p(-p) + x * log(p)),
                         lambda x, n, p: beta_tails(p, 1 - p, x + 1, n)[::-1]),
    "Logistic": (["loc", "scale"],
                 lambda x, m, s: -abs(x - m) / s - 2 * log1p(exp(-abs(x - m) / s)) - log(s),
                 lambda x, m, s: logistic_tails((x - m) / s)),
    "Frechet": (["scale", "concentration"],
                lambda x, s, c: log(c / s) - (1 + c) * log(x / s) - (x / s) ** -c,
                lambda x, s, c: from_log_cdf(-(x / s) ** -c, -c * log(x / s))),
    "GeneralizedExtremeValue": (
        ["loc", "scale", "concentration"],
        lambda x, m, s, c: -log(s) - (1 + c) * gumbel_of(x, m, s, c) - exp(-gumbel_of(x, m, s, c)),
        lambda x, m, s, c: from_log_cdf(-exp(-gumbel_of(x, m, s, c)), -gumbel_of(x, m, s, c))),
    "GeneralizedPareto": (
        ["loc", "scale", "concentration"],
        lambda x, m, s, c: -log(s) - (1 + c) * log1p_over((x - m) / s, c),
        lambda x, m, s, c: hazard_tails(log1p_over((x - m) / s, c))),
    "TruncatedNormal": (["loc", "scale", "low", "high"], truncated_normal_log_prob,
                        truncated_normal_tails),
}
COUNTS = {"Geometric", "Poisson", "Binomial", "NegativeBinomial"}

FAR = [-1e30, -1e10, -1e4, -200, -37, -9, -2.5, -0.4, 0.3, 1.7, 7, 30, 90, 1e4, 1e10, 1e30]
NOT_NEGATIVE = [1e-37, 1e-20, 1e-8, 0.05, 0.7, 2, 15, 90, 1.3e4, 1e10, 1e30]
SOME_POSITIVE = [1e-37, 1e-20, 1e-8, 0.05, 0.7, 2, 15, 90, 400]
FRACTIONS = [1e-37, 1e-20, 1e-8, 1e-3, 0.2, 0.6, 0.97, 1 - 2.0**-12, 1 - 2.0**-24]

# name, members, points of a member
GRID = [
    ("Normal", [(0, 1), (1.5, 0.25), (-3, 1e5)], lambda m, s: FAR),
    ("LogNormal", [(0, 1), (1.5, 0.25), (-3, 20)], lambda m, s: NOT_NEGATIVE),
    ("HalfNormal", [(1,), (1e-4,), (3e4,)], lambda s: NOT_NEGATIVE),
    ("Cauchy", [(0, 1), (1.5, 0.25), (-3, 1e5)], lambda m, s: FAR),
    ("HalfCauchy", [(1,), (1e-4,), (3e4,)], lambda s: NOT_NEGATIVE),
    ("Laplace", [(0, 1), (1.5, 0.25), (-3, 1e5)], lambda m, s: FAR),
    ("Gumbel", [(0, 1), (1.5, 0.25), (-3, 1e5)], lambda m, s: FAR),
    ("TruncatedGumbel", [(0, 1, 30), (0.5, 2, 9), (0, 1, -6), (0, 1, 1)],
     lambda m, s, t: [x for x in FAR if x < t]),
    ("Exponential", [(1,), (1e-4,), (3e4,)], lambda r: NOT_NEGATIVE),
    ("Weibull", [(1, 1), (0.5, 3), (2, 0.25), (3, 0.02)], lambda s, k: NOT_NEGATIVE),
    ("Pareto", [(1, 1), (0.5, 3), (2, 0.25)],
     lambda s, a: [s * x for x in (1 + 2.0**-20, 1.5, 8, 1e4, 1e12, 1e30)]),
    ("Kumaraswamy", [(1.5, 2), (0.5, 0.5), (20, 0.1), (3, 100)], lambda a, b: FRACTIONS),
    ("Uniform", [(0, 1), (-3, 5)], lambda a, b: [a + (b - a) * x for x in (2.0**-20, 0.3, 0.9)]),
    ("Gamma", [(1, 1), (0.5, 2), (2.5, 0.25), (1e-3, 1), (40, 3)], lambda a, r: SOME_POSITIVE),
    ("Chi2", [(1,), (0.01,), (7,)], lambda v: SOME_POSITIVE),
    ("InverseGamma", [(1, 1), (0.5, 2), (2.5, 0.25), (40, 3)],
     lambda a, r: [2e-3, 0.05, 0.7, 2, 15, 90, 1e4, 1e10, 1e30]),
    ("Beta", [(1.5, 1), (0.5, 0.5), (2, 5), (1e-3, 1), (30, 0.02), (30, 60)],
     lambda a, b: FRACTIONS),
    ("FisherSnedecor", [(1, 1), (3, 6), (7, 3), (0.2, 9)], lambda a, b: NOT_NEGATIVE),
    ("StudentT", [(1, 0, 1), (2, 1.5, 0.25), (3.5, -3, 7), (0.1, 0, 1), (30, 0, 1)],
     lambda v, m, s: FAR),
    ("VonMises", [(0, 1), (0.5, 0.25), (0, 100)], lambda m, k: [-2.5, -1, 0.25, 0.7, 2, 3]),
    ("ContinuousBernoulli", [(0.4990,), (0.1,), (0.8,), (1e-10,)], lambda p: FRACTIONS),
    ("LogitRelaxedBernoulli", [(1, 0), (0.5, 1.5), (3, -2)], lambda t, z: FAR),
    ("RelaxedBernoulli", [(1.25, 0.5), (0.5, 1.5), (3, -2)], lambda t, z: FRACTIONS),
    ("Geometric", [(0.3,), (1e-6,), (0.99,)], lambda p: [0, 1, 5, 60, 1e4]),
    ("Poisson", [(0.3,), (1e-10,), (12.5,), (300,)], lambda r: [0, 1, 5, 60, 400]),
    ("Binomial", [(10, 0.3), (10, 1e-10), (400, 0.97)],
     lambda n, p: [k for k in (0, 1, 5, 9, 60, 399) if k < n]),
    ("NegativeBinomial", [(10, 0.3), (0.25, 0.9), (3, 1e-6)], lambda n, p: [0, 1, 5, 60, 400]),
    ("Logistic", [(0, 1), (1.5, 0.25), (-3, 1e5)], lambda m, s: FAR),
    ("Frechet", [(1, 1), (0.5, 3), (2, 0.25)], lambda s, c: NOT_NEGATIVE),
    ("GeneralizedExtremeValue", [(0, 1, 0), (0.5, 2, 0.25), (-3, 0.5, -0.5), (0, 1, 2)],
     lambda m, s, c: [x for x in FAR if 1 + c * (x - m) / s > 0 and (c or abs(x) < 1e3)]),
    ("GeneralizedPareto", [(0, 1, 0), (0.5, 2, 0.25), (-3, 0.5, -0.5), (0, 1, 2)],
     lambda m, s, c: [x for x in FAR if x > m and 1 + c * (x - m) / s > 0 and (c or abs(x) < 1e3)]),
    ("TruncatedNormal", [(0, 1, -1, 2), (0, 1, 5, 9), (1, 2, -40, -30), (0, 1, 100, 101), (3, 8, 3, 3.5)],
     lambda m, s, a, b: [a + (b - a) * x for x in (2.0**-8, 0.1, 0.5, 0.9, 1 - 2.0**-8)]),
]


def single(x):
    return float(numpy.float32(x))


def rounded(x):
    """As a JSON number, where double precision holds it."""
    x = float(x) if mp.isfinite(x) else x
    if mpmath.isnan(x):
        raise ValueError("NaN")
    return x if abs(x) < inf else str(float(x))


def derivative(f, point, which):
    """By central differences of a step so small that their error is below 1e-20."""
    def along(t):
        moved = list(point)
        moved[which] = point[which] + t
        return f(*moved)

    x = abs(point[which])
    step = (x if x else mpf(1)) * mpf(10) ** -25
    return (along(step) - along(-step)) / (2 * step)


def answers(f, slope, points, digits, counts):
    """Of f at each of the points: its value, and its derivatives (which are those of `slope`), one
    list of numbers each."""
    columns = []
    with mp.workdps(digits):
        values = [rounded(f(*p)) for p in points]
        columns.append(values)
        for which in range(len(points[0])):
            if counts and which == 0:
                columns.append(None)
                continue
            # What is impossible (in double precision) has no gradient.
            columns.append([0.0 if v == "-inf" else rounded(derivative(slope, p, which))
                            for p, v in zip(points, values)])
    return columns


def case(name, members, points):
    names, log_prob, tails = FAMILIES[name]
    counts = name in COUNTS
    rows = [[single(v) for v in member] for member in members]
    at = [[single(x) for x in points(*row)] for row in rows]
    flat = [[mpf(x)] + [mpf(v) for v in row] for row, xs in zip(rows, at) for x in xs]
    digits = 250

    def cdf(*a):
        return tails(*a)[0]

    def slope_of_cdf(*a):
        """1 less the smaller of the two, whose differences are those of the cdf."""
        low, up, *_ = tails(*a)
        return low if low < 0.5 else -up

    def log_cdf(*a):
        low, up, *logs = tails(*a)
        if logs and logs[0] is not None:
            return logs[0]
        return log(low) if low < 0.5 else log1p(-up)

    def log_survival(*a):
        low, up, *logs = tails(*a)
        if logs and logs[1] is not None:
            return logs[1]
        return log(up) if up < 0.5 else log1p(-low)

    result = {"d": {"name": name, **{n: [float(p[i + 1]) for p in flat]
                                   for i, n in enumerate(names)}},
            "names": names, "value": [float(p[0]) for p in flat]}
    for method, f, slope in (("log_prob", log_prob, log_prob), ("cdf", cdf, slope_of_cdf),
                             ("log_cdf", log_cdf, log_cdf),
                             ("log_survival", log_survival, log_survival)):
        print(name, method, file=sys.stderr)
        result[method] = answers(f, slope, flat, digits, counts)
    return result


def main():
    only = sys.argv[1:]
    print("[")
    print(",\n".join(json.dumps(case(*each)) for each in GRID if not only or each[0] in only))
    print("]")


if __name__ == "__main__":
    main()
