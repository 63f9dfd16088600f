#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes partita/detection/golden.json: results of scikit-learn (1.2) and SciPy for a few dozen scores.

Kinds of case: "roc" (roc_curve, roc_auc_score, average_precision_score of scores with and without
ties), "logits" (scores of rows of logits), "mahalanobis" (LedoitWolf on what is left of features
after their class means), "knn" (NearestNeighbors on features of length one), "detectors" (every other
score of partita/detection/detector.hpp, from its paper's formula in NumPy, for features after a ReLU).

    /usr/bin/python3 tests/golden/make_detection.py > partita/detection/golden.json
"""

import json

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, logsumexp, rel_entr, softmax
from scipy.stats import weibull_min
from sklearn.covariance import LedoitWolf
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

random = np.random.default_rng(1)


def numbers(array):
    return np.asarray(array, dtype=float).tolist()


def determined(array, digits=12):
    """Of results of linear algebra, the digits on which every BLAS agrees: the same file anywhere."""
    return [float(f"{value:.{digits}g}") for value in np.ravel(array)]


def roc_case(name, inside, outside):
    scores = np.concatenate([inside, outside])
    is_in = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    fpr, tpr, threshold = roc_curve(is_in, scores, drop_intermediate=False)
    fpr_out, tpr_out, _ = roc_curve(1 - is_in, -scores, drop_intermediate=False)
    return {
        "name": name,
        "in": numbers(inside),
        "out": numbers(outside),
        # The first threshold is one that nothing reaches; libraries differ in which.
        "roc": [numbers(row) for row in zip(threshold[1:], tpr[1:], fpr[1:])],
        "auroc": roc_auc_score(is_in, scores),
        "aupr_in": average_precision_score(is_in, scores),
        "aupr_out": average_precision_score(1 - is_in, -scores),
        "fpr_at_95_tpr_in": fpr[tpr >= 0.95][0],
        "fpr_at_95_tpr_out": fpr_out[tpr_out >= 0.95][0],
        # (1 + max Youden's J) / 2
        "detection_accuracy": (1 + (tpr - fpr).max()) / 2,
    }


def roc_cases():
    continuous = random.normal(1, 1, 60), random.normal(0, 1, 45)
    yield roc_case("continuous", *continuous)
    yield roc_case("rounded", *(x.round(1) for x in continuous))
    yield roc_case("three values", random.integers(0, 3, 40), random.integers(0, 3, 25) - 0.0)
    yield roc_case("few of many", random.normal(1, 1, 5), random.normal(0, 1, 120))
    yield roc_case("separated", [3.0, 2.5, 4.0], [1.0, 0.5])
    yield roc_case("the wrong way round", [0.0, -1.0], [1.0, 2.0, 3.0])
    yield roc_case("all tied", [0.5] * 7, [0.5] * 4)
    yield roc_case("one and one", [1.0], [0.0])
    # 19 of 20 are exactly 95 %.
    yield roc_case("twenty", np.arange(20.0), np.arange(20.0) - 3.5)


def logit_case(name, logits, temperature):
    z = logits / temperature
    log_p = log_softmax(z, axis=1)
    return {
        "name": name,
        "logits": [numbers(row) for row in logits],
        "temperature": temperature,
        "msp": numbers(log_p.max(1)),
        "max_logit": numbers(logits.max(1)),
        "entropy": numbers((np.exp(log_p) * log_p).sum(1)),
        "energy": numbers(temperature * logsumexp(z, axis=1)),
    }


def mahalanobis_case(name, training, labels, queries):
    classes = np.unique(labels)
    means = np.stack([training[labels == c].mean(0) for c in classes])
    estimate = LedoitWolf(assume_centered=True).fit(training - means[np.searchsorted(classes, labels)])
    apart = queries[:, None, :] - means[None]
    squared = np.einsum("qci,ij,qcj->qc", apart, estimate.precision_, apart)
    return {
        "name": name,
        "training": [numbers(row) for row in training],
        "labels": labels.tolist(),
        "queries": [numbers(row) for row in queries],
        "shrinkage": determined(estimate.shrinkage_, digits=14)[0],
        "scores": determined(-squared.min(1)),
    }


def mahalanobis_cases():
    for name, rows, columns, classes in (("plain", 60, 4, 3), ("more columns than rows", 12, 20, 2)):
        labels = np.arange(rows) % classes * 2 + 1  # labels need not be 0, 1, 2
        mixing = random.normal(size=(columns, columns))
        training = (random.normal(size=(rows, columns)) @ mixing + 3.0 * labels[:, None]).round(6)
        yield mahalanobis_case(name, training, labels, random.normal(size=(8, columns)) * 4)


def knn_case(k):
    training = random.normal(size=(50, 5))
    queries = random.normal(size=(9, 5)) * 10
    distance, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(training)).kneighbors(
        normalize(queries)
    )
    return {
        "k": k,
        "training": [numbers(row) for row in training],
        "queries": [numbers(row) for row in queries],
        "scores": determined(-distance[:, -1]),
    }


def energy(x, weight, bias):
    return logsumexp(x @ weight.T + bias, axis=1)


def generalized_entropy(z, gamma, largest):
    p = softmax(z, axis=1)
    top = -np.sort(-p, axis=1)[:, :largest]
    return -(top**gamma * (1 - top) ** gamma).sum(1)


def kl_matching(known, z):
    p_known, p = softmax(known, axis=1), softmax(z, axis=1)
    y = p_known.argmax(1)
    typical = np.stack([p_known[y == c].mean(0) for c in np.unique(y)])
    return -np.stack([rel_entr(p, d).sum(1) for d in typical]).min(0)


def weibull(distances, tail):
    """Shape and scale of the largest likelihood for the largest distances, from 1 below their least on."""
    largest = np.sort(distances)[-tail:]
    location = largest[0] - 1
    x = largest - location
    derivative = lambda k: len(x) / k + np.log(x).sum() - len(x) * (x**k * np.log(x)).sum() / (x**k).sum()
    shape = brentq(derivative, 0.1, 200, xtol=1e-14, rtol=1e-15)
    scale = (x**shape).mean() ** (1 / shape)
    likelihood = lambda k, s: weibull_min.logpdf(x, k, scale=s).sum()
    for k, s in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)):
        assert likelihood(shape * k, scale * s) < likelihood(shape, scale)
    return weibull_min(shape, location, scale)


def openmax(known, labels, z, tail, revised):
    """log((1 - P(unknown)) / P(unknown)) of the revised activations."""
    right = known.argmax(1) == labels
    means = [known[right & (labels == c)].mean(0) for c in range(z.shape[1])]
    tails = [weibull(np.linalg.norm(known[right & (labels == c)] - m, axis=1), tail) for c, m in enumerate(means)]
    out = []
    for row in z:
        weight = np.ones(len(row))
        for rank, c in enumerate(np.argsort(-row)[:revised]):
            weight[c] -= (revised - rank) / revised * tails[c].cdf(np.linalg.norm(row - means[c]))
        p = softmax(np.r_[(row * (1 - weight)).sum(), row * weight])
        out.append(np.log(p[1:].sum() / p[0]))
    return np.array(out)


def gradnorm(x, weight, bias):
    """The norm of the gradient of the cross-entropy from uniform probabilities, which differences confirm."""
    out = []
    for row in x:
        gradient = np.outer(softmax(weight @ row + bias) - 1 / len(weight), row)
        for at in np.ndindex(*weight.shape):
            step = np.zeros_like(weight)
            step[at] = 1e-4
            high, low = (-log_softmax((weight + s) @ row + bias).mean() for s in (step, -step))
            assert abs((high - low) / 2e-4 - gradient[at]) < 1e-7
        out.append(np.abs(gradient).sum())
    return np.array(out)


def shaped(x, weight, bias, percentile, prune):
    out = []
    for row in x:
        kept = np.zeros_like(row)
        largest = np.argsort(-row, kind="stable")[: len(row) - int(np.round(len(row) * percentile / 100))]
        kept[largest] = row[largest]
        out.append(np.exp(row.sum() / kept.sum()) * (kept if prune else row))
    return energy(np.array(out), weight, bias)


def vim(known, x, weight, bias, dimension):
    origin = -np.linalg.pinv(weight) @ bias
    values, vectors = np.linalg.eigh((known - origin).T @ (known - origin) / len(known))
    residual_space = vectors[:, np.argsort(-values)[dimension:]]
    residual = lambda rows: np.linalg.norm((rows - origin) @ residual_space, axis=1)
    alpha = (known @ weight.T + bias).max(1).mean() / residual(known).mean()
    return energy(x, weight, bias) - alpha * residual(x)


def she(known, labels, x, weight, bias):
    right = (known @ weight.T + bias).argmax(1) == labels
    patterns = np.stack([known[right & (labels == c)].mean(0) for c in range(len(weight))])
    return (x * patterns[(x @ weight.T + bias).argmax(1)]).sum(1)


def fdbd(known, x, weight, bias):
    out = []
    for row, z in zip(x, x @ weight.T + bias):
        y = z.argmax()
        distances = [(z[y] - z[c]) / np.linalg.norm(weight[y] - weight[c]) for c in range(len(z)) if c != y]
        out.append(np.mean(distances) / np.linalg.norm(row - known.mean(0)))
    return np.array(out)


def relative_mahalanobis(known, labels, x):
    def squared(rows, fitted, groups):
        means = np.stack([fitted[groups == c].mean(0) for c in np.unique(groups)])
        inverse = np.linalg.inv(np.cov((fitted - means[groups]).T, bias=True))
        return np.stack([np.diag((rows - m) @ inverse @ (rows - m).T) for m in means])

    return -(squared(x, known, labels) - squared(x, known, 0 * labels)).min(0)


def nnguide(known, x, weight, bias, k):
    bank = normalize(known) * energy(known, weight, bias)[:, None]
    guidance = -np.sort(-normalize(x) @ bank.T, axis=1)[:, :k]
    return guidance.mean(1) * energy(x, weight, bias)


def detector_case():
    classes, columns, rows = 4, 11, 64
    labels = np.arange(rows) % classes
    relu = lambda values: np.maximum(values, 0)
    centers = 3 * random.normal(size=(classes, columns))
    known = relu(centers[labels] + random.normal(size=(rows, columns)))
    queries = np.concatenate([relu(centers + random.normal(size=centers.shape)), relu(2 * random.normal(size=(6, columns)))])
    weight, bias = 0.2 * centers + 0.1 * random.normal(size=centers.shape), random.normal(size=classes)
    z_known, z = known @ weight.T + bias, queries @ weight.T + bias
    contribution = weight * known.mean(0)
    sparse = np.where(contribution > np.quantile(contribution, 0.6, method="inverted_cdf"), weight, 0)
    scores = {
        "msp": log_softmax(z, axis=1).max(1),
        "energy": logsumexp(z, axis=1),
        "gen": generalized_entropy(z, 0.3, 3),
        "kl-matching": kl_matching(z_known, z),
        "openmax": openmax(z_known, labels, z, 9, 3),
        "gradnorm": gradnorm(queries, weight, bias),
        "react": energy(np.minimum(queries, np.quantile(known, 0.6, method="inverted_cdf")), weight, bias),
        "dice": energy(queries, sparse, bias),
        "ash-s": shaped(queries, weight, bias, 60, prune=True),
        "scale": shaped(queries, weight, bias, 60, prune=False),
        "she": she(known, labels, queries, weight, bias),
        "vim": vim(known, queries, weight, bias, 5),
        "fdbd": fdbd(known, queries, weight, bias),
        "relative-mahalanobis": relative_mahalanobis(known, labels, queries),
        "nnguide": nnguide(known, queries, weight, bias, 7),
    }
    return {
        "known": [numbers(row) for row in known],
        "labels": labels.tolist(),
        "weight": [numbers(row) for row in weight],
        "bias": numbers(bias),
        "queries": [numbers(row) for row in queries],
        "options": {"gamma": 0.3, "largest": 3, "tail": 9, "percentile": 60, "dimension": 5, "k": 7, "shrinkage": 0},
        "scores": {name: determined(values) for name, values in scores.items()},
    }


print(
    json.dumps(
        {
            "roc": list(roc_cases()),
            "logits": [
                logit_case("plain", random.normal(0, 3, (6, 7)), 1.0),
                logit_case("warm", random.normal(0, 3, (6, 7)), 2.5),
                logit_case("cold", random.normal(0, 3, (6, 7)), 0.25),
            ],
            "mahalanobis": list(mahalanobis_cases()),
            "knn": [knn_case(k) for k in (1, 3, 50)],
            "detectors": detector_case(),
        },
        indent=None,
        separators=(",", ":"),
    )
)
