# SPDX-License-Identifier: Apache-2.0
"""Scores and figures beside numpy's and scikit-learn's."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita
from partita import detection
from partita.detection import KNN, Detector, Mahalanobis


def test_scores_of_logits(rng: np.random.Generator) -> None:
    z = 3 * rng.normal(size=(4, 50, 10))
    p = partita.softmax(z / 2)
    expected = {
        "energy": 2 * partita.log_sum_exp(z / 2),
        "msp": np.log(p.max(-1)),
        "entropy": (p * np.log(p)).sum(-1),
        "max-logit": z.max(-1),
    }
    for score, values in expected.items():
        np.testing.assert_allclose(detection.logit_scores(z, score, temperature=2), values, rtol=1e-10)


def test_mahalanobis(rng: np.random.Generator) -> None:
    y = rng.integers(3, size=600)
    X = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 5)) + 4 * np.eye(3, 5)[y]
    detector = Mahalanobis(shrinkage=0.0).fit(X, y + 7)
    means = np.stack([X[y == c].mean(0) for c in range(3)])
    inverse = np.linalg.inv((X - means[y]).T @ (X - means[y]) / 600)
    queries = 2 * rng.normal(size=(40, 5))
    apart = queries[:, None] - means
    expected = -np.einsum("nci,ij,ncj->nc", apart, inverse, apart).min(-1)
    np.testing.assert_allclose(detector.score_samples(queries), expected, rtol=1e-8)
    copy = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(copy.score_samples(queries), detector.score_samples(queries))
    assert detector.n_classes_ == 3 and 0 < Mahalanobis().fit(X, y).shrinkage_ < 1


def test_ledoit_wolf_beside_sklearn(rng: np.random.Generator) -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    X = rng.normal(size=(60, 8)) * np.arange(1, 9)
    theirs = covariance.LedoitWolf().fit(X)
    assert Mahalanobis().fit(X, np.zeros(60, int)).shrinkage_ == pytest.approx(theirs.shrinkage_, rel=1e-9)


def test_knn_beside_sklearn(rng: np.random.Generator) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    X, queries = rng.normal(size=(500, 6)), rng.normal(size=(30, 6))

    def unit(a: Any) -> Any:
        return a / np.linalg.norm(a, axis=-1, keepdims=True)

    distances, _ = neighbors.NearestNeighbors(n_neighbors=7).fit(unit(X)).kneighbors(unit(queries))
    detector = KNN(7, threads=2).fit(X)
    np.testing.assert_allclose(detector.score_samples(queries), -distances[:, -1], rtol=1e-9)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).score_samples(queries), detector.score_samples(queries))


def layered(rng: np.random.Generator) -> tuple[Any, Any, tuple[Any, Any]]:
    y = np.arange(300) % 3
    X = np.maximum(0, rng.normal(size=(300, 6)) + 4 * np.eye(3, 6)[y])
    return X, y, (np.eye(3, 6) + 0.1 * rng.normal(size=(3, 6)), rng.normal(size=3))


def test_detectors(rng: np.random.Generator) -> None:
    X, y, (W, b) = layered(rng)
    queries = np.abs(rng.normal(size=(40, 6)))
    z = queries @ W.T + b
    contribution = W * X.mean(0)
    sparse = np.where(contribution > np.quantile(contribution, 0.5, method="inverted_cdf"), W, 0)
    p, bank = partita.softmax(z), X @ W.T + b
    cosines = (X / np.linalg.norm(X, axis=1, keepdims=True)) @ (queries / np.linalg.norm(queries, axis=1, keepdims=True)).T
    guided = np.sort(partita.log_sum_exp(bank)[:, None] * cosines, axis=0)[-7:].mean(0)
    expected = {
        "energy": partita.log_sum_exp(z),
        "gen": -((p * (1 - p)) ** 0.1).sum(1),
        "gradnorm": queries.sum(1) * np.abs(p - 1 / 3).sum(1),
        "react": partita.log_sum_exp(np.minimum(queries, np.quantile(X, 0.5, method="inverted_cdf")) @ W.T + b),
        "dice": partita.log_sum_exp(queries @ sparse.T + b),
        "nnguide": guided * partita.log_sum_exp(z),
        "knn": KNN(7).fit(X).score_samples(queries),
        "mahalanobis": Mahalanobis().fit(X, y).score_samples(queries),
    }
    for score, values in expected.items():
        detector = Detector(score, layer=(W, b), percentile=50, k=7).fit(X, y)
        np.testing.assert_allclose(detector.score_samples(queries), values, rtol=1e-10, err_msg=score)
    assert repr(Detector("vim", layer=W)).startswith("Detector(score='vim', layer=array(")
    openmax = [Detector("openmax", layer=(W, b), **settings).fit(X, y).score_samples(queries)
               for settings in ({}, {"tail": 5}, {"largest": 1})]
    assert not np.array_equal(openmax[0], openmax[1]) and not np.array_equal(openmax[0], openmax[2])
    for score in detection.SCORES:
        detector = Detector(score, layer=(W, b)).fit(X, y)
        scores = detector.score_samples(queries)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).score_samples(queries), scores)
        np.testing.assert_array_equal(Detector(score, layer=(W, b), threads=2).fit(X, y).score_samples(queries), scores)


def test_fusion_is_the_log_odds(rng: np.random.Generator) -> None:
    known, unknown = rng.normal([1, 0.5], size=(8000, 2)), rng.normal(size=(4000, 2))
    fusion = detection.ScoreFusion().fit({"a": (known[:, 0], unknown[:, 0]), "b": (known[:, 1], unknown[:, 1])})
    assert fusion.weights_ == pytest.approx({"a": 1, "b": 0.5}, abs=0.15)
    assert fusion.bias_ == pytest.approx(-0.625, abs=0.15)
    odds = fusion.score_samples({"a": known[:, 0], "b": known[:, 1]})
    np.testing.assert_allclose(odds, known @ list(fusion.weights_.values()) + fusion.bias_, rtol=1e-12)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fusion)).score_samples({"a": [1], "b": [2]}),
                                  fusion.score_samples({"a": [1], "b": [2]}))
    with pytest.raises(ValueError, match="scores: b is missing"):
        fusion.score_samples({"a": [1]})
    with pytest.raises(ValueError, match="one score is a sum of others"):
        detection.ScoreFusion().fit({"a": (known[:, 0], unknown[:, 0]), "b": (known[:, 0], unknown[:, 0])})


def test_known_rows_stay_alive(rng: np.random.Generator) -> None:
    X = rng.normal(size=(2000, 50))
    expected = Detector("knn", k=3).fit(X).score_samples(X[:5])
    detector = Detector("knn", k=3).fit(X.copy())
    del detector.known_
    filler = [np.full((2000, 50), np.nan) for _ in range(8)]
    np.testing.assert_array_equal(detector.score_samples(X[:5]), expected)
    del filler


def test_comparison(rng: np.random.Generator) -> None:
    X, y, layer = layered(rng)
    known, unknown = X[1::2], np.abs(rng.normal(size=(80, 6)))
    scores = {}
    for score in ("msp", "energy", "vim", "knn"):
        detector = Detector(score, layer=layer).fit(X[::2], y[::2])
        scores[score] = detector.score_samples(known), detector.score_samples(unknown)
    found = detection.compare_detectors(scores, positive="in", seed=1, resamples=200)
    aurocs = [each.metrics.auroc for each in found.values()]
    assert aurocs == sorted(aurocs, reverse=True) and set(found) == set(scores)
    for name, each in found.items():
        assert each.metrics == detection.detection_metrics(*scores[name], positive="in")
        assert each.intervals.auroc.low <= each.metrics.auroc <= each.intervals.auroc.high
    assert next(iter(found.values())).auroc_less_best == (0, 0)


def test_figures_beside_sklearn(rng: np.random.Generator) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    known, unknown = np.round(rng.normal(1, 1, 700), 1), np.round(rng.normal(0, 1, 300), 1)  # with ties
    y, scores = np.repeat([1, 0], [700, 300]), np.concatenate([known, unknown])
    m = detection.detection_metrics(known, unknown, positive="in")
    assert m.auroc == pytest.approx(theirs.roc_auc_score(y, scores), rel=1e-12)
    assert m.aupr_in == pytest.approx(theirs.average_precision_score(y, scores), rel=1e-12)
    assert m.aupr_out == pytest.approx(theirs.average_precision_score(1 - y, -scores), rel=1e-12)
    fpr, tpr, thresholds = theirs.roc_curve(y, scores, drop_intermediate=False)
    curve = detection.roc_curve(known, unknown)
    np.testing.assert_allclose(curve.true_positives / 700, tpr)
    np.testing.assert_allclose(curve.false_positives / 300, fpr)
    np.testing.assert_array_equal(curve.thresholds[1:], thresholds[1:])
    assert m.fpr_at_95_tpr == pytest.approx(fpr[np.argmax(tpr >= 0.95)])
    assert np.mean(known >= detection.threshold_at_tpr(known, 0.9)) >= 0.9


def test_estimators_are_sklearns(rng: np.random.Generator) -> None:
    base = pytest.importorskip("sklearn.base")
    for detector in (Mahalanobis(shrinkage=0.1), KNN(3), Detector("knn", k=3)):
        copy = base.clone(detector.fit(rng.normal(size=(20, 2)), np.zeros(20, int)))
        assert copy.get_params() == detector.get_params()
        with pytest.raises(ValueError, match="not fitted"):
            copy.score_samples(np.zeros((1, 2)))


def test_torch(torch: Any) -> None:
    X = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    y = torch.arange(50) % 2
    for scores in (
        detection.logit_scores(X),
        Mahalanobis().fit(X, y).score_samples(X),
        KNN(2).fit(X).score_samples(X),
        Detector("vim", layer=(torch.eye(2, 4), torch.zeros(2))).fit(X).score_samples(X),
    ):
        assert isinstance(scores, torch.Tensor) and scores.dtype == torch.float64
    assert detection.detection_metrics(X[:, 0], X[:, 1], positive="out").auroc > 0


def test_bits_of_the_command(command: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    known, unknown = rng.normal(1, 1, size=(200, 5)), rng.normal(size=(100, 5))
    np.save(tmp_path / "in.npy", known)
    np.save(tmp_path / "out.npy", unknown)
    printed = command("detect", "evaluate", "--in", tmp_path / "in.npy", "--out", tmp_path / "out.npy", "--score", "energy",
                      "--positive", "in", "--seed", 5, "--resamples", 100, "--json")
    scores = [detection.logit_scores(z, "energy") for z in (known, unknown)]
    m = detection.detection_metrics(*scores, positive="in")
    i = detection.detection_intervals(*scores, positive="in", seed=5, resamples=100)
    for name, value in m._asdict().items():
        assert printed[name] == value
    for name, ends in i._asdict().items():
        assert tuple(printed["intervals"][name]) == ends


@pytest.mark.parametrize(
    "call,error,message",
    [
        (lambda: detection.logit_scores(np.zeros(3), "nonsense"), ValueError, "score: expected one of msp, "),
        (lambda: Detector("odds").fit(), ValueError, "score: expected one of msp, "),
        (lambda: Detector("vim").fit(np.eye(3)), ValueError, "layer: required by vim"),
        (lambda: Detector("dice", layer=np.eye(3)).fit(), ValueError, "rows: required by dice"),
        (lambda: Detector("knn", k=9).fit(np.eye(3)), ValueError, r"k: expected 1\.\.3"),
        (lambda: Detector("energy", layer=(np.eye(3), np.zeros(2))).fit(), ValueError, "layer: expected 3"),
        (lambda: detection.logit_scores(np.zeros(3), temperature=0), ValueError, "temperature: expected"),
        (lambda: detection.detection_metrics([1.0], [2.0], positive="both"), ValueError, "positive: expected one of in"),
        (lambda: detection.detection_metrics([], [2.0], positive="in"), ValueError, ""),
        (lambda: detection.detection_metrics([np.nan], [2.0], positive="in"), ValueError, "NaN"),
        (lambda: detection.detection_metrics(["a"], [2.0], positive="in"), ValueError, "in_scores: elements are <U1"),
        (lambda: detection.threshold_at_tpr([1.0], 0), ValueError, "tpr: expected"),
        (lambda: KNN(3).fit(np.eye(2)).score_samples(np.eye(2)), ValueError, "k: expected 1..2"),
        (lambda: KNN(1).fit(np.eye(2)).score_samples(np.eye(3)), ValueError, "columns"),
        (lambda: Mahalanobis().fit(np.eye(3), [0, 1]), ValueError, r"labels: expected shape \(3,\)"),
        (lambda: Mahalanobis(shrinkage=2).fit(np.eye(3), [0, 1, 1]), ValueError, "shrinkage: expected"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
