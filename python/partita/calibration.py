# SPDX-License-Identifier: Apache-2.0
"""Probabilities that match how often a network is right.

>>> import numpy as np
>>> from partita.calibration import TemperatureScaling, evaluate_calibration
>>> rng = np.random.default_rng(1)
>>> z = rng.normal(size=(4000, 10))
>>> y = (z + rng.gumbel(size=z.shape)).argmax(-1)       # drawn from softmax(z)
>>> overconfident = 3 * z
>>> scaling = TemperatureScaling().fit(overconfident, y)
>>> round(scaling.temperature_, 1)
3.0
>>> before, after = (evaluate_calibration(overconfident, y, calibrator=c).metrics.ece for c in (None, scaling))
>>> after < before / 5
True

Calibrators are scikit-learn estimators whose X are the logits of a network (or, with
``probabilities=True``, its probabilities): they can be cloned, searched over, and end a Pipeline.
"""

from partita._bootstrap import Interval
from partita._calibration_metrics import (
    CalibrationEvaluation,
    Metrics,
    ReliabilityDiagram,
    evaluate_calibration,
    reliability_diagram,
)
from partita._calibrators import (
    BetaCalibration,
    BinnedTemperature,
    Calibrator,
    DirichletCalibration,
    HistogramBinning,
    IsotonicCalibration,
    MatrixScaling,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
    load,
)
from partita._compare_calibrators import ComparedCalibrator, compare_calibrators
from partita._confidences import (
    CalibrationTest,
    Confidences,
    KernelDiagram,
    RiskCoverage,
    ScoreDecomposition,
    SmoothECE,
    calibration_test,
    confidences,
    decompose_brier,
    decompose_nll,
    kernel_diagram,
    risk_coverage,
    smooth_ece,
)
from partita._conformal import SplitConformal
from partita._fit_error import FitError
from partita._sampling_rule import ConformalSampling, SampledSet

__all__ = [
    "BetaCalibration",
    "BinnedTemperature",
    "CalibrationEvaluation",
    "CalibrationTest",
    "Calibrator",
    "ComparedCalibrator",
    "Confidences",
    "ConformalSampling",
    "DirichletCalibration",
    "FitError",
    "HistogramBinning",
    "Interval",
    "IsotonicCalibration",
    "KernelDiagram",
    "MatrixScaling",
    "Metrics",
    "PlattScaling",
    "ReliabilityDiagram",
    "RiskCoverage",
    "SampledSet",
    "ScoreDecomposition",
    "SmoothECE",
    "SplitConformal",
    "TemperatureScaling",
    "VectorScaling",
    "calibration_test",
    "compare_calibrators",
    "confidences",
    "decompose_brier",
    "decompose_nll",
    "evaluate_calibration",
    "kernel_diagram",
    "load",
    "reliability_diagram",
    "risk_coverage",
    "smooth_ece",
]

for _each in [globals()[_name] for _name in __all__]:
    _each.__module__ = "partita.calibration"  # where users find it, in messages and pickles
