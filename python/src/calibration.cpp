// SPDX-License-Identifier: Apache-2.0
// Calibrators, measures of calibration, conformal prediction.
#include <array>
#include <string>

#include "core.hpp"
#include "group.hpp"
#include "measures.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/compare_calibrators.hpp"
#include "partita/calibration/conformal.hpp"
#include "partita/io/file.hpp"

namespace partita::python {
namespace {

std::vector<std::string_view> methods() {
  std::vector<std::string_view> names;
  for (const CalibrationMethod method : calibration_methods()) names.push_back(name_of(method));
  return names;
}

constexpr std::array<std::string_view, 4> kScores = {"lac", "aps", "raps", "saps"};

/// (status, iterations, gradient residual, Calibrator or None)
py::tuple fit(py::handle method, py::handle logits, py::handle labels, py::handle probabilities,
              py::handle by, py::handle bins, py::handle equal_mass, py::handle off_diagonal,
              py::handle intercept, py::handle group, py::handle threads, py::handle progress) {
  const auto which = static_cast<CalibrationMethod>(choice(method, "method", methods()));
  const FloatArray array(logits, "logits");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  std::vector<double> kinds;
  const Predictions given = predictions(array, probabilities, by, kinds);
  const CalibrationOptions options{.bins = count(bins, "bins"),
                                   .equal_mass = flag(equal_mass),
                                   .odir = {.off_diagonal = number(off_diagonal, "off_diagonal"),
                                            .intercept = number(intercept, "intercept")}};
  const int most = thread_count(threads);
  const ProgressReport report(progress);
  const OwnedGroup ranks(group);
  CalibratorFit done =
      released([&] { return fit_calibrator(which, given, y, ranks.get(), options, most, report); });
  return py::make_tuple(name_of(done.report.status), done.report.iterations,
                        done.report.gradient_residual,
                        done.calibrator ? py::cast(std::move(*done.calibrator)) : py::none());
}

py::object transform(const Calibrator& calibrator, py::handle logits, py::handle probabilities,
                     py::handle by, py::handle threads) {
  const FloatArray array(logits, "logits");
  std::vector<double> kinds;
  const Predictions given = predictions(array, probabilities, by, kinds);
  auto [out, rows] = array.empty_like();
  const RowOptions options{.threads = thread_count(threads)};
  released([&, to = rows] { calibrator.transform(given, to, options); });
  return out;
}

/// What was fitted, by the names of its fields; curves as lists of (x, y) or (upper, value).
struct Describe {
  py::ssize_t classes;

  py::dict operator()(const TemperatureScaling& s) const {
    py::dict out;
    out["temperature"] = s.temperature;
    return out;
  }
  py::dict operator()(const VectorScaling& s) const { return linear(s, {classes}); }
  py::dict operator()(const MatrixScaling& s) const { return linear(s, {classes, classes}); }
  py::dict operator()(const DirichletCalibration& s) const { return linear(s, {classes, classes}); }
  py::dict operator()(const PlattScaling& s) const {
    py::dict out;
    out["slope"] = s.slope;
    out["intercept"] = s.intercept;
    return out;
  }
  py::dict operator()(const BetaCalibration& s) const {
    py::dict out;
    out["a"] = s.a;
    out["b"] = s.b;
    out["c"] = s.c;
    return out;
  }
  py::dict operator()(const BinnedTemperature& s) const {
    py::dict out;
    out["of_entropy"] = s.of_entropy;
    out["upper"] = numbers(s.upper);
    out["temperatures"] = numbers(s.temperatures);
    return out;
  }
  py::dict operator()(const IsotonicCalibration& s) const {
    py::list curves;
    for (const auto& curve : s.curves)
      curves.append(py::make_tuple(numbers(curve.x), numbers(curve.y)));
    return of_curves(curves);
  }
  py::dict operator()(const HistogramBinning& s) const {
    py::list curves;
    for (const auto& curve : s.curves)
      curves.append(py::make_tuple(numbers(curve.bins.upper), numbers(curve.values)));
    return of_curves(curves);
  }

 private:
  template <class Scaling>
  static py::dict linear(const Scaling& s, const Shape& shape) {
    py::dict out;
    out["weights"] = numbers(s.weights, shape);
    out["bias"] = numbers(s.bias);
    return out;
  }
  static py::dict of_curves(const py::list& curves) {
    py::dict out;
    out["curves"] = curves;
    return out;
  }
};

template <class T, class Make>
py::tuple each_metric(const PerMetric<T>& m, const Make& make) {
  return py::make_tuple(make(m.accuracy), make(m.confidence), make(m.nll), make(m.ece), make(m.mce),
                        make(m.classwise_ece), make(m.adaptive_ece), make(m.brier),
                        make(m.debiased_ece));
}

/// (metrics, intervals or None, (lower, upper, count, confidence, accuracy, intervals or None))
py::tuple evaluate(py::handle logits, py::handle labels, py::handle probabilities, py::handle bins,
                   py::handle equal_mass, py::handle calibrator, py::handle group, py::handle seed,
                   py::handle resamples, py::handle level, py::handle threads,
                   py::handle progress) {
  const FloatArray array(logits, "logits");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  const Predictions given = predictions(array, probabilities);
  const CalibrationBins options{.bins = count(bins, "bins"), .equal_mass = flag(equal_mass)};
  const Calibrator* used = calibrator_of(calibrator);
  const ProgressReport report(progress);
  const OwnedGroup ranks(group);
  CalibrationEvaluation e;
  if (seed.is_none()) {
    const int most = thread_count(threads);
    e = released([&] { return evaluate_calibration(given, y, ranks.get(), options, used, most); });
  } else if (!group.is_none()) {
    refuse("seed", "there are no intervals over a group: expected None");
  } else {
    // The child that the command's bootstrap draws from.
    const Stream stream = Stream{.seed = natural(seed, "seed")}.child(1);
    const BootstrapOptions bootstrap = bootstrap_options(resamples, level, threads, report);
    e = released([&] { return evaluate_calibration(given, y, stream, bootstrap, options, used); });
  }
  std::vector<double> lower;
  std::vector<double> upper;
  std::vector<double> confidence;
  std::vector<double> accuracy;
  std::vector<double> accuracy_ends;
  std::vector<std::int64_t> counts;
  for (const ReliabilityBin& bin : e.bins) {
    lower.push_back(bin.lower);
    upper.push_back(bin.upper);
    counts.push_back(static_cast<std::int64_t>(bin.count));
    confidence.push_back(bin.confidence);
    accuracy.push_back(bin.accuracy);
    if (bin.accuracy_interval) {
      accuracy_ends.push_back(bin.accuracy_interval->low);
      accuracy_ends.push_back(bin.accuracy_interval->high);
    } else if (e.intervals) {
      accuracy_ends.insert(accuracy_ends.end(), 2, std::numeric_limits<double>::quiet_NaN());
    }
  }
  const auto size = static_cast<py::ssize_t>(counts.size());
  const py::object intervals =
      e.intervals ? static_cast<py::object>(numbers(std::move(accuracy_ends), {size, 2}))
                  : py::none();
  return py::make_tuple(
      each_metric(e.metrics, [](double value) { return value; }),
      e.intervals ? static_cast<py::object>(each_metric(*e.intervals, ends)) : py::none(),
      py::make_tuple(numbers(std::move(lower)), numbers(std::move(upper)),
                     to_numpy(std::move(counts), {size}), numbers(std::move(confidence)),
                     numbers(std::move(accuracy)), intervals));
}

/// [(method or None, status, nll, brier, ece, nll_over_best)]
py::list compare(py::handle logits, py::handle labels, py::handle probabilities, py::handle by,
                 const py::list& chosen, py::handle bins, py::handle folds, py::handle seed,
                 py::handle resamples, py::handle level, py::handle threads, py::handle progress) {
  const FloatArray array(logits, "logits");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  std::vector<double> kinds;
  const Predictions given = predictions(array, probabilities, by, kinds);
  std::vector<CalibrationMethod> compared;
  for (const py::handle name : chosen) {
    compared.push_back(static_cast<CalibrationMethod>(choice(name, "methods", methods())));
  }
  // The child that the command draws from.
  const Stream stream = Stream{.seed = natural(seed, "seed")}.child(3);
  const ProgressReport report(progress);
  const CompareCalibratorsOptions options{
      .methods = compared,
      .folds = count(folds, "folds"),
      .calibration = {.bins = count(bins, "bins")},
      .bootstrap = bootstrap_options(resamples, level, threads, report)};
  const auto found = released([&] { return compare_calibrators(given, y, stream, options); });
  py::list result;
  for (const ComparedCalibrator& each : found) {
    const py::object method =
        each.method ? static_cast<py::object>(py::str(std::string(name_of(*each.method))))
                    : py::none();
    result.append(py::make_tuple(method, std::string(name_of(each.status)), each.nll, each.brier,
                                 each.ece, ends(each.nll_over_best)));
  }
  return result;
}

ConformalOptions conformal_options(py::handle score, py::handle alpha, py::handle randomized,
                                   py::handle penalty, py::handle free_rank, py::handle coverage) {
  constexpr std::array<std::string_view, 3> kCoverages = {"marginal", "class-conditional",
                                                          "clustered"};
  ConformalOptions options{
      .score = static_cast<ConformalScore>(choice(score, "score", kScores)),
      .alpha = number(alpha, "alpha"),
      .randomized = flag(randomized),
      .free_rank = count(free_rank, "free_rank"),
      .coverage = static_cast<ConformalCoverage>(choice(coverage, "coverage", kCoverages))};
  if (!penalty.is_none()) options.penalty = number(penalty, "penalty");
  return options;
}

/// The rows that are fitted and those that are predicted draw from different children of the seed.
enum class Purpose : std::uint8_t { fit, predict };

/// (threshold; those of the classes; their clusters; scores, and sums of weights)
py::tuple fit_conformal_of(py::handle logits, py::handle labels, py::handle weights,
                           py::handle seed, py::handle score, py::handle alpha,
                           py::handle randomized, py::handle penalty, py::handle free_rank,
                           py::handle coverage, py::handle threads) {
  const FloatArray array(logits, "logits");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  const ConformalOptions options =
      conformal_options(score, alpha, randomized, penalty, free_rank, coverage);
  const Stream stream = Stream{.seed = natural(seed, "seed")}.child(Purpose::fit);
  const int most = thread_count(threads);
  std::optional<Doubles> given;
  if (!weights.is_none()) given.emplace(weights, "weights");
  ConformalPredictor fitted = released([&] {
    return given ? fit_weighted_conformal(array.rows(), y, given->values, stream, options, most)
                 : fit_conformal(array.rows(), y, stream, options, most);
  });
  WeightedScores weighted = std::move(fitted.weighted).value_or(WeightedScores{});
  const auto clusters = static_cast<py::ssize_t>(fitted.clusters.size());
  return py::make_tuple(fitted.threshold, numbers(std::move(fitted.class_thresholds)),
                        to_numpy(std::move(fitted.clusters), {clusters}),
                        numbers(std::move(weighted.scores)), numbers(std::move(weighted.weights)));
}

/// (classes, row by row; where each row's begin)
/// @param fitted what fit_conformal_of returned
py::tuple predict_sets_of(py::handle logits, py::handle classes, const py::tuple& fitted,
                          py::handle weights, py::handle seed, py::handle score, py::handle alpha,
                          py::handle randomized, py::handle penalty, py::handle free_rank,
                          py::handle coverage, py::handle threads) {
  const FloatArray array(logits, "logits");
  ConformalPredictor predictor{
      .options = conformal_options(score, alpha, randomized, penalty, free_rank, coverage),
      .classes = count(classes, "classes"),
      .threshold = number(fitted[0], "threshold"),
      .class_thresholds = Doubles(fitted[1], "class_thresholds").values};
  WeightedScores weighted{Doubles(fitted[3], "scores").values,
                          Doubles(fitted[4], "weights").values};
  if (!weighted.scores.empty()) predictor.weighted = std::move(weighted);
  std::optional<Doubles> given;
  if (!weights.is_none()) given.emplace(weights, "weights");
  const Stream stream = Stream{.seed = natural(seed, "seed")}.child(Purpose::predict);
  const RowOptions options{.threads = thread_count(threads)};
  PredictionSets sets = released([&] {
    return given ? predict_sets(predictor, array.rows(), given->values, stream, options)
                 : predict_sets(predictor, array.rows(), stream, options);
  });
  std::vector<std::int64_t> start(sets.start.begin(), sets.start.end());
  const auto size = static_cast<py::ssize_t>(sets.classes.size());
  const auto starts = static_cast<py::ssize_t>(start.size());
  return py::make_tuple(to_numpy(std::move(sets.classes), {size}),
                        to_numpy(std::move(start), {starts}));
}

}  // namespace

void add_calibration(py::module_& module) {
  py::class_<Calibrator>(module, "Calibrator")
      .def_property_readonly("method", [](const Calibrator& c) { return name_of(c.method()); })
      .def_property_readonly("classes", &Calibrator::classes)
      .def("transform", &transform)
      .def("parameters",
           [](const Calibrator& c) {
             return std::visit(Describe{static_cast<py::ssize_t>(c.classes())}, c.parameters());
           })
      .def("save",
           [](const Calibrator& c, py::handle path) { write_file(path_of(path), c.to_json()); })
      .def_static("load",
                  [](py::handle path) {
                    const std::string name = path_of(path);
                    return Calibrator::from_json(read_file(name), name);
                  })
      .def(py::pickle([](const Calibrator& c) { return c.to_json(); },
                      [](const std::string& json) {
                        return Calibrator::from_json(json, "pickled calibrator");
                      }));
  module.def("fit_calibrator", &fit);
  module.def("evaluate_calibration", &evaluate);
  module.def("calibration_methods", [] {
    py::list names;
    for (const std::string_view name : methods()) names.append(std::string(name));
    return names;
  });
  module.def("compare_calibrators", &compare);
  module.def("fit_conformal", &fit_conformal_of);
  module.def("predict_sets", &predict_sets_of);
}

}  // namespace partita::python
