# SPDX-License-Identifier: Apache-2.0
"""Functions of mpmath's numbers, to 30 digits, that the definitions of distributions share."""
import mpmath
from mpmath import mp, mpf, exp, log, log1p, loggamma, pi, sqrt

mp.dps = 30
inf, nan = mpf("inf"), mpf("nan")
gamma_constant = +mp.euler


def xlogy(x, y):
    return mpf(0) if x == 0 else (-inf if y == 0 else x * log(y))


def log1m(p):
    return -inf if p == 1 else log1p(-p)


def sigmoid(x):
    return 1 / (1 + exp(-x))


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


def log_choose(n, k):
    return loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1)


def upper(x):
    """1 - Phi(x), accurate in the tails."""
    return mpmath.erfc(x / sqrt(2)) / 2


def normal_icdf(u):
    if u in (0, 1):
        return -inf if u == 0 else inf
    if u == 0.5:
        return mpf(0)
    if u > 0.5:
        return -normal_icdf(1 - mpf(u))
    x = -sqrt(-2 * log(u))  # Newton's steps on log Phi
    for _ in range(200):
        step = (log(upper(-x)) - log(u)) * upper(-x) / (exp(-x * x / 2) / sqrt(2 * pi))
        x -= step
        if abs(step) < mpf(10) ** -25 * max(1, abs(x)):
            break
    return x
