// Gradient estimators by the names that the command's options give them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "partita/learn/estimators/rebar.hpp"

namespace partita::app {

struct EstimatorSettings {
  std::int64_t samples = 1;
  double temperature = 0.5;
  bool tune = true;                     ///< whether REBAR chooses its temperature itself
  estimators::RelaxOptions relax = {};  ///< its samples are the ones above
};

/// concrete, straight-through-gumbel (st-gumbel), straight-through, reinforce,
/// score-leave-one-out (reinforce-loo), rebar, relax, arm, disarm, unordered-set,
/// unordered-set-plain, sum-and-sample, enumeration.
/// @throws InvalidArgument for another name, or what the estimator refuses
std::shared_ptr<estimators::Estimator> make_estimator(const std::string& name,
                                                      const EstimatorSettings& settings);

/// The fewest samples that it takes.
std::int64_t least_samples(const std::string& name);

/// A control variate for RELAX: a network with a hidden layer, that reads one row's perturbed
/// logits, `inputs` numbers.
estimators::RelaxOptions control_network(std::int64_t inputs, std::int64_t hidden,
                                         const at::TensorOptions& options);

}  // namespace partita::app
