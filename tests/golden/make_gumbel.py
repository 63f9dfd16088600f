#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values of the Gumbel and truncated Gumbel functions and of the scalar functions to 50 digits, by mpmath.

    /usr/bin/python3 tests/golden/make_gumbel.py > partita/gumbel/golden.inc

Each line is one test case, GOLDEN(function, arguments..., value): gumbel_test.cpp defines GOLDEN.
"""
from mpmath import mp, mpf, exp, log

mp.dps = 50


def emit(function, *arguments, value):
    numbers = ", ".join(repr(float(a)) for a in arguments)
    print(f"GOLDEN({function}, {mp.nstr(value, 25, min_fixed=1, max_fixed=0)}, {numbers})")


def gumbel_log_prob(g, mu, beta):
    z = (g - mu) / beta
    return -(z + exp(-z)) - log(beta)


def log_survival(z):
    with mp.workdps(700):  # 1 - exp(-e^-700) needs them
        return log(-mp.expm1(-exp(-z)))


def truncated_log_cdf(g, phi, t):
    return exp(phi - t) - exp(phi - min(g, t))


def truncated_icdf(u, phi, t):
    return phi - log(exp(phi - t) - log(u))


print("// Made by tests/golden/make_gumbel.py (mpmath, 50 digits). Do not edit.")
for mu, beta in ((0, 1), (mpf("1.5"), mpf("0.25")), (-300, 7)):
    for z in (-5, -2, mpf("-0.5"), 0, 1, 10, 40, 700):
        g = mpf(float(mu + beta * mpf(z)))
        emit("gumbel_log_prob", g, mu, beta, value=gumbel_log_prob(g, mu, beta))
        emit("gumbel_log_cdf", g, mu, beta, value=-exp(-(g - mu) / beta))
        emit("gumbel_log_survival", g, mu, beta, value=log_survival((g - mu) / beta))
    for u in (mpf(2) ** -1000, mpf("0.015625"), mpf("0.5"), 1 - mpf(2) ** -50):
        emit("gumbel_icdf", u, mu, beta, value=mu - beta * log(-log(u)))
for difference in (-700, -40, -3, 0, 3, 40, 700):
    for t in (mpf("-2.5"), 0, mpf("11.25")):
        phi = t + difference
        for u in (mpf(2) ** -300, mpf("0.0078125"), mpf("0.5"), mpf("0.96875"), 1 - mpf(2) ** -50):
            emit("truncated_gumbel_icdf", u, phi, t, value=truncated_icdf(u, phi, t))
        for below in (mpf(2) ** -30, mpf("0.5"), 3, 30):
            g = mpf(float(t - below))
            if abs(truncated_log_cdf(g, phi, t)) < 1e308:
                emit("truncated_gumbel_log_cdf", g, phi, t, value=truncated_log_cdf(g, phi, t))
