// SPDX-License-Identifier: Apache-2.0
// Scores of unknown inputs, and how well they tell.
#include <array>
#include <optional>
#include <utility>

#include "core.hpp"
#include "group.hpp"
#include "measures.hpp"
#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/detector.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/detection/roc.hpp"
#include "partita/detection/score_fusion.hpp"

namespace partita::python {
namespace {

constexpr std::array<std::string_view, 4> kScores = {"msp", "max-logit", "entropy", "energy"};
constexpr std::array<std::string_view, 2> kSides = {"in", "out"};

py::object logit_scores_of(py::handle score, py::handle logits, py::handle temperature,
                           py::handle threads) {
  const auto which = static_cast<LogitScore>(choice(score, "score", kScores));
  const FloatArray array(logits, "logits");
  const double t = number(temperature, "temperature");
  const RowOptions options{.threads = thread_count(threads)};
  return array.result(released([&] { return logit_scores(which, array.rows(), t, options); }),
                      array.batch_shape());
}

py::object knn_scores_of(py::handle features, py::handle training, py::handle k, py::handle threads,
                         py::handle progress) {
  const FloatArray array(features, "features");
  const FloatArray train(training, "training");
  const std::size_t nearest = count(k, "k");
  const RowOptions options{.threads = thread_count(threads)};
  const ProgressReport report(progress);
  return array.result(
      released([&] { return knn_scores(array.rows(), train.rows(), nearest, options, report); }),
      array.batch_shape());
}

Mahalanobis fit(py::handle features, py::handle labels, py::handle shrinkage, py::handle threads,
                py::handle progress) {
  const FloatArray array(features, "features");
  const std::vector<std::int64_t> y = one_for_each_row(labels, "labels", array);
  const ProgressReport report(progress);
  MahalanobisOptions options{.threads = thread_count(threads), .progress = report};
  if (!shrinkage.is_none()) options.shrinkage = number(shrinkage, "shrinkage");
  return released([&] { return Mahalanobis::fit(array.rows(), y, options); });
}

py::object mahalanobis_scores(const Mahalanobis& detector, py::handle features, py::handle threads,
                              py::handle progress) {
  const FloatArray array(features, "features");
  const RowOptions options{.threads = thread_count(threads)};
  const ProgressReport report(progress);
  return array.result(released([&] { return detector.scores(array.rows(), options, report); }),
                      array.batch_shape());
}

/// A detector, and the known rows that some of them look into.
class KeptDetector {
 public:
  static KeptDetector fit(py::handle score, py::handle rows, py::handle labels, py::handle weight,
                          py::handle bias, py::handle temperature, py::handle gamma,
                          py::handle largest, py::handle tail, py::handle percentile, py::handle k,
                          py::handle dimension, py::handle shrinkage, py::handle threads,
                          py::handle progress) {
    const DetectionScore which = score_named(score);
    std::optional<FloatArray> layer;
    std::optional<Doubles> biases;
    std::optional<FloatArray> known;
    std::vector<std::int64_t> y;
    KnownInputs inputs;
    if (!weight.is_none()) {
      layer.emplace(weight, "layer");
      if (!bias.is_none()) biases.emplace(bias, "layer");
      inputs.layer = LastLayer{layer->rows(), biases ? biases->values : std::span<const double>()};
    }
    if (!rows.is_none()) {
      known.emplace(rows, "X");
      inputs.rows = known->rows();
    }
    if (!labels.is_none()) {
      y = Integers(labels, "y").values;
      inputs.labels = y;
    }
    const ProgressReport report(progress);
    DetectorOptions options{.temperature = number(temperature, "temperature"),
                            .gamma = number(gamma, "gamma"),
                            .tail = count(tail, "tail"),
                            .threads = thread_count(threads),
                            .progress = report};
    if (!largest.is_none()) options.largest = count(largest, "largest");
    if (!percentile.is_none()) options.percentile = number(percentile, "percentile");
    if (!k.is_none()) options.k = count(k, "k");
    if (!dimension.is_none()) options.dimension = count(dimension, "dimension");
    if (!shrinkage.is_none()) options.shrinkage = number(shrinkage, "shrinkage");
    Detector detector = released([&] { return Detector::fit(which, inputs, options); });
    return {std::move(detector), std::move(known)};
  }

  py::object scores(py::handle rows, py::handle threads, py::handle progress) const {
    const FloatArray array(rows, "X");
    const RowOptions options{.threads = thread_count(threads)};
    const ProgressReport report(progress);
    return array.result(released([&] { return detector_.scores(array.rows(), options, report); }),
                        array.batch_shape());
  }

 private:
  KeptDetector(Detector detector, std::optional<FloatArray> known)
      : detector_(std::move(detector)), known_(std::move(known)) {}

  static DetectionScore score_named(py::handle score) {
    std::vector<std::string_view> names;
    for (const DetectionScore each : detection_scores()) names.push_back(name_of(each));
    return detection_scores()[choice(score, "score", names)];
  }

  Detector detector_;
  std::optional<FloatArray> known_;
};

py::tuple detection_score_names() {
  py::list names;
  for (const DetectionScore score : detection_scores()) names.append(std::string(name_of(score)));
  return py::tuple(names);
}

/// (weights, bias)
py::tuple fit_fusion(const py::list& in, const py::list& out) {
  std::vector<Doubles> known;
  std::vector<Doubles> unknown;
  for (const py::handle each : in) known.emplace_back(each, "in_scores");
  for (const py::handle each : out) unknown.emplace_back(each, "out_scores");
  std::vector<ScoredSides> sides;
  for (std::size_t d = 0; d < known.size(); ++d) {
    sides.push_back({known[d].values, unknown[d].values});
  }
  ScoreFusion fusion = released([&] { return fit_score_fusion(sides); });
  return py::make_tuple(numbers(std::move(fusion.weights)), fusion.bias);
}

Positive side(py::handle positive) {
  return choice(positive, "positive", kSides) == 0 ? Positive::in : Positive::out;
}

template <class Value, class Make>
py::tuple each_figure(const DetectionFigures<Value>& f, const Make& make) {
  return py::make_tuple(make(f.auroc), make(f.aupr_in), make(f.aupr_out), make(f.fpr_at_95_tpr),
                        make(f.detection_accuracy));
}

py::tuple metrics(py::handle in, py::handle out, py::handle positive, py::handle group) {
  const Doubles known(in, "in_scores");
  const Doubles unknown(out, "out_scores");
  const Positive chosen = side(positive);
  const OwnedGroup ranks(group);
  return each_figure(released([&] {
                       return detection_metrics(known.values, unknown.values, chosen, ranks.get());
                     }),
                     [](double value) { return value; });
}

py::tuple intervals(py::handle in, py::handle out, py::handle positive, py::handle seed,
                    py::handle resamples, py::handle level, py::handle threads,
                    py::handle progress) {
  const Doubles known(in, "in_scores");
  const Doubles unknown(out, "out_scores");
  const Positive chosen = side(positive);
  const Stream stream{.seed = natural(seed, "seed")};
  const ProgressReport report(progress);
  const BootstrapOptions options = bootstrap_options(resamples, level, threads, report);
  return each_figure(released([&] {
                       return detection_intervals(known.values, unknown.values, chosen, stream,
                                                  options);
                     }),
                     ends);
}

/// [(metrics, intervals, auroc_less_best)]
py::list compared(const py::list& in, const py::list& out, py::handle positive, py::handle seed,
                  py::handle resamples, py::handle level, py::handle threads, py::handle progress) {
  std::vector<Doubles> kept;
  kept.reserve(in.size() + out.size());
  std::vector<ScoredSides> sides;
  for (std::size_t d = 0; d < in.size(); ++d) {
    const auto& known = kept.emplace_back(in[d], "in_scores").values;
    sides.push_back({known, kept.emplace_back(out[d], "out_scores").values});
  }
  const Positive chosen = side(positive);
  const Stream stream{.seed = natural(seed, "seed")};
  const ProgressReport report(progress);
  const BootstrapOptions options = bootstrap_options(resamples, level, threads, report);
  const auto found = released([&] { return compare_detectors(sides, chosen, stream, options); });
  py::list result;
  for (const ComparedDetector& each : found) {
    result.append(py::make_tuple(each_figure(each.metrics, [](double value) { return value; }),
                                 each_figure(each.intervals, ends), ends(each.auroc_less_best)));
  }
  return result;
}

/// (thresholds, true positives, false positives)
py::tuple roc_curve_of(py::handle positive, py::handle negative) {
  const Doubles yes(positive, "positive");
  const Doubles no(negative, "negative");
  const RocCurve curve = released([&] { return roc_curve(yes.values, no.values); });
  std::vector<double> thresholds;
  std::vector<std::int64_t> true_positives;
  std::vector<std::int64_t> false_positives;
  for (const OperatingPoint& point : curve) {
    thresholds.push_back(point.threshold);
    true_positives.push_back(static_cast<std::int64_t>(point.true_positives));
    false_positives.push_back(static_cast<std::int64_t>(point.false_positives));
  }
  const Shape shape = {static_cast<py::ssize_t>(curve.size())};
  return py::make_tuple(to_numpy(std::move(thresholds), shape),
                        to_numpy(std::move(true_positives), shape),
                        to_numpy(std::move(false_positives), shape));
}

double threshold_at_tpr_of(py::handle positive, py::handle tpr) {
  const Doubles scores(positive, "positive");
  return threshold_at_tpr(scores.values, number(tpr, "tpr"));
}

double conformal_threshold_of(py::handle known, py::handle alpha) {
  const Doubles scores(known, "known");
  return conformal_threshold(scores.values, number(alpha, "alpha"));
}

}  // namespace

void add_detection(py::module_& module) {
  module.def("logit_scores", &logit_scores_of);
  module.def("knn_scores", &knn_scores_of);
  module.def("fit_score_fusion", &fit_fusion);
  module.def("detection_metrics", &metrics);
  module.def("detection_intervals", &intervals);
  module.def("compare_detectors", &compared);
  module.def("detection_scores", &detection_score_names);
  module.def("roc_curve", &roc_curve_of);
  module.def("threshold_at_tpr", &threshold_at_tpr_of);
  module.def("conformal_threshold", &conformal_threshold_of);
  py::class_<KeptDetector>(module, "Detector")
      .def_static("fit", &KeptDetector::fit)
      .def("scores", &KeptDetector::scores);
  py::class_<Mahalanobis>(module, "Mahalanobis")
      .def_static("fit", &fit)
      .def("scores", &mahalanobis_scores)
      .def_property_readonly("shrinkage", &Mahalanobis::shrinkage)
      .def_property_readonly("classes", &Mahalanobis::classes)
      .def(py::pickle(
          [](const Mahalanobis& m) { return py::bytes(m.serialize()); },
          [](const py::bytes& bytes) { return Mahalanobis::parse(std::string_view(bytes)); }));
}

}  // namespace partita::python
