# SPDX-License-Identifier: Apache-2.0
"""kl_divergence(p, q) from the definitions, and Python's. For make_distributions.py."""
import mpmath
import torch.distributions as td
from distribution_functions import inf, nan, sigmoid
from distribution_grid import KL_MEMBERS, OWN_PAIRS, nested
from distribution_judge import DEFINITIONS, agree, build, high, judge, number, wrong
from mpmath import mpf, exp, log, pi


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
