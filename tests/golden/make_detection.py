#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes partita/detection/golden.json: results of scikit-learn (1.2) and SciPy for a few dozen scores.

Kinds of case: "roc" (roc_curve, roc_auc_score, average_precision_score of scores with and without
ties), "logits" (scores of rows of logits), "mahalanobis" (LedoitWolf on what is left of features
after their class means), "knn" (NearestNeighbors on features of length one).

    /usr/bin/python3 tests/golden/make_detection.py > partita/detection/golden.json
"""

import json

import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

random = np.random.default_rng(1)


def numbers(array):
    return np.asarray(array, dtype=float).tolist()


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
        "shrinkage": estimate.shrinkage_,
        "scores": numbers(-squared.min(1)),
    }


def mahalanobis_cases():
    for name, rows, columns, classes in (("plain", 60, 4, 3), ("more columns than rows", 12, 20, 2)):
        labels = np.arange(rows) % classes * 2 + 1  # labels need not be 0, 1, 2
        mixing = random.normal(size=(columns, columns))
        training = random.normal(size=(rows, columns)) @ mixing + 3.0 * labels[:, None]
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
        "scores": numbers(-distance[:, -1]),
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
        },
        indent=None,
        separators=(",", ":"),
    )
)
