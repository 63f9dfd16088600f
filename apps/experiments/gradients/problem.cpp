// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/problem.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <utility>

#include "apps/experiments/gradients/entries.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/pathwise.hpp"

namespace partita::app {
namespace {

using distributions::Bernoulli;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::Normal;
using distributions::Subset;
using estimators::Expectation;

Tensor one_parameter(double value) { return at::full({1}, value, at::kDouble); }

}  // namespace

Problem gaussian_problem() {
  constexpr double a = 2;
  constexpr double b = 3;
  const Expectation expectation{[](const Tensor& theta) -> DistributionPtr {
                                  return std::make_shared<Normal>(a * theta.squeeze(-1) + b, 1);
                                },
                                [](const Tensor& z) { return z.square(); }};
  std::vector<Entry> entries = score_functions(objective_of(expectation));
  entries.push_back(
      entry(EstimatorKind::pathwise, objective_of(expectation), [](const SamplerOptions& o) {
        return std::make_shared<estimators::Pathwise>(
            estimators::PathwiseOptions{.samples = o.samples});
      }));
  const auto from = [&](double theta) {
    return Variant{
        .name = fmt::format("θ = {:g}", theta),
        .start = one_parameter(theta),
        .expected = [](const Tensor& at) { return (a * at.squeeze(-1) + b).square() + 1; },
        .best_value = 1,
        .step_size = 0.01,
        .entries = entries};
  };
  return {
      .title = "A Gaussian's mean",
      .description =
          "E[z²] for z ~ N(2θ + 3, 1). The exact gradient is 4(2θ + 3), and E[z²] is least, 1, at "
          "θ = −1.5.",
      .value_name = "E[z²]",
      .variants = {from(0), from(-1.5)},
      // With m = a theta + b and e standard normal: the score function's estimate is
      // (m + e)^2 a e, of second moment a^2 (m^4 + 18 m^2 + 15); the pathwise one 2 a (m + e).
      .closed_forms = {{EstimatorKind::score,
                        [](double theta) {
                          const double m = a * theta + b;
                          return a * a * (m * m * m * m + 14 * m * m + 15);
                        }},
                       {EstimatorKind::pathwise, [](double) { return 4 * a * a; }}},
      .least_theta = -3,
      .most_theta = 0};
}

Problem bernoulli_problem() {
  const auto with_target = [](double t, double step_size) {
    const Expectation expectation{[](const Tensor& theta) -> DistributionPtr {
                                    return std::make_shared<Bernoulli>(Logits(theta.squeeze(-1)));
                                  },
                                  [t](const Tensor& z) { return (z - t).square(); }};
    return Variant{
        .name = fmt::format("t = {:g}", t),
        .start = one_parameter(0),
        .expected =
            [t](const Tensor& theta) { return t * t + (1 - 2 * t) * theta.squeeze(-1).sigmoid(); },
        .best_value = t * t,
        .step_size = step_size,
        .entries = for_bits(objective_of(expectation), 1)};
  };
  return {.title = "One coin",
          .description =
              "E[(b − t)²] for a coin b of probability sigmoid(θ), at θ = 0. The exact gradient is "
              "(1 − 2t) / 4: small beside the noise, so that a biased or noisy estimator "
              "loses its way (Tucker et al. 2017).",
          .value_name = "E[(b − t)²]",
          .variants = {with_target(0.499, 16), with_target(0.45, 1)}};
}

Problem categorical_problem() {
  const Tensor targets = at::tensor({0.6, 0.51, 0.48}, at::kDouble);
  const Expectation expectation{
      [](const Tensor& theta) -> DistributionPtr {
        return std::make_shared<Independent>(Bernoulli(Logits(theta.expand({theta.size(0), 3}))),
                                             1);
      },
      [targets](const Tensor& z) { return (z - targets).square().sum(-1); }};
  const auto offset = targets.square().sum().item<double>();
  const auto slope = (1 - 2 * targets).sum().item<double>();
  const auto from = [&](double eta, double step_size) {
    Variant variant{
        .name = fmt::format("η = {:g}", eta),
        .start = one_parameter(eta),
        .expected =
            [=](const Tensor& theta) { return offset + slope * theta.squeeze(-1).sigmoid(); },
        .best_value = offset + slope,
        .step_size = step_size,
        .entries = for_bits(objective_of(expectation), 3)};
    for (Entry& each : variant.entries) {
      const std::int64_t least = each.samples.front();
      if (each.kind == EstimatorKind::enumeration) continue;
      each.samples.clear();
      for (const std::int64_t k : {2, 3, 4, 6, 8}) {
        if (k >= least) each.samples.push_back(k);
      }
    }
    return variant;
  };
  return {
      .title = "Three coins, eight categories",
      .description =
          "E[Σ (bᵢ − pᵢ)²] for three coins of probability sigmoid(η) and p = (0.6, 0.51, 0.48), "
          "the problem of Kool, van Hoof and Welling (2020). Its eight outcomes can be drawn "
          "without replacement: k = 8 is all of them.",
      .value_name = "E[Σ (bᵢ − pᵢ)²]",
      .variants = {from(0, 1), from(-4, 20)}};
}

Problem subset_problem() {
  constexpr std::int64_t kChosen = 3;
  constexpr std::int64_t kColumns = 8;
  constexpr std::int64_t kRows = 4;
  // Columns and a target that no three of them reach.
  const Random random(Stream{.seed = 5});
  const Tensor columns = random.normal({kRows, kColumns}, at::kDouble);
  const Tensor target = random.normal({kRows}, at::kDouble) * 2;
  const Expectation expectation{
      [=](const Tensor& theta) -> DistributionPtr {
        return std::make_shared<Subset>(Logits(theta), kChosen);
      },
      [=](const Tensor& set) { return (set.matmul(columns.t()) - target).square().sum(-1); }};
  const Tensor all =
      Subset(Logits(at::zeros({kColumns}, at::kDouble)), kChosen).enumerate_support();
  const Tensor values = expectation.f(all);
  return {
      .title = "Three of eight",
      .description =
          "E‖Σ aᵢ − b‖² over the sets of three of eight columns aᵢ in four dimensions, drawn in "
          "proportion to exp(Σ θᵢ), at θ = 0. The exact gradient is a sum over all 56 sets. "
          "straight-through passes f's slope through the exact marginals (SIMPLE).",
      .value_name = "E‖Σ aᵢ − b‖²",
      .variants = {{.name = "θ = 0",
                    .start = at::zeros({kColumns}, at::kDouble),
                    .expected =
                        [=](const Tensor& theta) {
                          return theta.matmul(all.t()).softmax(-1).matmul(values);
                        },
                    .best_value = values.min().item<double>(),
                    .step_size = 0.1,
                    .entries = for_subsets(expectation, kChosen, all.size(0))}}};
}

}  // namespace partita::app
