// SPDX-License-Identifier: Apache-2.0
// Measures of confidences.
#include "core.hpp"
#include "measures.hpp"
#include "partita/calibration/risk_coverage.hpp"
#include "partita/calibration/score_decomposition.hpp"
#include "partita/calibration/smooth_ece.hpp"

namespace partita::python {
namespace {

/// From two arrays. What is neither 0 nor 1 is refused by the library, by its value.
Confidences rows(py::handle confidence, py::handle right) {
  Confidences out{Doubles(confidence, "confidence").values, {}};
  for (const double y : Doubles(right, "right").values) {
    out.right.push_back(y == 0 ? 0 : y == 1 ? 1 : 2);
  }
  return out;
}

py::tuple confidences(py::handle logits, py::handle labels, py::handle probabilities,
                      py::handle calibrator, py::handle threads) {
  const FloatArray array(logits, "logits");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  const Predictions given = predictions(array, probabilities);
  const Calibrator* used = calibrator_of(calibrator);
  const int most = thread_count(threads);
  Confidences found = released([&] { return confidences_of(given, y, used, most); });
  std::vector<std::int64_t> right(found.right.begin(), found.right.end());
  const auto size = static_cast<py::ssize_t>(right.size());
  return py::make_tuple(numbers(std::move(found.confidence)), to_numpy(std::move(right), {size}));
}

py::tuple smooth(py::handle confidence, py::handle right) {
  const SmoothEce found = smooth_ece(rows(confidence, right));
  return py::make_tuple(found.value, found.bandwidth);
}

py::tuple test(py::handle confidence, py::handle right, py::handle seed, py::handle simulations,
               py::handle threads) {
  const Confidences given = rows(confidence, right);
  const Stream stream{.seed = natural(seed, "seed")};
  const std::size_t drawn = count(simulations, "simulations");
  const int most = thread_count(threads);
  const CalibrationTest found =
      released([&] { return calibration_test(given, stream, drawn, most); });
  return py::make_tuple(found.statistic, found.p_value);
}

/// (bandwidth, confidence, accuracy, density, band)
py::tuple diagram(py::handle confidence, py::handle right, py::handle seed, py::handle resamples,
                  py::handle level, py::handle threads) {
  const Confidences given = rows(confidence, right);
  const Stream stream{.seed = natural(seed, "seed")};
  const BootstrapOptions options = bootstrap_options(resamples, level, threads);
  KernelDiagram found = released([&] { return kernel_diagram(given, stream, options); });
  std::vector<double> band;
  for (const Interval& interval : found.band)
    band.insert(band.end(), {interval.low, interval.high});
  const auto size = static_cast<py::ssize_t>(found.band.size());
  return py::make_tuple(found.bandwidth, numbers(std::move(found.confidence)),
                        numbers(std::move(found.accuracy)), numbers(std::move(found.density)),
                        numbers(std::move(band), {size, 2}));
}

/// (threshold, coverage, risk, aurc, e_aurc, augrc)
py::tuple risks(py::handle confidence, py::handle right) {
  const RiskCoverage found = risk_coverage(rows(confidence, right));
  std::vector<double> threshold;
  std::vector<double> coverage;
  std::vector<double> risk;
  for (const RiskCoveragePoint& point : found.points) {
    threshold.push_back(point.threshold);
    coverage.push_back(point.coverage);
    risk.push_back(point.risk);
  }
  return py::make_tuple(numbers(std::move(threshold)), numbers(std::move(coverage)),
                        numbers(std::move(risk)), found.aurc, found.e_aurc, found.augrc);
}

template <ScoreDecomposition (*decompose)(const Confidences&)>
py::tuple parts(py::handle confidence, py::handle right) {
  const ScoreDecomposition found = decompose(rows(confidence, right));
  return py::make_tuple(found.score, found.reliability, found.resolution, found.uncertainty);
}

}  // namespace

void add_confidences(py::module_& module) {
  module.def("confidences", &confidences);
  module.def("smooth_ece", &smooth);
  module.def("calibration_test", &test);
  module.def("kernel_diagram", &diagram);
  module.def("risk_coverage", &risks);
  module.def("decompose_brier", &parts<decompose_brier>);
  module.def("decompose_nll", &parts<decompose_nll>);
}

}  // namespace partita::python
