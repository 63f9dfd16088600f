// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/detection.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/detector.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/detection/roc.hpp"
#include "partita/detection/score_fusion.hpp"
#include "partita/learn/openset/odin.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

/// Detection accuracy by its definition: the best of all thresholds, both ends included.
double accuracy_by_hand(const std::vector<double>& in, const std::vector<double>& out) {
  std::vector<double> thresholds = in;
  thresholds.insert(thresholds.end(), out.begin(), out.end());
  double best = 0.5;  // below all scores
  for (const double t : thresholds) {
    double wrong_in = 0;
    double wrong_out = 0;
    for (const double s : in) wrong_in += s <= t ? 1 : 0;
    for (const double s : out) wrong_out += s > t ? 1 : 0;
    best = std::max(best, 1 - 0.5 * (wrong_in / static_cast<double>(in.size()) +
                                     wrong_out / static_cast<double>(out.size())));
  }
  return best;
}

double auroc_by_hand(const std::vector<double>& in, const std::vector<double>& out) {
  double won = 0;
  for (const double a : in) {
    for (const double b : out) won += a > b ? 1 : a == b ? 0.5 : 0;
  }
  return won / static_cast<double>(in.size() * out.size());
}

/// Features [n, 4] of classes around their means.
struct Examples {
  Tensor features;
  std::vector<std::int64_t> labels;

  Rows rows() const { return rows_of(features); }
};

Examples examples(const Tensor& means, std::int64_t n, const Random& random) {
  const Tensor label = at::arange(n, at::kLong).remainder(means.size(0));
  return {(means.index_select(0, label) + random.normal({n, 4}, at::kDouble)).contiguous(),
          {label.data_ptr<std::int64_t>(), label.data_ptr<std::int64_t>() + n}};
}

/// The L1 norms of the gradients that the cross-entropy from uniform probabilities has in the
/// weights, by autograd.
std::vector<double> gradient_norms(const Tensor& weight, const Tensor& bias, const Tensor& x) {
  std::vector<double> norms;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const Tensor w = weight.detach().clone().set_requires_grad(true);
    (-(w.mv(x[i]) + bias).log_softmax(0).mean()).backward();
    norms.push_back(w.grad().abs().sum().item<double>());
  }
  return norms;
}

}  // namespace

Finding detection_of_unknown(const TourContext& context) {
  // Scores of few values, so that most are tied, and infinite ones at both ends.
  std::vector<double> in;
  std::vector<double> out;
  for (std::uint64_t i = 0; i < 60; ++i) {
    in.push_back(std::round(context.stream(0).normal(i) + 1));
    out.push_back(std::round(context.stream(1).normal(i)));
  }
  in.back() = kInfinity;
  out.back() = -kInfinity;
  const DetectionMetrics metrics = detection_metrics(in, out, Positive::in);
  const auto changed = [](std::vector<double> scores) {
    for (double& s : scores) s = std::atan(s);
    return scores;
  };
  const DetectionMetrics mapped = detection_metrics(changed(in), changed(out), Positive::in);
  const double moved = std::abs(metrics.auroc - mapped.auroc) +
                       std::abs(metrics.aupr_in - mapped.aupr_in) +
                       std::abs(metrics.aupr_out - mapped.aupr_out) +
                       std::abs(metrics.fpr_at_95_tpr - mapped.fpr_at_95_tpr) +
                       std::abs(metrics.detection_accuracy - mapped.detection_accuracy);
  const std::vector<double> tied(10, 0.7);
  Finding finding{
      .checks = {equal("AUROC of tied and infinite scores less the share of pairs in order",
                       metrics.auroc - auroc_by_hand(in, out), 0, 1e-14),
                 equal("detection accuracy less that of every threshold tried",
                       metrics.detection_accuracy - accuracy_by_hand(in, out), 0, 1e-14),
                 equal("detection accuracy of scores all tied",
                       detection_metrics(tied, tied, Positive::in).detection_accuracy, 0.5, 0),
                 equal("largest change of all five under atan of the scores", moved, 0, 0),
                 equal("FPR at 95 % TPR where one of four known scores below the unknown",
                       detection_metrics(std::vector<double>{0, 1, 1, 1},
                                         std::vector<double>{0.5, 0.5}, Positive::in)
                           .fpr_at_95_tpr,
                       1, 0),
                 equal("and with the unknown as positive, the share of known at or below them",
                       detection_metrics(std::vector<double>{0, 1, 1, 1},
                                         std::vector<double>{0.5, 0.5}, Positive::out)
                           .fpr_at_95_tpr,
                       0.25, 0)}};

  const Random random(context.stream(2));
  const auto n = context.choose<std::int64_t>(6000, 1500);
  const Tensor means = 4 * at::eye(4, at::kDouble).slice(0, 0, 3);
  const Examples training = examples(means, n, random);
  const Examples known = examples(means, n, random);
  const Examples unknown =
      examples(at::tensor({0.0, 0.0, 0.0, 4.0}, at::kDouble).view({1, 4}), n, random);
  const openset::Classifier classify = [&](const Tensor& x) {  // the best linear one
    return (x.mm(means.t()) - means.square().sum(1) / 2).contiguous();
  };
  // An AUROC A of n against n has a deviation of about sqrt(A (1 - A) / (3 n)) (Hanley, McNeil
  // 1982): .0035 for a quick tour's .96, .0015 for .99. Bounds are five of them below what all
  // seeds share.
  const auto auroc = [](const std::vector<double>& a, const std::vector<double>& b) {
    return detection_metrics(a, b, Positive::in).auroc;
  };
  const auto add = [&](const char* name, double measured, double bound) {
    finding.checks.push_back(at_least(std::string("AUROC of ") + name, measured, bound));
  };
  const Tensor z_in = classify(known.features);
  const Tensor z_out = classify(unknown.features);
  const auto of_logits = [&](LogitScore score, double temperature = 1) {
    return auroc(logit_scores(score, rows_of(z_in), temperature),
                 logit_scores(score, rows_of(z_out), temperature));
  };
  add("max-softmax", of_logits(LogitScore::msp), 0.945);
  add("max-logit", of_logits(LogitScore::max_logit), 0.985);
  add("entropy", of_logits(LogitScore::entropy), 0.945);
  add("energy", of_logits(LogitScore::energy), 0.985);
  const openset::OdinOptions odin{.epsilon = 0.3};
  const double by_odin = auroc(to_vector(openset::odin_scores(classify, known.features, odin)),
                               to_vector(openset::odin_scores(classify, unknown.features, odin)));
  add("ODIN", by_odin, 0.955);
  // The step adds epsilon |w - mean w|₁ to a linear classifier's lead: the same to all inputs where
  // classes are alike, as here. What is left is its temperature.
  finding.checks.push_back(equal("less that of max-softmax at ODIN's temperature",
                                 by_odin - of_logits(LogitScore::msp, odin.temperature), 0, 1e-4));
  const Mahalanobis distance = Mahalanobis::fit(training.rows(), training.labels);
  add("Mahalanobis distance", auroc(distance.scores(known.rows()), distance.scores(unknown.rows())),
      0.99);
  add("nearest neighbors",
      auroc(knn_scores(known.rows(), training.rows(), 10),
            knn_scores(unknown.rows(), training.rows(), 10)),
      0.99);

  const Tensor bias = -means.square().sum(1) / 2;
  const std::vector<double> biases = to_vector(bias);
  const KnownInputs inputs{.rows = training.rows(),
                           .labels = training.labels,
                           .layer = LastLayer{rows_of(means), biases}};
  for (const auto& [score, bound] : {std::pair{DetectionScore::gen, 0.945},
                                     {DetectionScore::she, 0.985},
                                     {DetectionScore::vim, 0.99},
                                     {DetectionScore::fdbd, 0.99},
                                     {DetectionScore::relative_mahalanobis, 0.92},
                                     {DetectionScore::nnguide, 0.97}}) {
    const Detector detector = Detector::fit(score, inputs, {.k = 10});
    add(std::string(name_of(score)).c_str(),
        auroc(detector.scores(known.rows()), detector.scores(unknown.rows())), bound);
  }
  // Without the bias, so that the largest logits are positive; classes stay as they are.
  const auto openmax = Detector::fit(
      DetectionScore::openmax,
      {.rows = training.rows(), .labels = training.labels, .layer = LastLayer{rows_of(means)}});
  add("openmax", auroc(openmax.scores(known.rows()), openmax.scores(unknown.rows())), 0.93);
  const auto energy_in = logit_scores(LogitScore::energy, rows_of(z_in));
  const auto energy_out = logit_scores(LogitScore::energy, rows_of(z_out));
  const auto distance_in = distance.scores(known.rows());
  const auto distance_out = distance.scores(unknown.rows());
  const std::vector<ScoredSides> sides = {{energy_in, energy_out}, {distance_in, distance_out}};
  const ScoreFusion fusion = fit_score_fusion(sides);
  const std::vector<std::span<const double>> of_known = {energy_in, distance_in};
  const std::vector<std::span<const double>> of_unknown = {energy_out, distance_out};
  add("energy and Mahalanobis distance, fused",
      auroc(fused_scores(fusion, of_known), fused_scores(fusion, of_unknown)), 0.985);
  const Tensor few = known.features.slice(0, 0, 50);
  const auto closed = Detector::fit(DetectionScore::gradnorm, inputs).scores(rows_of(few));
  const auto by_autograd = gradient_norms(means, bias, few);
  double apart = 0;
  for (std::size_t i = 0; i < closed.size(); ++i) {
    apart = std::max(apart, std::abs(closed[i] - by_autograd[i]));
  }
  finding.checks.push_back(
      at_most("GradNorm in closed form less the norm of autograd's gradient", apart, 1e-10));
  constexpr double kAlpha = 0.05;
  const auto energies = logit_scores(LogitScore::energy, rows_of(z_in));
  const double threshold = conformal_threshold(energies, kAlpha);
  const Tensor z_fresh = classify(examples(means, n, random).features);
  const auto fresh = logit_scores(LogitScore::energy, rows_of(z_fresh));
  const auto rejected = static_cast<double>(
      std::count_if(fresh.begin(), fresh.end(), [&](double s) { return s < threshold; }));
  finding.checks.push_back(
      equal("share of fresh known inputs below the conformal threshold at .05",
            rejected / static_cast<double>(n), kAlpha,
            5 * std::sqrt(2 * kAlpha * (1 - kAlpha) / static_cast<double>(n))));
  return finding;
}

}  // namespace partita::app
