// SPDX-License-Identifier: Apache-2.0
// Bias and variance of a gradient estimator, on a problem of your own.
//
//   // E[(b - 0.45)^2] for a coin b of probability sigmoid(theta), at theta = 0
//   const Expectation coin{
//       .distribution = [](const Tensor& theta) -> DistributionPtr {
//         return std::make_shared<Bernoulli>(Logits(theta.squeeze(-1)));
//       },
//       .f = [](const Tensor& b) { return (b - 0.45).square(); }};
//   const Tensor theta = at::zeros({1}, at::kDouble);
//   const Tensor exact = at::full({1}, 0.025, at::kDouble);
//
//   auto rebar = std::make_shared<Rebar>();
//   auto found = measure(gradient_sampler(rebar, coin), theta, exact, Stream{.seed = 1});
//   found.bias;       // +- found.bias_error
//   found.variance;   // +- found.variance_error
//
// Where the gradient is not known in closed form, take Enumeration's mean if the support is finite,
// else that of many estimates of an unbiased estimator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

/// E[f(z)], z ~ p(z | theta), as a function of theta.
struct Expectation {
  /// theta [rows, parameters] to p(z | theta) of batch [rows], each from its own row.
  std::function<distributions::DistributionPtr(const Tensor& theta)> distribution;
  Function f;
};

/// Draws independent estimates of a gradient: an Estimator of an Expectation, a policy gradient in
/// its environment, or an estimator of your own.
struct GradientSampler {
  /// theta [rows, parameters], which requires a gradient, to [rows]: the gradient of the sum with
  /// respect to each row of theta is an independent estimate.
  std::function<Tensor(const Tensor& theta, const Random& random)> surrogate;
  std::vector<Tensor> parameters = {};  ///< what the estimator itself learns: its parameters()
};

GradientSampler gradient_sampler(std::shared_ptr<Estimator> estimator, Expectation expectation);

struct MeasureOptions {
  std::int64_t estimates = 10'000;  ///< >= 2
  /// Steps that come first, in which an estimator that learns something itself (a baseline, REBAR's
  /// temperature) learns it by Adam, and a moving average fills; >= 0. Variance is then that of the
  /// estimator as trained at theta. 0: as the estimator is.
  std::int64_t warm_up = 200;
};

struct GradientMoments {
  Tensor mean;                ///< mean of the estimates, [parameters]
  double bias = 0;            ///< mean - exact, or its norm if there are several parameters
  double bias_error = 0;      ///< standard error of the mean: the root of variance / estimates
  double variance = 0;        ///< one estimate's, E ||g - E g||^2, summed over the parameters
  double variance_error = 0;  ///< standard error
};

/// Draws options.estimates estimates at theta.
/// @param theta [parameters]
/// @param exact [parameters], the gradient
/// @throws InvalidArgument if an option is out of its range, a shape differs, or the surrogate does
///         not depend on theta
GradientMoments measure(const GradientSampler& sampler, const Tensor& theta, const Tensor& exact,
                        const Random& random, const MeasureOptions& options = {});

}  // namespace partita::estimators
