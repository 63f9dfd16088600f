#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values of distributions in double precision, from mpmath and Python's torch.distributions.

    /usr/bin/python3 tests/golden/make_distributions.py > partita/learn/distributions/golden.json

Needs Debian's python3-torch (1.13) and mpmath. golden_test.cpp reads what this prints:

    cases            a batch of parameters each, and of every method: where, and the answers
    kl               kl_divergence(p, q), by quadrature or summation wherever there is a density
    python_is_wrong  each place of the two above where Python's answer is not the right one: both

The right answer is mpmath's, from the definition (distribution_definitions.py,
distribution_vectors.py). Python's stands for it only where there is no definition: in broadcasting,
and in what is made of other distributions. Python is wrong where it is off by more than 1e-6 of the
right answer.
"""
import json
import math
import sys
import warnings

import mpmath
import torch
import torch.distributions as td
from distribution_functions import sigmoid
from distribution_grid import (MADE_OF_OTHERS, MULTINOMIALS, OF_LOGITS, SUBSETS, TRANSFORMED, U,
                               UNIVARIATE, VECTORS, nested)
from distribution_judge import DEFINITIONS, ask, build, high, judge, number, wrong
from distribution_kl import kl_cases
from distribution_vectors import softmax
from mpmath import mp, mpf, exp, log

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
td.Distribution.set_default_validate_args(False)


def of_logits(method, position, vector):
    """The method of a definition by probs, for one of logits."""

    def translated(*arguments):
        arguments = list(arguments)
        k = position + len(arguments)
        with mp.workdps(800):  # 1 - sigmoid(800)
            arguments[k] = softmax(arguments[k]) if vector else sigmoid(arguments[k])
            answer = method(*arguments)
        return answer

    return translated


def case(name, members, points, keywords=None, fixed=None):
    """fixed: the parameters that are one number for the whole batch; they come first."""
    definition = DEFINITIONS[name]
    short = name.split(" of ")[0]
    names = keywords or definition.parameters
    fixed = fixed or {}
    names = names[len(fixed):]
    methods = dict(definition.methods)
    if keywords:
        k = names.index("logits") - len(names)
        methods = {m: of_logits(f, k, isinstance(members[0][k], list)) for m, f in methods.items()}
    batch = {key: [m[i] for m in members] for i, key in enumerate(names)}
    spec = {"name": short, **fixed, **batch}
    one = [{"name": short, **fixed, **dict(zip(names, m))} for m in members]
    prefix = tuple(mpf(value) for value in fixed.values())
    python = definition.python and [
        definition.python(**fixed, **{k: torch.tensor(v, dtype=torch.float64)
                                      for k, v in zip(names, m)}) for m in members]
    result = {"d": spec}

    def at_values(method, columns):
        rows = [[float(c) if not isinstance(c, list) else c for c in row] for row in zip(*columns)]
        answers = [ask(d, method, at) for d, at in zip(python, zip(*rows))] if python else [None]
        if answers[0] is None:
            answers = None
        if method not in methods and answers is None:
            return
        right = []
        for v, row in enumerate(rows):
            right.append([])
            for b, (member, value) in enumerate(zip(members, row)):
                theirs = None if answers is None else answers[b][v]
                truth = theirs
                if method in methods:
                    try:
                        truth = methods[method](high(value), *prefix, *high(member))
                    except Exception as error:
                        sys.exit(f"{one[b]}, {method} at {value}: {error!r}")
                right[-1].append(judge(one[b], method, value, theirs, truth))
        result[method] = [rows, right]

    columns = [list(points(*m)) for m in members]
    length = min(len(c) for c in columns)
    assert length >= 1, spec
    columns = [c[:length] for c in columns]
    at_values("log_prob", columns)
    at_values("cdf", columns)
    if not definition.discrete and definition.support is not None:
        at_values("icdf", [U for _ in members])
    for method in ("entropy", "mean", "mode", "variance"):
        answers = [ask(d, method) for d in python] if python else [None]
        if answers[0] is None:
            answers = None
        if method not in methods and answers is None:
            continue
        right = []
        for b, member in enumerate(members):
            theirs = None if answers is None else answers[b]
            truth = methods[method](*prefix, *high(member)) if method in methods else theirs
            right.append(judge(one[b], method, None, theirs, truth))
        result[method] = right
    if "variance" in result:
        def root(x):
            return [root(each) for each in x] if isinstance(x, list) else (
                None if x is None else math.sqrt(x) if float(x) >= 0 else float(x))
        result["stddev"] = root(result["variance"])
    return result


def transform(step):
    kind, *numbers = step
    if kind == "affine":
        return td.AffineTransform(*numbers)
    if kind == "power":
        return td.PowerTransform(torch.tensor(numbers[0]))
    return {"exp": td.ExpTransform, "sigmoid": td.SigmoidTransform, "tanh": td.TanhTransform,
            "softmax": td.SoftmaxTransform, "stick_breaking": td.StickBreakingTransform}[kind]()


def normal_transformed(loc, scale, steps):
    """log_prob, cdf and icdf of a normal variable after increasing or decreasing steps."""
    normal = DEFINITIONS["Normal"].methods
    falls = sum((kind in ("affine", "power")) and numbers[-1] < 0 for kind, *numbers in steps) % 2

    def inverse(y):
        """x, and log |dx/dy|."""
        slope = mpf(0)
        for kind, *numbers in reversed(steps):
            if kind == "affine":
                slope -= log(abs(mpf(numbers[1])))
                y = (y - numbers[0]) / numbers[1]
            elif kind == "power":
                power = 1 / mpf(numbers[0])
                slope += log(abs(power)) + (power - 1) * log(y)
                y = y**power
            elif kind == "exp":
                slope -= log(y)
                y = log(y)
            elif kind == "sigmoid":
                slope -= log(y) + log(1 - y)
                y = log(y / (1 - y))
            elif kind == "tanh":
                slope -= log(1 - y * y)
                y = mpmath.atanh(y)
        return y, slope

    def forward(x):
        for kind, *numbers in steps:
            x = {"affine": lambda: numbers[0] + numbers[1] * x, "power": lambda: x ** numbers[0],
                 "exp": lambda: exp(x), "sigmoid": lambda: sigmoid(x),
                 "tanh": lambda: mpmath.tanh(x)}[kind]()
        return x

    def log_prob(y):
        x, slope = inverse(y)
        return normal["log_prob"](x, loc, scale) + slope

    def cdf(y):
        x = inverse(y)[0]
        return normal["cdf"](2 * loc - x if falls else x, loc, scale)

    return {"log_prob": log_prob, "cdf": cdf,
            "icdf": lambda u: forward(normal["icdf"](1 - u if falls else u, loc, scale))}


def python_only(spec, distribution, values, probabilities, right=None):
    """What Python says, or `right` about numbers."""
    result = {"d": spec}
    for method, at in (("log_prob", values), ("cdf", values), ("icdf", probabilities)):
        if at is None:
            continue
        if method == "icdf" and distribution.batch_shape:
            at = [[u] for u in at] if len(distribution.batch_shape) == 1 else [[[u]] for u in at]
        answers = ask(distribution, method, at)
        if right is not None:
            answers = [judge(spec, method, x, theirs, right[method](mpf(x)))
                       for x, theirs in zip(at, answers)]
        if answers is not None:
            result[method] = [at, answers]
    for method in ("entropy", "mean", "mode", "variance", "stddev"):
        answers = ask(distribution, method)
        if answers is not None:
            result[method] = answers
    return result


def main():
    cases = []
    for name, members, points in UNIVARIATE + VECTORS:
        cases.append(case(name, members, points))
        print(name, len(wrong), file=sys.stderr)
    for name, members, points in OF_LOGITS:
        names = ["logits" if k == "probs" else k for k in DEFINITIONS[name].parameters]
        cases.append(case(name, members, points, keywords=names))
    for count, members, points in MULTINOMIALS:
        cases.append(case("Multinomial", members, points, fixed={"total_count": count}))
    for k, members, points in SUBSETS:
        cases.append(case("Subset", members, points, fixed={"k": k}))
    for spec, values, probabilities in MADE_OF_OTHERS:
        cases.append(python_only(spec, build(spec), values, probabilities))
    for steps, values, probabilities in TRANSFORMED:
        base = nested("Normal", loc=0.5, scale=2.0)
        spec = nested("TransformedDistribution", base=base, transforms=steps)
        python = td.TransformedDistribution(build(base), [transform(s) for s in steps])
        cases.append(python_only(spec, python, values, probabilities,
                                 normal_transformed(mpf(0.5), mpf(2), steps)))
    divergences = list(kl_cases())
    print('{"made_by":"tests/golden/make_distributions.py, torch %s, mpmath %s",' %
          (torch.__version__, mpmath.__version__))
    for k, (key, entries) in enumerate((("cases", cases), ("kl", divergences),
                                        ("python_is_wrong", wrong))):
        lines = ",\n".join(json.dumps(number(e), separators=(",", ":")) for e in entries)
        print(f'"{key}":[\n{lines}\n]' + ("," if k < 2 else "}"))


main()
