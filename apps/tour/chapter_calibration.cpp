// SPDX-License-Identifier: Apache-2.0
// C: probabilities that say how often they are right.
#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/largest_difference.hpp"
#include "apps/tour/prediction_sets.hpp"
#include "partita/calibration/binned_temperature.hpp"
#include "partita/calibration/calibration_metrics.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/calibration/risk_coverage.hpp"
#include "partita/calibration/smooth_ece.hpp"
#include "partita/calibration/temperature.hpp"
#include "partita/detection/roc.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

/// Logits and labels of a network that is too sure of itself: labels are drawn from softmax(z / 2).
Outputs overconfident(const Stream& stream, std::size_t n, std::size_t classes) {
  constexpr double kTemperature = 2;
  Outputs out{classes, std::vector<double>(n * classes), {}};
  std::vector<double> honest(n * classes);
  for (std::size_t i = 0; i < honest.size(); ++i) {
    honest[i] = 1.5 * stream.normal(i);
    out.logits[i] = kTemperature * honest[i];
  }
  out.labels = gumbel_max({honest.data(), n, classes}, stream.child(0));
  return out;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

std::vector<double> scaled(const Outputs& outputs, double beta) {
  std::vector<double> z = outputs.logits;
  for (double& value : z) value *= beta;
  return z;
}

Finding temperature(const TourContext& context) {
  const Outputs outputs = overconfident(context.stream(0), context.choose(50'000U, 10'000U), 10);
  const TemperatureFit fit = fit_temperature(outputs.rows(), outputs.labels);
  const std::vector<double> z = scaled(outputs, 1 / fit.temperature);
  const Rows tempered{z.data(), outputs.labels.size(), outputs.classes};
  std::vector<double> q(z.size());
  softmax(tempered, {q.data(), outputs.labels.size(), outputs.classes});
  double of_labels = 0;
  double expected = 0;
  double information = 0;  // the sum of Var_q z, Fisher's in β = 1/T
  for (std::size_t i = 0; i < outputs.labels.size(); ++i) {
    of_labels += outputs.logits[i * outputs.classes + static_cast<std::size_t>(outputs.labels[i])];
    double first = 0;
    double second = 0;
    for (std::size_t k = 0; k < outputs.classes; ++k) {
      const double z_k = outputs.logits[i * outputs.classes + k];
      first += q[i * outputs.classes + k] * z_k;
      second += q[i * outputs.classes + k] * z_k * z_k;
    }
    expected += first;
    information += second - first * first;
  }
  const double deviation = fit.temperature * fit.temperature / std::sqrt(information);
  const auto n = static_cast<double>(outputs.labels.size());
  const double raw = temperature_nll(outputs.rows(), outputs.labels, 1);

  Series curve{.name = "NLL", .mark = Mark::line};
  for (int i = -20; i <= 30; ++i) {
    curve.x.push_back(std::exp(i / 15.0));
    curve.y.push_back(temperature_nll(outputs.rows(), outputs.labels, curve.x.back()));
  }
  const Series optimum{
      .name = "optimum", .x = {fit.temperature}, .y = {fit.nll}, .mark = Mark::points};
  // T's deviation is T² that of β: .009 for 50,000 rows, .02 for a quick tour's, so that T is told
  // from 2.05 and 2.1.
  return {{equal("temperature of labels drawn at 2", fit.temperature, 2, kFiveSigma * deviation),
           equal("mean z_y less mean E_q z", of_labels / n - expected / n, 0, 1e-10),
           equal("mean entropy of q less its NLL", mean(entropy(tempered)) - fit.nll, 0, 1e-10),
           at_most("NLL at the optimum", fit.nll, raw)},
          {{to_svg({.title = "Likelihood against temperature",
                    .x = {.label = "temperature", .logarithmic = true},
                    .y = {.label = "mean negative log-likelihood"},
                    .series = {curve, optimum}}),
            "One number makes the probabilities honest."}}};
}

Finding boundaries(const TourContext&) {
  const std::array logits = {3.0, 1.0, 0.0, 0.5, 2.0, 1.0};
  const std::array constant = {1.0, 1.0, 1.0, 2.0, 2.0, 2.0};
  const auto status = [](const std::array<double, 6>& rows, std::array<std::int64_t, 2> labels) {
    return fit_temperature({rows.data(), 2, 3}, labels).status;
  };
  const auto is = [](FitStatus a, FitStatus b) { return a == b ? 1.0 : 0.0; };
  return {{equal("every label the arg max: the status says T → 0",
                 is(status(logits, {0, 1}), FitStatus::zero_temperature), 1, 0),
           equal("labels no likelier than chance: T → ∞",
                 is(status(logits, {2, 0}), FitStatus::infinite_temperature), 1, 0),
           equal("constant rows: undetermined",
                 is(status(constant, {0, 1}), FitStatus::undetermined), 1, 0)}};
}

/// Maximizes the mean entropy of one free distribution a row, given the mean of z_y: an augmented
/// Lagrangian, which knows nothing of temperatures.
Tensor most_entropic(const Tensor& z, const Tensor& labels) {
  const Tensor target = z.gather(1, labels.unsqueeze(1)).mean();
  const Tensor theta = at::zeros_like(z).set_requires_grad(true);
  double multiplier = 0;
  constexpr double kPenalty = 10;
  for (int round = 0; round < 30; ++round) {
    torch::optim::LBFGS solver({theta}, torch::optim::LBFGSOptions(1)
                                            .max_iter(300)
                                            .tolerance_grad(1e-12)
                                            .tolerance_change(0)
                                            .line_search_fn("strong_wolfe"));
    const auto gap = [&] { return (theta.softmax(1) * z).sum(1).mean() - target; };
    solver.step([&] {
      solver.zero_grad();
      const Tensor entropy = -(theta.softmax(1) * theta.log_softmax(1)).sum(1).mean();
      const Tensor off = gap();
      Tensor loss = -entropy + multiplier * off + kPenalty / 2 * off.square();
      loss.backward();
      return loss;
    });
    multiplier += kPenalty * gap().item<double>();
  }
  return theta.detach().softmax(1);
}

Finding maximum_entropy(const TourContext& context) {
  const Outputs outputs = overconfident(context.stream(0), 60, 4);
  const Tensor z = at::tensor(outputs.logits, at::kDouble).view({60, 4});
  const Tensor labels = at::tensor(outputs.labels, at::kLong);
  const TemperatureFit fit = fit_temperature(outputs.rows(), outputs.labels);
  return {{equal("the fit converged", fit.status == FitStatus::converged ? 1 : 0, 1, 0),
           at_most("maximum-entropy q against softmax(z / T), largest difference",
                   largest_difference(most_entropic(z, labels), (z / fit.temperature).softmax(1)),
                   1e-6)}};
}

/// The error of the reliability diagram that a reflected Gaussian of this width smooths, from every
/// row's own kernel.
double error_at_width(const Confidences& rows, double width) {
  constexpr int kPoints = 1000;
  const auto n = static_cast<double>(rows.rows());
  double total = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double t = (i + 0.5) / kPoints;
    double sum = 0;
    for (std::size_t r = 0; r < rows.rows(); ++r) {
      const double c = rows.confidence[r];
      for (const double image : {c, -c, 2 - c}) {
        const double z = (t - image) / width;
        sum += (rows.right[r] - c) * std::exp(-z * z / 2);
      }
    }
    total += std::abs(sum);
  }
  return total / (kPoints * n * width * std::sqrt(2 * std::numbers::pi));
}

/// (1 - AUROC) a (1 - a) + (1 - a)^2 / 2, at accuracy a.
double augrc_by_hand(const Confidences& rows) {
  std::vector<double> right;
  std::vector<double> wrong;
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    (rows.right[r] == 1 ? right : wrong).push_back(rows.confidence[r]);
  }
  const double a = static_cast<double>(right.size()) / static_cast<double>(rows.rows());
  return (1 - auroc(roc_curve(right, wrong))) * a * (1 - a) + (1 - a) * (1 - a) / 2;
}

Finding metrics(const TourContext& context) {
  const std::array log_prob = {std::log(0.95), std::log(0.05), 0.0, -kInfinity};
  const std::array<std::int64_t, 2> labels = {0, 1};
  const double example =
      evaluate_calibration({log_prob.data(), 2, 2}, labels, {.bins = 10}).metrics.ece;

  // A confidence of 1/2 stands at the end of a bin, not at the beginning of the next, where one of
  // .55 is: the first is right, the second wrong.
  const std::array at_edge = {std::log(0.5), std::log(0.5), std::log(0.55), std::log(0.45)};
  const double edge =
      evaluate_calibration({at_edge.data(), 2, 2}, labels, {.bins = 10}).metrics.ece;

  const Outputs outputs = overconfident(context.stream(0), context.choose(50'000U, 10'000U), 10);
  const Calibrator calibrator =
      fit_calibrator(CalibrationMethod::temperature, outputs.rows(), outputs.labels)
          .calibrator.value();
  const CalibrationEvaluation before = evaluate_calibration(outputs.rows(), outputs.labels);
  const CalibrationEvaluation after =
      evaluate_calibration(outputs.rows(), outputs.labels, {}, &calibrator);
  const Outputs some = overconfident(context.stream(1), 1500, 10);
  const Confidences rows = confidences_of(some.rows(), some.labels);
  const SmoothEce smooth = smooth_ece(rows);
  std::vector<Series> series = {{.name = "perfectly calibrated",
                                 .x = {0, 1},
                                 .y = {0, 1},
                                 .mark = Mark::line,
                                 .dashed = true}};
  for (const auto& [name, evaluation] : {std::pair{"before", &before}, {"after", &after}}) {
    Series& curve = series.emplace_back(Series{.name = name});
    for (const ReliabilityBin& bin : evaluation->bins) {
      if (bin.count < 20) continue;
      curve.x.push_back(bin.confidence);
      curve.y.push_back(bin.accuracy);
    }
  }
  return {
      {equal("ECE of confidences .95 and 1, the first right, ten bins", example, 0.475, 1e-12),
       equal("ECE of confidences .5 and .55, bins open below and closed above", edge, 0.525, 1e-12),
       equal(
           "ECE by hand from the bins, after",
           [&] {
             double ece = 0;
             for (const ReliabilityBin& bin : after.bins) {
               if (bin.count > 0) {
                 ece += static_cast<double>(bin.count) * std::abs(bin.accuracy - bin.confidence);
               }
             }
             return ece / static_cast<double>(outputs.labels.size());
           }(),
           after.metrics.ece, 1e-12),
       at_most("ECE after temperature scaling, over before", after.metrics.ece / before.metrics.ece,
               0.2),
       equal("smooth ECE, over the error of the diagram that a kernel as wide smooths",
             smooth.value / error_at_width(rows, smooth.value), 1, 1e-3),
       equal("p of \"this is calibrated\", before, of 99 simulations",
             calibration_test(rows, context.stream(2), 99).p_value, 0.01, 0),
       equal("AUGRC less (1 - AUROC) a (1 - a) + (1 - a)²/2",
             risk_coverage(rows).augrc - augrc_by_hand(rows), 0, 1e-12)},
      {{to_svg({.title = "Reliability",
                .x = {.label = "confidence", .min = 0, .max = 1},
                .y = {.label = "accuracy", .min = 0, .max = 1},
                .series = series}),
        "How often a prediction is right, against how sure it is."}}};
}

Finding beyond(const TourContext& context) {
  const std::size_t n = context.choose(20'000U, 4000U);
  const Outputs fitted = overconfident(context.stream(0), n, 6);
  const Outputs fresh = overconfident(context.stream(1), n, 6);
  Finding finding;
  const double before = evaluate_calibration(fresh.rows(), fresh.labels).metrics.ece;
  for (const auto method :
       {CalibrationMethod::vector, CalibrationMethod::matrix, CalibrationMethod::isotonic,
        CalibrationMethod::histogram, CalibrationMethod::dirichlet}) {
    const Calibrator calibrator =
        fit_calibrator(method, fitted.rows(), fitted.labels).calibrator.value();
    finding.checks.push_back(at_most(
        std::string(name_of(method)) + " calibration: ECE of fresh rows, over before",
        evaluate_calibration(fresh.rows(), fresh.labels, {}, &calibrator).metrics.ece / before,
        context.choose(0.2, 0.45)));
  }
  Outputs kinds = fitted;  // every other row is three times as sure
  std::vector<double> kind;
  for (std::size_t i = 0; i < n; ++i) {
    kind.push_back(static_cast<double>(i % 2));
    for (std::size_t k = 0; k < kinds.classes; ++k) {
      kinds.logits[i * kinds.classes + k] *= i % 2 == 0 ? 1 : 3;
    }
  }
  Predictions rows(kinds.rows());
  rows.by = kind;
  const std::vector<double> temperatures =
      fit_binned_temperature(rows, kinds.labels, 2).scaling.temperatures;
  finding.checks.push_back(
      equal("binned temperature, where every other row is thrice as sure: ratio",
            temperatures[1] / temperatures[0], 3, context.choose(0.2, 0.45)));
  const auto sets = prediction_sets(context, fitted, fresh);
  finding.checks.insert(finding.checks.end(), sets.begin(), sets.end());
  return finding;
}

constexpr Claim kCalibrationClaims[] = {
    {"C1",
     "One temperature, from held-out logits, by Newton's method on its inverse; at the optimum the "
     "mean logit of the labels is the one expected, and the mean entropy is the loss.",
     temperature},
    {"C2", "Where the likelihood has no maximum, a status says so and no number diverges.",
     boundaries},
    {"C3",
     "Among all distributions with that mean logit, the tempered softmax has the most entropy.",
     maximum_entropy},
    {"C4", "Calibration errors say how far probabilities are from frequencies.", metrics},
    {"C5",
     "Vector, matrix, isotonic and histogram calibration, and prediction sets that hold the right "
     "class as often as asked.",
     beyond},
};

}  // namespace

Chapter calibration_chapter() { return {"calibration", "C. Calibration", kCalibrationClaims}; }

}  // namespace partita::app
