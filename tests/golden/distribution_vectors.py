# SPDX-License-Identifier: Apache-2.0
"""The definitions of distributions of vectors and categories, as in distribution_definitions.py."""
import mpmath
import torch.distributions as td
from distribution_definitions import Definition, xlogy_power
from distribution_functions import inf, nan, xlogy
from mpmath import mp, mpf, exp, log, loggamma, pi


def softmax(logits):
    total = mpmath.fsum(exp(x) for x in logits)
    return [exp(x) / total for x in logits]


def categorical_entropy(p):
    return -mpmath.fsum(xlogy(x, x) for x in p)


def first_largest(p):
    return p.index(max(p))


def one_hot(index, size):
    return [mpf(i == index) for i in range(size)]


def dirichlet_entropy(c):
    total = sum(c)
    return (mpmath.fsum(loggamma(a) for a in c) - loggamma(total)
            + (total - len(c)) * mpmath.digamma(total)
            - mpmath.fsum((a - 1) * mpmath.digamma(a) for a in c))


def gaussian(x, loc, covariance):
    n = len(loc)
    d = mp.matrix([a - b for a, b in zip(x, loc)])
    quadratic = (d.T * mpmath.lu_solve(covariance, d))[0]
    return -(n * log(2 * pi) + log(mpmath.det(covariance)) + quadratic) / 2


def gaussian_entropy(covariance):
    return (covariance.rows * (1 + log(2 * pi)) + log(mpmath.det(covariance))) / 2


def low_rank(factor, diagonal):
    w = mp.matrix(factor)
    return w * w.T + mp.diag(diagonal)


def diagonal_of(m):
    return [m[i, i] for i in range(m.rows)]


def relaxed_categorical_log_prob(x, t, p):
    """Maddison 2017, eq. (11)."""
    k = len(p)
    terms = [xlogy(1, a) - t * log(b) for a, b in zip(p, x)]
    largest = max(terms)
    return (loggamma(k) + (k - 1) * log(t) + mpmath.fsum(terms) - mpmath.fsum(log(b) for b in x)
            - k * (largest + log(mpmath.fsum(exp(a - largest) for a in terms))))


def one_hot_definition(python):
    return Definition(
        ["probs"], python,
        lambda x, p: (log(p[x.index(1)]) if p[x.index(1)] else -inf),
        entropy=categorical_entropy, mean=lambda p: p,
        mode=lambda p: one_hot(first_largest(p), len(p)),
        variance=lambda p: [a * (1 - a) for a in p])


def gaussian_definition(kind, covariance):
    return Definition(
        ["loc", kind], td.MultivariateNormal, lambda x, m, c: gaussian(x, m, covariance(c)),
        entropy=lambda m, c: gaussian_entropy(covariance(c)), mean=lambda m, c: m,
        mode=lambda m, c: m, variance=lambda m, c: diagonal_of(covariance(c)))


DEFINITIONS = {
    "Categorical": Definition(
        ["probs"], td.Categorical, lambda x, p: log(p[int(x)]) if p[int(x)] else -inf,
        entropy=categorical_entropy, mean=lambda p: nan, mode=lambda p: mpf(first_largest(p)),
        variance=lambda p: nan),
    "OneHotCategorical": one_hot_definition(td.OneHotCategorical),
    "OneHotCategoricalStraightThrough": one_hot_definition(td.OneHotCategoricalStraightThrough),
    "Multinomial": Definition(
        ["total_count", "probs"], td.Multinomial,
        lambda x, n, p: (loggamma(n + 1) - mpmath.fsum(loggamma(a + 1) for a in x)
                         + mpmath.fsum(xlogy(a, b) for a, b in zip(x, p))),
        mean=lambda n, p: [n * a for a in p], variance=lambda n, p: [n * a * (1 - a) for a in p]),
    "Dirichlet": Definition(
        ["concentration"], td.Dirichlet,
        lambda x, c: (mpmath.fsum(xlogy_power(a - 1, b) for a, b in zip(c, x)) + loggamma(sum(c))
                      - mpmath.fsum(loggamma(a) for a in c)),
        entropy=dirichlet_entropy, mean=lambda c: [a / sum(c) for a in c],
        mode=lambda c: ([(a - 1) / (sum(c) - len(c)) for a in c] if min(c) > 1
                        else [None for _ in c]),
        variance=lambda c: [a * (sum(c) - a) / (sum(c) ** 2 * (sum(c) + 1)) for a in c]),
    "RelaxedOneHotCategorical": Definition(
        ["temperature", "probs"], td.RelaxedOneHotCategorical, relaxed_categorical_log_prob),
    "MultivariateNormal": gaussian_definition("covariance_matrix", mp.matrix),
    "MultivariateNormal of precision": gaussian_definition(
        "precision_matrix", lambda c: mpmath.inverse(mp.matrix(c))),
    "MultivariateNormal of scale_tril": gaussian_definition(
        "scale_tril", lambda c: mp.matrix(c) * mp.matrix(c).T),
    "LowRankMultivariateNormal": Definition(
        ["loc", "cov_factor", "cov_diag"], td.LowRankMultivariateNormal,
        lambda x, m, w, d: gaussian(x, m, low_rank(w, d)),
        entropy=lambda m, w, d: gaussian_entropy(low_rank(w, d)), mean=lambda m, w, d: m,
        mode=lambda m, w, d: m, variance=lambda m, w, d: diagonal_of(low_rank(w, d))),
}
