#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes calibration.json: scikit-learn's results for small sets of probabilities and labels.

Isotonic regression (with ties, evaluated between and outside its points), log-loss, and the Brier
score of two classes; the multi-class Brier score by its definition in NumPy; smooth ECE, areas under risk-coverage
curves and decompositions of scores by their definitions in NumPy and SciPy; Platt's sigmoid by
scikit-learn, Dirichlet and beta calibration by minimizing their objectives with SciPy. Run it with Debian's
python3-sklearn (1.2) and python3-scipy:

    /usr/bin/python3 tests/golden/make_calibration.py > tests/golden/calibration.json
"""

import json

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_expit, log_softmax, softmax, xlog1py, xlogy
from scipy.stats import norm
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

random = np.random.default_rng(1)


def isotonic(n, ties):
    x = random.random(n)
    if ties:
        x = np.round(x, 1)
    y = (random.random(n) < x**2).astype(float)
    at = np.concatenate([np.linspace(-0.2, 1.2, 29), x[:5]])
    model = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    return {"x": x.tolist(), "y": y.tolist(), "at": at.tolist(), "value": model.predict(at).tolist()}


def scores(n, classes):
    logits = random.normal(size=(n, classes)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([random.choice(classes, p=row) for row in p])
    brier = ((p - np.eye(classes)[labels]) ** 2).sum(1).mean()
    if classes == 2:
        assert abs(brier - 2 * brier_score_loss(labels, p[:, 1])) < 1e-15
        brier = 2 * brier_score_loss(labels, p[:, 1])
    return {
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        "log_loss": log_loss(labels, p, labels=range(classes)),
        "brier": brier,
    }


def smooth_ece(c, y, points=20_000):
    """From every row's own kernel, reflected by images of the row, without cells."""
    t = (np.arange(points) + 0.5) / points

    def error(width):
        total = np.zeros(points)
        for image in (c, -c, 2 - c, -2 + c, 2 + c, 4 - c, -2 - c):
            total += norm.pdf(t[:, None], image, width) @ ((y - c) / len(c))
        return np.abs(total).mean()

    width = brentq(lambda s: error(s) - s, 1e-3, 1) if error(1e-3) > 1e-3 else 1e-3
    return {"value": error(width), "bandwidth": width}


def risk_coverage(c, y):
    """By the definitions: sums over rows, each of which looks at all others."""
    wrong = 1 - y
    risks = np.array([wrong[c >= own].mean() for own in c])
    best = np.sort(wrong)
    undetected = np.array([((c > own) * wrong).sum() + ((c == own) * wrong).sum() / 2 for own in c])
    return {
        "aurc": risks.mean(),
        "e_aurc": risks.mean() - np.mean([best[: i + 1].mean() for i in range(len(c))]),
        "augrc": undetected.mean() / len(c),
        "coverage_at_a_tenth": max([(c >= own).mean() for own, risk in zip(c, risks) if risk <= 0.1], default=0),
    }


def decomposition(c, y, score):
    recalibrated = IsotonicRegression().fit(c, y).predict(c)
    given, best, base = (score(p, y).mean() for p in (c, recalibrated, np.full(len(y), y.mean())))
    return {"score": given, "reliability": given - best, "resolution": base - best, "uncertainty": base}


def confidences(n, ties, power):
    c = 0.05 + 0.93 * random.random(n)
    if ties:
        c = np.round(c, 1).clip(0.1, 0.9)
    y = (random.random(n) < c**power).astype(float)
    return {
        "confidence": c.tolist(),
        "right": y.astype(int).tolist(),
        "smooth_ece": smooth_ece(c, y),
        "risk_coverage": risk_coverage(c, y),
        "brier": decomposition(c, y, lambda p, y: (p - y) ** 2),
        "nll": decomposition(c, y, lambda p, y: -xlogy(y, p) - xlog1py(1 - y, -p)),
    }


def dirichlet(rows, classes, off_diagonal, intercept):
    logits = 2 * random.normal(size=(rows, classes))
    labels = np.array([random.choice(classes, p=softmax(row / 1.7)) for row in logits])
    log_p = log_softmax(logits, axis=1)
    off = 1 - np.eye(classes)

    def objective(x):
        weights, bias = x[:-classes].reshape(classes, classes), x[-classes:]
        z = log_p @ weights.T + bias
        error = (softmax(z, axis=1) - np.eye(classes)[labels]) / rows
        scale = off_diagonal / (classes * (classes - 1)), intercept / classes
        value = -log_softmax(z, axis=1)[np.arange(rows), labels].mean()
        value += scale[0] * (off * weights**2).sum() + scale[1] * (bias**2).sum()
        gradient = error.T @ log_p + 2 * scale[0] * off * weights, error.sum(0) + 2 * scale[1] * bias
        return value, np.concatenate([part.ravel() for part in gradient])

    start = np.concatenate([np.eye(classes).ravel(), np.zeros(classes)])
    x = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 10_000}).x
    z = log_p @ x[:-classes].reshape(classes, classes).T + x[-classes:]
    return {
        "logits": logits.ravel().tolist(),
        "labels": labels.tolist(),
        "off_diagonal": off_diagonal,
        "intercept": intercept,
        "log_prob": log_softmax(z, axis=1).ravel().tolist(),
    }


def two_classes(rows, power):
    """Platt's by scikit-learn; beta by bounded minimization, where the bound of a may hold."""
    s = 2 * random.normal(size=rows)
    y = (random.random(rows) < expit(0.6 * np.sign(s) * np.abs(s) ** power + 0.3)).astype(int)
    sigmoid = _SigmoidCalibration().fit(s, y)
    x = np.stack([log_expit(s), -log_expit(-s), np.ones(rows)], axis=1)
    objective = lambda w: (np.logaddexp(0, x @ w).mean() - (y * (x @ w)).mean(), x.T @ (expit(x @ w) - y) / rows)
    bounds = [(0, None), (0, None), (None, None)]
    beta = minimize(objective, [1, 1, 0], jac=True, method="L-BFGS-B", bounds=bounds,
                    options={"gtol": 1e-12, "ftol": 1e-16, "maxiter": 10_000}).x
    return {
        "margins": s.tolist(),
        "labels": y.tolist(),
        "platt": sigmoid.predict(s).tolist(),
        "beta": expit(x @ beta).tolist(),
        "beta_parameters": beta.tolist(),
    }


print(
    json.dumps(
        {
            "isotonic": [isotonic(40, False), isotonic(60, True), isotonic(1, False)],
            "scores": [scores(50, 2), scores(40, 5)],
            "confidences": [confidences(150, False, 2), confidences(120, True, 3), confidences(60, False, 1)],
            "dirichlet": [dirichlet(80, 3, 0.01, 0.02), dirichlet(60, 4, 1.0, 0.0)],
            "two_classes": [two_classes(90, 1.0), two_classes(120, -0.5)],
        }
    )
)
