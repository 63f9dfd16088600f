# SPDX-License-Identifier: Apache-2.0
"""Python's answers against the right ones. For make_distributions.py and distribution_kl.py."""
import math

import torch
import torch.distributions as td
from distribution_definitions import DEFINITIONS as OF_NUMBERS
from distribution_more import DEFINITIONS as MORE
from distribution_vectors import DEFINITIONS as OF_VECTORS
from mpmath import mpf

DEFINITIONS = {**OF_NUMBERS, **OF_VECTORS, **MORE}

wrong = []


def number(x):
    """A number for JSON, which has no infinities."""
    if isinstance(x, (list, tuple)):
        return [number(each) for each in x]
    if isinstance(x, dict):
        return {k: number(v) for k, v in x.items()}
    if x is None or isinstance(x, (str, bool, int)):
        return x
    x = float(x)
    if math.isnan(x) or math.isinf(x):
        return str(x)
    return int(x) if x == int(x) and abs(x) < 1e15 and str(x) != "-0.0" else x


def high(x):
    return [high(each) for each in x] if isinstance(x, (list, tuple)) else mpf(x)


def agree(method, python, right):
    if isinstance(right, (list, tuple)):
        return all(agree(method, a, b) for a, b in zip(python, right))
    if right is None:
        return True
    right = float(right)
    if math.isnan(right) or math.isinf(right):
        return str(float(python)) == str(right)
    # A logarithm that passes through 0 has no relative error there.
    floor = 1e-13 if method in ("log_prob", "entropy", "kl_divergence") else 1e-300
    return abs(python - right) <= 1e-6 * abs(right) + floor


def ask(distribution, method, at=None):
    """Python's answer as lists, or None where it has none."""
    try:
        answer = getattr(distribution, method)
        if method in ("log_prob", "cdf", "icdf"):
            answer = answer(torch.tensor(at))
        elif method == "entropy":
            answer = answer()
        return answer.tolist()
    except (NotImplementedError, AttributeError):
        return None


def judge(spec, method, at, python, right):
    """The right answer; Python's is noted if it differs."""
    if right is None:
        return None
    if python is not None and not agree(method, python, right):
        entry = {"d": spec, "method": method, "python": python, "right": right}
        if at is not None:
            entry["at"] = at
        wrong.append(number(entry))
    return right


def build(spec):
    """Python's distribution of a nested specification."""
    arguments = {}
    for key, value in spec.items():
        if key == "name":
            continue
        if isinstance(value, dict):
            arguments[key] = build(value)
        elif key in ("reinterpreted_batch_ndims", "total_count") and isinstance(value, int):
            arguments[key] = value
        else:
            arguments[key] = torch.tensor(value, dtype=torch.float64)
    name = spec["name"]
    if name == "Independent":
        return td.Independent(arguments["base"], arguments["reinterpreted_batch_ndims"])
    if name == "MixtureSameFamily":
        return td.MixtureSameFamily(arguments["mixture"], arguments["component"],
                                    validate_args=False)
    if name == "TransformedDistribution":
        raise AssertionError("built by hand")
    return getattr(td, name)(**arguments, validate_args=False)
