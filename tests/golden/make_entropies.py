#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The table of internal/count_sums_test.cpp: entropies of counts, summed with 30 digits.

    /usr/bin/python3 tests/golden/make_entropies.py
"""
from mpmath import mp, mpf, exp, log, loggamma

mp.dps = 30


def entropy(log_p, low, high):
    """-sum p log p, with probabilities from the ratios of neighbors."""
    total = mpf(0)
    for k in range(low, high + 1):
        lp = log_p(mpf(k))
        total -= exp(lp) * lp
    return total


def poisson(r):
    r = mpf(r)
    spread = 14 * r**0.5 + 60
    return entropy(lambda k: k * log(r) - r - loggamma(k + 1), max(0, int(r - spread)),
                   int(r + spread))


def negative_binomial(n, p):
    n, p = mpf(n), mpf(p)
    high = int(n * p / (1 - p) + 12 * (n * p) ** 0.5 / (1 - p) - 60 / log(p))
    return entropy(lambda k: (loggamma(n + k) - loggamma(n) - loggamma(k + 1) + n * log(1 - p)
                              + k * log(p)), 0, high)


def binomial(n, p):
    n_, p = mpf(n), mpf(p)
    center, spread = n * p, 14 * (n * p * (1 - p)) ** 0.5 + 60
    return entropy(lambda k: (loggamma(n_ + 1) - loggamma(k + 1) - loggamma(n_ - k + 1)
                              + k * log(p) + (n_ - k) * log(1 - p)),
                   max(0, int(center - spread)), min(n, int(center + spread)))


for r in (0.001, 0.3, 12.5, 400, 8e3, 1e6):
    print(f"  check(Poisson(number({r!r})), {mp.nstr(poisson(r), 16)});")
for n, p in ((2.5, 0.3), (0.01, 0.9), (1, 0.999), (0.2, 0.9999), (3, 0.9998), (100, 0.99),
             (1e4, 0.5)):
    print(f"  check(NegativeBinomial(number({n!r}), number({p!r})), "
          f"{mp.nstr(negative_binomial(n, p), 16)});")
for n, p in ((10, 0.3), (3000, 0.01), (100000, 0.4), (10**9, 1e-8)):
    print(f"  check(Binomial({n!r}, number({p!r})), {mp.nstr(binomial(n, p), 16)});")
