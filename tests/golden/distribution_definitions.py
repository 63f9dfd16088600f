# SPDX-License-Identifier: Apache-2.0
"""The definitions of univariate distributions as functions of mpmath's numbers, to 30 digits.

Log-probabilities, CDFs and moments as in a textbook: slow and short. For make_distributions.py.
"""
import mpmath
import torch.distributions as td
from mpmath import mp, mpf, exp, log, log1p, loggamma, pi, sqrt
from distribution_functions import (gamma_constant, inf, log1m, log_beta, log_choose, nan,
                                    normal_icdf, sigmoid, upper, xlogy)


class Definition:
    """support(*p): its ends; the rest are functions of (x, *p) or of (*p)."""

    def __init__(self, parameters, python, log_prob, support=None, discrete=False, **methods):
        self.parameters = parameters
        self.python = python
        self.log_prob = log_prob
        self.support = support
        self.discrete = discrete
        self.methods = dict(methods, log_prob=log_prob)


def real(*_):
    return [-inf, inf]


def half(*_):
    return [mpf(0), inf]


def unit(*_):
    return [mpf(0), mpf(1)]


def whole(*_):
    return [0, inf]


def entropy_of(definition):
    """For distributions without a simple formula: -sum p log p."""

    def entropy(*p):
        total = mpf(0)
        low, high = definition.support(*p)
        x = low
        while x <= high:
            lp = definition.log_prob(mpf(x), *p)
            if lp > -inf:
                total -= exp(lp) * lp
            if high == inf and x > 10 and exp(lp) < mpf(10) ** -40:
                break
            x += 1
        return total

    return entropy


def infinite_from(order, tail, moment):
    """A variance: infinite for tails <= order, and undefined where the mean is infinite."""
    return moment() if tail > order else inf if tail > order - 1 else None


def sum_below(name):
    """The CDF of counts, by summation; None where that would take long."""

    def cdf(x, *p):
        if x > 3000:
            return None
        terms = (DEFINITIONS[name].log_prob(mpf(k), *p) for k in range(int(x) + 1))
        return mpmath.fsum(exp(t) for t in terms if t > -inf)

    return cdf


def gumbel_cdf(x, m, s):
    return exp(-exp(-(x - m) / s))


def laplace_cdf(x, m, s):
    z = (x - m) / s
    return exp(z) / 2 if z < 0 else 1 - exp(-z) / 2


def cauchy_cdf(x, m, s):
    z = (x - m) / s
    return mpmath.atan(-1 / z) / pi if z < 0 else mpf(1) / 2 + mpmath.atan(z) / pi


def cauchy_icdf(u, m, s):
    if u in (0, 1):
        return -inf if u == 0 else inf
    return m if u == 0.5 else m - s * mpmath.cot(pi * u)


def student_cdf(x, v, m, s):
    z = (x - m) / s
    if v > 1000:
        density = DEFINITIONS["StudentT"].log_prob
        edges = [abs(z) + k for k in (0, 1, 4, 15, 40)]
        tail = mpmath.quad(lambda t: exp(density(t, v, mpf(0), mpf(1))), edges)
    else:
        tail = mpmath.betainc(v / 2, mpf(1) / 2, 0, v / (v + z * z), regularized=True) / 2
    return tail if z < 0 else 1 - tail


def beta_cdf(x, a, b):
    if x in (0, 1):
        return mpf(x)
    return mpmath.betainc(a, b, 0, x, regularized=True)


def gamma_cdf(x, a, r):
    """By the series of positive terms, DLMF 8.11.4."""
    x = r * x
    if x > 2 * a + 200:
        return mpf(1)  # less 1e-30 at most
    term = total = exp(xlogy_power(a, x) - x - loggamma(a + 1)) if x else mpf(0)
    k = 0
    while term > total * mpf(10) ** -32:
        k += 1
        term *= x / (a + k)
        total += term
    return total


def beta_log_prob(x, a, b):
    return xlogy_power(a - 1, x) + xlogy_power(b - 1, 1 - x) - log_beta(a, b)


def xlogy_power(power, x):
    """power log(x), where 0 log 0 is 0."""
    if power == 0:
        return mpf(0)
    if x == 0:
        return -inf if power > 0 else inf
    return power * log(x)


def gamma_log_prob(x, a, r):
    return xlogy_power(a - 1, x) - r * x + a * log(r) - loggamma(a)


def gamma_entropy(a, r):
    return a - log(r) + loggamma(a) + (1 - a) * mpmath.digamma(a)


def continuous_bernoulli(p):
    """log density at 0, and the natural parameter."""
    h = log(p) - log1m(p)
    return (mpf(0), mpf(0)) if h == 0 else (log(h / mpmath.expm1(h)), h)


def continuous_bernoulli_mean(p):
    h = continuous_bernoulli(p)[1]
    return mpf(1) / 2 if h == 0 else 1 / (1 - exp(-h)) - 1 / h


def continuous_bernoulli_variance(p):
    h = continuous_bernoulli(p)[1]
    return mpf(1) / 12 if h == 0 else 1 / h**2 - 1 / (4 * mpmath.sinh(h / 2) ** 2)


def continuous_bernoulli_cdf(x, p):
    h = continuous_bernoulli(p)[1]
    return mpf(x) if h == 0 else mpmath.expm1(h * x) / mpmath.expm1(h)


def continuous_bernoulli_icdf(u, p):
    h = continuous_bernoulli(p)[1]
    return mpf(u) if h == 0 else log1p(u * mpmath.expm1(h)) / h


def fisher_log_prob(x, a, b):
    return (a / 2 * log(a / b) + xlogy_power(a / 2 - 1, x) - (a + b) / 2 * log1p(a * x / b)
            - log_beta(a / 2, b / 2))


def von_mises_ratio(k):
    return mpmath.besseli(1, k) / mpmath.besseli(0, k)


def kumaraswamy_moment(n, a, b):
    return b * exp(log_beta(1 + n / a, b))


def kumaraswamy_mode(a, b):
    return ((a - 1) / (a * b - 1)) ** (1 / a) if a >= 1 and b >= 1 and a * b > 1 else nan


def bernoulli_entropy(p):
    return -xlogy(p, p) - xlogy(1 - p, 1 - p)


def relaxed_bernoulli_log_prob(x, t, p):
    """Maddison 2017, eq. (24): with L = logit(x), logistic noise t L - logit(p)."""
    z = t * (log(x) - log1m(x)) - (log(p) - log1m(p))
    return log(t) - z - 2 * log1p(exp(-z)) - log(x) - log1m(x)


DEFINITIONS = {
    "Normal": Definition(
        ["loc", "scale"], td.Normal,
        lambda x, m, s: -((x - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2, real,
        cdf=lambda x, m, s: upper(-(x - m) / s), icdf=lambda u, m, s: m + s * normal_icdf(u),
        entropy=lambda m, s: (1 + log(2 * pi)) / 2 + log(s),
        mean=lambda m, s: m, mode=lambda m, s: m, variance=lambda m, s: s * s),
    "LogNormal": Definition(
        ["loc", "scale"], td.LogNormal,
        lambda x, m, s: -((log(x) - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2 - log(x), half,
        cdf=lambda x, m, s: upper(-(log(x) - m) / s),
        icdf=lambda u, m, s: exp(m + s * normal_icdf(u)),
        entropy=lambda m, s: (1 + log(2 * pi)) / 2 + log(s) + m,
        mean=lambda m, s: exp(m + s * s / 2), mode=lambda m, s: exp(m - s * s),
        variance=lambda m, s: mpmath.expm1(s * s) * exp(2 * m + s * s)),
    "HalfNormal": Definition(
        ["scale"], td.HalfNormal, lambda x, s: -(x / s) ** 2 / 2 + log(2 / pi) / 2 - log(s), half,
        cdf=lambda x, s: mpmath.erf(x / s / sqrt(2)),
        icdf=lambda u, s: inf if u == 1 else s * sqrt(2) * mpmath.erfinv(mpf(u)),
        entropy=lambda s: (1 + log(pi / 2)) / 2 + log(s), mean=lambda s: s * sqrt(2 / pi),
        mode=lambda s: mpf(0), variance=lambda s: s * s * (1 - 2 / pi)),
    "Cauchy": Definition(
        ["loc", "scale"], td.Cauchy,
        lambda x, m, s: -log(pi) - log(s) - log1p(((x - m) / s) ** 2), real,
        cdf=cauchy_cdf, icdf=cauchy_icdf, entropy=lambda m, s: log(4 * pi * s),
        mean=lambda m, s: nan, mode=lambda m, s: m, variance=lambda m, s: inf),
    "HalfCauchy": Definition(
        ["scale"], td.HalfCauchy, lambda x, s: log(2 / pi) - log(s) - log1p((x / s) ** 2), half,
        cdf=lambda x, s: 2 / pi * mpmath.atan(x / s),
        icdf=lambda u, s: inf if u == 1 else s * mpmath.tan(pi * u / 2),
        entropy=lambda s: log(2 * pi * s), mean=lambda s: inf, mode=lambda s: mpf(0),
        variance=lambda s: None),
    "Laplace": Definition(
        ["loc", "scale"], td.Laplace, lambda x, m, s: -abs(x - m) / s - log(2 * s), real,
        cdf=laplace_cdf,
        icdf=lambda u, m, s: m + s * (-inf if u == 0 else inf if u == 1 else
                                      log(2 * u) if u < 0.5 else -log(2 * (1 - u))),
        entropy=lambda m, s: 1 + log(2 * s), mean=lambda m, s: m, mode=lambda m, s: m,
        variance=lambda m, s: 2 * s * s),
    "Gumbel": Definition(
        ["loc", "scale"], td.Gumbel,
        lambda x, m, s: -(x - m) / s - exp(-(x - m) / s) - log(s), real, cdf=gumbel_cdf,
        icdf=lambda u, m, s: -inf if u == 0 else inf if u == 1 else m - s * log(-log(u)),
        entropy=lambda m, s: log(s) + 1 + gamma_constant,
        mean=lambda m, s: m + gamma_constant * s, mode=lambda m, s: m,
        variance=lambda m, s: (pi * s) ** 2 / 6),
    "Exponential": Definition(
        ["rate"], td.Exponential, lambda x, r: log(r) - r * x, half,
        cdf=lambda x, r: -mpmath.expm1(-r * x),
        icdf=lambda u, r: inf if u == 1 else -log1p(-u) / r, entropy=lambda r: 1 - log(r),
        mean=lambda r: 1 / r, mode=lambda r: mpf(0), variance=lambda r: 1 / r**2),
    "Gamma": Definition(
        ["concentration", "rate"], td.Gamma, gamma_log_prob, half, cdf=gamma_cdf,
        entropy=gamma_entropy, mean=lambda a, r: a / r, mode=lambda a, r: max(a - 1, mpf(0)) / r,
        variance=lambda a, r: a / r**2),
    "Chi2": Definition(
        ["df"], td.Chi2, lambda x, v: gamma_log_prob(x, v / 2, mpf(1) / 2), half,
        cdf=lambda x, v: gamma_cdf(x, v / 2, mpf(1) / 2),
        entropy=lambda v: gamma_entropy(v / 2, mpf(1) / 2), mean=lambda v: v,
        mode=lambda v: max(v - 2, mpf(0)), variance=lambda v: 2 * v),
    "InverseGamma": Definition(
        ["concentration", "rate"], None,
        lambda x, a, r: a * log(r) - loggamma(a) - (a + 1) * log(x) - r / x, half,
        cdf=lambda x, a, r: mpmath.gammainc(a, r / x, inf, regularized=True),
        entropy=lambda a, r: a + log(r) + loggamma(a) - (1 + a) * mpmath.digamma(a),
        mean=lambda a, r: r / (a - 1) if a > 1 else inf, mode=lambda a, r: r / (a + 1),
        variance=lambda a, r: infinite_from(2, a, lambda: r**2 / ((a - 1) ** 2 * (a - 2)))),
    "Beta": Definition(
        ["concentration1", "concentration0"], td.Beta, beta_log_prob, unit, cdf=beta_cdf,
        entropy=lambda a, b: (log_beta(a, b) - (a - 1) * mpmath.digamma(a)
                              - (b - 1) * mpmath.digamma(b)
                              + (a + b - 2) * mpmath.digamma(a + b)),
        mean=lambda a, b: a / (a + b), variance=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1)),
        mode=lambda a, b: (a - 1) / (a + b - 2) if a > 1 and b > 1 else None),
    "Uniform": Definition(
        ["low", "high"], td.Uniform, lambda x, a, b: -log(b - a), lambda a, b: [a, b],
        cdf=lambda x, a, b: (x - a) / (b - a), icdf=lambda u, a, b: a + u * (b - a),
        entropy=lambda a, b: log(b - a), mean=lambda a, b: (a + b) / 2, mode=lambda a, b: nan,
        variance=lambda a, b: (b - a) ** 2 / 12),
    "Kumaraswamy": Definition(
        ["concentration1", "concentration0"], td.Kumaraswamy,
        lambda x, a, b: log(a * b) + xlogy_power(a - 1, x) + xlogy_power(b - 1, 1 - x**a), unit,
        cdf=lambda x, a, b: -mpmath.expm1(b * log1m(x**a)) if x < 1 else mpf(1),
        icdf=lambda u, a, b: (-mpmath.expm1(log1m(mpf(u)) / b)) ** (1 / a) if u < 1 else mpf(1),
        entropy=lambda a, b: (1 - 1 / b) + (1 - 1 / a) * mpmath.harmonic(b) - log(a * b),
        mean=lambda a, b: kumaraswamy_moment(mpf(1), a, b), mode=kumaraswamy_mode,
        variance=lambda a, b: (kumaraswamy_moment(mpf(2), a, b)
                               - kumaraswamy_moment(mpf(1), a, b) ** 2)),
    "Pareto": Definition(
        ["scale", "alpha"], td.Pareto, lambda x, s, a: log(a) + a * log(s) - (a + 1) * log(x),
        lambda s, a: [s, inf], cdf=lambda x, s, a: -mpmath.expm1(a * log(s / x)),
        icdf=lambda u, s, a: inf if u == 1 else s * exp(-log1p(-u) / a),
        entropy=lambda s, a: log(s / a) + 1 + 1 / a,
        mean=lambda s, a: a * s / (a - 1) if a > 1 else inf, mode=lambda s, a: s,
        variance=lambda s, a: infinite_from(2, a, lambda: s * s * a / ((a - 1) ** 2 * (a - 2)))),
    "Weibull": Definition(
        ["scale", "concentration"], td.Weibull,
        lambda x, s, k: log(k / s) + xlogy_power(k - 1, x / s) - (x / s) ** k, half,
        cdf=lambda x, s, k: -mpmath.expm1(-((x / s) ** k)),
        icdf=lambda u, s, k: inf if u == 1 else s * (-log1p(-u)) ** (1 / k),
        entropy=lambda s, k: gamma_constant * (1 - 1 / k) + log(s / k) + 1,
        mean=lambda s, k: s * mpmath.gamma(1 + 1 / k),
        mode=lambda s, k: s * ((k - 1) / k) ** (1 / k) if k > 1 else mpf(0),
        variance=lambda s, k: s * s * (mpmath.gamma(1 + 2 / k) - mpmath.gamma(1 + 1 / k) ** 2)),
    "StudentT": Definition(
        ["df", "loc", "scale"], td.StudentT,
        lambda x, v, m, s: (loggamma((v + 1) / 2) - loggamma(v / 2) - log(v * pi) / 2 - log(s)
                            - (v + 1) / 2 * log1p(((x - m) / s) ** 2 / v)), real,
        cdf=student_cdf,
        entropy=lambda v, m, s: (log(s) + (v + 1) / 2 * (mpmath.digamma((v + 1) / 2)
                                                         - mpmath.digamma(v / 2))
                                 + log(v) / 2 + log_beta(v / 2, mpf(1) / 2)),
        mean=lambda v, m, s: m if v > 1 else nan, mode=lambda v, m, s: m,
        variance=lambda v, m, s: s * s * v / (v - 2) if v > 2 else inf if v > 1 else nan),
    "FisherSnedecor": Definition(
        ["df1", "df2"], td.FisherSnedecor, fisher_log_prob, half,
        cdf=lambda x, a, b: mpmath.betainc(a / 2, b / 2, 0, a * x / (a * x + b), regularized=True),
        mean=lambda a, b: b / (b - 2) if b > 2 else inf,
        mode=lambda a, b: (a - 2) / a * b / (b + 2) if a > 2 else nan,
        variance=lambda a, b: infinite_from(
            2, b / 2, lambda: 2 * b * b * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4)))),
    "VonMises": Definition(
        ["loc", "concentration"], td.VonMises,
        lambda x, m, k: k * mpmath.cos(x - m) - log(2 * pi) - log(mpmath.besseli(0, k)),
        lambda m, k: [-pi, pi], mean=lambda m, k: m, mode=lambda m, k: m,
        variance=lambda m, k: 1 - von_mises_ratio(k)),
    "ContinuousBernoulli": Definition(
        ["probs"], td.ContinuousBernoulli,
        lambda x, p: continuous_bernoulli(p)[0] + continuous_bernoulli(p)[1] * x, unit,
        cdf=continuous_bernoulli_cdf, icdf=continuous_bernoulli_icdf,
        entropy=lambda p: (-continuous_bernoulli(p)[0]
                           - continuous_bernoulli(p)[1] * continuous_bernoulli_mean(p)),
        mean=continuous_bernoulli_mean, variance=continuous_bernoulli_variance),
    "RelaxedBernoulli": Definition(
        ["temperature", "probs"], td.RelaxedBernoulli, relaxed_bernoulli_log_prob, unit),
    "Bernoulli": Definition(
        ["probs"], td.Bernoulli, lambda x, p: log(p) if x and p else -inf if x else log1m(p),
        lambda p: [0, 1], True, entropy=bernoulli_entropy, mean=lambda p: p,
        mode=lambda p: nan if p == 0.5 else mpf(p > 0.5), variance=lambda p: p * (1 - p)),
    "Geometric": Definition(
        ["probs"], td.Geometric, lambda x, p: xlogy(x, 1 - p) + log(p), whole, True,
        entropy=lambda p: bernoulli_entropy(p) / p, mean=lambda p: (1 - p) / p,
        mode=lambda p: mpf(0), variance=lambda p: (1 - p) / p**2),
    "Binomial": Definition(
        ["total_count", "probs"], td.Binomial,
        lambda x, n, p: log_choose(n, x) + xlogy(x, p) + xlogy(n - x, 1 - p) if x <= n else -inf,
        lambda n, p: [0, int(n)], True,
        mean=lambda n, p: n * p, mode=lambda n, p: min(mpmath.floor((n + 1) * p), n),
        variance=lambda n, p: n * p * (1 - p)),
    "Poisson": Definition(
        ["rate"], td.Poisson, lambda x, r: xlogy(x, r) - r - loggamma(x + 1), whole, True,
        mean=lambda r: r, mode=lambda r: mpmath.floor(r), variance=lambda r: r),
    "NegativeBinomial": Definition(
        ["total_count", "probs"], td.NegativeBinomial,
        lambda x, n, p: (loggamma(n + x) - loggamma(n) - loggamma(x + 1) + n * log1m(p)
                         + xlogy(x, p)), whole, True,
        mean=lambda n, p: n * p / (1 - p),
        mode=lambda n, p: max(mpmath.floor((n - 1) * p / (1 - p)), mpf(0)),
        variance=lambda n, p: n * p / (1 - p) ** 2),
}
for counts in ("Binomial", "Geometric", "NegativeBinomial", "Poisson"):
    DEFINITIONS[counts].methods["cdf"] = sum_below(counts)
DEFINITIONS["Binomial"].methods["entropy"] = entropy_of(DEFINITIONS["Binomial"])
