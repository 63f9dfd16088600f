// SPDX-License-Identifier: Apache-2.0
// The estimators that a problem of `partita gradients` compares, by what its variables allow.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "apps/experiments/gradients/problem.hpp"

namespace partita::app {

/// What an estimator is to find the gradient of, in the form that measure() draws from.
using Objective =
    std::function<estimators::GradientSampler(std::shared_ptr<estimators::Estimator>)>;

/// E[f(z)]
Objective objective_of(const estimators::Expectation& expectation);

/// The score function with each baseline, for any f.
std::vector<Entry> score_functions(const Objective& objective);

// Everything that fits, where f is differentiable:

/// One bit or several.
std::vector<Entry> for_bits(const Objective& objective, std::int64_t bits);
std::vector<Entry> for_one_hot(const Objective& objective, std::int64_t variables,
                               std::int64_t categories);
/// Sets of k. @param outcomes how many there are
std::vector<Entry> for_subsets(const estimators::Expectation& expectation, std::int64_t k,
                               std::int64_t outcomes);

/// An entry whose estimator is make(options).
template <class Make>
Entry entry(EstimatorKind kind, const Objective& objective, const Make& make) {
  return {.kind = kind, .samples = {1}, .make = [=](const SamplerOptions& options) {
            return objective(make(options));
          }};
}

}  // namespace partita::app
