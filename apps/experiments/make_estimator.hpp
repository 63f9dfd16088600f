// SPDX-License-Identifier: Apache-2.0
// Gradient estimators of the library by their kind.
#pragma once

#include <cstdint>
#include <memory>

#include "apps/experiments/estimators.hpp"
#include "partita/learn/estimators/rebar.hpp"

namespace partita::app {

struct EstimatorSettings {
  std::int64_t samples = 1;
  double temperature = 0.5;
  bool tune = true;                     ///< whether REBAR learns its temperature
  estimators::RelaxOptions relax = {};  ///< its samples are the ones above
};

/// Any estimator that has no baseline to learn and is not for policies.
/// @throws InvalidArgument for another kind, or what the estimator refuses
std::shared_ptr<estimators::Estimator> make_estimator(EstimatorKind kind,
                                                      const EstimatorSettings& settings);

/// The fewest samples that it takes.
std::int64_t least_samples(EstimatorKind kind);

/// A control variate for RELAX: a network with a hidden layer that reads one row's perturbed
/// logits, `inputs` numbers.
estimators::RelaxOptions control_network(std::int64_t inputs, std::int64_t hidden,
                                         const at::TensorOptions& options);

}  // namespace partita::app
