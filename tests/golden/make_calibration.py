#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes calibration.json: scikit-learn's results for small sets of probabilities and labels.

Isotonic regression (with ties, evaluated between and outside its points), log-loss, and the Brier
score of two classes; the multi-class Brier score by its definition in NumPy. Run it with Debian's
python3-sklearn (1.2):

    /usr/bin/python3 tests/golden/make_calibration.py > tests/golden/calibration.json
"""

import json

import numpy as np
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


print(
    json.dumps(
        {
            "isotonic": [isotonic(40, False), isotonic(60, True), isotonic(1, False)],
            "scores": [scores(50, 2), scores(40, 5)],
        }
    )
)
