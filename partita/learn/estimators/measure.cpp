// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/measure.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::estimators {
namespace {

constexpr std::int64_t kRowsAtOnce = 2000;
constexpr std::int64_t kWarmUpRows = 20;    // rows per step
constexpr std::int64_t kAverageRows = 200;  // rows that fill a moving average
constexpr double kWarmUpRate = 0.02;

/// An estimate for each of `rows` copies of theta, [rows, parameters].
Tensor estimates_at(const GradientSampler& sampler, const Tensor& theta, std::int64_t rows,
                    const Random& random) {
  const Tensor copies = theta.detach().expand({rows, -1}).clone().set_requires_grad(true);
  const Tensor surrogate = sampler.surrogate(copies, random);
  if (surrogate.sizes() != IntArrayRef({rows})) {
    throw InvalidArgument("surrogate", fmt::format("expected shape [{}], got {}", rows,
                                                   to_string(surrogate.sizes())));
  }
  surrogate.sum().backward();
  if (!copies.grad().defined()) {
    throw InvalidArgument("surrogate", "does not depend on theta");
  }
  return copies.grad();
}

void warm_up(const GradientSampler& sampler, const Tensor& theta, const Random& random,
             std::int64_t steps) {
  if (sampler.parameters.empty()) {
    estimates_at(sampler, theta, kAverageRows, random);
    return;
  }
  torch::optim::Adam adam(sampler.parameters, torch::optim::AdamOptions(kWarmUpRate));
  for (std::int64_t step = 0; step < steps; ++step) {
    adam.zero_grad();
    estimates_at(sampler, theta, kWarmUpRows, random);
    adam.step();
  }
  adam.zero_grad();
}

}  // namespace

GradientSampler gradient_sampler(std::shared_ptr<Estimator> estimator, Expectation expectation) {
  std::vector<Tensor> parameters = estimator->parameters();
  return {.surrogate =
              [estimator = std::move(estimator), expectation = std::move(expectation)](
                  const Tensor& theta, const Random& random) {
                const auto distribution = expectation.distribution(theta);
                return (*estimator)(*distribution, expectation.f, random).surrogate;
              },
          .parameters = std::move(parameters)};
}

GradientMoments measure(const GradientSampler& sampler, const Tensor& theta, const Tensor& exact,
                        const Random& random, const MeasureOptions& options) {
  if (theta.dim() != 1 || exact.sizes() != theta.sizes()) {
    throw InvalidArgument("exact", fmt::format("expected it and theta of one shape [parameters], "
                                               "got {} and {}",
                                               to_string(exact.sizes()), to_string(theta.sizes())));
  }
  check_at_least("estimates", options.estimates, 2);
  check_at_least("warm_up", options.warm_up, 0);
  if (options.warm_up > 0) warm_up(sampler, theta, random, options.warm_up);
  std::vector<Tensor> blocks;
  for (std::int64_t done = 0; done < options.estimates; done += kRowsAtOnce) {
    blocks.push_back(
        estimates_at(sampler, theta, std::min(kRowsAtOnce, options.estimates - done), random));
  }
  const Tensor estimates = at::cat(blocks).to(at::kCPU, at::kDouble);
  const auto n = static_cast<double>(options.estimates);
  const Tensor mean = estimates.mean(0);
  const Tensor squares = (estimates - mean).square().sum(-1);
  const double variance = squares.sum().item<double>() / (n - 1);
  const Tensor bias = mean - exact.detach().to(at::kCPU, at::kDouble);
  return {.mean = mean,
          .bias = bias.numel() == 1 ? bias.item<double>() : bias.norm().item<double>(),
          .bias_error = std::sqrt(variance / n),
          .variance = variance,
          .variance_error = squares.std().item<double>() / std::sqrt(n)};
}

}  // namespace partita::estimators
