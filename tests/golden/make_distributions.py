#!/usr/bin/python3
"""Values of distributions in double precision, from mpmath and Python's torch.distributions.

    /usr/bin/python3 tests/golden/make_distributions.py > partita/learn/distributions/golden.json

Needs Debian's python3-torch (1.13) and mpmath. golden_test.cpp reads what this prints:

    cases            a batch of parameters each, and of every method: where, and the answers
    kl               kl_divergence(p, q), by quadrature or summation wherever there is a density
    python_is_wrong  each place of the two above where Python's answer is not the right one: both

The right answer is mpmath's, from the definition (distribution_definitions.py). Python's stands for
it only where there is no definition: in broadcasting, and in what is made of other distributions.
Python is wrong where it is off by more than 1e-6 of the right answer.
"""
import json
import math
import sys
import warnings

import mpmath
import torch
import torch.distributions as td
from distribution_definitions import (DEFINITIONS, exp, inf, log, mp, mpf, nan, pi, sigmoid,
                                      softmax)
from distribution_grid import (KL_MEMBERS, MADE_OF_OTHERS, MULTINOMIALS, OF_LOGITS, OWN_PAIRS,
                               TRANSFORMED, U, UNIVARIATE, VECTORS, nested)

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.float64)
td.Distribution.set_default_validate_args(False)


# ------------------------------------------------------------------------------------------------
# Python's answers against the right ones.

wrong = []


def number(x):
    """For JSON, which has no infinities."""
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
    """The right answer; Python's, if another, is noted."""
    if right is None:
        return None
    if python is not None and not agree(method, python, right):
        entry = {"d": spec, "method": method, "python": python, "right": right}
        if at is not None:
            entry["at"] = at
        wrong.append(number(entry))
    return right


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


def case(name, members, points, keywords=None, total_count=None):
    definition = DEFINITIONS[name]
    short = name.split(" of ")[0]
    names = keywords or definition.parameters
    if total_count is not None:
        names = names[1:]
    methods = dict(definition.methods)
    if keywords:
        k = names.index("logits") - len(names)
        methods = {m: of_logits(f, k, isinstance(members[0][k], list)) for m, f in methods.items()}
    batch = {key: [m[i] for m in members] for i, key in enumerate(names)}
    fixed = {} if total_count is None else {"total_count": total_count}
    spec = {"name": short, **fixed, **batch}
    one = [{"name": short, **fixed, **dict(zip(names, m))} for m in members]
    prefix = () if total_count is None else (mpf(total_count),)
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


# ------------------------------------------------------------------------------------------------
# kl_divergence.



def infinite_mean(p_name, p, q_name):
    """Whether E_p[log q] is infinite for p's heavy tail."""
    return p_name == "Pareto" and p[1] <= {"Exponential": 1, "Gamma": 1, "Normal": 2}.get(q_name, 0)


def kl_right(p_name, p, q_name, q):
    """KL(p || q) from the definitions."""
    dp, dq = DEFINITIONS[p_name], DEFINITIONS[q_name]
    p, q = high(p), high(q)
    (low, top), (q_low, q_top) = dp.support(*p), dq.support(*q)
    if infinite_mean(p_name, p, q_name):
        return inf
    if dp.discrete:
        total, x = mpf(0), mpf(0)
        while x <= top:
            a = dp.log_prob(x, *p)
            if a > -inf:
                b = dq.log_prob(x, *q) if x <= q_top else -inf
                if b == -inf:
                    return inf
                total += exp(a) * (a - b)
                if x > 30 and exp(a) < mpf(10) ** -32:
                    break
            elif x > 30:
                break
            x += 1
        return total
    if p_name == "VonMises":
        return mpmath.quad(
            lambda x: exp(dp.log_prob(x, *p)) * (dp.log_prob(x, *p) - dq.log_prob(x, *q)),
            mpmath.linspace(-pi, pi, 9))
    if low < q_low or top > q_top:
        return inf

    def integrand(x):
        a = dp.log_prob(x, *p)
        return exp(a) * (a - dq.log_prob(x, *q)) if a > -1000 else mpf(0)

    if low == -inf:
        if p_name == "Cauchy":  # x = tan(t)
            m, s = p
            return mpmath.quad(
                lambda t: integrand(m + s * mpmath.tan(t)) * s / mpmath.cos(t) ** 2,
                [-pi / 2, -1.5, 0, 1.5, pi / 2])
        m, s = p
        edges = sorted({m + s * k for k in (-60, -20, -6, -2, 0, 2, 6, 20, 60, 120)} | {
            q[0] + q[1] * k for k in (-3, 0, 3)})
        return mpmath.quad(integrand, edges)
    if top == inf:  # x = low + e^t
        scale = {"Pareto": lambda s, a: s / a, "Gamma": lambda a, r: a / r,
                 "Exponential": lambda r: 1 / r, "InverseGamma": lambda a, r: r / a,
                 "LogNormal": lambda m, s: exp(m), "Weibull": lambda s, k: s}.get(
                     p_name, lambda s: s)(*p)
        center = log(scale)
        reach = 400 if p_name in ("HalfCauchy", "Pareto", "InverseGamma", "Weibull") else 120
        edges = [center + k for k in (-reach, -40, -10, -3, -1, 0, 1, 3, 10, 40, reach)]
        return mpmath.quad(lambda t: integrand(low + exp(t)) * exp(t), edges)
    width = top - low  # x = low + width / (1 + e^-t)
    return mpmath.quad(
        lambda t: integrand(low + width * sigmoid(t)) * width * sigmoid(t) * sigmoid(-t),
        [-65, -20, -5, -1, 0, 1, 5, 20, 65])


def one_of_batch(spec):
    """Several of Python's divergences write into their batch, and so need one."""
    return {k: v if k == "name" else [v] for k, v in spec.items()}


def kl_case(p_name, q_name, pairs):
    dp, dq = DEFINITIONS[p_name], DEFINITIONS[q_name]

    def spec(name, definition, members):
        return {"name": name, **{k: [m[i] for m in members]
                                 for i, k in enumerate(definition.parameters)}}

    p_spec = spec(p_name, dp, [p for p, _ in pairs])
    q_spec = spec(q_name, dq, [q for _, q in pairs])
    right = [kl_right(p_name, p, q_name, q) for p, q in pairs]
    for (p, q), truth in zip(pairs, right):
        if dp.python is None or p_name in ("NegativeBinomial", "VonMises", "Weibull"):
            continue
        one_p = {"name": p_name, **dict(zip(dp.parameters, p))}
        one_q = {"name": q_name, **dict(zip(dq.parameters, q))}
        try:
            theirs = td.kl_divergence(build(one_of_batch(one_p)), build(one_of_batch(one_q))).item()
        except NotImplementedError:
            theirs = None
        except (RuntimeError, IndexError, AttributeError):
            theirs = nan
        if theirs is None or not agree("kl_divergence", theirs, truth):
            wrong.append(number({"p": one_p, "q": one_q, "method": "kl_divergence",
                                 "python": theirs, "right": truth}))
    return number({"p": p_spec, "q": q_spec, "kl": right})


def kl_cases():
    univariate = sorted({(p.__name__, q.__name__) for p, q in td.kl._KL_REGISTRY
                         if p.__name__ in KL_MEMBERS and q.__name__ in KL_MEMBERS})
    for p_name, q_name in univariate + [(name, name) for name in OWN_PAIRS]:
        yield kl_case(p_name, q_name, [(p, q) for p in KL_MEMBERS[p_name] for q in KL_MEMBERS[q_name]])
    yield kl_case("Gamma", "Gumbel", [((4000, 2), (900, 1))])
    yield kl_case("Uniform", "Pareto", [((1, 2), (1e-3, 200))])

    def python_of(p, q, right=None):
        theirs = td.kl_divergence(build(p), build(q)).tolist()
        return {"p": p, "q": q, "kl": judge({"p": p, "q": q}, "kl_divergence", None, theirs, right)
                if right is not None else theirs}

    categories = [([0.2, 0.3, 0.5], [0.5, 0.25, 0.25]), ([0, 1, 0], [0, 1, 0]),
                  ([0, 0.5, 0.5], [0.25, 0.25, 0.5]), ([0.25, 0.25, 0.5], [0, 0.5, 0.5])]
    for name in ("Categorical", "OneHotCategorical"):
        for p, q in categories:
            right = mpmath.fsum(0 if a == 0 else inf if b == 0 else a * log(mpf(a) / b)
                                for a, b in zip(p, q))
            yield python_of(nested(name, probs=p), nested(name, probs=q), right)
    for p, q in categories:
        right = 5 * mpmath.fsum(0 if a == 0 else inf if b == 0 else a * log(mpf(a) / b)
                                for a, b in zip(p, q))
        yield {"p": nested("Multinomial", total_count=5, probs=p),
               "q": nested("Multinomial", total_count=5, probs=q), "kl": right}
    yield python_of(nested("Dirichlet", concentration=[0.5, 2.0, 8.0]),
                    nested("Dirichlet", concentration=[[1.0, 1.0, 1.0], [9.0, 0.1, 3.0]]))
    dense = nested("MultivariateNormal", loc=[0.0, 1.0, 2.0],
                   covariance_matrix=[[1.0, 0.5, 0.0], [0.5, 2.0, 0.25], [0.0, 0.25, 0.5]])
    low = nested("LowRankMultivariateNormal", loc=[[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
                 cov_factor=[[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]], cov_diag=[1.0, 0.5, 2.0])
    other = nested("LowRankMultivariateNormal", loc=[0.0, 0.0, 1.0],
                   cov_factor=[[3.0], [1.0], [-1.0]], cov_diag=[0.1, 0.2, 0.3])
    wide = nested("MultivariateNormal", loc=[1.0, 1.0, 1.0],
                  scale_tril=[[3.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, -1.0, 2.0]])
    for p in (dense, low, other, wide):
        for q in (dense, low, other, wide):
            yield python_of(p, q)
    yield python_of(
        nested("Independent", base=nested("Normal", loc=[[0.0, 1.0], [2.0, 3.0]], scale=1.0),
               reinterpreted_batch_ndims=1),
        nested("Independent", base=nested("Normal", loc=[0.0, 0.5], scale=[2.0, 3.0]),
               reinterpreted_batch_ndims=1))


def main():
    cases = []
    for name, members, points in UNIVARIATE + VECTORS:
        cases.append(case(name, members, points))
        print(name, len(wrong), file=sys.stderr)
    for name, members, points in OF_LOGITS:
        names = ["logits" if k == "probs" else k for k in DEFINITIONS[name].parameters]
        cases.append(case(name, members, points, keywords=names))
    for count, members, points in MULTINOMIALS:
        cases.append(case("Multinomial", members, points, total_count=count))
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
