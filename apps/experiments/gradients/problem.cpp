// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/problem.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <utility>

#include "apps/experiments/make_estimator.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/relaxed_plackett_luce.hpp"
#include "partita/learn/distributions/subset.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/score_function.hpp"

namespace partita::app {
namespace {

namespace baselines = estimators::baselines;
using distributions::Bernoulli;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::Normal;
using distributions::RelaxedPlackettLuce;
using distributions::Subset;
using estimators::Expectation;

/// An entry whose estimator is make(options).
template <class Make>
Entry entry(EstimatorKind kind, const Expectation& expectation, const Make& make) {
  return {.kind = kind, .samples = {1}, .make = [=](const SamplerOptions& options) {
            return estimators::gradient_sampler(make(options), expectation);
          }};
}

Entry needs(std::int64_t least, Entry entry) {
  entry.samples = {least};
  return entry;
}

Entry evaluates(std::int64_t each, Entry entry) {
  entry.evaluations_each = each;
  return entry;
}

Entry tempered(Entry entry) {
  entry.has_temperature = true;
  return entry;
}

std::vector<Entry> score_functions(const Expectation& expectation) {
  const auto with = [&](EstimatorKind kind, const auto& baseline) {
    return entry(kind, expectation, [=](const SamplerOptions& options) {
      return std::make_shared<estimators::ScoreFunction>(
          estimators::ScoreFunctionOptions{.samples = options.samples, .baseline = baseline()});
    });
  };
  return {
      with(EstimatorKind::score, [] { return baselines::None{}; }),
      with(EstimatorKind::score_moving_average, [] { return baselines::MovingAverage{}; }),
      needs(2, with(EstimatorKind::score_leave_one_out, [] { return baselines::LeaveOneOut{}; })),
      with(EstimatorKind::score_learned,
           [] {
             Tensor b = at::zeros({}, at::kDouble).set_requires_grad(true);
             return baselines::Learned{.function = [b] { return b; }, .parameters = {b}};
           }),
      needs(3, with(EstimatorKind::score_control_variate,
                    [] { return baselines::ControlVariate{}; }))};
}

/// Everything for one bit or several, whose f is differentiable.
std::vector<Entry> for_bits(const Expectation& expectation, std::int64_t bits) {
  constexpr std::int64_t kHidden = 8;  // units in RELAX's control variate
  std::vector<Entry> entries = score_functions(expectation);
  const auto of = [&](EstimatorKind kind) {
    return needs(least_samples(kind), entry(kind, expectation, [=](const SamplerOptions& o) {
                   return make_estimator(kind,
                                         {.samples = o.samples,
                                          .temperature = o.temperature,
                                          .tune = o.tune,
                                          .relax = control_network(bits, kHidden, at::kDouble)});
                 }));
  };
  entries.push_back(tempered(of(EstimatorKind::concrete)));
  entries.push_back(tempered(of(EstimatorKind::straight_through_gumbel)));
  entries.push_back(tempered(of(EstimatorKind::gumbel_rao)));
  entries.push_back(of(EstimatorKind::straight_through));
  entries.push_back(of(EstimatorKind::reinmax));
  entries.push_back(evaluates(3, tempered(of(EstimatorKind::rebar))));
  entries.push_back(of(EstimatorKind::relax));
  for (const EstimatorKind kind : {EstimatorKind::arm, EstimatorKind::disarm}) {
    entries.push_back(evaluates(2, of(kind)));
  }
  for (const EstimatorKind kind :
       {EstimatorKind::arms, EstimatorKind::unordered_set, EstimatorKind::unordered_set_plain,
        EstimatorKind::sum_and_sample, EstimatorKind::enumeration}) {
    entries.push_back(of(kind));
  }
  entries.back().evaluations_each = std::int64_t{1} << bits;
  return entries;
}

/// Everything for sets of k, whose f is differentiable.
std::vector<Entry> for_subsets(const Expectation& expectation, std::int64_t k,
                               std::int64_t outcomes) {
  std::vector<Entry> entries = score_functions(expectation);
  const auto of = [&](EstimatorKind kind) {
    return needs(least_samples(kind), entry(kind, expectation, [=](const SamplerOptions& o) {
                   return make_estimator(kind, {.samples = o.samples});
                 }));
  };
  // The relaxation is of another law of sets, which draws one member after the other.
  const auto relaxed = [=](const SamplerOptions& options) {
    const double temperature = options.temperature;
    return estimators::gradient_sampler(
        make_estimator(EstimatorKind::pathwise, {.samples = options.samples}),
        {[=](const Tensor& theta) -> DistributionPtr {
           return std::make_shared<RelaxedPlackettLuce>(temperature, Logits(theta), k);
         },
         [f = expectation.f](const Tensor& places) { return f(places.sum(-2)); }});
  };
  entries.push_back(
      tempered({.kind = EstimatorKind::relaxed_top_k, .samples = {1}, .make = relaxed}));
  for (const EstimatorKind kind : {EstimatorKind::straight_through, EstimatorKind::implicit_mle,
                                   EstimatorKind::unordered_set, EstimatorKind::unordered_set_plain,
                                   EstimatorKind::sum_and_sample, EstimatorKind::enumeration}) {
    entries.push_back(of(kind));
  }
  entries.back().evaluations_each = outcomes;
  return entries;
}

Tensor one_parameter(double value) { return at::full({1}, value, at::kDouble); }

}  // namespace

Problem gaussian_problem() {
  constexpr double a = 2;
  constexpr double b = 3;
  const Expectation expectation{[](const Tensor& theta) -> DistributionPtr {
                                  return std::make_shared<Normal>(a * theta.squeeze(-1) + b, 1);
                                },
                                [](const Tensor& z) { return z.square(); }};
  std::vector<Entry> entries = score_functions(expectation);
  entries.push_back(entry(EstimatorKind::pathwise, expectation, [](const SamplerOptions& o) {
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
        .entries = for_bits(expectation, 1)};
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
        .entries = for_bits(expectation, 3)};
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
