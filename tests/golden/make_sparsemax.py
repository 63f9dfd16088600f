#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sparsemax, 1.5-entmax and their losses to 50 digits, by mpmath: the threshold by bisection, the losses by definition.

    /usr/bin/python3 tests/golden/make_sparsemax.py > partita/learn/losses/sparsemax_golden.inc

Each entry is {alpha, {logits}, {probabilities}, {losses, class by class}}.
"""
from mpmath import inf, mp, mpf

mp.dps = 50

ROWS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.3, -1.2, 2.0, 0.0),
    (0.5, 0.375, 0.25, -0.125, 0.0625),
    (1.0, 0.0),
    (0.75, 0.0, -0.25),
    (2.0, 0.0, -0.25),
    (2.0 - 2.0**-20, 0.0),
    (1.0 - 2.0**-20, 0.0),
    (-700.25, -700.5, -701.0, -699.75, -702.0),
    (1000.0, 999.25, 998.875, 1000.0, 0.0, 999.5),
    (0.25, -inf, 0.125, -3.0, -inf),
    (-4.0,),
    tuple(0.0625 * ((7 * i) % 23) - 0.5 for i in range(23)),
)


def probabilities(z, alpha):
    def at(tau):
        return [max((alpha - 1) * each - tau, mpf(0)) ** (1 / (alpha - 1)) if each > -inf else mpf(0) for each in z]
    high = (alpha - 1) * max(z)
    low = high - 1  # the largest alone has probability 1 there
    for _ in range(180):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) >= 1 else (low, middle)
    return at(low)


def losses(z, p, alpha):
    """<p, z> + H(p) - z_y for each y."""
    entropy = sum(each - each**alpha for each in p) / (alpha * (alpha - 1))
    value = sum(each * logit for each, logit in zip(p, z) if each > 0) + entropy
    return [value - logit for logit in z]


def numbers(values):
    return ", ".join("kInfinity" if v == inf else "-kInfinity" if v == -inf
                     else mp.nstr(v, 25, min_fixed=1, max_fixed=0) for v in values)


print("// Made by tests/golden/make_sparsemax.py (mpmath, 50 digits). Do not edit.")
for alpha in (mpf(2), mpf("1.5")):
    for row in ROWS:
        z = [mpf(each) for each in row]
        p = probabilities(z, alpha)
        print(f"{{{float(alpha)}, {{{numbers(z)}}}, {{{numbers(p)}}}, {{{numbers(losses(z, p, alpha))}}}}},")
