// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/entries.hpp"

#include <ATen/ATen.h>

#include <array>
#include <memory>
#include <span>
#include <utility>

#include "apps/experiments/make_estimator.hpp"
#include "partita/learn/distributions/relaxed_plackett_luce.hpp"
#include "partita/learn/estimators/score_function.hpp"

namespace partita::app {
namespace {

namespace baselines = estimators::baselines;
using distributions::DistributionPtr;
using distributions::Logits;
using distributions::RelaxedPlackettLuce;
using estimators::Expectation;

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

}  // namespace

Objective objective_of(const Expectation& expectation) {
  return [=](std::shared_ptr<estimators::Estimator> estimator) {
    return estimators::gradient_sampler(std::move(estimator), expectation);
  };
}

std::vector<Entry> score_functions(const Objective& objective) {
  const auto with = [&](EstimatorKind kind, const auto& baseline) {
    return entry(kind, objective, [=](const SamplerOptions& options) {
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

namespace {

/// What one-hot vectors allow, and so do bits.
std::vector<Entry> for_discrete(const Objective& objective, std::int64_t numbers,
                                std::int64_t outcomes, std::span<const EstimatorKind> pairs) {
  constexpr std::int64_t kHidden = 8;  // units in RELAX's control variate
  std::vector<Entry> entries = score_functions(objective);
  const auto of = [&](EstimatorKind kind) {
    return needs(least_samples(kind), entry(kind, objective, [=](const SamplerOptions& o) {
                   return make_estimator(kind,
                                         {.samples = o.samples,
                                          .temperature = o.temperature,
                                          .tune = o.tune,
                                          .relax = control_network(numbers, kHidden, at::kDouble)});
                 }));
  };
  for (const EstimatorKind kind :
       {EstimatorKind::concrete, EstimatorKind::straight_through_gumbel, EstimatorKind::gumbel_rao,
        EstimatorKind::decoupled_straight_through}) {
    entries.push_back(tempered(of(kind)));
  }
  entries.push_back(of(EstimatorKind::straight_through));
  entries.push_back(of(EstimatorKind::reinmax));
  entries.push_back(of(EstimatorKind::reinmax_rao));
  entries.push_back(evaluates(3, tempered(of(EstimatorKind::rebar))));
  entries.push_back(of(EstimatorKind::relax));
  entries.push_back(of(EstimatorKind::double_control_variates));
  for (const EstimatorKind kind : pairs) entries.push_back(evaluates(2, of(kind)));
  for (const EstimatorKind kind :
       {EstimatorKind::arms, EstimatorKind::unordered_set, EstimatorKind::unordered_set_plain,
        EstimatorKind::sum_and_sample, EstimatorKind::enumeration}) {
    entries.push_back(of(kind));
  }
  entries.back().evaluations_each = outcomes;
  return entries;
}

}  // namespace

std::vector<Entry> for_bits(const Objective& objective, std::int64_t bits) {
  static constexpr std::array kPairs{EstimatorKind::arm, EstimatorKind::disarm};
  return for_discrete(objective, bits, std::int64_t{1} << bits, kPairs);
}

std::vector<Entry> for_one_hot(const Objective& objective, std::int64_t variables,
                               std::int64_t categories) {
  std::int64_t outcomes = 1;
  for (std::int64_t i = 0; i < variables; ++i) outcomes *= categories;
  return for_discrete(objective, variables * categories, outcomes, {});
}

std::vector<Entry> for_subsets(const Expectation& expectation, std::int64_t k,
                               std::int64_t outcomes) {
  std::vector<Entry> entries = score_functions(objective_of(expectation));
  const auto of = [&](EstimatorKind kind) {
    return needs(
        least_samples(kind), entry(kind, objective_of(expectation), [=](const SamplerOptions& o) {
          return make_estimator(kind, {.samples = o.samples, .temperature = o.temperature});
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
  entries.push_back(tempered(of(EstimatorKind::perturbed_top_k)));
  for (const EstimatorKind kind : {EstimatorKind::straight_through, EstimatorKind::implicit_mle,
                                   EstimatorKind::unordered_set, EstimatorKind::unordered_set_plain,
                                   EstimatorKind::sum_and_sample, EstimatorKind::enumeration}) {
    entries.push_back(of(kind));
  }
  entries.back().evaluations_each = outcomes;
  return entries;
}

}  // namespace partita::app
