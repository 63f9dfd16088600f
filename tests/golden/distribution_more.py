# SPDX-License-Identifier: Apache-2.0
"""The definitions of distributions that Python 1.13 has not, or has for matrices and vectors only.

As in distribution_definitions.py. For make_distributions.py.
"""
import itertools

import mpmath
import torch.distributions as td
from distribution_definitions import Definition, entropy_of, half, real
from distribution_functions import (gamma_constant, inf, log1m, log_beta, log_choose, nan,
                                    sigmoid, upper, xlogy)
from mpmath import mp, mpf, exp, log, log1p, loggamma, pi, sqrt


def logistic_log_prob(x, m, s):
    z = (x - m) / s
    return -z - 2 * log1p(exp(-z)) - log(s)


def power_log(x, m, s, c):
    """log(1 + c z) / c"""
    z = (x - m) / s
    if c == 0:
        return z
    return inf if 1 + c * z <= 0 and c < 0 else -inf if 1 + c * z <= 0 else log1p(c * z) / c


def power(y, m, s, c):
    """The inverse."""
    if c == 0:
        return m + s * y
    return m + s * (exp(c * y) - 1) / c


def ends_of_pareto(m, s, c):
    return [m, m - s / c if c < 0 else inf]


def ends_of_extremes(m, s, c):
    return [m - s / c if c > 0 else -inf, m - s / c if c < 0 else inf]


def extreme_moment(n, c):
    return mpmath.gamma(1 - n * c)


def extreme_variance(m, s, c):
    if c >= 0.5:
        return inf
    if c == 0:
        return s * s * pi**2 / 6
    return s * s * (extreme_moment(2, c) - extreme_moment(1, c) ** 2) / c**2


def extreme_mean(m, s, c):
    if c >= 1:
        return inf
    return m + s * (gamma_constant if c == 0 else (extreme_moment(1, c) - 1) / c)


def minus_log(u):
    return inf if u == 0 else mpf(0) if u == 1 else -log(mpf(u))


class Truncated:
    """A normal variable in [a, b], with as many digits as the tails need."""

    @staticmethod
    def precisely(f):
        def wrapped(*arguments):
            with mp.workdps(90):
                answer = f(*arguments)
            return +answer

        return wrapped

    @staticmethod
    def mass(a, b):
        return upper(a) - upper(b) if a > 0 else upper(-b) - upper(-a)

    @staticmethod
    def density(z):
        return mpf(0) if abs(z) == inf else exp(-z * z / 2) / sqrt(2 * pi)

    @staticmethod
    def log_prob(x, m, s, low, high):
        z, a, b = (x - m) / s, (low - m) / s, (high - m) / s
        return -z * z / 2 - log(2 * pi) / 2 - log(s) - log(Truncated.mass(a, b))

    @staticmethod
    def cdf(x, m, s, low, high):
        z, a, b = (x - m) / s, (low - m) / s, (high - m) / s
        return Truncated.mass(a, z) / Truncated.mass(a, b)

    @staticmethod
    def moments(m, s, low, high):
        """E[Z], E[Z^2] of the standardized variable, and log of its mass."""
        a, b = (low - m) / s, (high - m) / s
        mass = Truncated.mass(a, b)
        times = lambda z: mpf(0) if abs(z) == inf else z * Truncated.density(z)
        return ((Truncated.density(a) - Truncated.density(b)) / mass,
                1 + (times(a) - times(b)) / mass, log(mass))

    @staticmethod
    def mean(m, s, low, high):
        return m + s * Truncated.moments(m, s, low, high)[0]

    @staticmethod
    def variance(m, s, low, high):
        first, second, _ = Truncated.moments(m, s, low, high)
        return s * s * (second - first**2)

    @staticmethod
    def entropy(m, s, low, high):
        _, second, log_mass = Truncated.moments(m, s, low, high)
        return log(2 * pi) / 2 + log(s) + log_mass + second / 2


def beta_binomial_log_prob(x, n, a, b):
    return log_choose(n, x) + log_beta(a + x, b + n - x) - log_beta(a, b)


def sum_below(log_prob):
    return lambda x, *p: mpmath.fsum(exp(log_prob(mpf(k), *p)) for k in range(int(x) + 1))


def logistic_normal_log_prob(y, m, s):
    """From the stick-breaking transform, whose i-th share is sigmoid(x - log(K - i))."""
    total, rest, k = mpf(0), mpf(1), len(y) - 1
    for i in range(k):
        share = y[i] / rest
        x = log(share) - log1m(share) + log(mpf(k - i))
        total += -((x - m[i]) / s[i]) ** 2 / 2 - log(s[i]) - log(2 * pi) / 2
        total -= log(rest) + log(share) + log1m(share)  # dy / dx
        rest -= y[i]
    return total


def log_multigamma(a, d):
    return mpf(d * (d - 1)) / 4 * log(pi) + mpmath.fsum(loggamma(a - mpf(j) / 2) for j in range(d))


def wishart_log_prob(x, v, covariance):
    x, c = mp.matrix(x), mp.matrix(covariance)
    d = x.rows
    trace = sum((mpmath.inverse(c) * x)[i, i] for i in range(d))
    return ((v - d - 1) / 2 * log(mpmath.det(x)) - trace / 2 - v * d / 2 * log(2)
            - v / 2 * log(mpmath.det(c)) - log_multigamma(v / 2, d))


def wishart_entropy(v, covariance):
    c = mp.matrix(covariance)
    d = c.rows
    psi = mpmath.fsum(mpmath.digamma((v - j) / 2) for j in range(d))
    return (mpf(d + 1) / 2 * log(mpmath.det(c)) + mpf(d * (d + 1)) / 2 * log(2)
            + log_multigamma(v / 2, d) - (v - d - 1) / 2 * psi + v * d / 2)


def lkj_log_prob(l, c):
    """The density of the factor: det(L)^(2 (c - 1)) prod l_ii^(D - i) over its integral (Lewandowski
    2009, equation 16, with the Jacobian), row by row."""
    d = len(l)
    total = mpf(0)
    for i in range(1, d):  # w in the unit ball of i dimensions: (1 - |w|^2)^(b - 1)
        b = c + mpf(d - 1 - i) / 2
        total += 2 * (b - 1) * log(l[i][i])
        total -= mpf(i) / 2 * log(pi) + loggamma(b) - loggamma(b + mpf(i) / 2)
    return total


def dirichlet_multinomial_log_prob(x, n, c):
    return (loggamma(n + 1) + loggamma(sum(c)) - loggamma(n + sum(c)) + mpmath.fsum(
        loggamma(a + b) - loggamma(b) - loggamma(a + 1) for a, b in zip(x, c)))


class Subsets:
    """All sets of k, as vectors of ones and zeros, and the softmax of their sums of logits."""

    @staticmethod
    def all(k, z):
        sets = [[mpf(i in members) for i in range(len(z))]
                for members in itertools.combinations(range(len(z)), int(k))]
        sums = [mpmath.fsum(a for a, b in zip(z, s) if b) for s in sets]
        largest = max(sums)
        total = mpmath.fsum(exp(x - largest) for x in sums)
        return [(s, x - largest - log(total)) for s, x in zip(sets, sums)]

    @staticmethod
    def log_prob(x, k, z):
        return next(p for s, p in Subsets.all(k, z) if s == list(x))

    @staticmethod
    def included(k, z, member=1):
        return [mpmath.fsum(exp(p) for s, p in Subsets.all(k, z) if s[i] == member)
                for i in range(len(z))]

    @staticmethod
    def variance(k, z):
        return [a * b for a, b in zip(Subsets.included(k, z), Subsets.included(k, z, 0))]

    @staticmethod
    def mode(k, z):
        best = sorted(range(len(z)), key=lambda i: -z[i])[:int(k)]
        return [mpf(i in best) for i in range(len(z))]


def ordered_logistic_probs(eta, cuts):
    ends = [mpf(0)] + [sigmoid(c - eta) for c in cuts] + [mpf(1)]
    return [b - a for a, b in zip(ends, ends[1:])]


def ordered_logistic_log_prob(x, eta, cuts):
    with mp.workdps(400):
        p = log(ordered_logistic_probs(eta, cuts)[int(x)])
    return +p


def ordered_logistic_cdf(x, eta, cuts):
    return mpf(1) if x >= len(cuts) else sigmoid(cuts[int(x)] - eta)


DEFINITIONS = {
    "Logistic": Definition(
        ["loc", "scale"], None, logistic_log_prob, real,
        cdf=lambda x, m, s: sigmoid((x - m) / s),
        icdf=lambda u, m, s: m + s * (-inf if u == 0 else inf if u == 1 else
                                      log(mpf(u)) - log1m(mpf(u))),
        entropy=lambda m, s: log(s) + 2, mean=lambda m, s: m, mode=lambda m, s: m,
        variance=lambda m, s: (pi * s) ** 2 / 3),
    "GeneralizedPareto": Definition(
        ["loc", "scale", "concentration"], None,
        lambda x, m, s, c: -log(s) - (1 + c) * power_log(x, m, s, c), ends_of_pareto,
        cdf=lambda x, m, s, c: -mpmath.expm1(-power_log(x, m, s, c)),
        icdf=lambda u, m, s, c: (ends_of_pareto(m, s, c)[1] if u == 1
                                 else power(-log1m(mpf(u)), m, s, c)),
        entropy=lambda m, s, c: log(s) + c + 1,
        mean=lambda m, s, c: m + s / (1 - c) if c < 1 else inf,
        mode=lambda m, s, c: nan if c == -1 else m if c > -1 else m - s / c,
        variance=lambda m, s, c: s * s / ((1 - c) ** 2 * (1 - 2 * c)) if c < 0.5 else inf),
    "GeneralizedExtremeValue": Definition(
        ["loc", "scale", "concentration"], None,
        lambda x, m, s, c: (-log(s) - (1 + c) * power_log(x, m, s, c)
                            - exp(-power_log(x, m, s, c))), ends_of_extremes,
        cdf=lambda x, m, s, c: exp(-exp(-power_log(x, m, s, c))),
        icdf=lambda u, m, s, c: (ends_of_extremes(m, s, c)[int(u)] if u in (0, 1)
                                 else power(-log(minus_log(u)), m, s, c)),
        entropy=lambda m, s, c: log(s) + gamma_constant * (1 + c) + 1,
        mean=extreme_mean, variance=extreme_variance,
        mode=lambda m, s, c: (m if c == 0 else m - s / c if c <= -1
                              else m + s * ((1 + c) ** -c - 1) / c)),
    "Frechet": Definition(
        ["scale", "concentration"], None,
        lambda x, s, a: log(a / s) - (1 + a) * log(x / s) - (x / s) ** -a, half,
        cdf=lambda x, s, a: exp(-((x / s) ** -a)),
        icdf=lambda u, s, a: (mpf(0) if u == 0 else inf if u == 1
                              else s * minus_log(u) ** (-1 / a)),
        entropy=lambda s, a: 1 + gamma_constant * (1 + 1 / a) + log(s / a),
        mean=lambda s, a: s * mpmath.gamma(1 - 1 / a) if a > 1 else inf,
        mode=lambda s, a: s * (a / (1 + a)) ** (1 / a),
        variance=lambda s, a: (s * s * (mpmath.gamma(1 - 2 / a) - mpmath.gamma(1 - 1 / a) ** 2)
                               if a > 2 else inf)),
    "TruncatedNormal": Definition(
        ["loc", "scale", "low", "high"], None, Truncated.precisely(Truncated.log_prob),
        cdf=Truncated.precisely(Truncated.cdf), mean=Truncated.precisely(Truncated.mean),
        variance=Truncated.precisely(Truncated.variance),
        entropy=Truncated.precisely(Truncated.entropy),
        mode=lambda m, s, low, high: min(max(m, low), high)),
    "BetaBinomial": Definition(
        ["total_count", "concentration1", "concentration0"], None, beta_binomial_log_prob,
        lambda n, a, b: [0, int(n)], True, cdf=sum_below(beta_binomial_log_prob),
        mean=lambda n, a, b: n * a / (a + b),
        variance=lambda n, a, b: n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1))),
    "LogisticNormal": Definition(["loc", "scale"], td.LogisticNormal, logistic_normal_log_prob),
    "LKJCholesky": Definition(
        ["concentration"], None, lkj_log_prob),
    "Wishart": Definition(
        ["df", "covariance_matrix"], td.Wishart, wishart_log_prob, entropy=wishart_entropy,
        mean=lambda v, c: [[v * a for a in row] for row in c],
        variance=lambda v, c: [[v * (c[i][j] ** 2 + c[i][i] * c[j][j]) for j in range(len(c))]
                               for i in range(len(c))],
        mode=lambda v, c: [[(v - len(c) - 1) * a if v >= len(c) + 1 else nan for a in row]
                           for row in c]),
    "DirichletMultinomial": Definition(
        ["total_count", "concentration"], None, dirichlet_multinomial_log_prob,
        mean=lambda n, c: [n * a / sum(c) for a in c],
        variance=lambda n, c: [n * a / sum(c) * (1 - a / sum(c)) * (n + sum(c)) / (1 + sum(c))
                               for a in c]),
    "Subset": Definition(
        ["k", "logits"], None, Subsets.log_prob, mean=Subsets.included, mode=Subsets.mode,
        variance=Subsets.variance,
        entropy=lambda k, z: -mpmath.fsum(exp(p) * p for _, p in Subsets.all(k, z) if p > -inf)),
    "OrderedLogistic": Definition(
        ["predictor", "cutpoints"], None, ordered_logistic_log_prob, discrete=True,
        cdf=ordered_logistic_cdf,
        entropy=lambda e, c: -mpmath.fsum(xlogy(p, p) for p in ordered_logistic_probs(e, c))),
}
DEFINITIONS["BetaBinomial"].methods["entropy"] = entropy_of(DEFINITIONS["BetaBinomial"])
