# SPDX-License-Identifier: Apache-2.0
"""Calibrators as scikit-learn estimators, and their numbers beside other implementations'."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import partita
from partita import calibration
from partita.calibration import (
    BetaCalibration,
    BinnedTemperature,
    DirichletCalibration,
    FitError,
    HistogramBinning,
    IsotonicCalibration,
    MatrixScaling,
    PlattScaling,
    SplitConformal,
    TemperatureScaling,
    VectorScaling,
    evaluate_calibration,
)

ALL = [TemperatureScaling, VectorScaling, MatrixScaling, IsotonicCalibration, HistogramBinning, DirichletCalibration,
       BinnedTemperature]


def labeled(n: int = 3000, classes: int = 5, temperature: float = 2.5, seed: int = 1) -> tuple[Any, Any]:
    """Labels are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(n, classes))
    return temperature * z, (z + rng.gumbel(size=z.shape)).argmax(-1)


def nll(log_p: Any, y: Any) -> float:
    return float(-log_p[np.arange(len(y)), y].mean())


def test_two_classes_beside_sklearn() -> None:
    sklearn_calibration = pytest.importorskip("sklearn.calibration")
    z, y = labeled(500, 2)
    expected = sklearn_calibration._SigmoidCalibration().fit(z[:, 1] - z[:, 0], y)
    platt = PlattScaling().fit(z, y)
    np.testing.assert_allclose(platt.predict_proba(z)[:, 1], expected.predict(z[:, 1] - z[:, 0]), atol=1e-6)
    beta = BetaCalibration().fit(z, y)
    assert beta.a_ > 0 and beta.b_ > 0
    log_p = partita.log_softmax(z)
    logit = beta.a_ * log_p[:, 1] - beta.b_ * log_p[:, 0] + beta.c_
    np.testing.assert_allclose(beta.predict_proba(z)[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-10)
    assert nll(beta.predict_log_proba(z), y) < nll(TemperatureScaling().fit(z, y).predict_log_proba(z), y)
    with pytest.raises(ValueError, match="3 classes, but platt calibrates 2"):
        PlattScaling().fit(*labeled(50, 3))


def test_comparison_is_that_of_the_command(command: Any, tmp_path: Path) -> None:
    z, y = labeled(400)
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "y.npy", y)
    printed = command("calibrate", "compare", tmp_path / "z.npy", tmp_path / "y.npy", "--resamples", 50, "--seed", 3, "--json")
    found = calibration.compare_calibrators(z, y, seed=3, resamples=50)
    assert printed["use"] == "temperature"
    assert [each["method"] for each in printed["methods"]] == [each.method or "none" for each in found]
    for each, theirs in zip(found, printed["methods"]):
        assert theirs["nll"] == each.nll if np.isfinite(each.nll) else theirs["nll"] is None
        assert theirs["smooth_ece"] == each.smooth_ece


def test_temperature_beside_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    z, y = labeled()
    scaling = TemperatureScaling(threads=2).fit(z, y)
    best = optimize.minimize_scalar(lambda t: nll(partita.log_softmax(z / t), y), bounds=(0.1, 10), method="bounded",
                                    options={"xatol": 1e-10})
    assert scaling.temperature_ == pytest.approx(best.x, rel=1e-6)
    np.testing.assert_allclose(scaling.predict_log_proba(z), partita.log_softmax(z / scaling.temperature_), rtol=1e-12)
    np.testing.assert_allclose(scaling.predict_proba(z).sum(-1), 1, rtol=1e-12)
    assert TemperatureScaling().fit(z, y[:, None].astype(np.uint8)).temperature_ == scaling.temperature_
    assert scaling.score(z, y) == (z.argmax(-1) == y).mean()


@pytest.mark.parametrize("kind,matrix", [(VectorScaling, False), (MatrixScaling, True)])
def test_linear_scaling_beside_scipy(kind: Any, matrix: bool) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    z, y = labeled(800, 3)
    scaling = kind().fit(z, y)

    def loss(parameters: Any) -> float:
        bias = parameters[:3]
        weights = parameters[3:]
        scaled = z @ weights.reshape(3, 3).T if matrix else z * weights
        return nll(partita.log_softmax(scaled + bias), y)

    start = np.concatenate([np.zeros(3), np.eye(3).ravel() if matrix else np.ones(3)])
    best = optimize.minimize(loss, start, method="BFGS")
    assert nll(scaling.predict_log_proba(z), y) == pytest.approx(best.fun, abs=1e-6)
    if not matrix:
        np.testing.assert_allclose(scaling.weights_, best.x[3:], atol=2e-3)
    assert scaling.bias_.sum() == pytest.approx(0, abs=1e-9)


def test_isotonic_beside_sklearn() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    z, y = labeled(500, 2)
    scaling = IsotonicCalibration().fit(z, y)
    p = partita.softmax(z)[:, 1]
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(p, y)
    np.testing.assert_allclose(scaling.predict_proba(z)[:, 1], theirs.predict(p), atol=1e-7)


def test_histogram_by_hand() -> None:
    z, y = labeled(500, 2)
    p = partita.softmax(z)
    scaling = HistogramBinning(10, probabilities=True).fit(p, y)
    upper, values = scaling.curves_[0]
    bins = np.searchsorted(upper, p[:, 1])
    for b in np.unique(bins):
        assert values[b] == pytest.approx(y[bins == b].mean(), rel=1e-12)
    np.testing.assert_allclose(scaling.predict_proba(p)[:, 1], values[bins], rtol=1e-12)


@pytest.mark.parametrize("kind", ALL)
def test_an_estimator(kind: Any, tmp_path: Path) -> None:
    base = pytest.importorskip("sklearn.base")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    z, y = labeled()
    scaling = kind(threads=2)
    assert scaling.get_params()["threads"] == 2 and repr(scaling) == f"{kind.__name__}(threads=2)"
    assert base.is_classifier(scaling)
    copy = base.clone(scaling.fit(z, y))
    assert copy.get_params() == scaling.get_params() and not hasattr(copy, "calibrator_")
    with pytest.raises(ValueError, match="not fitted"):
        copy.predict_proba(z)
    with pytest.raises(ValueError, match="nonsense: expected one of"):
        copy.set_params(nonsense=1)
    expected = scaling.predict_proba(z)
    np.testing.assert_array_equal(scaling.classes_, np.arange(5))
    for other in (copy.set_params(threads=1).fit(z, y), pickle.loads(pickle.dumps(scaling))):
        np.testing.assert_array_equal(other.predict_proba(z), expected)
    scaling.save(tmp_path / "calibrator.json")
    for loaded in (kind.load(tmp_path / "calibrator.json"), calibration.load(tmp_path / "calibrator.json")):
        assert type(loaded) is kind
        np.testing.assert_array_equal(loaded.predict_proba(z), expected)
    p = partita.softmax(z)
    of_probabilities = kind(probabilities=True).fit(p, y)
    of_probabilities.save(tmp_path / "calibrator.json")
    for loaded in (kind.load(tmp_path / "calibrator.json", probabilities=True),
                   calibration.load(tmp_path / "calibrator.json", probabilities=True, threads=2)):
        np.testing.assert_array_equal(loaded.predict_proba(p), of_probabilities.predict_proba(p))
    steps = pipeline.make_pipeline(preprocessing.FunctionTransformer(lambda x: x / 2), kind())
    np.testing.assert_allclose(steps.fit(2 * z, y).predict_proba(2 * z), kind().fit(z, y).predict_proba(z), atol=1e-6)
    assert steps.predict(z).shape == y.shape


def test_cross_validation() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    z, y = labeled()
    scores = selection.cross_val_score(TemperatureScaling(), z, y, scoring="neg_log_loss", cv=3)
    assert (scores < 0).all() and np.isfinite(scores).all()


def test_torch_comes_back(torch: Any) -> None:
    z, y = labeled()
    logits = torch.from_numpy(z).float()
    scaling = TemperatureScaling().fit(logits, torch.from_numpy(y))
    p = scaling.predict_proba(logits)
    assert isinstance(p, torch.Tensor) and p.dtype == torch.float32
    torch.testing.assert_close(p, torch.softmax(logits / scaling.temperature_, -1), rtol=1e-5, atol=1e-7)
    assert scaling.score(logits, torch.from_numpy(y)) == (z.argmax(-1) == y).mean()
    binned = BinnedTemperature(bins=2).fit(logits, torch.from_numpy(y))
    assert torch.equal(binned.predict(logits), logits.argmax(-1))


def test_what_cannot_be_fitted() -> None:
    z = np.eye(3)
    with pytest.raises(FitError, match="zero-temperature") as caught:
        TemperatureScaling().fit(z, [0, 1, 2])
    assert pickle.loads(pickle.dumps(caught.value)).status == "zero-temperature"
    with pytest.raises(FitError, match="infinite-temperature"):
        TemperatureScaling().fit(z, [1, 2, 0])
    with pytest.raises(FitError, match="undetermined"):
        TemperatureScaling().fit(np.zeros((3, 3)), [1, 2, 0])
    with pytest.raises(FitError, match="not-attained"):
        VectorScaling().fit(z, [0, 1, 2])


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: TemperatureScaling().fit(np.zeros((3, 2)), [0, 1]), r"labels: expected shape \(3,\)"),
        (lambda: TemperatureScaling().fit(np.zeros((2, 2)), [0, 2]), "labels"),
        (lambda: TemperatureScaling().fit(np.zeros((2, 2)), [0.0, 1.0]), "labels: elements are float64"),
        (lambda: TemperatureScaling().fit(np.zeros((2, 2), int), [0, 1]), "logits: elements are int64"),
        (lambda: TemperatureScaling().fit([[0.0, np.nan]], [0]), "NaN"),
        (lambda: TemperatureScaling(probabilities=True).fit([[0.9, 0.9]], [0]), "add up"),
        (lambda: HistogramBinning(0).fit(np.zeros((2, 2)), [0, 1]), "bins"),
        (lambda: TemperatureScaling().fit(*labeled()).predict_proba(np.zeros((2, 3))), "expected 5"),
        (lambda: SplitConformal(seed=1, alpha=2).fit(*labeled()), "alpha"),
        (lambda: SplitConformal(seed=1, score="xyz").fit(*labeled()), "score: expected one of lac, aps, raps"),
        (lambda: evaluate_calibration(*labeled(), level=2.0, seed=1), "level"),
    ],
)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing.json"):
        calibration.load(tmp_path / "missing.json")
    (tmp_path / "damaged.json").write_text("{")
    with pytest.raises(OSError, match="damaged.json"):
        calibration.load(tmp_path / "damaged.json")
    TemperatureScaling().fit(*labeled()).save(tmp_path / "temperature.json")
    with pytest.raises(ValueError, match="expected a VectorScaling, got a TemperatureScaling"):
        VectorScaling.load(tmp_path / "temperature.json")


def test_metrics_by_hand() -> None:
    z, y = labeled()
    p = partita.softmax(z)
    confidence, right = p.max(-1), p.argmax(-1) == y
    bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    gaps = np.array([abs(np.sum(right[bins == b]) - np.sum(confidence[bins == b])) for b in range(15)]) / len(y)
    found = evaluate_calibration(z, y)
    m = found.metrics
    assert found.intervals is None and m.accuracy == right.mean() and m.confidence == pytest.approx(confidence.mean())
    assert m.ece == pytest.approx(gaps.sum(), rel=1e-9) and m.nll == pytest.approx(nll(np.log(p), y), rel=1e-12)
    assert m.brier == pytest.approx(((p - np.eye(5)[y]) ** 2).sum(-1).mean(), rel=1e-9)
    np.testing.assert_array_equal(found.diagram.count, np.bincount(bins, minlength=15))
    given = evaluate_calibration(p, y, probabilities=True).metrics
    assert given.ece == pytest.approx(m.ece, rel=1e-9)


def test_bits_of_the_command(command: Any, tmp_path: Path) -> None:
    z, y = labeled()
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "y.npy", y)
    files = [tmp_path / "z.npy", tmp_path / "y.npy"]
    fitted = TemperatureScaling().fit(z, y)
    command("calibrate", "fit", *files, "-o", tmp_path / "theirs.json", "--method", "temperature")
    assert TemperatureScaling.load(tmp_path / "theirs.json").temperature_ == fitted.temperature_
    fitted.save(tmp_path / "ours.json")
    assert (tmp_path / "ours.json").read_text().strip() == (tmp_path / "theirs.json").read_text().strip()
    printed = command("calibrate", "evaluate", *files, "--seed", 3, "--resamples", 200, "--json")
    found = evaluate_calibration(z, y, seed=3, resamples=200)
    assert found.intervals is not None
    for name, value in found.metrics._asdict().items():
        assert printed[name] == value
    for name, ends in printed["intervals"].items():
        assert tuple(ends) == getattr(found.intervals, name)


def test_intervals() -> None:
    z, y = labeled()
    found = evaluate_calibration(z, y, seed=1, resamples=200)
    assert found.intervals is not None
    assert found.intervals.accuracy.low < found.metrics.accuracy < found.intervals.accuracy.high
    assert found.diagram.accuracy_interval is not None and found.diagram.accuracy_interval.shape == (15, 2)
    again = evaluate_calibration(z, y, seed=1, resamples=200, threads=3)
    assert again.intervals is not None and again.intervals.ece == found.intervals.ece


def test_a_diagram_is_drawn() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    ax = calibration.reliability_diagram(*labeled(), seed=1).plot(plt.figure().gca())
    assert ax.get_xlabel() == "confidence" and len(ax.patches) > 5


@pytest.mark.parametrize("score", ["lac", "aps", "raps", "saps"])
def test_conformal_sets_cover(score: str) -> None:
    z, y = labeled(20_000)
    predictor = SplitConformal(seed=1, score=score, alpha=0.2).fit(z[:10_000], y[:10_000])
    sets = predictor.predict_sets(z[10_000:])
    covered = np.mean([label in each for label, each in zip(y[10_000:], sets, strict=True)])
    assert abs(covered - 0.8) < 5 * np.sqrt(0.16 / 5000)
    assert len(sets) == 10_000 and all(each.tolist()[:1] in ([], [row.argmax()]) for each, row in zip(sets, z[10_000:], strict=True))
    assert predictor.predict_sets(z[:0]) == []
    assert [each.tolist() for each in predictor.predict_sets(z[10_000:10_001])] == [sets[0].tolist()]
    again = pickle.loads(pickle.dumps(predictor)).predict_sets(z[10_000:10_100])
    assert all(np.array_equal(a, b) for a, b in zip(again, sets, strict=False))


def test_class_conditional_sets_cover_the_hard_class() -> None:
    z, y = labeled(8000, 4)
    z = z - 4.0 * (np.arange(4) == 0)  # the network thinks little of class 0

    def coverage(conditional: bool) -> Any:
        predictor = SplitConformal(seed=1, alpha=0.1, coverage="class-conditional" if conditional else "marginal").fit(z[:4000], y[:4000])
        assert len(predictor.class_thresholds_) == (4 if conditional else 0)
        held = np.array([label in each for label, each in zip(y[4000:], predictor.predict_sets(z[4000:]), strict=True)])
        return np.array([held[y[4000:] == k].mean() for k in range(4)])

    assert coverage(False)[0] < 0.85
    assert (abs(coverage(True) - 0.9) < 0.07).all()


def test_clustered_sets_cover_every_kind_of_class() -> None:
    z, y = labeled(12_000, 60)
    z = z + 2.0 - 2.0 * (np.arange(60) // 20)  # the network thinks too much of some, too little of others
    predictor = SplitConformal(seed=1, alpha=0.1, coverage="clustered").fit(z[:6000], y[:6000])
    assert predictor.clusters_.shape == predictor.class_thresholds_.shape == (60,) and predictor.clusters_.max() > 1
    held = np.array([label in each for label, each in zip(y[6000:], predictor.predict_sets(z[6000:]), strict=True)])
    assert all(abs(held[y[6000:] // 20 == kind].mean() - 0.9) < 0.06 for kind in range(3))


def test_weights_keep_the_promise_under_shift() -> None:
    z, y = labeled(16_000)
    rows = np.arange(16_000)
    hard = np.where(rows < 8000, rows % 5 == 0, rows % 5 != 0)  # a fifth of the held-out rows, four of the new
    z = np.where(hard[:, None], 6 * z, z)
    weight = np.where(hard, 4, 0.25)
    old, new = rows < 8000, rows >= 8000

    def coverage(*weights: Any) -> Any:
        sets = SplitConformal(seed=1).fit(z[old], y[old], *weights[:1]).predict_sets(z[new], *weights[1:])
        return np.mean([label in each for label, each in zip(y[new], sets, strict=True)])

    assert coverage() < 0.83
    assert abs(coverage(weight[old], weight[new]) - 0.9) < 0.035
    fitted = SplitConformal(seed=1).fit(z[old], y[old], weight[old])
    with pytest.raises(ValueError, match="weights: required"):
        fitted.predict_sets(z[new])
    assert len(pickle.loads(pickle.dumps(fitted)).predict_sets(z[:9], weight[:9])) == 9


def test_binned_temperature(tmp_path: Path) -> None:
    z, y = labeled(6000, temperature=1.0)
    kind = np.arange(6000) % 2
    z = z * np.where(kind == 0, 1, 4)[:, None]
    scaling = BinnedTemperature(bins=2).fit(z, y, by=kind)
    assert not scaling.of_entropy_ and scaling.upper_.tolist() == [0]
    for each, temperature in enumerate(scaling.temperatures_):
        assert temperature == TemperatureScaling().fit(z[kind == each], y[kind == each]).temperature_
    log_p = scaling.predict_log_proba(z, kind)
    np.testing.assert_allclose(log_p, partita.log_softmax(z / scaling.temperatures_[kind][:, None]), atol=1e-12)
    np.testing.assert_allclose(scaling.predict_proba(z, kind), np.exp(log_p), rtol=1e-12)
    scaling.save(tmp_path / "c.json")
    np.testing.assert_array_equal(BinnedTemperature.load(tmp_path / "c.json").predict_log_proba(z, kind), log_p)
    with pytest.raises(ValueError, match="by: row 0: required"):
        scaling.predict_proba(z)
    with pytest.raises(ValueError, match="by: expected 6000"):
        scaling.predict_proba(z, kind[:9])
    assert BinnedTemperature(bins=4).fit(z, y).predict_proba(z).shape == z.shape  # by entropy
    found = calibration.compare_calibrators(z, y, seed=1, methods=["temperature", "binned-temperature"], by=kind, bins=2,
                                            resamples=100)
    assert [each.method for each in found] == ["binned-temperature", "temperature", None]
    assert found[1].nll_over_best.low > 0
